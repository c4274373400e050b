"""Composition rules: a step and a further step that stand for a relation, with confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accord.refine.steps import Float64, Int64, Steps

BUDGET = 20_000_000
"""Pairs of steps that are walked to learn; above it they are drawn."""
FAN = 64
"""Steps from one entity at most, where they are drawn."""
CHUNK = 200_000
PRIOR = 2.0
"""Walks without the relation that every rule is given beforehand."""


@dataclass(frozen=True)
class Walks:
    """Two-step walks between the ends of triples."""

    rows: Int64
    """(P,) which triple."""
    first: Int64
    """(P,) number of the step from the head."""
    second: Int64
    """(P,) number of the step to the tail."""
    middle: Int64
    """(P,) the entity between."""
    confidence: Float64
    """(P,) of the rule that the walk follows, without the triple's own share."""

    def best(self, count: int) -> tuple[Float64, Int64]:
        """The most confident walk of every triple.

        Returns:
            (count,) its confidence, 0 for none; (count,) its place here, -1 for none.
        """
        order = np.lexsort((self.confidence, self.rows))
        rows = self.rows[order]
        last = np.flatnonzero(np.diff(rows, append=-1))
        confidence, place = np.zeros(count), np.full(count, -1, dtype=np.int64)
        confidence[rows[last]], place[rows[last]] = self.confidence[order[last]], order[last]
        return confidence, place


@dataclass(frozen=True)
class Compositions:
    """Rules first(x, z) and second(z, y) -> relation(x, y) of one graph."""

    steps: Steps
    bodies: Int64
    """(B,) sorted: first * 2R + second."""
    walked: Float64
    """(B,) walks of each body."""
    rules: Int64
    """(K,) sorted: body * R + relation."""
    hits: Float64
    """(K,) those of them whose ends the relation joins."""

    @classmethod
    def learn(cls, steps: Steps, seed: int = 0, budget: int = BUDGET) -> Compositions:
        """Counts walks, all of them or as many as the budget allows.

        Source: confidence of closed rules as in AMIE (Galarraga et al. 2013). Differs from it:
        walks are counted and not pairs, so that they can be drawn.

        Args:
            steps: The graph.
            seed: Of the draw.
            budget: Walks at most, about.
        """
        rng, width = np.random.default_rng(seed), 2 * steps.relations
        ways = int(steps.degrees()[steps.targets].sum())
        fan = FAN if ways > budget else max(1, int(steps.degrees().max(initial=1)))
        capped = int(np.minimum(steps.degrees(), fan)[steps.targets].sum())
        share = min(1.0, budget / max(1, capped))
        used = np.flatnonzero(rng.random(len(steps.sources)) < share)
        body, rule = _Tally(), _Tally()
        size = max(1, CHUNK * 16 // max(16, min(fan, CHUNK)))
        for start in range(0, len(used), size):
            first = used[start : start + size]
            rows, second, weight = steps.leaving(steps.targets[first], fan, rng)
            x, z, y = steps.sources[first[rows]], steps.targets[first[rows]], steps.targets[second]
            keep = (x != z) & (z != y) & (x != y)
            key = (steps.numbers[first[rows]] * width + steps.numbers[second])[keep]
            body.add(key, weight[keep])
            hit, number = steps.between(x[keep], y[keep])
            head = number < steps.relations
            found = key[hit[head]] * steps.relations + number[head]
            rule.add(found, weight[keep][hit[head]])
        return cls(steps, *body.whole(), *rule.whole())

    def walks(self, triples: Int64, present: Int64, seed: int = 0) -> Walks:
        """The walks between the ends of triples that follow a rule for their relation.

        Args:
            triples: (N, 3).
            present: (N,) 1 where the triple is in the graph and bore its own rules out, else 0.
            seed: Of the draw among the steps of entities that have many.
        """
        parts = [
            self._walks(triples[at : at + CHUNK], present[at : at + CHUNK], seed, at)
            for at in range(0, len(triples), CHUNK)
        ]
        names = ("rows", "first", "second", "middle", "confidence")
        empty = [np.zeros(0, dtype=np.int64)] * 4 + [np.zeros(0)]
        columns = [np.concatenate([e, *(getattr(p, n) for p in parts)])
                   for n, e in zip(names, empty, strict=True)]  # fmt: skip
        return Walks(*columns)

    def _walks(self, triples: Int64, present: Int64, seed: int, start: int) -> Walks:
        steps, rng = self.steps, np.random.default_rng([seed, start])
        degree = steps.degrees()
        small = degree[triples[:, 0]] <= degree[triples[:, 2]]
        parts = []
        for chosen, near, far in ((small, 0, 2), (~small, 2, 0)):
            at = np.flatnonzero(chosen)
            rows, step, _ = steps.leaving(triples[at, near], 4 * FAN, rng)
            z, rows = steps.targets[step], at[rows]
            keep = (z != triples[rows, 0]) & (z != triples[rows, 2])
            rows, step, z = rows[keep], step[keep], z[keep]
            # From the middle to the far end; seen from the tail both steps are walked back.
            hit, number = steps.between(z, triples[rows, far])
            ends = steps.numbers[step[hit]], number
            if near == 2:
                ends = steps.inverse(number), steps.inverse(ends[0])
            parts.append(np.stack([rows[hit], *ends, z[hit]]))
        rows, first, second, z = np.concatenate(parts, axis=1)
        body = first * (2 * steps.relations) + second
        confidence = self._confidence(body, triples[rows, 1], rows, present[rows])
        keep = confidence > 0
        return Walks(rows[keep] + start, first[keep], second[keep], z[keep], confidence[keep])

    def _confidence(self, body: Int64, relation: Int64, rows: Int64, present: Int64) -> Float64:
        """(P,) confidence; a triple in the graph does not count for itself."""
        count = len(self.bodies)
        _, group, sizes = np.unique(
            rows * (4 * self.steps.relations**2) + body, return_inverse=True, return_counts=True
        )
        own = sizes[group.ravel()] * present
        walked = _looked_up(self.bodies, self.walked, body) if count else np.zeros(len(body))
        hits = _looked_up(self.rules, self.hits, body * self.steps.relations + relation)
        found: Float64 = np.maximum(hits - own, 0) / np.maximum(walked - own + PRIOR, PRIOR)
        return np.minimum(found, 1.0)


class _Tally:
    """Weights added up by key, a part at a time."""

    def __init__(self) -> None:
        self._keys, self._sums = np.zeros(0, dtype=np.int64), np.zeros(0)

    def add(self, keys: Int64, weights: Float64) -> None:
        every = np.concatenate([self._keys, keys])
        values = np.concatenate([self._sums, weights])
        self._keys, group = np.unique(every, return_inverse=True)
        self._sums = summed(group, values, len(self._keys))

    def whole(self) -> tuple[Int64, Float64]:
        return self._keys, self._sums


def summed(group: Int64, values: Float64, count: int) -> Float64:
    """(count,) the sum of the values of each group."""
    found: Float64 = np.bincount(group.ravel(), values, minlength=count).astype(np.float64)
    return found


def _looked_up(keys: Int64, values: Float64, wanted: Int64) -> Float64:
    """(N,) the value of each key; 0 for keys that are not there."""
    if not len(keys):
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Float64 = np.where(keys[at] == wanted, values[at], 0.0)
    return found
