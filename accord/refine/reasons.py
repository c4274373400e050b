"""Flags and proposals as items, each with its reason and the triples that speak for it."""

from __future__ import annotations

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.refine.doubts import Doubts, flag_reason
from accord.refine.flag import Suspicion
from accord.refine.items import Item, Kind
from accord.refine.rules import Rules
from accord.refine.steps import Float64, Int64
from accord.refine.wording import said, step_said

WEAK = 0.1
"""Confidence below which a rule is not what a proposal rests on."""


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
    graph: KnowledgeGraph, rules: Rules, triples: Int64, scores: Float64, chances: Float64
) -> list[Item]:
    """Proposals with the rule or path that each rests on, in the order given.

    Args:
        graph: The graph.
        rules: What it teaches.
        triples: (N, 3).
        scores: (N,).
        chances: (N,) probabilities.
    """
    none = np.zeros(len(triples), dtype=np.int64)
    walks = rules.walks(triples, none)
    sure, place = walks.best(len(triples))
    items = []
    for i, row in enumerate(triples):
        triple = tuple(int(x) for x in row)
        grounds = [_beside(graph, rules, row)]
        if place[i] >= 0:
            at = place[i]
            first, second = int(walks.first[at]), int(walks.second[at])
            way = _path(graph, triple, first, int(walks.middle[at]), second)
            grounds.append((float(sure[i]), way))
        known = sorted((ground for ground in grounds if ground[1]), reverse=True)
        reason = _ground(graph, triple, known)
        evidence = [text for _, text in known]
        items.append(
            _item(graph, "proposal", triple, float(scores[i]), float(chances[i]), reason, evidence)
        )
    return items


Ground = tuple[float, str]
"""(confidence, what it is): in how many of the cases like it the relation holds too."""


def _path(
    graph: KnowledgeGraph, triple: tuple[int, ...], first: int, middle: int, second: int
) -> str:
    one = step_said(graph, triple[0], first, middle)
    return f"{one}; {step_said(graph, middle, second, triple[2])}"


def _beside(graph: KnowledgeGraph, rules: Rules, row: Int64) -> Ground:
    """The step between the ends that most often goes with the relation."""
    _, numbers = rules.steps.between(row[:1], row[2:])
    if not len(numbers):
        return 0.0, ""
    relation = np.full(len(numbers), row[1])
    sure = rules.entailments.confidence(numbers, relation, np.zeros_like(numbers))
    best = int(sure.argmax())
    return float(sure[best]), step_said(graph, int(row[0]), int(numbers[best]), int(row[2]))


def _ground(graph: KnowledgeGraph, triple: tuple[int, ...], known: list[Ground]) -> str:
    """The sentence that stands for a proposal: the triple and what speaks most for it."""
    text = said(graph, *triple)
    if not known or known[0][0] < WEAK:
        return f"{text}: no rule gives it by itself; its ends fit by all that the graph teaches"
    return f"{text}: so it is in {known[0][0]:.0%} of cases like this: {known[0][1]}"


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
