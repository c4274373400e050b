"""The example graph says the same in both of its forms."""

from __future__ import annotations

from accord.graph.formats import import_graph, unseen_triples
from accord.graph.graph import KnowledgeGraph
from tests.conftest import REPOSITORY

SOLAR = REPOSITORY / "examples" / "solar-system"
IRI = "http://example.org/solar/"


def content(graph: KnowledgeGraph) -> tuple[object, ...]:
    """Names, texts, triples and attributes with ids as the tables have them."""
    ids = [name.removeprefix(IRI) for name in graph.entity_ids]
    relations = [name.removeprefix(IRI) for name in graph.relation_ids]
    texts = {
        key: (graph.entity_names[i], graph.entity_descriptions[i]) for i, key in enumerate(ids)
    }
    triples = {(ids[h], relations[r], ids[t]) for h, r, t in graph.triples.tolist()}
    values = {(ids[i], a.value) for i in range(graph.num_entities) for a in graph.attributes_of(i)}
    return texts, triples, values, dict(zip(relations, graph.relation_phrases, strict=True))


def test_tables_and_turtle_hold_the_same_graph() -> None:
    tables = import_graph(SOLAR / "tables")
    turtle = import_graph(SOLAR / "solar-system.ttl")
    assert content(tables) == content(turtle)
    assert tables.num_entities == 50


def test_the_example_has_splits_that_can_be_learnt() -> None:
    graph = import_graph(SOLAR / "tables")
    assert all(len(graph.triples_of(split)) for split in ("train", "valid", "test"))
    assert not any(unseen_triples(graph).values())
    assert not graph.meta.get("duplicates", 0)
