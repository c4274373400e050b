"""Probabilities that mean what they say: fitted per relation, measured, and summed for a queue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import ConfigError
from accord.refine.logistic import Logistic, sigmoid
from accord.refine.steps import Bool, Float64, Int64

BINS = 15
SHRINKAGE = 20.0
"""Labelled candidates that the common curve counts for in a relation's own."""


@dataclass(frozen=True)
class Calibration:
    """Scores to probabilities: one curve, moved for each relation as far as its data say so."""

    common: Logistic
    relations: Int64
    """(R',) relations with a shift of their own, sorted."""
    shifts: Float64
    """(R',) added to the log-odds."""
    negative_ratio: float
    """Negatives for each positive among the candidates it was fitted on."""

    @classmethod
    def fit(cls, scores: Float64, relations: Int64, labels: Bool) -> Calibration:
        """Platt's curve on candidates as they are proposed, with a shift for each relation.

        Args:
            scores: (N,) higher is more likely true.
            relations: (N,).
            labels: (N,) whether each one is true.

        Raises:
            ConfigError: All candidates are true, or none is.
        """
        positives = int(labels.sum())
        if not 0 < positives < len(labels):
            raise ConfigError(
                f"{positives} of {len(labels)} candidates are true: no curve can be fitted",
                "hide more triples, or propose more candidates",
            )
        common = Logistic.fit(scores[:, None], labels)
        logits = common.logits(scores[:, None])
        own, group = np.unique(relations, return_inverse=True)
        shifts = _shifts(logits, group.ravel(), len(own), labels)
        return cls(common, own.astype(np.int64), shifts, (len(labels) - positives) / positives)

    def probabilities(self, scores: Float64, relations: Int64) -> Float64:
        """(N,) probability that each candidate is true."""
        at = np.minimum(np.searchsorted(self.relations, relations), len(self.relations) - 1)
        shift = np.where(self.relations[at] == relations, self.shifts[at], 0.0)
        return sigmoid(self.common.logits(scores[:, None]) + shift)


def _shifts(logits: Float64, group: Int64, count: int, labels: Bool) -> Float64:
    """(count,) by Newton's method, each with a normal prior around none."""
    found = np.zeros(count)
    for _ in range(30):
        chance = sigmoid(logits + found[group])
        gradient = np.bincount(group, chance - labels, minlength=count) + SHRINKAGE / 4 * found
        curve = np.bincount(group, chance * (1 - chance), minlength=count) + SHRINKAGE / 4
        found = found - np.clip(gradient / curve, -2, 2)
    return found


@dataclass(frozen=True)
class Reliability:
    """How far stated probabilities are from what came true."""

    stated: Float64
    """(bins,) mean probability of each bin that has items."""
    true: Float64
    """(bins,) share that came true."""
    counts: Int64
    """(bins,)."""

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap over items."""
        return float((self.counts * np.abs(self.stated - self.true)).sum() / self.counts.sum())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = zip(self.stated, self.true, self.counts, strict=True)
        return {
            "expected_calibration_error": self.error,
            "bins": [{"stated": float(s), "true": float(t), "n": int(n)} for s, t, n in rows],
        }

    def plot(self, path: str | Path, title: str = "") -> Path:
        """Draws stated against true shares; the size of a point is its number of items."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        sizes = 20 + 180 * self.counts / self.counts.max()
        axes.scatter(self.stated, self.true, s=sizes)
        axes.set(xlabel="stated probability", ylabel="share that is true", title=title)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        work = target.with_name(f".{target.name}.part")
        figure.savefig(work, format=target.suffix.lstrip(".") or "png")
        work.replace(target)
        return target


def reliability(probabilities: Float64, labels: Bool, bins: int = BINS) -> Reliability:
    """Compares probabilities with what came true, in bins of equal width.

    Args:
        probabilities: (N,).
        labels: (N,).
        bins: How many.

    Raises:
        ConfigError: No items.
    """
    if not len(probabilities):
        raise ConfigError("no items to compare", "scan a graph where there is something to find")
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    used = counts > 0
    stated = np.bincount(place, probabilities, minlength=bins)[used] / counts[used]
    true = np.bincount(place, labels, minlength=bins)[used] / counts[used]
    return Reliability(stated, true, counts[used].astype(np.int64))


def expected_precision(probabilities: Float64) -> Float64:
    """The precision to expect of the next 1, 2, ... items of a queue, in its order.

    Args:
        probabilities: (N,) of the items as they are shown.

    Returns:
        (N,).
    """
    found: Float64 = np.cumsum(probabilities) / np.arange(1, len(probabilities) + 1)
    return found
