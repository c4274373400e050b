"""Rules of a graph whose laws are known: capitals are cities, borders are mutual."""

from __future__ import annotations

import numpy as np
import pytest

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.refine.rivals import rivalry
from accord.refine.rules import EVIDENCE, Rules
from accord.refine.steps import Steps

COUNTRIES, CITIES = 24, 3


def lawful_graph() -> KnowledgeGraph:
    """Countries in a ring of borders, each with cities, a capital, and a continent."""
    builder = GraphBuilder("lawful")
    for i in range(COUNTRIES):
        near, continent = f"c{(i + 1) % COUNTRIES}", f"k{i * 4 // COUNTRIES}"
        builder.triple(f"c{i}", "borders", near)
        builder.triple(near, "borders", f"c{i}")
        builder.triple(f"c{i}", "in", continent)
        builder.triple(f"c{i}", "capital", f"t{i}.0")
        for j in range(CITIES):
            builder.triple(f"t{i}.{j}", "city_of", f"c{i}")
            builder.triple(f"t{i}.{j}", "lies_in", continent)
        builder.attribute(f"c{i}", "code", f"X{i:02d}")
    return builder.build()


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return lawful_graph()


@pytest.fixture(scope="module")
def rules(graph: KnowledgeGraph) -> Rules:
    return Rules(graph)


def row(graph: KnowledgeGraph, head: str, relation: str, tail: str) -> list[int]:
    return [graph.entity(head), graph.relation(relation), graph.entity(tail)]


def evidence(
    rules: Rules, graph: KnowledgeGraph, triple: tuple[str, str, str], present: int
) -> dict[str, float]:
    asked = np.array([row(graph, *triple)], dtype=np.int64)
    found = rules.evidence(asked, np.array([present], dtype=np.int64))
    return dict(zip(EVIDENCE, found[0].tolist(), strict=True))


def test_steps_give_back_every_triple_from_both_ends(graph: KnowledgeGraph) -> None:
    triples = graph.triples.astype(np.int64)
    steps = Steps.of(triples, graph.num_entities, graph.num_relations)
    assert len(steps.keys) == 2 * len(triples)
    head, relation, tail = triples.T
    assert steps.has(head, relation, tail).all()
    assert steps.has(tail, steps.inverse(relation), head).all()
    rows, numbers = steps.between(head, tail)
    found = set(zip(rows.tolist(), numbers.tolist(), strict=True))
    assert {(i, int(r)) for i, r in enumerate(relation)} <= found


def test_a_true_triple_is_borne_out_without_its_own_share(
    rules: Rules, graph: KnowledgeGraph
) -> None:
    found = evidence(rules, graph, ("t5.1", "lies_in", "k0"), present=1)
    assert found["path"] > 0.9  # city of a country in that continent
    assert found["tail_role"] > 0 and found["one_tail"] == 0


def test_a_mutual_relation_misses_its_other_half(rules: Rules, graph: KnowledgeGraph) -> None:
    assert evidence(rules, graph, ("c0", "borders", "c1"), 1)["missing"] == 0
    assert evidence(rules, graph, ("c0", "borders", "c9"), 0)["missing"] > 1


def test_ends_of_another_kind_do_not_fit(rules: Rules, graph: KnowledgeGraph) -> None:
    wrong = evidence(rules, graph, ("c3", "in", "t7.2"), 0)
    assert wrong["tail_role"] < -1 < evidence(rules, graph, ("c3", "in", "k3"), 0)["tail_role"]
    assert wrong["one_tail"] > 1  # c3 has a continent already, and countries have one


def test_what_always_goes_together_implies(rules: Rules, graph: KnowledgeGraph) -> None:
    assert evidence(rules, graph, ("t4.0", "city_of", "c4"), 1)["implied"] > 0.8
    assert evidence(rules, graph, ("t4.1", "city_of", "c4"), 1)["implied"] == 0


def test_confidence_of_walks_is_that_of_counting_by_hand(graph: KnowledgeGraph) -> None:
    rules = Rules(graph)
    lies, city, inside = (graph.relation(r) for r in ("lies_in", "city_of", "in"))
    body = city * 2 * graph.num_relations + inside
    at = int(np.searchsorted(rules.compositions.bodies, body))
    assert rules.compositions.walked[at] == COUNTRIES * CITIES
    rule = int(np.searchsorted(rules.compositions.rules, body * graph.num_relations + lies))
    assert rules.compositions.hits[rule] == COUNTRIES * CITIES


def test_the_likeliest_of_those_that_exclude_one_another_is_cleared() -> None:
    triples = np.array([[0, 0, 1], [0, 0, 2], [3, 0, 1]], dtype=np.int64)
    logits, rows = np.array([-2.0, 1.0, -1.0]), np.arange(3)
    found = rivalry(triples, logits, 1, triples, logits, rows)
    assert found.tolist() == [[-3.0, -1.0], [3.0, 0.0], [0.0, 1.0]]
    new = np.array([[0, 0, 4]], dtype=np.int64)
    assert rivalry(triples, logits, 1, new, np.zeros(1), np.array([-1])).tolist() == [[2.0, 0.0]]
    assert rivalry(triples, logits, 1, new, np.zeros(1), np.array([0])).tolist() == [[-1.0, 0.0]]
