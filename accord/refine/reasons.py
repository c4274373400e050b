"""Flags and proposals as items, each with its reason and the triples that speak for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.refine.doubts import Doubts, flag_reason
from accord.refine.flag import Suspicion
from accord.refine.items import Item, Kind
from accord.refine.rules import Rules
from accord.refine.steps import Float64, Int64, Trusted
from accord.refine.wording import said, step_said

WEAK = 0.1
"""Confidence below which a rule is not what a proposal rests on."""
SOUND = 0.8
"""Trust below which a triple is said to look wrong itself."""


def flag_items(graph: KnowledgeGraph, rules: Rules, found: Suspicion, rows: Int64) -> list[Item]:
    """Flags of some triples, in the order given.

    Args:
        graph: The graph.
        rules: What it teaches.
        found: What the triples were judged by.
        rows: (N,) rows of its triples.
    """
    items, doubts = [], Doubts(graph, rules, found)
    for row in rows.tolist():
        triple = tuple(int(x) for x in found.triples[row])
        reasons = doubts.of(row)
        text, chance = flag_reason(graph, triple, reasons), float(found.probability[row])
        items.append(_item(graph, "flag", triple, float(found.logits[row]), chance, text, reasons))
    return items


def proposal_items(
    graph: KnowledgeGraph,
    rules: Rules,
    triples: Int64,
    scores: Float64,
    chances: Float64,
    trust: Trusted,
) -> list[Item]:
    """Proposals with the rule or path that each rests on, in the order given.

    Args:
        graph: The graph.
        rules: What it teaches.
        triples: (N, 3).
        scores: (N,).
        chances: (N,) probabilities.
        trust: How far the triples that steps walk can be trusted.
    """
    known = _Grounds(graph, rules, trust).of(triples)
    items = []
    for row, grounds, score, chance in zip(
        triples.tolist(), known, scores.tolist(), chances.tolist(), strict=True
    ):
        evidence = [ground.text for ground in grounds]
        reason = _ground(graph, tuple(row), grounds)
        items.append(_item(graph, "proposal", tuple(row), score, chance, reason, evidence))
    return items


@dataclass(frozen=True)
class _Ground:
    """Triples that a proposal rests on."""

    sure: float
    """In how many of the cases like it the relation holds too."""
    text: str
    doubtful: str
    """The one of them that looks wrong itself; empty for none."""


@dataclass(frozen=True)
class _Grounds:
    """Finds what proposals rest on."""

    graph: KnowledgeGraph
    rules: Rules
    trust: Trusted

    def of(self, triples: Int64) -> list[list[_Ground]]:
        """Of each triple the surest path and the surest step beside it, the surer one first."""
        walks = self.rules.walks(triples, np.zeros(len(triples), dtype=np.int64))
        head, _, tail = triples.T
        ways = (
            (head[walks.rows], walks.first, walks.middle),
            (walks.middle, walks.second, tail[walks.rows]),
        )
        right = self.trust(*ways[0]) * self.trust(*ways[1])
        _, place = replace(walks, confidence=walks.confidence * right).best(len(triples))
        found = []
        for row, at in zip(triples, place.tolist(), strict=True):
            grounds = self._beside(row)
            if at >= 0:
                steps = [tuple(int(column[at]) for column in way) for way in ways]
                grounds.append(self._ground(float(walks.confidence[at]), steps))
            found.append(sorted(grounds, key=lambda ground: (bool(ground.doubtful), -ground.sure)))
        return found

    def _beside(self, row: Int64) -> list[_Ground]:
        """The step between the ends that most often goes with the relation."""
        _, numbers = self.rules.steps.between(row[:1], row[2:])
        if not len(numbers):
            return []
        relation = np.full(len(numbers), row[1])
        sure = self.rules.entailments.confidence(numbers, relation, np.zeros_like(numbers))
        best = int(sure.argmax())
        return [self._ground(float(sure[best]), [(int(row[0]), int(numbers[best]), int(row[2]))])]

    def _ground(self, sure: float, steps: Sequence[tuple[int, ...]]) -> _Ground:
        texts = [step_said(self.graph, *step) for step in steps]
        right = self.trust(*np.array(steps, dtype=np.int64).T)
        doubtful = texts[int(right.argmin())] if right.min() < SOUND else ""
        return _Ground(sure, "; ".join(texts), doubtful)


def _ground(graph: KnowledgeGraph, triple: tuple[int, ...], known: list[_Ground]) -> str:
    """The sentence that stands for a proposal: the triple and what speaks most for it."""
    text = said(graph, *triple)
    if not known or known[0].sure < WEAK:
        return f"{text}: no rule gives it by itself; its ends fit by all that the graph teaches"
    first = known[0]
    but = f"; but '{first.doubtful}' looks wrong itself" if first.doubtful else ""
    return f"{text}: so it is in {first.sure:.0%} of cases like this: {first.text}{but}"


def _item(
    graph: KnowledgeGraph,
    kind: Kind,
    triple: tuple[int, ...],
    score: float,
    chance: float,
    reason: str,
    evidence: list[str],
) -> Item:
    head, relation, tail = triple
    ids = graph.entity_ids[head], graph.relation_ids[relation], graph.entity_ids[tail]
    return Item(kind, *ids, score, chance, reason, tuple(evidence))
