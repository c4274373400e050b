"""Which triples of a graph look wrong: rules and models, combined and calibrated.

There are no labels: triples of the graph are compared with false ones made from them, and the
share of the graph that is like the false ones is estimated on the way. Every triple is judged by
rules without its own share and by vectors that were not trained on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from accord.errors import ConfigError, GraphError
from accord.evaluate.protocol import EmbeddingModel
from accord.evaluate.scorers import triple_scores
from accord.graph.graph import KnowledgeGraph
from accord.progress import say
from accord.refine.corrupt import corrupt
from accord.refine.folds import Folds
from accord.refine.logistic import Logistic, sigmoid
from accord.refine.mixture import Mixture
from accord.refine.rivals import rivalry
from accord.refine.rules import EVIDENCE, Rules
from accord.refine.shapes import Breaches, Shapes
from accord.refine.steps import Bool, Float64, Int64

VIEW = 3
"""Columns of structure, and of texts: how probable the tail is, the head, the less probable one."""
IN_SAMPLE = "text in-sample"
FEW = 5
"""Triples of a relation from which what is usual for it counts more than half."""
CURVED = tuple(i for i, name in enumerate(EVIDENCE) if name.endswith(("_near", "_nearest")))
"""Columns whose squares count too: no neighbour at all says more than some that are far."""
CROWD = tuple(map(EVIDENCE.index, ("one_tail", "one_head")))
"""Columns that count the more the likelier the rivals are."""
FEWEST = 10
"""Train triples without which nothing can be told."""
PARTS = 5
"""Parts of the graph's triples, each judged by what was learnt from the others."""
FAR = 5.0
"""Standard deviations at which those are cut."""


@dataclass(frozen=True)
class FlagConfig:
    """How triples are judged."""

    text_share: float = 0.05
    """Share of the triples, the most suspicious ones, that the text model reads as well."""
    text_sample: int = 400
    """True and false triples each that it reads to learn what its scores mean."""
    sample: int = 20_000
    """Triples that the combination is learnt from at most."""
    seed: int = 0
    """Of every draw."""

    def __post_init__(self) -> None:
        if not 0 <= self.text_share <= 1 or min(self.text_sample, self.sample) < 1:
            raise ConfigError(
                f"text_share={self.text_share}, text_sample={self.text_sample}, "
                f"sample={self.sample}",
                "use a share from 0 to 1 and samples of 1 or more",
            )


@dataclass(frozen=True)
class Suspicion:
    """What was found out about every train triple."""

    triples: Int64
    """(T, 3)."""
    probability: Float64
    """(T,) that the triple is wrong."""
    logits: Float64
    """(T,) what they are sorted by."""
    arms: dict[str, Float64]
    """Each (T,) suspicion by one kind of evidence alone: rules, structure, text; NaN where a model
    that reads only the most suspicious did not read the triple."""
    evidence: Float64
    """(T, len(EVIDENCE))."""
    shares: Float64
    """(T, len(EVIDENCE)) what each column adds to the suspicion."""
    error_share: float
    """Estimated share of wrong triples."""
    breaches: Breaches | None = None
    """What breaks the shapes, where there are some."""

    def order(self) -> Int64:
        """(T,) the most suspicious first; equal ones as in the graph."""
        return np.argsort(-self.logits, kind="stable").astype(np.int64)


def judge_triples(
    graph: KnowledgeGraph,
    rules: Rules,
    vectors: Folds | None = None,
    model: EmbeddingModel | None = None,
    config: FlagConfig | None = None,
    texts: Folds | None = None,
    shapes: Shapes | None = None,
) -> Suspicion:
    """Judges every train triple.

    Args:
        graph: The graph.
        rules: What it teaches.
        vectors: Structure vectors, each trained without a fold; None: rules alone judge.
        model: Reads the most suspicious share, if given. Where it was trained on this graph, its
            scores are in-sample; those of rules, structure and `texts` never are.
        config: Settings.
        texts: Heads on texts, each trained without a fold. With them `model` is a control: what it
            says stands beside the rest as `text in-sample`, and counts for nothing.
        shapes: What the graph should keep to; what breaking them says is learnt, too.

    Returns:
        Probabilities and what they are made of.

    Raises:
        GraphError: Too few train triples to learn from.
    """
    config = config or FlagConfig()
    views = {"structure": vectors, "text": texts}
    asked = {name: view for name, view in views.items() if view is not None}
    data = _Data.of(graph, rules, list(asked.values()), config)
    rule, whole = len(EVIDENCE), data.half
    first = data.mixture(data.columns(0, whole))
    data = data.with_rivals(first, graph.num_relations)
    columns = [*data.columns(0, whole), *range(data.plain, data.true.shape[1])]
    every = data.mixture(columns)
    arms = {"rules": data.mixture(data.columns(0, rule)).logits(data.true)}
    for number, name in enumerate(asked):
        own = data.columns(rule + number * VIEW, rule + (number + 1) * VIEW)
        arms[name] = data.mixture(own).logits(data.true)
    logits = data.judged(columns)
    if model is not None and config.text_share > 0:
        with_text, view = _with_text(graph, model, data, every, logits, config)
        arms["text" if texts is None else IN_SAMPLE] = view
        logits = with_text if texts is None else logits
    breaches = None if shapes is None else shapes.check(graph)
    if shapes is not None and breaches is not None:
        arms["shapes"] = breaches.weights
        logits = _with_shapes(graph, shapes, breaches, data, logits, config)
    # A feature's forms, by itself, beside its relation's and squared, count as one.
    parts = every.parts(data.true)
    shares = parts[:, :rule] + parts[:, whole : whole + rule]
    shares[:, CURVED] += parts[:, 2 * whole : data.plain]
    shares[:, CROWD] += parts[:, data.plain :]
    evidence = data.true[:, :rule]
    return Suspicion(
        data.triples, sigmoid(logits), logits, arms, evidence, shares, every.share, breaches
    )  # fmt: skip


def check_size(graph: KnowledgeGraph) -> None:
    """Makes sure that a graph has enough to learn from.

    Raises:
        GraphError: It has not.
    """
    count = len(graph.triples_of("train"))
    if count < FEWEST:
        raise GraphError(
            f"graph {graph.name!r} has {count} train triples: too few to tell wrong ones "
            f"(at least {FEWEST})",
            "import more of the graph, with its triples in train",
        )


@dataclass(frozen=True)
class _Data:
    """Features of the graph's triples and of false ones."""

    triples: Int64
    true: Float64
    """(T, F) of the graph's triples, wrong ones among them."""
    negatives: Int64
    """(N, 3)."""
    false: Float64
    """(N, F)."""
    sample: Int64
    """(S,) rows of `triples` that are learnt from."""
    replaced: Int64
    """(N,) row of `triples` that each false one stands for, -1 where it stands beside it."""
    kinds: Int64
    """(N,) how each false one was made."""
    half: int
    """Features by themselves; as many follow beside what is usual for the relation, then the
    squares of some."""

    @property
    def plain(self) -> int:
        """Features that every triple has by itself; those beside its rivals follow."""
        return 2 * self.half + len(CURVED)

    @classmethod
    def of(
        cls,
        graph: KnowledgeGraph,
        rules: Rules,
        views: Sequence[Folds],
        config: FlagConfig,
    ) -> _Data:
        check_size(graph)
        train = graph.triples_of("train").astype(np.int64)
        rng = np.random.default_rng(config.seed)
        sample = rng.permutation(len(train))[: config.sample]
        made = corrupt(graph, np.resize(sample, max(2000, len(sample))), config.seed)
        # Whether a wrong triple stands beside the right one or in its place is not known.
        replaced = rng.random(len(made.sources)) < 0.5
        instead = np.where(replaced[:, None], train[made.sources], -1)
        say(f"judging {len(train):,} triples by rules")
        true = rules.evidence(train, np.ones(len(train), dtype=np.int64))
        false = rules.evidence(made.triples, np.zeros(len(made.triples), dtype=np.int64), instead)
        for view in views:
            true = _joined(true, view.scores(train, view.folds))
            false = _joined(false, view.scores(made.triples, view.folds[made.sources]))
        usual = _usual(true, train[:, 1], graph.num_relations)
        curves = _Curves.of(true)
        true = np.column_stack([true, true - usual[train[:, 1]], curves(true)])
        false = np.column_stack([false, false - usual[made.triples[:, 1]], curves(false)])
        at = np.where(replaced, made.sources, -1)
        return cls(train, true, made.triples, false, sample, at, made.kinds, usual.shape[1])

    def mixture(self, columns: list[int], rows: Bool | None = None) -> Mixture:
        """Learns right from wrong by some features, from all triples or the (T,) chosen ones."""
        sample = self.sample if rows is None else self.sample[rows[self.sample]]
        return Mixture.fit(self.true[sample], self.false, self.kinds, columns)

    def judged(self, columns: list[int]) -> Float64:
        """(T,) log-odds, each by a mixture that the triple had no part in.

        In a small graph an odd triple that counts as right would make itself look right.
        """
        found, part = np.zeros(len(self.triples)), np.arange(len(self.triples)) % PARTS
        for number in range(PARTS):
            own = part == number
            found[own] = self.mixture(columns, ~own).logits(self.true[own])
        return found

    def with_rivals(self, mixture: Mixture, relations: int) -> _Data:
        """Also how triples fare beside those that exclude them, where ends have one at most."""
        rows = np.arange(len(self.triples))
        logits, own = mixture.logits(self.true), mixture.logits(self.false)
        parts = []
        for asked, odds, left_out, features in (
            (self.triples, logits, rows, self.true),
            (self.negatives, own, self.replaced, self.false),
        ):
            gaps = rivalry(self.triples, logits, relations, asked, odds, left_out)
            parts.append(np.column_stack([features, gaps * features[:, CROWD]]))
        return replace(self, true=parts[0], false=parts[1])

    def columns(self, first: int, last: int) -> list[int]:
        """Some features, as they are, beside what is usual for the relation, and squared."""
        squares = [2 * self.half + i for i, c in enumerate(CURVED) if first <= c < last]
        return [*range(first, last), *range(self.half + first, self.half + last), *squares]


@dataclass(frozen=True)
class _Curves:
    """Squares of the columns `CURVED`, from their mean in the graph."""

    mean: Float64
    spread: Float64

    @classmethod
    def of(cls, features: Float64) -> _Curves:
        columns = features[:, CURVED]
        return cls(columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-9))

    def __call__(self, features: Float64) -> Float64:
        scaled = (features[:, CURVED] - self.mean) / self.spread
        return np.clip(scaled, -FAR, FAR) ** 2


def _usual(features: Float64, relations: Int64, count: int) -> Float64:
    """(R, F) medians of each relation's triples, drawn to 0 where it has few."""
    found = np.zeros((count, features.shape[1]))
    order = np.argsort(relations, kind="stable")
    bounds = np.searchsorted(relations[order], np.arange(count + 1))
    for relation in np.flatnonzero(np.diff(bounds)):
        rows = order[bounds[relation] : bounds[relation + 1]]
        found[relation] = np.median(features[rows], axis=0) * len(rows) / (len(rows) + FEW)
    return found


def _joined(evidence: Float64, chances: Float64) -> Float64:
    return np.column_stack([evidence, chances, chances.min(axis=1)])


def _with_text(
    graph: KnowledgeGraph,
    model: EmbeddingModel,
    data: _Data,
    mixture: Mixture,
    logits: Float64,
    config: FlagConfig,
) -> tuple[Float64, Float64]:
    """(T,) log-odds with the text model's view of the most suspicious, (T,) that view alone."""
    rng = np.random.default_rng([config.seed, 9])
    if not len(data.negatives):
        return logits, np.full(len(logits), np.nan)
    chosen = np.argsort(-logits, kind="stable")[: round(config.text_share * len(logits))]
    right = rng.permutation(len(logits))[: config.text_sample]
    wrong = rng.permutation(len(data.negatives))[: config.text_sample]
    say(f"reading {len(chosen):,} triples")
    asked = np.concatenate([data.triples[chosen], data.triples[right], data.negatives[wrong]])
    cosines = np.column_stack(triple_scores(model, graph, asked)).astype(np.float64)
    text = np.column_stack([cosines, cosines.min(axis=1)])
    own, sample = text[: len(chosen)], text[len(chosen) :]
    before = np.concatenate([logits[right], mixture.logits(data.false[wrong])])
    labels: Bool = np.arange(len(before)) >= len(right)
    # Triples of the graph count as right as far as they look so, and both kinds weigh the same.
    true = 1 - sigmoid(logits[right])
    sure = np.concatenate([true / true.mean(), np.full(len(wrong), len(right) / len(wrong))])
    odds = np.log(mixture.share) - np.log1p(-mixture.share)
    both = Logistic.fit(np.column_stack([before, sample]), labels, sure)
    alone = Logistic.fit(sample, labels, sure)
    found, view = logits.copy(), np.full(len(logits), np.nan)
    found[chosen] = both.logits(np.column_stack([logits[chosen], own])) + odds
    view[chosen] = alone.logits(own) + odds
    return found, view


def _with_shapes(
    graph: KnowledgeGraph,
    shapes: Shapes,
    breaches: Breaches,
    data: _Data,
    logits: Float64,
    config: FlagConfig,
) -> Float64:
    """(T,) log-odds with what it says that a triple breaks a shape, which never speaks for it.

    How often wrong triples break shapes is seen on false ones that stand in the graph for a while:
    few of them, since what is too many is a matter of what else is there.
    """
    count = min(config.text_sample, max(20, len(logits) // 10), len(data.negatives))
    if not (count and breaches.weights.any()):
        return logits
    wrong = np.random.default_rng([config.seed, 21]).permutation(len(data.negatives))[:count]
    broken = shapes.check(graph, data.negatives[wrong]).weights[len(logits) :]
    right = 1 - sigmoid(logits)
    # Half a triple more that breaks shapes, and half a one that does not, on either side.
    among_wrong = (broken.sum() + 0.5) / (count + 1)
    among_right = (right @ breaches.weights + 0.5) / (right.sum() + 1)
    return logits + breaches.weights * max(0.0, float(np.log(among_wrong / among_right)))
