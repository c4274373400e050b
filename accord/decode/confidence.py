"""How sure an answer is, and below what it is better not given.

A plan's share of the ranking is no probability of being right: all plans may be wrong. So four
things that a question and its best plan show are weighed by logistic regression, fitted on
questions whose answers are known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accord.decode.planner import Signs
from accord.decode.retrieve import PLAN, Ranked, Retrieved
from accord.errors import ConfigError, DataError

Float64 = npt.NDArray[np.float64]
FILE = "confidence.json"
"""Of a run folder."""
LEAD = 4.0
"""Nats; a longer lead says no more."""
RIDGE = 1.0
MOST_STEPS = 50


@dataclass(frozen=True)
class Confidence:
    """What each sign weighs, and the threshold below which nothing is answered.

    The defaults were fitted on questions about geography ranked by words (`benchmarks/asking.py`);
    other graphs and rankings deserve `fit_confidence`.
    """

    constant: float = -2.6
    lead: float = 0.54
    """Of the best plan's lead over the second, nats, at most 4."""
    coverage: float = 4.8
    """Of the share of the question's content words, without the topic's name, that it says."""
    asked: float = 0.0
    """Of the share of its steps that the question asks for."""
    missed: float = 0.0
    """Of how much the word says that it accounts for least."""
    threshold: float = 0.5
    """Abstain below this confidence."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}", "use 0 (always answer) to 1")

    def __call__(self, retrieved: Retrieved) -> float:
        """Probability, 0 to 1, that the best plan is what was asked.

        0 without any plan, or where the question asks for more than a plan can say. Of several
        entities with the name in the question each has its share.
        """
        if not retrieved.ranked or retrieved.beyond:
            return 0.0
        weights = (self.lead, self.coverage, self.asked, self.missed)
        said = self.constant + float(np.dot(weights, signs(retrieved)))
        return float(share(retrieved.ranked) / (1 + np.exp(-said)))


def signs(retrieved: Retrieved) -> tuple[float, float, float, float]:
    """What tells whether the best plan is right.

    Returns:
        Lead in nats; coverage, share of steps asked for and the word missed most, 0 to 1.
    """
    ranked = list(retrieved.ranked)
    if ranked and not ranked[0].topic.named:
        # Which of the entities in play is meant follows from what was said last, not from words.
        same = [r for r in ranked[1:] if _walk(r) == _walk(ranked[0])]
        ranked = [r for r in ranked if r not in same]
    # A plan without a rival within reach leads by as much as counts.
    alone = LEAD if retrieved.ranking == PLAN else 0.0
    lead = min(LEAD, ranked[0].logprob - ranked[1].logprob) if len(ranked) > 1 else alone
    found = retrieved.signs or Signs(0.0, 1.0)
    return lead, *found


def share(ranked: Sequence[Ranked]) -> float:
    """Share of the best plan, 0 to 1, among the same from all that its topic's name may mean.

    Example:
        >>> share([])
        1.0
    """
    if not ranked:
        return 1.0
    best = ranked[0]
    name = best.topic.text if best.topic.named else None
    same = [r for r in ranked if r.topic.named and r.topic.text == name and _walk(r) == _walk(best)]
    others = {r.topic.entity: r for r in reversed(same) if r.topic.entity != best.topic.entity}
    return 1 / (1 + sum(math.exp(r.logprob - best.logprob) for r in others.values()))


def _walk(ranked: Ranked) -> tuple[object, str]:
    """A plan without its topic."""
    return ranked.known.plan.steps, ranked.known.plan.attribute


def find_confidence(
    run: str | Path, path: str | Path | None = None, threshold: float | None = None
) -> Confidence:
    """The confidence that a file or a run has, else the default.

    Args:
        run: Run folder, or a base model's name.
        path: File that `accord eval abstention --out` wrote; None takes the run's own.
        threshold: Another threshold; None keeps the file's.

    Raises:
        DataError: A file that cannot be read.
        ConfigError: A threshold that is none.
    """
    own = Path(run) / FILE
    chosen = Path(path) if path is not None else own if own.is_file() else None
    found = Confidence() if chosen is None else _read(chosen)
    return found if threshold is None else replace(found, threshold=threshold)


def _read(path: Path) -> Confidence:
    keys = ("constant", "lead", "coverage", "asked", "missed", "threshold")
    try:
        values = {"asked": 0.0, "missed": 0.0, **json.loads(path.read_text("utf-8"))}
        return Confidence(**{key: float(values[key]) for key in keys})
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "`accord eval abstention --out` writes such a file"
        raise DataError(f"no confidence can be read: {error}", path, hint=hint) from error


def fit_confidence(
    retrieved: Sequence[Retrieved], right: Sequence[bool], precision: float | None = None
) -> Confidence:
    """Weights and threshold from questions whose answers are known.

    Args:
        retrieved: What was found for N questions; those of which nothing was found are left out.
        right: Whether each one's best plan gives the right answers.
        precision: Share of given answers that are to be right; None leaves the threshold at 0.5.

    Returns:
        The fitted weights, a weak prior on them, and the lowest threshold that reaches the
        precision on these questions; 1 where none does.

    Raises:
        DataError: No question of which anything was found.
    """
    rows = [(signs(r), fine) for r, fine in zip(retrieved, right, strict=True) if r.ranked]
    if not rows:
        raise DataError("nothing to learn confidence from", hint="ask about the graph's entities")
    x = np.array([[1.0, *found] for found, _ in rows])
    y = np.array([fine for _, fine in rows], dtype=np.float64)
    found = Confidence(*(float(w) for w in _logistic(x, y)))
    if precision is None:
        return found
    sure = [found(r) for r in retrieved if r.ranked]
    return replace(found, threshold=threshold_for(sure, y > 0, precision))


def threshold_for(
    confidences: Sequence[float], right: Sequence[bool] | npt.NDArray[np.bool_], precision: float
) -> float:
    """The lowest threshold at which so large a share of what is answered is right.

    Args:
        confidences: (N,) confidence of each answer.
        right: (N,) whether it is right.
        precision: The wanted share, 0 to 1.

    Returns:
        A threshold; 1 where none reaches it.

    Example:
        >>> threshold_for([0.9, 0.8, 0.6, 0.3], [True, True, False, True], 0.9)
        0.8
    """
    if not 0 <= precision <= 1:
        raise ConfigError(f"precision is {precision}", "use 0 to 1")
    sure, fine = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    for threshold in np.unique(sure):
        if fine[sure >= threshold].mean() >= precision:
            return float(threshold)
    return 1.0


def _logistic(x: Float64, y: Float64) -> Float64:
    """Weights of a logistic regression with a ridge, by Newton's method."""
    weights = np.zeros(x.shape[1])
    penalty = RIDGE * np.diag([0.0] + [1.0] * (x.shape[1] - 1))
    for _ in range(MOST_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - y) + penalty @ weights
        curve = x.T @ (x * (p * (1 - p))[:, None]) + penalty + 1e-6 * np.eye(x.shape[1])
        step = np.linalg.solve(curve, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return weights
