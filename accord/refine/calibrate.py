"""Probabilities that mean what they say: fitted per relation, measured, and summed for a queue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from accord.errors import ConfigError
from accord.graph.writing import write_file
from accord.refine.logistic import Logistic, sigmoid
from accord.refine.steps import Bool, Float64, Int64

Form = Literal["platt", "beta", "isotonic"]
FORMS: tuple[Form, ...] = get_args(Form)
IMAGES = ("png", "svg", "pdf")
BINS = 15
PRIOR = 2.0
NEXT = (10, 30, 100, 300, 1000)
"""Items of a queue whose expected precision is told."""
SHRINKAGE = 20.0
"""Labelled candidates that the common curve counts for in a relation's own."""


@dataclass(frozen=True)
class Curve:
    """Log-odds to probabilities, never falling."""

    form: Form
    at: Float64
    """isotonic: (K,) rising log-odds; beta: weights of log p and of -log(1 - p), and a bias."""
    chance: Float64
    """isotonic: (K,) the probability there, linear between; else empty."""

    @classmethod
    def fit(cls, form: Form, logits: Float64, labels: Bool) -> Curve:
        """Fits a curve.

        Source: beta calibration, Kull, Silva Filho and Flach 2017; isotonic regression by pooling
        neighbours, Ayer et al. 1955, here with `PRIOR` items more in each pool, as the line has it.

        Args:
            form: platt: the log-odds as they are; beta: three parameters; isotonic: steps.
            logits: (N,) log-odds.
            labels: (N,) what came true.
        """
        none = np.zeros(0)
        if form == "platt":
            return cls(form, none, none)
        if form == "beta":
            sides = Logistic.fit(_sides(logits), labels)
            weights = np.maximum(sides.weights / sides.spread, 0.0)
            bias = sides.bias - float((sides.mean / sides.spread) @ sides.weights)
            return cls(form, np.append(weights, bias), none)
        return cls(form, *_pooled(logits, labels))

    def __call__(self, logits: Float64) -> Float64:
        """(N,) probabilities."""
        if self.form == "platt":
            return sigmoid(logits)
        if self.form == "beta":
            return sigmoid(_sides(logits) @ self.at[:2] + self.at[2])
        found: Float64 = np.interp(logits, self.at, self.chance)
        return found


def _sides(logits: Float64) -> Float64:
    """(N, 2) log p and -log(1 - p)."""
    return np.column_stack([-np.logaddexp(0, -logits), np.logaddexp(0, logits)])


def _pooled(logits: Float64, labels: Bool) -> tuple[Float64, Float64]:
    """(2 K,) ends of pools and (2 K,) their shares, by pooling adjacent violators."""
    order = np.argsort(logits, kind="stable")
    pools: list[tuple[float, float, float, float]] = []  # true, items, lowest and highest log-odds
    for logit, label in zip(logits[order].tolist(), labels[order].tolist(), strict=True):
        true, count, low = float(label), 1.0, logit
        while pools and pools[-1][0] * count >= true * pools[-1][1]:
            more, others, low, _ = pools.pop()
            true, count = true + more, count + others
        pools.append((true, count, low, logit))
    true_ones, counts, lows, highs = np.array(pools).T
    # Small pools are drawn to what the line says there.
    line = sigmoid((lows + highs) / 2)
    chance = np.maximum.accumulate((true_ones + PRIOR * line) / (counts + PRIOR))
    return np.column_stack([lows, highs]).ravel(), np.repeat(chance, 2)


@dataclass(frozen=True)
class Calibration:
    """Scores to probabilities: one curve, moved for each relation as far as its data say so."""

    common: Logistic
    relations: Int64
    """(R',) relations with a shift of their own, sorted."""
    shifts: Float64
    """(R',) added to the log-odds."""
    curve: Curve
    """From shifted log-odds to probabilities."""
    negative_ratio: float
    """Negatives for each positive among the candidates it was fitted on."""

    @classmethod
    def fit(
        cls, scores: Float64, relations: Int64, labels: Bool, form: Form = "platt"
    ) -> Calibration:
        """Platt's line on candidates as they are proposed, a shift for each relation, a curve.

        Args:
            scores: (N,) higher is more likely true.
            relations: (N,).
            labels: (N,) whether each one is true.
            form: Of the curve.

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
        curve = Curve.fit(form, logits + shifts[group.ravel()], labels)
        ratio = (len(labels) - positives) / positives
        return cls(common, own.astype(np.int64), shifts, curve, ratio)

    def probabilities(self, scores: Float64, relations: Int64) -> Float64:
        """(N,) probability that each candidate is true."""
        at = np.minimum(np.searchsorted(self.relations, relations), len(self.relations) - 1)
        shift = np.where(self.relations[at] == relations, self.shifts[at], 0.0)
        return self.curve(self.common.logits(scores[:, None]) + shift)


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
        """Draws stated against true shares; beside each point stands its number of items."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.scatter(self.stated, self.true, s=20)
        for stated, true, count in zip(self.stated, self.true, self.counts, strict=True):
            axes.annotate(f" {count:,}", (stated, true), fontsize=7, va="top")
        error = f"{title}\ncalibration error {self.error:.3f}".strip()
        axes.set(xlabel="stated probability", ylabel="share that is true", title=error)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        form = check_plot(path)
        with write_file(Path(path)) as stream:
            figure.savefig(stream, format=form)
        return Path(path)


def check_plot(path: str | Path) -> str:
    """The form of an image by its suffix.

    Raises:
        ConfigError: It cannot be written in that form.
    """
    form = Path(path).suffix.lower().lstrip(".")
    if form not in IMAGES:
        raise ConfigError(f"{path}: no image has the suffix {form!r}", "use " + ", ".join(IMAGES))
    return form


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


def next_precision(probabilities: Float64) -> dict[str, float]:
    """The precision to expect of the first 10, 30, ... items, as far as there are so many."""
    found = expected_precision(probabilities)
    return {str(n): float(found[n - 1]) for n in NEXT if n <= len(found)}
