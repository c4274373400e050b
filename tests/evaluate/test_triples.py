"""Thresholds against a search over all, and false triples that are false."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import GraphError
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.triples import (
    Labelled,
    best_thresholds,
    corrupted,
    evaluate_triples,
    halves,
    majority_label,
    published,
)
from accord.graph.builder import GraphBuilder
from accord.graph.datasets import load_dataset, load_labelled
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


class Hashed(FakeEmbeddings):
    """Random unit vectors."""

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        return self._unit(graph.num_entities if entities is None else len(entities), 1)

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
        return self._unit(len(queries), 2)

    def _unit(self, count: int, seed: int) -> Float32:
        vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
        unit: Float32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


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


def test_published_negatives_are_used_and_sampled_by_share(accord_data: Path) -> None:
    graph = load_dataset("codex-s", accord_data)
    everything = load_labelled("codex-s", "test", graph, accord_data)
    whole = published(*everything, "codex-s", None, 0)
    assert (len(whole.labels), int(whole.labels.sum())) == (3656, 1828)
    some = published(*everything, "codex-s", 200, 0)
    assert len(some.labels) == 200 and abs(int(some.labels.sum()) - 100) <= 2
    valid = published(*load_labelled("codex-s", "valid", graph, accord_data), "codex-s", None, 0)
    true = {tuple(t) for t in whole.triples[whole.labels].tolist()}
    assert true == {tuple(t) for t in graph.triples_of("test").tolist()}
    result = evaluate_triples(Hashed(), graph, valid, whole, "test").to_dict()
    # Negatives are unevenly spread over relations: knowing the relation alone gives this much,
    # and random vectors no more.
    trivial = result["baseline"]["majority"]
    assert 0.7 < trivial < 0.8
    assert abs(result["accuracy"] - trivial) < 0.03
    assert result["negatives"] == "as published with codex-s"


def test_halves_share_relations_and_labels() -> None:
    graph = random_graph(entities=20, triples=240)
    part = corrupted(graph, "train")
    one, other = halves(part)
    assert len(one.labels) + len(other.labels) == len(part.labels)
    for relation in range(3):
        for label in (True, False):
            counts = [
                int(((half.triples[:, 1] == relation) & (half.labels == label)).sum())
                for half in (one, other)
            ]
            assert abs(counts[0] - counts[1]) <= 2
    rows = sorted([*one.triples.tolist(), *other.triples.tolist()])
    assert rows == sorted(part.triples.tolist())


def test_trivial_baseline_counts_labels_by_relation() -> None:
    triples = np.array([[0, r, 1] for r in (0, 0, 0, 1, 1)])
    valid = Labelled(triples, np.array([True, True, False, False, False]), "by hand")
    assert majority_label(valid, np.array([0, 1, 2])).tolist() == [True, False, False]
