"""Why something is flagged or proposed, in words and with the paths that speak for it."""

from __future__ import annotations

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.refine.flag import Suspicion
from accord.refine.items import Item, Kind
from accord.refine.rules import EVIDENCE, Rules
from accord.refine.steps import Float64, Int64
from accord.text.render import entity_name, relation_text

MOST_REASONS = 3
LEAST_SHARE = 0.3
"""Log-odds that a kind of evidence must add to be named."""
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
    items = []
    for row in rows:
        triple = tuple(int(x) for x in found.triples[row])
        reasons = _doubts(graph, rules, found, int(row), triple)
        text = f"{_said(graph, *triple)}: {reasons[0]}"
        chance = float(found.probability[row])
        items.append(_item(graph, "flag", triple, float(found.logits[row]), chance, text, reasons))
    return items


def _doubts(
    graph: KnowledgeGraph, rules: Rules, found: Suspicion, row: int, triple: tuple[int, ...]
) -> list[str]:
    """What adds most to the suspicion, first."""
    shares = found.shares[row]
    order = np.argsort(-shares)
    named = [int(c) for c in order[:MOST_REASONS] if shares[c] >= LEAST_SHARE]
    reasons = [_words(graph, rules, EVIDENCE[column], triple) for column in named]
    if found.breaches is not None and row in found.breaches.messages:
        reasons.insert(0, found.breaches.messages[row])
    for arm, words in ARM_WORDS.items():
        if arm in found.arms and found.arms[arm][row] > 0:
            reasons.append(words)
    return reasons or ["several weak signs together speak against it"]


ARM_WORDS = {
    "structure": "structure embeddings trained without it find it improbable",
    "text": "the text model finds that head and tail do not fit",
}


def _words(graph: KnowledgeGraph, rules: Rules, column: str, triple: tuple[int, ...]) -> str:
    head, relation, tail = triple
    who, what = entity_name(graph, head), entity_name(graph, tail)
    phrase, back = (
        relation_text(graph, relation),
        relation_text(graph, relation + rules.steps.relations),
    )
    single = rules.single[[relation, relation + rules.steps.relations]]
    return {
        "head_role": f"{who} is used unlike other heads of '{phrase}'",
        "tail_role": f"{what} is used unlike other tails of '{phrase}'",
        "head_use": f"{who} has no or few other '{phrase}'",
        "tail_use": f"no or few other triples give {what} as '{phrase}'",
        "one_tail": f"{who} has other '{phrase}', and {single[0]:.0%} of heads have only one",
        "one_head": f"{what} has other '{back}', and {single[1]:.0%} of tails have only one",
        "implied": f"no other relation between {who} and {what} supports it",
        "missing": _lacking(graph, rules, triple),
        "path": f"no pair of triples leads from {who} to {what} as for other '{phrase}'",
        "path_lack": f"other '{phrase}' are supported by pairs of triples, this one is not",
        "head_near": f"what is used like {who} has no '{phrase}' {what}",
        "tail_near": f"what is used like {what} has no '{back}' {who}",
        "head_nearest": f"what is used most like {who} has no '{phrase}' {what}",
        "tail_nearest": f"what is used most like {what} has no '{back}' {who}",
    }[column]


def _lacking(graph: KnowledgeGraph, rules: Rules, triple: tuple[int, ...]) -> str:
    asked = np.array([triple], dtype=np.int64)
    _, numbers, sure = rules.entailments.lacking(asked)
    if not len(numbers):
        return "a triple that goes with it is not there"
    best = int(sure.argmax())
    return f"'{relation_text(graph, int(numbers[best]))}' goes with it in {sure[best]:.0%} of cases"


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
    implied = rules.entailments.implied(triples, none)
    items = []
    for i, row in enumerate(triples):
        triple = tuple(int(x) for x in row)
        evidence = []
        if place[i] >= 0:
            step = (int(walks.first[place[i]]), int(walks.middle[place[i]]))
            evidence.append(_path(graph, triple, *step, int(walks.second[place[i]])))
        beside = _beside(graph, rules, row)
        evidence += [beside] if beside else []
        reason = _ground(graph, triple, float(sure[i]), float(implied[i]), evidence)
        items.append(
            _item(graph, "proposal", triple, float(scores[i]), float(chances[i]), reason, evidence)
        )
    return items


def _path(
    graph: KnowledgeGraph, triple: tuple[int, ...], first: int, middle: int, second: int
) -> str:
    names = [entity_name(graph, e) for e in (triple[0], middle, triple[2])]
    one, other = relation_text(graph, first), relation_text(graph, second)
    return f"{names[0]} {one} {names[1]}; {names[1]} {other} {names[2]}"


def _beside(graph: KnowledgeGraph, rules: Rules, row: Int64) -> str:
    """The step between the ends that most often goes with the relation."""
    _, numbers = rules.steps.between(row[:1], row[2:])
    if not len(numbers):
        return ""
    relation = np.full(len(numbers), row[1])
    sure = rules.entailments.confidence(numbers, relation, np.zeros_like(numbers))
    best = int(numbers[sure.argmax()])
    ends = entity_name(graph, int(row[0])), entity_name(graph, int(row[2]))
    return f"{ends[0]} {relation_text(graph, best)} {ends[1]}"


def _ground(
    graph: KnowledgeGraph, triple: tuple[int, ...], path: float, implied: float, given: list[str]
) -> str:
    said = _said(graph, *triple)
    if max(path, implied) < WEAK or not given:
        return f"{said}: structure embeddings rank it first among what is not in the graph"
    if implied >= path:
        return f"{said}: what else holds between the two goes with it in {implied:.0%} of cases"
    return f"{said}: such a pair of triples goes with it in {path:.0%} of cases"


def _said(graph: KnowledgeGraph, head: int, relation: int, tail: int) -> str:
    return f"{entity_name(graph, head)} {relation_text(graph, relation)} {entity_name(graph, tail)}"


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
