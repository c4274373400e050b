"""Entities with like triples, and whether they have what a triple says: evidence by analogy.

Two entities are near where they share triples, rare ones counting more. A triple whose head (or
tail) has neighbours that have the same relation to the same entity is borne out by them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accord.evaluate.known import ranges
from accord.refine.compositions import summed
from accord.refine.steps import Float64, Int64, Steps

PAIRS = 8_000_000
"""Pairs of entities with a triple in common at most; what very many have is left out."""
MOST = 128
"""Neighbours of an entity at most, the nearest ones."""
ASKED = 32_000_000
"""Neighbours that are looked up for all triples at most, about."""
POWERS = (2, 8)
"""Of the cosine: all that are near count, or hardly more than the nearest."""
CHUNK = 100_000


@dataclass(frozen=True)
class Neighbours:
    """The nearest entities of every entity, by the triples that they share."""

    steps: Steps
    offsets: Int64
    """(E + 1,) where each entity's neighbours begin."""
    others: Int64
    """(P,) neighbours."""
    shared: Float64
    """(P,) weight of what both have."""
    size: Float64
    """(E,) weight of all that an entity has."""
    keys: Int64
    """(K,) sorted: number * E + target of each distinct step's end."""
    weights: Float64
    """(K,) of one step in `size`."""
    counted: Float64
    """(K,) of one step in `shared`: 0 for what too many have."""

    @classmethod
    def learn(cls, steps: Steps, pairs: int = PAIRS) -> Neighbours:
        """Finds them.

        Args:
            steps: The graph.
            pairs: Pairs of entities at most.
        """
        ends = steps.numbers * steps.entities + steps.targets
        keys, group, counts = np.unique(ends, return_inverse=True, return_counts=True)
        group = group.ravel()
        weights = np.log1p(steps.entities / counts) ** 2
        few = counts <= _cap(counts, pairs)
        counted = np.where(few, weights, 0.0)
        one, other, shared = _pairs(steps, group, counts, counted)
        size = summed(steps.sources, weights[group], steps.entities)
        near = shared / np.sqrt(size[one] * size[other])
        order = np.lexsort((other, -near, one))
        place = np.arange(len(order)) - np.searchsorted(one[order], one[order])
        most = min(MOST, max(8, ASKED // max(1, len(steps.sources))))
        kept = order[place < most]
        offsets = np.searchsorted(one[kept], np.arange(steps.entities + 1)).astype(np.int64)
        return cls(steps, offsets, other[kept], shared[kept], size, keys, weights, counted)

    def evidence(self, triples: Int64, present: Int64) -> Float64:
        """How far neighbours of the ends bear triples out.

        Args:
            triples: (N, 3).
            present: (N,) 1 where the triple is in the graph and is not to count for itself.

        Returns:
            (N, 4) log of the share of the head's neighbours that have the relation to the tail, of
            the tail's that the head has it to, each weighed by nearness; then the same with hardly
            more than the nearest.
        """
        found = np.zeros((len(triples), 2 * len(POWERS)))
        for start in range(0, len(triples), CHUNK):
            part = slice(start, start + CHUNK)
            head, relation, tail = triples[part].T
            back = relation + self.steps.relations
            found[part, 0::2] = self._borne_out(head, relation, tail, present[part])
            found[part, 1::2] = self._borne_out(tail, back, head, present[part])
        return found

    def _borne_out(self, ends: Int64, numbers: Int64, others: Int64, present: Int64) -> Float64:
        """(N, len(POWERS)) for one end."""
        counts = self.offsets[ends + 1] - self.offsets[ends]
        rows = np.repeat(np.arange(len(ends)), counts)
        at = ranges(self.offsets[ends], counts)
        near = self.others[at]
        has = self.steps.has(near, numbers[rows], others[rows])
        place = np.searchsorted(self.keys, numbers * self.steps.entities + others)
        place = np.minimum(place, max(0, len(self.keys) - 1))
        own = np.maximum(self.size[ends] - self.weights[place] * present, 1e-9)
        shared = self.shared[at] - (self.counted[place] * present)[rows] * has
        cosine = np.clip(shared / np.sqrt(own[rows] * self.size[near]), 0.0, 1.0)
        columns = []
        for power in POWERS:
            weight = cosine**power
            every = np.bincount(rows, weight, minlength=len(ends))
            bearing = np.bincount(rows, weight * has, minlength=len(ends))
            columns.append(np.log((bearing + 1e-4) / (every + 1e-3)))
        return np.column_stack(columns)


def _cap(counts: Int64, pairs: int) -> int:
    """How many may have a step for it to count, so that there are not too many pairs."""
    order = np.sort(counts)
    within = np.searchsorted(np.cumsum(order.astype(np.float64) ** 2), pairs, side="right")
    return int(order[within - 1]) if within else 1


def _pairs(
    steps: Steps, group: Int64, counts: Int64, counted: Float64
) -> tuple[Int64, Int64, Float64]:
    """(P,) and (P,) entities with a step in common, (P,) weight of all that they share."""
    order = np.argsort(group, kind="stable")
    first = np.cumsum(counts) - counts
    use = (counted > 0) & (counts > 1)
    members = order[use[group[order]]]
    own = group[members]
    rows = np.repeat(np.arange(len(members)), counts[own])
    other = steps.sources[order[ranges(first[own], counts[own])]]
    one, weight = steps.sources[members][rows], counted[own][rows]
    keep = one != other
    keys, place = np.unique(one[keep] * steps.entities + other[keep], return_inverse=True)
    shared = summed(place, weight[keep], len(keys))
    left, right = np.divmod(keys, max(1, steps.entities))
    return left.astype(np.int64), right.astype(np.int64), shared
