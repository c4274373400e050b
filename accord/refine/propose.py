"""Which triples are missing: candidates of rules and vectors, ranked and calibrated.

Some triples are hidden, the proposer proposes for what is left, and what it then finds of the
hidden ones tells how far its scores can be trusted. In the end the hidden ones are back in the
graph, and what is left among the candidates is what the graph really lacks, and what is false. No
data can tell these two apart; how much is missing is a belief that probabilities rest on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import ConfigError, DataError
from accord.graph.builder import adjacency, triple_keys
from accord.graph.graph import KnowledgeGraph
from accord.progress import say
from accord.refine.calibrate import FORMS, Calibration, Reliability, reliability
from accord.refine.candidates import find_candidates
from accord.refine.folds import FoldConfig, Folds, StructureFolds, first_fold, with_train
from accord.refine.items import Item
from accord.refine.logistic import Logistic
from accord.refine.reasons import proposal_items
from accord.refine.rules import Rules
from accord.refine.steps import Bool, Float64, Int64, Trusted
from accord.refine.texts import TextFolds

FEWEST = 10
"""Hidden triples that must be found again for probabilities to be stated."""
MOST_FITTED = 200_000
MANY = 200
"""Hidden triples found again from which steps (isotonic) are tried: with fewer they are chance."""
SUREST = 30
"""Candidates, or a quarter of those found again if more, that bound how much can be missing."""
CEILING = 0.99
"""Highest probability that is stated."""


@dataclass(frozen=True)
class ProposeConfig:
    """How missing triples are looked for."""

    folds: FoldConfig = field(default_factory=FoldConfig)
    """How structure vectors are trained where some triples are hidden."""
    hidden: float = 0.1
    """Share of train triples that is hidden to calibrate."""
    missing: float = 0.1
    """Share of the triples that should be there and are believed to be missing."""
    top: int = 10
    """Answers that the vectors give to a query."""
    seed: int = 0
    """Of every draw."""

    def __post_init__(self) -> None:
        if not (0 < self.hidden < 1 and 0 < self.missing < 1) or self.top < 1:
            raise ConfigError(
                f"hidden={self.hidden}, missing={self.missing}, top={self.top}",
                "hide more than 0 and less than all, believe likewise, take 1 or more answers",
            )


@dataclass(frozen=True)
class Learnt:
    """How scores of candidates become probabilities, and how well that goes."""

    ranking: Logistic
    calibration: Calibration
    reliability: Reliability
    """On candidates that the curve was not fitted on."""
    errors: dict[str, float]
    """Expected calibration error there of each form of curve; the best one is used."""
    hidden: int
    found: int
    """How many of the hidden triples were among the candidates."""
    ratio: float
    """Missing triples for each hidden one: as believed, but no more than the candidates allow."""

    def probabilities(self, scores: Float64, relations: Int64) -> Float64:
        """(N,) that candidates are true, once the hidden triples are back in the graph.

        Of those of one score, p were hidden and ratio * p are missing; the rest is false.
        """
        hidden = np.minimum(self.calibration.probabilities(scores, relations), 1 - 1e-9)
        # Of n that are all right, one more is right with (n + 1) / (n + 2): no more can be known.
        ceiling = min(CEILING, (self.found + 1) / (self.found + 2))
        found: Float64 = np.minimum(self.ratio * hidden / (1 - hidden), ceiling)
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "hidden": self.hidden,
            "found": self.found,
            "missing_for_each_hidden": self.ratio,
            "negative_ratio": self.calibration.negative_ratio,
            "curve": self.calibration.curve.form,
            "curves": self.errors,
            **self.reliability.to_dict(),
        }


@dataclass(frozen=True)
class Proposals:
    """Ranked candidates, the most probable first."""

    triples: Int64
    """(N, 3)."""
    scores: Float64
    """(N,) log-odds before calibration by relation."""
    probability: Float64
    """(N,)."""
    learnt: Learnt | None
    """None where too little was found again to state probabilities: then they are all 0."""


def propose_triples(
    graph: KnowledgeGraph,
    rules: Rules,
    vectors: Folds | None = None,
    config: ProposeConfig | None = None,
    texts: Folds | None = None,
    states: Float64 | None = None,
) -> Proposals:
    """Finds triples that the graph lacks.

    Args:
        graph: The graph; nothing that any of its splits holds is proposed.
        rules: What it teaches.
        vectors: Its structure vectors, which also propose; None: rules alone do.
        config: Settings.
        texts: Heads on its texts, which only rank.
        states: (E, P) that they were trained on.

    Returns:
        Candidates, ranked; none where the graph teaches nothing.
    """
    config = config or ProposeConfig()
    learnt = _learn(graph, vectors is not None, states if texts is not None else None, config)
    say("looking for missing triples")
    found, features = _candidates(graph, rules, vectors, texts, config)
    if learnt is None or not len(found):
        empty = np.zeros(0)
        return Proposals(np.zeros((0, 3), dtype=np.int64), empty, empty, learnt)
    scores = learnt.ranking.logits(features)
    chance = learnt.probabilities(scores, found[:, 1])
    order = np.lexsort((-scores, -chance))
    return Proposals(found[order], scores[order], chance[order], learnt)


def _candidates(
    graph: KnowledgeGraph,
    rules: Rules,
    vectors: Folds | None,
    texts: Folds | None,
    config: ProposeConfig,
) -> tuple[Int64, Float64]:
    """(N, 3) candidates and (N, F) what speaks for them."""
    scorer = vectors.scorer() if vectors is not None else None
    found = find_candidates(rules, scorer, graph, config.top, config.seed)
    none = np.zeros(len(found), dtype=np.int64)
    features = rules.evidence(found, none)
    for view in (vectors, texts):
        if view is not None:
            chances = view.scores(found, none)
            features = np.column_stack([features, chances, chances.min(axis=1)])
    return found, features


def _learn(
    graph: KnowledgeGraph, structure: bool, states: Float64 | None, config: ProposeConfig
) -> Learnt | None:
    """Hides triples, proposes, and fits on what comes back."""
    count = len(graph.triples_of("train"))
    kept = np.random.default_rng([config.seed, 13]).random(count) >= config.hidden
    hidden = graph.triples[:count][~kept]
    part = _indexed(with_train(graph, kept))
    say("learning what proposals are worth from hidden triples")
    vectors, texts = _views(part, structure, states, config.folds.for_size(count))
    found, features = _candidates(part, Rules(part, config.seed), vectors, texts, config)
    size = (max(1, graph.num_relations), max(1, graph.num_entities))
    labels = np.isin(triple_keys(found, *size), triple_keys(hidden, *size))
    if labels.sum() < FEWEST or labels.all():
        say(
            f"{int(labels.sum())} of {len(hidden)} hidden triples were found again: no "
            "probabilities can be stated, and so no triples are proposed"
        )
        return None
    back = int(labels.sum())
    chosen = np.random.default_rng([config.seed, 17]).permutation(len(found))[:MOST_FITTED]
    found, features, labels = found[chosen], features[chosen], labels[chosen]
    learnt = _fitted(features, found[:, 1], labels, len(hidden), back)
    believed = config.missing / (1 - config.missing) / config.hidden
    return replace(learnt, ratio=min(believed, learnt.ratio))


def _views(
    part: KnowledgeGraph, structure: bool, states: Float64 | None, config: FoldConfig
) -> tuple[Folds | None, Folds | None]:
    """Vectors and heads that saw as large a share of the graph as those that will propose."""
    seen, vectors, texts = first_fold(part, config), None, None
    none = np.zeros(len(seen.triples_of("train")), dtype=np.int64)
    if structure:
        vectors = Folds(part, none, StructureFolds(seen, none, config).vectors)
    if states is not None:
        texts = Folds(part, none, TextFolds(seen, none, states, config).vectors)
    return vectors, texts


def _fitted(features: Float64, relations: Int64, labels: Bool, hidden: int, back: int) -> Learnt:
    """The curve of all whose form has the least error where each half has the other's curve."""
    stated = {form: np.zeros(len(labels)) for form in FORMS}
    even = np.arange(len(labels)) % 2 == 0
    for part in (even, ~even):
        if 0 < labels[~part].sum() < (~part).sum():
            ranking = Logistic.fit(features[~part], labels[~part])
            known, asked = ranking.logits(features[~part]), ranking.logits(features[part])
            for form, chance in stated.items():
                curve = Calibration.fit(known, relations[~part], labels[~part], form)
                chance[part] = curve.probabilities(asked, relations[part])
    found = {form: reliability(chance, labels) for form, chance in stated.items()}
    tried = [form for form in FORMS if form != "isotonic" or back >= MANY]
    best = min(tried, key=lambda form: found[form].error)
    ranking = Logistic.fit(features, labels)
    curve = Calibration.fit(ranking.logits(features), relations, labels, best)
    errors = {str(form): row.error for form, row in found.items()}
    surest = np.argsort(-stated[best], kind="stable")[: max(SUREST, int(labels.sum()) // 4)]
    # Even if nothing there is false, no more can be missing than was not hidden.
    share = float(np.clip(labels[surest].mean(), 0.05, 0.98))
    return Learnt(ranking, curve, found[best], errors, hidden, back, (1 - share) / share)


def _indexed(graph: KnowledgeGraph) -> KnowledgeGraph:
    index: dict[str, Any] = adjacency(graph.triples, graph.num_entities)
    return replace(graph, **index)


def proposed_items(
    graph: KnowledgeGraph, rules: Rules, found: Proposals, count: int, trust: Trusted
) -> list[Item]:
    """The first proposals as items, each with its reason and the paths that speak for it.

    Args:
        graph: The graph.
        rules: What it teaches.
        found: What was proposed.
        count: How many.
        trust: How far the triples that steps walk can be trusted.
    """
    first = slice(count)
    triples, scores, chances = found.triples[first], found.scores[first], found.probability[first]
    return proposal_items(graph, rules, triples, scores, chances, trust)


def extracted_items(graph: KnowledgeGraph, path: str | Path, least: float = 0.5) -> list[Item]:
    """Proposals from what `accord extract` read out of texts.

    Args:
        graph: The graph; what it has already is left out.
        path: The JSONL file.
        least: Probability from which a triple is taken.

    Returns:
        Proposals with their sentences, the surest first; new entities too.

    Raises:
        DataError: Not such a file.
    """
    found = []
    for number, line in enumerate(_text(Path(path)).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = _extracted(json.loads(line), least)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"no extracted triple ({error})", path, number, "make it with `accord extract`"
            ) from error
        if item is not None and not _holds(graph, item):
            found.append(item)
    return sorted(found, key=lambda item: -item.score)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError("there is no such file", path, hint="check the path") from error
    except UnicodeDecodeError as error:
        hint = "make it with `accord extract ... --out FILE.jsonl`"
        raise DataError("not UTF-8 text", path, hint=hint) from error


def _extracted(row: dict[str, Any], least: float) -> Item | None:
    chance, sentence = float(row["probability"]), str(row["sentence"])
    if row.get("known") or chance < least:
        return None
    literal = bool(row.get("datatype"))
    return Item(
        "proposal", str(row["head"]), str(row["relation"]), str(row["tail"]), chance, chance,
        "a text states it", (sentence,), literal, str(row.get("datatype", "")),
    )  # fmt: skip


def _holds(graph: KnowledgeGraph, item: Item) -> bool:
    ends = graph.entities([item.head, item.tail])
    head, tail = int(ends[0]), int(ends[1])
    if item.attribute:
        rows = graph.attributes_of(head) if head >= 0 else []
        return any((a.property, a.value) == (item.relation, item.tail) for a in rows)
    if min(head, tail) < 0:
        return False
    relation = graph.relation_ids.find(item.relation, graph.relation_order)
    outgoing = graph.outgoing(head)
    return bool(((outgoing[:, 1] == relation) & (outgoing[:, 2] == tail)).any())
