"""Triples that could be missing, found without going through all of E x E x R."""

from __future__ import annotations

import numpy as np

from accord.evaluate.known import KnownAnswers
from accord.evaluate.protocol import Scorer
from accord.graph.builder import triple_keys
from accord.graph.graph import KnowledgeGraph
from accord.progress import track
from accord.refine.rules import Rules
from accord.refine.steps import Int64

LEAST = 0.1
"""Confidence from which a composition rule proposes."""
BODIES = 50
"""Composition rules a relation at most, the most confident ones."""
WALKS = 2_000_000
"""Walks of all rules at most."""
FAN = 256
"""Steps from one entity at most, where they are drawn."""
QUERIES = 40_000
"""Queries that the structure vectors are asked at most."""
FLOOR = -3.0
"""Least lift of an end's role: below it the ends do not fit the relation."""
FUNCTIONAL = 0.97
"""Share of single-valued sources from which a second value is not proposed."""


def find_candidates(
    rules: Rules, scorer: Scorer | None, graph: KnowledgeGraph, top: int = 10, seed: int = 0
) -> Int64:
    """Candidates by entailment, by composition and by the structure vectors' best answers.

    Args:
        rules: What the graph teaches.
        scorer: Structure vectors, if there are some.
        graph: Where all splits' triples are known and not proposed.
        top: Answers that the vectors give to a query.
        seed: Of what is drawn where there are too many.

    Returns:
        (N, 3) int64, sorted, distinct, none in the graph; ends that do not fit the relation and
        second values of functional relations are left out.
    """
    rng = np.random.default_rng([seed, 7])
    parts = [_entailed(rules), _composed(rules, rng)]
    if scorer is not None:
        parts.append(_answered(rules, scorer, graph, top, rng))
    found = np.unique(np.concatenate(parts), axis=0)
    found = found[found[:, 0] != found[:, 2]] if not _has_loops(graph) else found
    size = (max(1, graph.num_relations), max(1, graph.num_entities))
    new = ~np.isin(triple_keys(found, *size), triple_keys(graph.triples, *size))
    return _fitting(found[new], rules)


def _has_loops(graph: KnowledgeGraph) -> bool:
    return bool((graph.triples[:, 0] == graph.triples[:, 2]).any())


def _entailed(rules: Rules) -> Int64:
    """What steps between the same two entities entail."""
    steps, (number, other) = rules.steps, rules.entailments.strong()
    keep = other < steps.relations
    found = [np.zeros((0, 3), dtype=np.int64)]
    for body, relation in zip(number[keep], other[keep], strict=True):
        at = steps.numbers == body
        head, tail = steps.sources[at], steps.targets[at]
        found.append(np.column_stack([head, np.full(len(head), relation), tail]))
    return np.concatenate(found)


def _composed(rules: Rules, rng: np.random.Generator) -> Int64:
    """What two steps in a row entail, by the surest rules of every relation."""
    rule, steps = rules.compositions, rules.steps
    body, relation = np.divmod(rule.rules, steps.relations)
    at = np.searchsorted(rule.bodies, body)
    confidence = rule.hits / (rule.walked[at] + 2.0)
    order = np.lexsort((-confidence, relation))
    place = np.arange(len(order)) - np.searchsorted(relation[order], relation[order])
    chosen = order[(place < BODIES) & (confidence[order] >= LEAST)]
    chosen = chosen[np.argsort(-confidence[chosen], kind="stable")]
    chosen = chosen[np.cumsum(rule.walked[at[chosen]]) <= WALKS]
    found = [np.zeros((0, 3), dtype=np.int64)]
    width = 2 * steps.relations
    with track("walking rules", len(chosen), "rules") as advance:
        for first in np.unique(body[chosen] // width):
            own = chosen[body[chosen] // width == first]
            found += _joined(rules, int(first), body[own] % width, relation[own], rng)
            advance(len(own))
    return np.concatenate(found)


def _joined(
    rules: Rules, first: int, second: Int64, relation: Int64, rng: np.random.Generator
) -> list[Int64]:
    """What rules with one first step entail; its walks are gone through once for all of them."""
    steps = rules.steps
    start = np.flatnonzero(steps.numbers == first)
    rows, onward, _ = steps.leaving(steps.targets[start], FAN, rng)
    order = np.argsort(steps.numbers[onward], kind="stable")
    head, tail = steps.sources[start][rows[order]], steps.targets[onward[order]]
    number = steps.numbers[onward[order]]
    found = []
    for step, entailed in zip(second, relation, strict=True):
        part = slice(*np.searchsorted(number, [step, step + 1]))
        pairs = np.unique(head[part] * steps.entities + tail[part])
        ends = np.column_stack(np.divmod(pairs, steps.entities))
        found.append(np.insert(ends, 1, entailed, axis=1))
    return found


def _answered(
    rules: Rules, scorer: Scorer, graph: KnowledgeGraph, top: int, rng: np.random.Generator
) -> Int64:
    """The vectors' best unknown answers to queries that the graph asks already."""
    width = 2 * graph.num_relations
    asked = rules.roles.keys
    if len(asked) > QUERIES:
        asked = np.sort(rng.choice(asked, QUERIES, replace=False))
    queries = np.column_stack(np.divmod(asked, width))
    known = KnownAnswers.of_splits(graph, ("train", "valid", "test"))
    top = min(top, graph.num_entities)
    found, size = [np.zeros((0, 3), dtype=np.int64)], max(1, 2**23 // max(1, graph.num_entities))
    with track("asking structure embeddings", len(queries), "queries") as advance:
        for start in range(0, len(queries), size):
            part = queries[start : start + size]
            scores = np.array(scorer.scores(part))
            rows, columns = known.pairs(part)
            scores[rows, columns] = -np.inf
            best = np.argpartition(-scores, top - 1, axis=1)[:, :top]
            found.append(_as_triples(np.repeat(part, top, axis=0), best.ravel(), width // 2))
            advance(len(part))
    return np.concatenate(found)


def _as_triples(queries: Int64, answers: Int64, relations: int) -> Int64:
    back = queries[:, 1] >= relations
    head = np.where(back, answers, queries[:, 0])
    tail = np.where(back, queries[:, 0], answers)
    return np.column_stack([head, queries[:, 1] % relations, tail]).astype(np.int64)


def _fitting(found: Int64, rules: Rules) -> Int64:
    """Those whose ends fit the relation and leave functional relations functional."""
    head, relation, tail = found.T
    back, none = relation + rules.graph.num_relations, np.zeros(len(found), dtype=np.int64)
    fits = rules.roles.lift(head, relation, none) > FLOOR
    fits &= rules.roles.lift(tail, back, none) > FLOOR
    for entity, number in ((head, relation), (tail, back)):
        fits &= ~((rules.single[number] >= FUNCTIONAL) & (rules.roles.uses(entity, number) > 0))
    return found[fits]
