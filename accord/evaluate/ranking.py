"""Ranks and ranking metrics: the one ranking function of the project.

Ties are reported, not broken: a target's optimistic rank places it before all candidates of equal
score, its pessimistic rank after them, and its realistic rank is the mean of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.errors import ModelError
from accord.evaluate.protocol import Float32, Float64, Int64

RANK_TYPES = ("realistic", "optimistic", "pessimistic")
HITS = (1, 3, 10)
Pairs = tuple[Int64, Int64]


@dataclass(frozen=True)
class Ranks:
    """Ranks of N targets, best is 1."""

    optimistic: Int64
    """(N,) one more than the number of better candidates."""
    pessimistic: Int64
    """(N,) number of candidates at least as good, the target among them."""

    @property
    def realistic(self) -> Float64:
        """(N,) float64: mean of the optimistic and the pessimistic rank."""
        return (self.optimistic + self.pessimistic) / 2.0

    def of_type(self, rank_type: str) -> Float64:
        """(N,) float64: the ranks of one of `RANK_TYPES`."""
        ranks: Float64 = np.asarray(getattr(self, rank_type), dtype=np.float64)
        return ranks

    def where(self, mask: npt.NDArray[np.bool_]) -> Ranks:
        """The ranks at which the mask is True."""
        return Ranks(self.optimistic[mask], self.pessimistic[mask])

    @classmethod
    def concatenate(cls, parts: Iterable[Ranks]) -> Ranks:
        """Ranks of several blocks after one another."""
        blocks = list(parts)
        if not blocks:
            empty = np.zeros(0, dtype=np.int64)
            return cls(empty, empty)
        return cls(
            np.concatenate([block.optimistic for block in blocks]),
            np.concatenate([block.pessimistic for block in blocks]),
        )


def rank_scores(scores: Float32, targets: Int64, filtered: Pairs | None = None) -> Ranks:
    """Ranks each row's target among the row's candidates.

    Candidates can be filtered in two ways: by a score of -inf, or by naming them in `filtered`,
    which leaves the scores untouched and is faster.

    Args:
        scores: (B, E) float; higher is better.
        targets: (B,) int64 column of each row's target.
        filtered: (P,) rows and (P,) columns that do not compete, no pair twice; pairs that are
            targets are ignored.

    Returns:
        The ranks of B targets.

    Raises:
        ModelError: A score is NaN, or a target's score is infinite.
    """
    rows = np.arange(len(scores))
    wanted = scores[rows, targets]
    _check(scores, wanted)
    better, equal_or_better = _counts(scores, wanted)
    if filtered is not None:
        row, column = filtered
        others = column != targets[row]
        row, column = row[others], column[others]
        score, target = scores[row, column], wanted[row]
        better -= np.bincount(row[score > target], minlength=len(scores))
        equal_or_better -= np.bincount(row[score >= target], minlength=len(scores))
    return Ranks(better + 1, equal_or_better)


def _counts(scores: Float32, wanted: Float32) -> tuple[Int64, Int64]:
    # Row by row: the comparison's result stays in the first-level cache, and counting a flat
    # Boolean array is several times faster than summing one along an axis.
    better = np.empty(len(scores), dtype=np.int64)
    equal_or_better = np.empty(len(scores), dtype=np.int64)
    mask = np.empty(scores.shape[1], dtype=np.bool_)
    for i, (row, target) in enumerate(zip(scores, wanted, strict=True)):
        better[i] = np.count_nonzero(np.greater(row, target, out=mask))
        equal_or_better[i] = np.count_nonzero(np.greater_equal(row, target, out=mask))
    return better, equal_or_better


def _check(scores: Float32, wanted: Float32) -> None:
    if scores.size and np.isnan(scores.max()):
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise ModelError(
            f"scores contain NaN (first in row {row} of this block)",
            "the model's weights or embeddings are broken; go back to an earlier checkpoint",
        )
    if np.isinf(wanted).any():
        row = int(np.flatnonzero(np.isinf(wanted))[0])
        raise ModelError(
            f"the target of row {row} has the score {wanted[row]}",
            "a target must not be filtered; filter only the other known answers",
        )


def rank_metrics(ranks: Float64, hits: Sequence[int] = HITS) -> dict[str, float]:
    """MR, MRR and Hits@k of ranks.

    Args:
        ranks: (N,) of one rank type.
        hits: The k of Hits@k.

    Returns:
        {"mr", "mrr", "hits@k" ...}; NaN-free: all 0.0 for no ranks.
    """
    if not len(ranks):
        return {"mr": 0.0, "mrr": 0.0, **{f"hits@{k}": 0.0 for k in hits}}
    return {
        "mr": float(ranks.mean()),
        "mrr": float((1.0 / ranks).mean()),
        **{f"hits@{k}": float((ranks <= k).mean()) for k in hits},
    }


def all_metrics(ranks: Ranks, hits: Sequence[int] = HITS) -> dict[str, dict[str, float]]:
    """`rank_metrics` for each rank type: {"realistic": {...}, "optimistic": ..., ...}."""
    return {kind: rank_metrics(ranks.of_type(kind), hits) for kind in RANK_TYPES}
