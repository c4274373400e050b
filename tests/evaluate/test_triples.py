"""Thresholds against a search over all, and false triples that are false."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import GraphError
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.triples import Labelled, best_thresholds, corrupted, evaluate_triples
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from tests.evaluate.fakes import FakeEmbeddings, random_graph

LEVELS = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@given(st.lists(st.tuples(LEVELS, st.booleans()), min_size=1, max_size=12))
def test_threshold_is_the_best_of_all(rows: list[tuple[float, bool]]) -> None:
    scores, labels = (np.array(x) for x in zip(*rows, strict=True))
    limit = best_thresholds(np.zeros(len(rows), dtype=np.int64), scores, labels)[0]
    best = max(((scores >= t) == labels).sum() for t in [-2, -0.75, -0.25, 0.25, 0.75, 2])
    assert ((scores >= limit) == labels).sum() == best


def test_each_relation_has_its_own_threshold() -> None:
    relations = np.array([0, 0, 1, 1])
    scores, labels = np.array([0.1, 0.3, 0.7, 0.9]), np.array([False, True, False, True])
    limits = best_thresholds(relations, scores, labels)
    assert 0.1 < limits[0] <= 0.3 and 0.7 < limits[1] <= 0.9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_corrupted_triples_are_in_no_split(seed: int) -> None:
    graph = random_graph(entities=9, triples=90, seed=seed)
    drawn = corrupted(graph, "valid", seed=seed)
    known = {tuple(t) for t in graph.triples.tolist()}
    ranges = {(r, t) for _, r, t in graph.triples_of("train").tolist()}
    for triple, label in zip(drawn.triples.tolist(), drawn.labels, strict=True):
        assert (tuple(triple) in known) == bool(label)
        assert label or (triple[1], triple[2]) in ranges or len(ranges) < 27
    assert drawn.labels.sum() * 2 == len(drawn.labels)
    again = corrupted(graph, "valid", seed=seed)
    assert np.array_equal(drawn.triples, again.triples)


def test_graph_in_which_all_is_true_says_so() -> None:
    builder = GraphBuilder("full")
    for split in ("train", "valid"):
        builder.triple("a", "r", "a", split)
    with pytest.raises(GraphError, match="no valid triples to judge"):
        corrupted(builder.build(), "valid")


class Oracle(FakeEmbeddings):
    """Gives a query the sum of the one-hot vectors of its answers."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        super().__init__()
        self.truth = {tuple(t) for t in graph.triples.tolist()}

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        rows = np.arange(graph.num_entities) if entities is None else entities
        return np.eye(graph.num_entities, dtype=np.float32)[rows]

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
        out = np.zeros((len(queries), graph.num_entities), dtype=np.float32)
        for head, relation, tail in self.truth:
            out[(queries == (head, relation)).all(axis=1), tail] = 1
            out[(queries == (tail, relation + graph.num_relations)).all(axis=1), head] = 1
        return out


def test_a_model_that_knows_all_is_always_right() -> None:
    graph = random_graph(entities=20, triples=120)
    valid, judged = corrupted(graph, "valid"), corrupted(graph, "test")
    result = evaluate_triples(Oracle(graph), graph, valid, judged, "test")
    assert result.to_dict()["accuracy"] == 1.0
    assert result.to_dict()["n"] == len(judged.labels)
    blind = evaluate_triples(FakeEmbeddings(), graph, valid, judged, "test")
    assert 0.2 < blind.to_dict()["accuracy"] < 0.9
    weighted = sum(r["n"] * r["accuracy"] for r in blind.to_dict()["per_relation"].values())
    assert weighted / len(blind.correct) == pytest.approx(blind.to_dict()["accuracy"])


def test_relation_absent_from_valid_uses_the_common_threshold() -> None:
    graph = random_graph(entities=20, triples=120)
    valid, judged = corrupted(graph, "valid"), corrupted(graph, "test")
    seen = valid.triples[:, 1] != 2
    partial = Labelled(valid.triples[seen], valid.labels[seen], valid.source)
    result = evaluate_triples(Oracle(graph), graph, partial, judged, "test")
    assert 2 not in result.thresholds and 2 in result.relations
    assert result.correct.all()
