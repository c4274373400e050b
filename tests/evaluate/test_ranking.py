"""Ranks against brute force, against constants, and against PyKEEN."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from accord.errors import ModelError
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.ranking import Pairs, Ranks, all_metrics, rank_metrics, rank_scores


def brute_force(scores: Float32, targets: Int64, filtered: Pairs) -> tuple[list[int], list[int]]:
    dropped = set(zip(filtered[0].tolist(), filtered[1].tolist(), strict=True))
    optimistic, pessimistic = [], []
    for row, target in enumerate(targets.tolist()):
        others = [
            score
            for column, score in enumerate(scores[row].tolist())
            if column != target and (row, column) not in dropped
        ]
        mine = float(scores[row, target])
        optimistic.append(1 + sum(score > mine for score in others))
        pessimistic.append(1 + sum(score >= mine for score in others))
    return optimistic, pessimistic


@st.composite
def problems(draw: st.DrawFn) -> tuple[Float32, Int64, Pairs]:
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    levels = st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0])
    scores = draw(hnp.arrays(np.float32, (rows, columns), elements=levels))
    targets = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, columns - 1)))
    mask = draw(hnp.arrays(np.bool_, (rows, columns)))
    row, column = np.nonzero(mask)
    return scores, targets, (row.astype(np.int64), column.astype(np.int64))


@given(problems())
def test_filtered_rank_is_brute_force(problem: tuple[Float32, Int64, Pairs]) -> None:
    scores, targets, filtered = problem
    ranks = rank_scores(scores, targets, filtered)
    expected = brute_force(scores, targets, filtered)
    assert (ranks.optimistic.tolist(), ranks.pessimistic.tolist()) == expected


@given(problems())
def test_filtering_by_minus_infinity_is_the_same(problem: tuple[Float32, Int64, Pairs]) -> None:
    scores, targets, (row, column) = problem
    masked = scores.copy()
    keep = column != targets[row]
    masked[row[keep], column[keep]] = -np.inf
    by_score, by_name = rank_scores(masked, targets), rank_scores(scores, targets, (row, column))
    assert np.array_equal(by_score.optimistic, by_name.optimistic)
    assert np.array_equal(by_score.pessimistic, by_name.pessimistic)


@given(st.integers(1, 50), st.integers(0, 49))
def test_constant_scores_give_the_mid_rank(entities: int, target: int) -> None:
    scores = np.full((1, entities), 0.3, dtype=np.float32)
    ranks = rank_scores(scores, np.array([target % entities]))
    assert ranks.realistic.tolist() == [(entities + 1) / 2]
    assert (ranks.optimistic.tolist(), ranks.pessimistic.tolist()) == ([1], [entities])


@given(problems(), st.randoms(use_true_random=False))
def test_order_of_entities_does_not_matter(
    problem: tuple[Float32, Int64, Pairs], random: Random
) -> None:
    scores, targets, (row, column) = problem
    order = list(range(scores.shape[1]))
    random.shuffle(order)
    place = np.argsort(order)
    moved = rank_scores(
        np.ascontiguousarray(scores[:, order]), place[targets], (row, place[column])
    )
    assert np.array_equal(moved.realistic, rank_scores(scores, targets, (row, column)).realistic)


def test_scores_are_left_as_they_were() -> None:
    scores = np.random.default_rng(0).random((3, 5), dtype=np.float32)
    before = scores.copy()
    rank_scores(scores, np.array([0, 1, 2]), (np.array([0, 1]), np.array([3, 4])))
    assert np.array_equal(before, scores)


def test_nan_is_an_error_that_names_the_row() -> None:
    scores = np.zeros((3, 4), dtype=np.float32)
    scores[1, 2] = np.nan
    with pytest.raises(ModelError, match=r"NaN \(first in row 1"):
        rank_scores(scores, np.array([0, 0, 0]))


def test_filtered_target_is_an_error() -> None:
    scores = np.array([[-np.inf, 1.0]], dtype=np.float32)
    with pytest.raises(ModelError, match="target of row 0"):
        rank_scores(scores, np.array([0]))


def test_metrics_of_known_ranks() -> None:
    metrics = rank_metrics(np.array([1.0, 2.5, 4.0, 20.0]), hits=(1, 3, 10))
    assert metrics["mr"] == pytest.approx(6.875)
    assert metrics["mrr"] == pytest.approx((1 + 0.4 + 0.25 + 0.05) / 4)
    assert (metrics["hits@1"], metrics["hits@3"], metrics["hits@10"]) == (0.25, 0.5, 0.75)


def test_no_ranks_give_zeros() -> None:
    empty = Ranks.concatenate([])
    assert all_metrics(empty, (1,))["realistic"] == {"mr": 0.0, "mrr": 0.0, "hits@1": 0.0}


def reference_problem() -> tuple[Float32, Int64, Int64, Int64]:
    """Scores of 200 triples with ties, their triples and all true triples: a fixed problem."""
    rng = np.random.default_rng(2024)
    known = np.unique(rng.integers([50, 4, 50], size=(900, 3), endpoint=False), axis=0)
    triples = known[rng.permutation(len(known))[:200]].astype(np.int64)
    tails = np.round(rng.normal(size=(200, 50)), 1).astype(np.float32)
    heads = np.round(rng.normal(size=(200, 50)), 1).astype(np.float32)
    return np.stack([tails, heads]), triples, known.astype(np.int64), np.array([50, 4])


def our_metrics() -> dict[str, dict[str, dict[str, float]]]:
    from accord.evaluate.known import KnownAnswers, queries_of

    scores, triples, known, (_, relations) = reference_problem()
    queries, answers = queries_of(triples, int(relations))
    filtered = KnownAnswers.of(known, int(relations)).pairs(queries)
    ranks = rank_scores(np.concatenate(list(scores)), answers, filtered)
    tail = np.arange(400) < 200
    return {
        "both": all_metrics(ranks, (1, 3, 5, 10)),
        "tail": all_metrics(ranks.where(tail), (1, 3, 5, 10)),
        "head": all_metrics(ranks.where(~tail), (1, 3, 5, 10)),
    }


def test_agrees_with_pinned_figures_of_pykeen() -> None:
    pinned = json.loads((Path(__file__).parent / "pykeen_reference.json").read_text())
    ours = our_metrics()
    for side, kinds in pinned["metrics"].items():
        for kind, metrics in kinds.items():
            assert ours[side][kind] == pytest.approx(metrics, abs=1e-6), (side, kind)


def test_agrees_with_pykeen_itself() -> None:
    pytest.importorskip("pykeen", reason="PyKEEN is an extra")
    from tests.evaluate.pykeen_reference import pykeen_metrics

    ours = our_metrics()
    for side, kinds in pykeen_metrics(*reference_problem()[:3]).items():
        for kind, metrics in kinds.items():
            assert ours[side][kind] == pytest.approx(metrics, abs=1e-6), (side, kind)
