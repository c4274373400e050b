"""Entities and relations found by what a person types."""

from __future__ import annotations

import time

import pytest

from accord.errors import GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.lookup import find_entity, find_relation, near_names


@pytest.mark.parametrize(
    ("text", "entity_id"),
    [("orebro", "orebro"), ("Örebro", "orebro"), ("öREBRO ", "orebro"), ("日本", "japan"),
     ("sverige", "sweden"), ("nemo", "nemo"), ("Tokyo", "tokyo")],
)  # fmt: skip
def test_id_name_and_alias(tiny_graph: KnowledgeGraph, text: str, entity_id: str) -> None:
    assert tiny_graph.entity_ids[find_entity(tiny_graph, text)] == entity_id


def test_a_miss_suggests_near_names(tiny_graph: KnowledgeGraph) -> None:
    with pytest.raises(GraphError, match="no entity with the id, name or alias 'Narcisus'") as e:
        find_entity(tiny_graph, "Narcisus")
    assert e.value.hint.startswith("did you mean 'Narcissus'")
    with pytest.raises(GraphError) as e:
        find_entity(tiny_graph, "zzzz")
    assert e.value.hint == ""


def test_a_shared_name_asks_for_the_id() -> None:
    builder = GraphBuilder("banks")
    builder.entity("bank.n.01", "bank")
    builder.entity("bank.n.02", "Bank")
    builder.triple("bank.n.01", "r", "bank.n.02")
    with pytest.raises(GraphError, match=r"2 entities .* are called 'bank'") as e:
        find_entity(builder.build(), "bank")
    assert "'bank.n.01', 'bank.n.02'" in e.value.hint


def test_a_name_comes_before_anothers_alias() -> None:
    builder = GraphBuilder("names")
    builder.entity("a", "Paris")
    builder.entity("b", "Lutetia", aliases=["Paris"])
    builder.triple("a", "r", "b")
    assert find_entity(builder.build(), "paris") == 0


def test_relations_by_id_phrase_and_inverse_phrase(tiny_graph: KnowledgeGraph) -> None:
    count = tiny_graph.num_relations
    assert find_relation(tiny_graph, "has_capital") == 2
    assert find_relation(tiny_graph, "Has the capital") == 2
    assert find_relation(tiny_graph, "is the capital of") == 2 + count
    # the phrase of one relation and the inverse phrase of another: the phrase comes first
    assert find_relation(tiny_graph, "is a city of") == 1
    with pytest.raises(GraphError) as error:
        find_relation(tiny_graph, "lovs")
    assert "did you mean 'loves'" in error.value.hint
    with pytest.raises(GraphError) as error:
        find_relation(tiny_graph, "qqqq")
    assert error.value.hint.startswith("known: borders, city_of")


def test_near_names_of_forty_thousand_take_under_two_seconds() -> None:
    names = [f"entity number {i} of kind {i % 7}" for i in range(40_000)] + ["Constantinople"]
    start = time.process_time()
    assert near_names("constantinopel", names)[0] == "Constantinople"
    assert time.process_time() - start < 2.0


def test_the_last_part_of_an_id_will_do_where_nothing_else_fits() -> None:
    builder = GraphBuilder("clubs")
    builder.entity("http://football.example/Falcons", "Grimsby Falcons")
    builder.entity("http://other.example/Falcons", "York Falcons")
    builder.entity("http://football.example/Ann_Lee")
    builder.relation("http://football.example/on#playsIn", "plays in")
    builder.relation("http://football.example/on#beat")
    builder.triple("http://football.example/Falcons", "http://football.example/on#playsIn", "north")
    builder.triple("north", "http://football.example/on#beat", "http://football.example/Ann_Lee")
    graph = builder.build()
    assert find_relation(graph, "playsIn") == 0
    assert find_relation(graph, "beat") == 1
    for text in ("Ann Lee", "ann_lee"):
        assert graph.entity_ids[find_entity(graph, text)] == "http://football.example/Ann_Lee"
    with pytest.raises(GraphError, match="no entity"):
        find_entity(graph, "http://elsewhere.example/Ann_Lee")
    with pytest.raises(GraphError, match="2 entities of graph 'clubs' are called 'Falcons'") as e:
        find_entity(graph, "Falcons")
    assert "'http://other.example/Falcons'" in e.value.hint
