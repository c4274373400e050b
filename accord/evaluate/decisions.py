"""Decisions whose right option is known: accuracy, calibration, and the weights that give it.

An item is a triple of a split that the decider does not see: which of several entities of the same
kind stands in its relation to its head?
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.decode.decide import Decider
from accord.decode.decision import FEATURES, WRITTEN_BY, Asked, Calibration, calibration_from
from accord.errors import ConfigError, DataError
from accord.evaluate.files import write_lines
from accord.evaluate.protocol import Float64
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.progress import track
from accord.text.render import entity_name

BINS = 10
RIDGE = 1e-3
STEPS = 4000


@dataclass(frozen=True)
class DecisionsConfig:
    """Which items."""

    split: str = "valid"
    """Whose triples are asked about; only train is known."""
    options: int = 4
    """Options of an item."""
    limit: int | None = None
    """Items at most, drawn so that each relation keeps its share; None for all."""
    seed: int = 0
    """Of the sample and the other options."""

    def __post_init__(self) -> None:
        if self.split not in ("valid", "test"):
            raise ConfigError(f"split is {self.split!r}", "use valid or test")
        if self.options < 2:
            raise ConfigError(f"{self.options} options", "use 2 or more")
        if self.limit is not None and self.limit < 1:
            raise ConfigError("limit must be 1 or more")


@dataclass(frozen=True)
class DecisionItem:
    """A head, a relation number, and options of which one is right."""

    head: int
    number: int
    options: tuple[int, ...]
    answer: int
    """Place of the right option."""


@dataclass(frozen=True)
class DecisionsResult:
    """Probabilities of the options of every item."""

    config: DecisionsConfig
    items: tuple[DecisionItem, ...]
    features: Float64
    """(N, options, signs)."""
    calibration: Calibration
    majority: float
    """Share right by the option that stands most often in the relation in train."""
    seconds: float

    @property
    def probabilities(self) -> Float64:
        """(N, options)."""
        return shares(self.features @ self.calibration.weights)

    @property
    def correct(self) -> Float64:
        """(N,) 1 where the right option is the most probable; of n that tie, 1/n."""
        found, place = self.probabilities, np.arange(len(self.items))
        best = np.isclose(found, found.max(1, keepdims=True))
        answers = np.array([item.answer for item in self.items])
        return np.asarray(best[place, answers] / best.sum(1), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """{"n", "accuracy", "ece", "answered", "accuracy_answered", ...}."""
        sure = self.probabilities.max(1)
        given = sure >= self.calibration.threshold
        return {
            "split": self.config.split,
            "options": self.config.options,
            "n": len(self.items),
            "accuracy": float(self.correct.mean()),
            "ece": expected_calibration_error(sure, self.correct),
            "answered": float(given.mean()),
            "accuracy_answered": float(self.correct[given].mean()) if given.any() else None,
            "baseline": {"random": 1 / self.config.options, "majority": self.majority},
            "calibration": asdict(self.calibration),
            "seconds": self.seconds,
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [[key, found[key]] for key in ("accuracy", "ece", "answered")]
        rows += [[f"baseline: {key}", value] for key, value in found["baseline"].items()]
        title = f"decisions on {self.config.split}: {len(self.items)} items"
        return f"{title}\n{table(['', 'value'], rows)}"


def decision_items(graph: KnowledgeGraph, config: DecisionsConfig) -> list[DecisionItem]:
    """Items of a split; other options are tails of the same relation that are not known answers.

    Raises:
        DataError: The split has no triple for which there are enough other options.
    """
    triples = graph.triples_of(config.split).astype(np.int64)
    picks = stratified_sample(triples[:, 1], config.limit, config.seed)
    rng = np.random.default_rng(config.seed)
    ranges = {
        r: np.unique(graph.triples[graph.triples[:, 1] == r, 2]) for r in np.unique(triples[:, 1])
    }
    found = []
    for head, number, tail in triples[picks].tolist():
        around = graph.outgoing(head)
        known = around[around[:, 1] == number, 2]
        others = np.setdiff1d(ranges[number], [*known, head])
        if len(others) >= config.options - 1:
            drawn = rng.choice(others, config.options - 1, replace=False).tolist()
            place = int(rng.integers(config.options))
            found.append(DecisionItem(head, number, (*drawn[:place], tail, *drawn[place:]), place))
    if not found:
        raise DataError(
            f"of {len(triples):,} triples of {config.split} none has {config.options - 1} other "
            "options",
            hint="give fewer --options, or another --split; `accord graph import --valid --test` "
            "holds triples out",
        )
    return found


def evaluate_decisions(
    decider: Decider, config: DecisionsConfig | None = None, fit: bool = False
) -> DecisionsResult:
    """Weighs the options of every item.

    Args:
        decider: What weighs; it should see train only.
        config: Which items.
        fit: Learn weights and temperature from these items; else the decider's are used.

    Returns:
        Every item's signs and what follows from them.
    """
    config = config or DecisionsConfig()
    graph, start = decider.graph, time.perf_counter()
    items = decision_items(graph, config)
    features = np.zeros((len(items), config.options, len(FEATURES)))
    with track("weighing", len(items), "items") as advance:
        for row, item in enumerate(items):
            features[row] = _features(decider, item)
            advance(1)
    answers = np.array([item.answer for item in items])
    calibration = fit_calibration(features, answers) if fit else decider.calibration
    majority = float(np.mean([_majority(graph, item) for item in items]))
    seconds = time.perf_counter() - start
    return DecisionsResult(config, tuple(items), features, calibration, majority, seconds)


def _features(decider: Decider, item: DecisionItem) -> Float64:
    question = decider.worded(item.head, item.number)
    asked = Asked((item.head,), item.number, question, question)
    names = [entity_name(decider.graph, option) for option in item.options]
    pairs = zip(item.options, names, strict=True)
    return np.array([decider.weigh(asked, option, name).features for option, name in pairs])


def _majority(graph: KnowledgeGraph, item: DecisionItem) -> float:
    train = graph.triples_of("train")
    tails = train[train[:, 1] == item.number, 2]
    counts = np.array([(tails == option).sum() for option in item.options])
    best = counts == counts.max()
    return float(best[item.answer] / best.sum())


def fit_calibration(features: Float64, answers: np.ndarray[Any, Any]) -> Calibration:
    """Weights of the signs by softmax regression; their size is the inverse temperature.

    Args:
        features: (N, options, signs).
        answers: (N,) place of the right option.

    Returns:
        A calibration; a sign that never differs between options has weight 0, and what the graph
        states keeps its own, since held-out items never show it.
    """
    found = fit_weights(features, answers)
    named = {name: float(w) for name, w in zip(FEATURES, found, strict=True)}
    return replace(Calibration(), **{**named, "stated": Calibration.stated}, fitted=True)


def fit_weights(features: Float64, answers: np.ndarray[Any, Any]) -> Float64:
    """Weights of any signs by softmax regression, a weak prior on them.

    Args:
        features: (N, options, signs).
        answers: (N,) place of the right option.

    Returns:
        (signs,) weights; 0 for a sign that never differs between options.
    """
    spread = features.std(axis=(0, 1))
    used = spread > 1e-9
    x = features[:, :, used] / spread[used]
    right = x[np.arange(len(x)), answers]
    weights = np.zeros(int(used.sum()))
    rate = 1.0
    for _ in range(STEPS):
        p = shares(x @ weights)
        slope = (right - np.einsum("no,nof->nf", p, x)).mean(0) - RIDGE * weights
        weights = weights + rate * slope
        if np.abs(slope).max() < 1e-5:
            break
    found = np.zeros(features.shape[-1])
    found[used] = weights / spread[used]
    return found


def shares(scores: Float64) -> Float64:
    """Softmax over the last axis."""
    found = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(found / found.sum(-1, keepdims=True), dtype=np.float64)


def expected_calibration_error(sure: Float64, correct: Float64) -> float:
    """Mean distance between how sure and how right, over ten equal bins, weighed by size.

    Args:
        sure: (N,) probability of what was answered.
        correct: (N,) whether it was right.

    Returns:
        0 to 1.

    Example:
        >>> expected_calibration_error(np.array([0.75, 0.75]), np.array([1.0, 0.0]))
        0.25
    """
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(float(np.sum(sure[bins == b] - correct[bins == b]))) for b in range(BINS)]
    return float(sum(gaps) / max(1, len(sure)))


def write_calibration(path: str | Path, calibration: Calibration) -> Path:
    """Keeps a calibration as JSON."""
    return write_lines(path, [json.dumps(asdict(calibration))])


def read_calibration(path: str | Path) -> Calibration:
    """Reads what `write_calibration` wrote.

    Raises:
        DataError: No such file, or no calibration.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
        return calibration_from(values)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"no calibration can be read: {error}", path, hint=WRITTEN_BY) from error
    except ConfigError as error:
        raise DataError(error.message, path, hint=error.hint) from error
