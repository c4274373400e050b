"""The counter of names and numbers that nothing cited supports."""

from __future__ import annotations

import pytest

from accord.decode.guided import Citation
from accord.evaluate.faithfulness import Faithfulness
from accord.graph.builder import GraphBuilder
from tests.conftest import build_tiny_graph

CHECK = Faithfulness(build_tiny_graph())
CITED = [
    Citation("japan", "has_capital", "tokyo", False, "Japan has the capital Tōkyō."),
    Citation("tokyo", "population", "13960000", True, "The population of Tōkyō is 13960000."),
]


@pytest.mark.parametrize(
    ("text", "entities", "numbers"),
    [
        ("Tokyo (東京) is the capital of Nippon.", (), ()),
        ("Osaka is larger than tokyo.", ("Osaka",), ()),
        ("Its mayor is Yuriko Koike.", ("Yuriko Koike",), ()),
        ("Mount Fuji is near. Mountains are high.", ("Mount Fuji",), ()),
        ("It has 13,960,000 people, 13960000 in all.", (), ()),
        ("It has 14 million people, or 13.96 million, not 15 million.", (), ("15 million",)),
        ("It has 14000000 people in 23 wards and two airports.", (), ("14000000", "23", "two")),
        ("The Population of Japan is unknown.", (), ()),
        ("One of them is Sweden, and Sweden again.", ("Sweden", "Sweden"), ()),
        ("", (), ()),
    ],
)
def test_what_is_unsupported(
    text: str, entities: tuple[str, ...], numbers: tuple[str, ...]
) -> None:
    found = CHECK(text, CITED)
    assert (found.entities, found.numbers) == (entities, numbers)
    assert found.count <= found.named + found.counted


def test_the_rate_is_a_share_of_names_and_numbers() -> None:
    found = CHECK("Tokyo and Osaka: 7 and 13960000.", CITED)
    assert (found.named, found.counted, found.count, found.rate) == (2, 2, 2, 0.5)
    assert CHECK("nothing at all", []).rate == 0


def test_without_citations_nothing_is_supported() -> None:
    assert CHECK("Tokyo has 13960000 people.", []).count == 2


def test_words_of_a_statement_are_supported_though_they_are_names_elsewhere() -> None:
    builder = GraphBuilder("films")
    builder.relation("tag", "has the tag", "is a tag of")
    builder.relation("released", "was released in", "is the year of release of")
    builder.triple("Alien", "tag", "space")
    builder.triple("Alien", "released", "1979")
    builder.triple("1979", "tag", "tag")
    check = Faithfulness(builder.build())
    cited = [
        Citation("Alien", "tag", "space", False, "Alien has the tag space."),
        Citation("Alien", "released", "1979", False, "Alien was released in 1979."),
    ]
    assert check("Alien has the tag space and was released in 1979.", cited).count == 0
    # A year is a number, whatever else is called so.
    assert check("Alien has the tag space, of 1979.", cited[:1]).numbers == ("1979",)
    assert check("Tag has space.", cited[1:]).entities == ("Tag", "space")
