"""Entities, relations, queries and tails as text."""

from __future__ import annotations

from typing import Any

import pytest

from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.render import (
    TextConfig,
    completion_part,
    entity_name,
    entity_text,
    humanise,
    one_line,
    query_parts,
    relation_text,
    tail_parts,
)


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("http://example.org/onto#birthPlace", "birth place"),
        ("http://example.org/Tim_Berners-Lee", "Tim Berners-Lee"),
        ("http://example.org/folder/", "folder"),
        ("has_city", "has city"),
        ("/people/person/spouse", "spouse"),
        ("caf%C3%A9", "café"),
        ("USA", "USA"),
        ("hasISBN", "has ISBN"),
        ("Q42", "Q42"),
        ("/", "/"),
    ],
)
def test_identifiers_become_words(identifier: str, words: str) -> None:
    assert humanise(identifier) == words


def test_an_entity_is_its_name_description_and_attributes(tiny_graph: KnowledgeGraph) -> None:
    tokyo = 1
    assert entity_text(tiny_graph, tokyo) == "Tōkyō: The capital of Japan."
    assert entity_text(tiny_graph, tokyo, TextConfig(describe=False)) == "Tōkyō"
    assert (
        entity_text(tiny_graph, tokyo, TextConfig(attributes=5))
        == "Tōkyō: The capital of Japan.; population 13960000; motto 東京"
    )
    only = TextConfig(describe=False, attributes=1)
    assert entity_text(tiny_graph, tokyo, only) == "Tōkyō: population 13960000"


def test_an_entity_without_text_is_read_from_its_id(tiny_graph: KnowledgeGraph) -> None:
    nemo = 7
    assert tiny_graph.entity_names[nemo] == ""
    assert entity_name(tiny_graph, nemo) == "nemo"
    assert entity_text(tiny_graph, nemo) == "nemo"
    assert "\n" not in entity_text(tiny_graph, nemo, TextConfig(attributes=3))


def test_relations_read_in_both_directions(tiny_graph: KnowledgeGraph) -> None:
    count = tiny_graph.num_relations
    assert relation_text(tiny_graph, 2) == "has the capital"
    assert relation_text(tiny_graph, 2 + count) == "is the capital of"
    builder = GraphBuilder("bare")
    builder.triple("a", "http://example.org/birthPlace", "b")
    bare = builder.build()
    assert relation_text(bare, 0) == "birth place"
    assert relation_text(bare, 1) == "inverse of birth place"


def test_the_two_views() -> None:
    assert "".join(query_parts("Japan", "has the capital", [])) == "[ Japan, has the capital ]"
    around = query_parts("Japan", "borders", ["Osaka", "Tōkyō"])
    assert "".join(around) == "[ Japan; Osaka; Tōkyō, borders ]"
    assert len(around) == 5
    assert "".join(tail_parts("Tōkyō")) == "{ Tōkyō }"
    assert completion_part("Tōkyō") == " Tōkyō"


def test_a_text_is_one_line() -> None:
    assert one_line(" a\n b\t\tc ") == "a b c"


@pytest.mark.parametrize("values", [{"entity_tokens": 0}, {"attributes": -1}, {"neighbours": -2}])
def test_settings_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        TextConfig(**values)
