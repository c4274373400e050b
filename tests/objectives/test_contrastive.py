"""InfoNCE against a double loop and closed forms; masks, queue and temperature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.objectives.contrastive import Contrastive, ContrastiveConfig, info_nce
from accord.objectives.triples import TripleSource, epoch_rows
from accord.text.collate import GraphTexts
from accord.text.render import TextConfig
from tests.conftest import build_tiny_tokenizer
from tests.evaluate.fakes import random_graph


def double_loop(
    scores: list[list[float]],
    known: list[list[bool]],
    pairs: list[tuple[int, int]],
    tau: float,
    margin: float,
    extra: list[list[float]],
) -> float:
    """The loss, written with nothing but sums; a query with several answers counts once."""
    rows: dict[int, list[float]] = {}
    columns: dict[int, list[float]] = {}
    for q, c in pairs:
        right = math.exp((scores[q][c] - margin) / tau)
        wrong = [s for j, s in enumerate(scores[q]) if not known[q][j]] + extra[q]
        total = right + sum(math.exp(s / tau) for s in wrong)
        rows.setdefault(q, []).append(-math.log(right / total))
        wrong = [scores[i][c] for i in range(len(scores)) if not known[i][c]]
        total = right + sum(math.exp(s / tau) for s in wrong)
        columns.setdefault(c, []).append(-math.log(right / total))
    means = [[sum(v) / len(v) for v in side.values()] for side in (rows, columns)]
    return sum(sum(m) / len(m) for m in means) / 2


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 6), st.booleans())
def test_the_loss_is_the_double_loop(seed: int, queries: int, columns: int, more: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, (queries, columns))
    known = rng.random((queries, columns)) < 0.3
    known[np.arange(queries), rng.integers(columns, size=queries)] = True
    row, column = np.nonzero(known)
    extra = rng.uniform(-1, 1, (queries, 3)) if more else np.zeros((queries, 0))
    pairs = list(zip(row.tolist(), column.tolist(), strict=True))
    expected = double_loop(scores.tolist(), known.tolist(), pairs, 0.1, 0.02, extra.tolist())
    found = info_nce(
        torch.tensor(scores),
        torch.tensor(known),
        row,
        column,
        torch.tensor(0.1, dtype=torch.float64),
        0.02,
        torch.tensor(extra) if more else None,
    )
    assert float(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [2, 7])
def test_equal_scores_give_the_logarithm_of_the_number_of_candidates(count: int) -> None:
    scores, known = torch.full((count, count), 0.3), torch.eye(count, dtype=torch.bool)
    index = np.arange(count)
    tau = torch.tensor(0.05)
    assert float(info_nce(scores, known, index, index, tau, 0.0)) == pytest.approx(math.log(count))
    with_margin = float(info_nce(scores, known, index, index, tau, 0.02))
    assert with_margin == pytest.approx(math.log(1 + (count - 1) * math.exp(0.02 / 0.05)), rel=1e-5)
    extra = torch.full((count, 4), 0.3)
    rows = math.log(count + 4)
    found = float(info_nce(scores, known, index, index, tau, 0.0, extra))
    assert found == pytest.approx((rows + math.log(count)) / 2, rel=1e-5)


def test_a_known_answer_is_no_negative() -> None:
    scores = torch.tensor([[0.2, 0.9, -0.5]])
    index = np.array([0])
    tau = torch.tensor(0.1)
    masked = torch.tensor([[True, True, False]])
    unmasked = torch.tensor([[True, False, False]])
    low, high = (float(info_nce(scores, k, index, index, tau, 0.0)) for k in (masked, unmasked))
    assert low == pytest.approx(math.log(1 + math.exp(-7)) / 2, rel=1e-4)
    assert high == pytest.approx(math.log(1 + math.exp(7) + math.exp(-7)) / 2, rel=1e-4)


def contrastive_of(graph: KnowledgeGraph, **values: Any) -> Contrastive:
    texts = GraphTexts(graph, build_tiny_tokenizer(), TextConfig(entity_tokens=6))
    return Contrastive(TripleSource(graph, 0), texts, ContrastiveConfig(**values))


def test_a_batch_masks_every_known_answer_and_points_at_its_own(tiny_graph: KnowledgeGraph) -> None:
    objective = contrastive_of(tiny_graph, batch_size=8, extra_negatives=4, self_negatives=True)
    facts = {tuple(row) for row in objective.source.triples.tolist()}
    several = False
    for step in range(6):
        batch = objective.batch(step)
        drawn = objective.source.draw(step, 8)
        assert (
            batch.pairs[batch.row].tolist() == np.stack([drawn.heads, drawn.relations], 1).tolist()
        )
        assert batch.entities[batch.column].tolist() == drawn.tails.tolist()
        for q, (head, relation) in enumerate(batch.pairs.tolist()):
            expected = [(head, relation, e) in facts for e in batch.entities.tolist()]
            assert batch.known[q].tolist() == expected
            several |= sum(expected) > 1
        assert set(batch.pairs[:, 0].tolist()) <= set(batch.entities.tolist()), "self-negatives"
    assert several, "some query has two answers in one batch"
    again = contrastive_of(tiny_graph, batch_size=8, extra_negatives=4, self_negatives=True)
    assert again.batch(5).entities.tolist() == batch.entities.tolist()


def test_the_queue_holds_the_newest_and_masks_known_answers(tiny_graph: KnowledgeGraph) -> None:
    objective = contrastive_of(tiny_graph, batch_size=4, queue=6)
    vectors = torch.nn.functional.normalize(
        torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    for step in range(3):
        batch = objective.batch(step)
        tails = vectors[batch.entities]
        queries = vectors[batch.pairs[:, 0]].roll(1, 1)
        outputs = {"query": queries, "tail": tails}
        extra = objective._queue_scores(queries, batch)
        if extra is not None:
            known = objective.source.known(
                batch.pairs[:, 0], batch.pairs[:, 1], np.arange(8, dtype=np.int64)
            )[:, objective.queue_entities.numpy()]
            assert ((extra < -100).numpy() == known).all()
            cosines = queries @ vectors[objective.queue_entities].T
            torch.testing.assert_close(extra[~torch.tensor(known)], cosines[~torch.tensor(known)])
        objective.observe(outputs, batch)
        assert (
            objective.queue_entities[: len(batch.entities)].tolist() == batch.entities.tolist()[:6]
        )
    assert len(objective.queue_entities) == 6
    twin = contrastive_of(tiny_graph, batch_size=4, queue=6)
    twin.load_state(objective.state())
    assert torch.equal(twin.queue_vectors, objective.queue_vectors)


def test_the_queue_raises_the_loss(tiny_graph: KnowledgeGraph) -> None:
    objective = contrastive_of(tiny_graph, batch_size=4, queue=6)
    batch = objective.batch(0)
    outputs = {
        "query": torch.eye(8)[batch.pairs[:, 0]],
        "tail": torch.eye(8)[batch.entities],
    }
    before = float(objective.loss(outputs, batch).value.detach())
    objective.observe(outputs, batch)
    assert float(objective.loss(outputs, batch).value.detach()) > before


def test_known_positives_are_all_learnt(tiny_graph: KnowledgeGraph) -> None:
    objective = contrastive_of(tiny_graph, batch_size=4, extra_negatives=-1, positives="known")
    batch = objective.batch(0)
    assert len(batch.entities) == tiny_graph.num_entities
    learnt = np.zeros_like(batch.known)
    learnt[batch.row, batch.column] = True
    assert (learnt == batch.known).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 3), st.integers(3, 40))
def test_known_is_brute_force(seed: int, entities: int, relations: int, triples: int) -> None:
    graph = random_graph(entities, relations, triples, seed)
    try:
        source = TripleSource(graph, seed)
    except GraphError:
        assert not len(graph.triples_of("train"))
        return
    facts = set()
    for head, relation, tail in graph.triples_of("train").tolist():
        facts |= {(head, relation, tail), (tail, relation + relations, head)}
    assert {tuple(row) for row in source.triples.tolist()} == facts
    rng = np.random.default_rng(seed)
    heads = rng.integers(entities, size=7)
    asked = rng.integers(2 * relations, size=7)
    candidates = rng.permutation(entities)[: rng.integers(1, entities + 1)]
    expected = [
        [(int(h), int(r), int(c)) in facts for c in candidates]
        for h, r in zip(heads, asked, strict=True)
    ]
    assert source.known(heads, asked, candidates).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 10**6))
def test_each_epoch_is_a_permutation(count: int, size: int, seed: int) -> None:
    steps = 3 * count // size + 2
    rows = np.concatenate([epoch_rows(count, size, step, seed) for step in range(steps)])
    assert len(rows) == steps * size
    for epoch in range(len(rows) // count):
        assert sorted(rows[epoch * count : (epoch + 1) * count]) == list(range(count))
    np.testing.assert_array_equal(epoch_rows(count, size, 1, seed), rows[size : 2 * size])


def test_epochs_differ_from_each_other_and_between_seeds() -> None:
    first, second = epoch_rows(50, 50, 0, 0), epoch_rows(50, 50, 1, 0)
    assert first.tolist() != second.tolist() != epoch_rows(50, 50, 1, 1).tolist()


def test_a_graph_with_nothing_to_contrast_is_refused() -> None:
    lonely = GraphBuilder("lonely")
    lonely.entity("a", "a")
    lonely.triple("a", "loves", "a")
    with pytest.raises(GraphError, match="1 entities"):
        TripleSource(lonely.build(), 0)
    empty = GraphBuilder("empty")
    for name in ("a", "b"):
        empty.entity(name, name)
    empty.triple("a", "loves", "b", "test")
    with pytest.raises(GraphError, match="0 train triples"):
        TripleSource(empty.build(), 0)


@pytest.mark.parametrize(
    "values", [{"batch_size": 1}, {"temperature": 0.0}, {"queue": -1}, {"weight": -0.1}]
)
def test_settings_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        ContrastiveConfig(**values)
