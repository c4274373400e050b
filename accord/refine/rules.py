"""What a graph itself says about a triple: roles of entities, cardinality, inverses, compositions.

All is counted from the train triples. A triple in the graph is judged as if it were not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accord.evaluate.known import ranges
from accord.graph.graph import KnowledgeGraph
from accord.refine.compositions import Compositions, Walks, summed
from accord.refine.neighbours import Neighbours
from accord.refine.steps import Float64, Int64, Steps

EVIDENCE = (
    *("head_role", "tail_role", "head_use", "tail_use", "one_tail", "one_head"),
    *("implied", "missing", "path", "path_lack"),
    *("head_near", "tail_near", "head_nearest", "tail_nearest"),
)
"""Columns of evidence; docs/refinement.md says what each one is."""
ROLES = 4096
"""Relation ends that types are made of at most, the most frequent ones."""
PRIOR = 2.0
STRONG, ENOUGH = 0.5, 5
"""Confidence and count from which what a relation entails is missed where it is not there."""
SAMPLE = 50_000
CHUNK = 500_000


@dataclass(frozen=True)
class Roles:
    """Which ends of which relations an entity is at: its types, as its use tells them."""

    keys: Int64
    """(P,) sorted: entity * 2R + number."""
    counts: Int64
    """(P,) triples with the entity at that end."""
    offsets: Int64
    """(E + 1,) where each entity's roles begin."""
    size: Int64
    """(2R,) entities in each role."""
    column: Int64
    """(2R,) its place in `together`, -1 for rare ones."""
    together: Float64
    """(C, C) entities that are in both roles."""

    @classmethod
    def of(cls, steps: Steps) -> Roles:
        """Counts roles; role r is that of relation r's heads, r + R that of its tails."""
        width = 2 * steps.relations
        keys, counts = np.unique(steps.sources * width + steps.numbers, return_counts=True)
        entities, roles = np.divmod(keys, max(1, width))
        offsets = np.searchsorted(entities, np.arange(steps.entities + 1)).astype(np.int64)
        size = np.bincount(roles, minlength=width).astype(np.int64)
        frequent = np.sort(np.argsort(-size, kind="stable")[:ROLES])
        column = np.full(width, -1, dtype=np.int64)
        column[frequent] = np.arange(len(frequent))
        together = _together(column[roles], offsets, len(frequent))
        return cls(keys, counts.astype(np.int64), offsets, size, column, together)

    def lift(self, entities: Int64, roles: Int64, present: Int64) -> Float64:
        """How much an entity's other roles speak for one more.

        Args:
            entities: (N,).
            roles: (N,).
            present: (N,) 1 where one triple that gives the role is not to count.

        Returns:
            (N,) log of the mean share of entities with its other roles that have this one, over
            that of all entities; 0 for entities without other roles.
        """
        asked = (entities * len(self.size) + roles) * 2 + present
        distinct, back = np.unique(asked, return_inverse=True)
        parts = [self._lift(distinct[i : i + CHUNK]) for i in range(0, len(distinct), CHUNK)]
        found: Float64 = np.concatenate([np.zeros(0), *parts])[back.ravel()]
        return found

    def _lift(self, asked: Int64) -> Float64:
        pair, present = np.divmod(asked, 2)
        entity, role = np.divmod(pair, len(self.size))
        alone = (self.uses(entity, role) <= present) & (present > 0)
        counts = self.offsets[entity + 1] - self.offsets[entity]
        rows = np.repeat(np.arange(len(asked)), counts)
        other = self.keys[ranges(self.offsets[entity], counts)] % len(self.size)
        columns = self.column[role][rows], self.column[other]
        keep = (np.minimum(*columns) >= 0) & ~(alone[rows] & (other == role[rows]))
        rows, other, columns = rows[keep], other[keep], (columns[0][keep], columns[1][keep])
        base = self.size[role] / max(1, len(self.offsets) - 1)
        both = self.together[columns] - alone[rows]
        share = (both + PRIOR * base[rows]) / (self.size[other] - alone[rows] + PRIOR)
        number = np.bincount(rows, minlength=len(asked))
        mean = np.bincount(rows, share, minlength=len(asked)) / np.maximum(number, 1)
        lift: Float64 = np.log((mean + 1e-4) / (base + 1e-4))
        return np.where(number > 0, np.clip(lift, -6, 6), 0.0)

    def uses(self, entities: Int64, roles: Int64) -> Int64:
        """(N,) triples that give each entity the role."""
        wanted = entities * len(self.size) + roles
        at = np.minimum(np.searchsorted(self.keys, wanted), max(0, len(self.keys) - 1))
        found: Int64 = np.where(self.keys[at] == wanted, self.counts[at], 0)
        return found


def _together(columns: Int64, offsets: Int64, width: int) -> Float64:
    """(C, C) entities that have both columns."""
    total = np.zeros(width * width)
    per_entity = np.diff(offsets)
    entity = np.repeat(np.arange(len(per_entity)), per_entity)
    for start in range(0, len(columns), CHUNK // 8):
        part = np.arange(start, min(len(columns), start + CHUNK // 8))
        counts = per_entity[entity[part]]
        one = np.repeat(columns[part], counts)
        other = columns[ranges(offsets[entity[part]], counts)]
        keep = (one >= 0) & (other >= 0)
        key, number = np.unique(one[keep] * width + other[keep], return_counts=True)
        total[key] += number
    return total.reshape(width, width)


@dataclass(frozen=True)
class Entailments:
    """How often a step between two entities goes with another one between the same two."""

    steps: Steps
    pairs: Float64
    """(2R,) entity pairs that each number joins."""
    keys: Int64
    """(K,) sorted: number * 2R + other number."""
    counts: Float64
    """(K,) entity pairs that both join."""

    @classmethod
    def learn(cls, steps: Steps) -> Entailments:
        """Counts symmetry, inverses and sub-relations alike: as numbers of the same pair."""
        width = 2 * steps.relations
        pairs = np.bincount(steps.numbers, minlength=width).astype(np.float64)
        keys, counts = np.zeros(0, dtype=np.int64), np.zeros(0)
        for start in range(0, len(steps.pairs), CHUNK):
            part = slice(start, start + CHUNK)
            rows, other = steps.between(steps.sources[part], steps.targets[part])
            number = steps.numbers[part][rows]
            found = (number * width + other)[number != other]
            every = np.concatenate([keys, found])
            keys, group = np.unique(every, return_inverse=True)
            weights = np.concatenate([counts, np.ones(len(found))])
            counts = summed(group, weights, len(keys))
        return cls(steps, pairs, keys, counts)

    def confidence(self, number: Int64, other: Int64, present: Int64) -> Float64:
        """(N,) share of the pairs of `number` that `other` joins as well, one pair left out."""
        wanted = number * (2 * self.steps.relations) + other
        at = np.minimum(np.searchsorted(self.keys, wanted), max(0, len(self.keys) - 1))
        hit = self.keys[at] == wanted if len(self.keys) else np.zeros(len(wanted), dtype=np.bool_)
        both = np.where(hit, self.counts[at], 0.0) if len(self.keys) else np.zeros(len(wanted))
        total = self.pairs[number]
        return np.maximum(both - present, 0) / np.maximum(total - present + PRIOR, PRIOR)

    def implied(self, triples: Int64, present: Int64) -> Float64:
        """(N,) probability that the other steps between the ends give a triple (noisy or)."""
        rows, number = self.steps.between(triples[:, 0], triples[:, 2])
        relation, loop = triples[rows, 1], triples[rows, 0] == triples[rows, 2]
        own = (number == relation) | (loop & (number == relation + self.steps.relations))
        rows, number, relation = rows[~own], number[~own], relation[~own]
        sure = self.confidence(number, relation, present[rows])
        none = np.bincount(rows, np.log1p(-np.minimum(sure, 0.999)), minlength=len(triples))
        found: Float64 = 1 - np.exp(none)
        return found

    def strong(self) -> tuple[Int64, Int64]:
        """(K,) numbers and (K,) what they nearly always go with."""
        number, other = np.divmod(self.keys, max(1, 2 * self.steps.relations))
        keep = (self.counts >= STRONG * self.pairs[number]) & (self.counts >= ENOUGH)
        return number[keep], other[keep]

    def lacking(self, triples: Int64) -> tuple[Int64, Int64, Float64]:
        """What triples entail and the graph does not have.

        Returns:
            (P,) rows into triples, (P,) numbers from head to tail, (P,) confidence.
        """
        number, other = self.strong()
        first = np.searchsorted(number, triples[:, 1]).astype(np.int64)
        counts = np.searchsorted(number, triples[:, 1], side="right") - first
        rows = np.repeat(np.arange(len(triples)), counts)
        entailed = other[ranges(first, counts)]
        head, relation, tail = triples[rows].T
        there = self.steps.has(head, entailed, tail)
        rows, entailed, relation = rows[~there], entailed[~there], relation[~there]
        return rows, entailed, self.confidence(relation, entailed, np.zeros_like(rows))

    def missing(self, triples: Int64) -> Float64:
        """(N,) sum of -log(1 - confidence) of what is entailed and not there."""
        rows, _, sure = self.lacking(triples)
        cost = -np.log1p(-np.minimum(sure, 0.99))
        return summed(rows, cost, len(triples))


class Rules:
    """Evidence that a graph gives about triples.

    Args:
        graph: The graph; its train triples are what is counted.
        seed: Of what is drawn where walks are too many.
    """

    def __init__(self, graph: KnowledgeGraph, seed: int = 0) -> None:
        self.graph = graph
        train = graph.triples_of("train").astype(np.int64)
        self.steps = Steps.of(train, graph.num_entities, graph.num_relations)
        self.roles = Roles.of(self.steps)
        self.entailments = Entailments.learn(self.steps)
        self.compositions = Compositions.learn(self.steps, seed)
        self.neighbours = Neighbours.learn(self.steps)
        self.single = self._single()  # (2R,) share of sources with one target
        sample = train[np.random.default_rng(seed).permutation(len(train))[:SAMPLE]]
        best = self.walks(sample, np.ones(len(sample), dtype=np.int64)).best(len(sample))[0]
        totals = np.bincount(sample[:, 1], best, minlength=graph.num_relations)
        number = np.bincount(sample[:, 1], minlength=graph.num_relations)
        self.usual_path = totals / np.maximum(number, 1)  # (R,)

    def _single(self) -> Float64:
        width = 2 * self.graph.num_relations
        roles = self.roles.keys % max(1, width)
        once = np.bincount(roles, self.roles.counts == 1, minlength=width)
        found: Float64 = once / np.maximum(self.roles.size + PRIOR, 1)
        return found

    def walks(self, triples: Int64, present: Int64) -> Walks:
        """As `Compositions.walks`."""
        return self.compositions.walks(triples, present)

    def evidence(self, triples: Int64, present: Int64, instead: Int64 | None = None) -> Float64:
        """What speaks for and against triples.

        Args:
            triples: (N, 3).
            present: (N,) 1 where the triple is in train, so that it does not count for itself.
            instead: (N, 3) triples of the graph that are not to count either; None: none.

        Returns:
            (N, len(EVIDENCE)) float64, finite.
        """
        relations = self.graph.num_relations
        head, relation, tail = triples.T
        gone = present + (0 if instead is None else _same(triples, instead, 0))
        lost = present + (0 if instead is None else _same(triples, instead, 2))
        tails = self.roles.uses(head, relation) - gone
        heads = self.roles.uses(tail, relation + relations) - lost
        path = self.walks(triples, present).best(len(triples))[0]
        columns: Sequence[Float64] = (
            self.roles.lift(head, relation, present),
            self.roles.lift(tail, relation + relations, present),
            np.log1p(np.maximum(tails, 0)),
            np.log1p(np.maximum(heads, 0)),
            self._crowd(relation, tails),
            self._crowd(relation + relations, heads),
            self.entailments.implied(triples, present),
            self.entailments.missing(triples),
            path,
            np.maximum(self.usual_path[relation] - path, 0),
            *self.neighbours.evidence(triples, present).T,
        )
        return np.column_stack(columns)

    def _crowd(self, numbers: Int64, others: Int64) -> Float64:
        """(N,) -log of the share of sources that have several targets, where there are others."""
        cost: Float64 = -np.log(np.maximum(1 - self.single[numbers], 1e-3))
        return np.where(others > 0, cost, 0.0)


def _same(triples: Int64, instead: Int64, column: int) -> Int64:
    """(N,) 1 where both have the relation and what is in the column in common."""
    same = (triples[:, 1] == instead[:, 1]) & (triples[:, column] == instead[:, column])
    found: Int64 = same.astype(np.int64)
    return found
