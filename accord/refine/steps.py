"""The triples of a graph as steps both ways, found by where they start or by their two ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.evaluate.known import ranges
from accord.graph.builder import triple_keys

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Trusted = Callable[[Int64, Int64, Int64], Float64]
"""How far steps can be trusted, by (N,) sources, numbers and targets: (N,) from 0 to 1."""


@dataclass(frozen=True)
class Steps:
    """Every triple read from either end: number r from head to tail, r + R from tail to head."""

    entities: int
    """E."""
    relations: int
    """R."""
    sources: Int64
    """(S,) where each step starts; steps are sorted by source, target, number."""
    numbers: Int64
    """(S,) relation numbers."""
    targets: Int64
    """(S,) where each step leads."""
    offsets: Int64
    """(E + 1,) where each source's steps begin."""
    pairs: Int64
    """(S,) source * E + target."""
    keys: Int64
    """(S,) one number a step."""

    @classmethod
    def of(cls, triples: npt.NDArray[np.integer[Any]], entities: int, relations: int) -> Steps:
        """Reads distinct triples from both ends.

        Args:
            triples: (T, 3); repetitions do no harm.
            entities: E.
            relations: R.

        Raises:
            DataError: More entities and relations than one number can index.
        """
        wide = triples.astype(np.int64)
        back = wide[:, ::-1] + np.array([0, relations, 0])
        every = np.concatenate([wide, back])[:, [0, 2, 1]]  # source, target, number
        # Source, target, number as one integer: sorting those is ten times faster than rows.
        triple_keys(every[:0], 2 * relations, entities)
        key = (every[:, 0] * entities + every[:, 1]) * (2 * relations) + every[:, 2]
        keys = np.unique(key)
        pairs, numbers = np.divmod(keys, max(1, 2 * relations))
        sources, targets = np.divmod(pairs, max(1, entities))
        offsets = np.searchsorted(sources, np.arange(entities + 1)).astype(np.int64)
        return cls(entities, relations, sources, numbers, targets, offsets, pairs, keys)

    def degrees(self) -> Int64:
        """(E,) steps from each entity."""
        return np.diff(self.offsets)

    def inverse(self, numbers: Int64) -> Int64:
        """The numbers of the same steps walked back."""
        found: Int64 = (numbers + self.relations) % (2 * self.relations)
        return found

    def between(self, sources: Int64, targets: Int64) -> tuple[Int64, Int64]:
        """All steps between pairs of entities.

        Args:
            sources: (N,).
            targets: (N,).

        Returns:
            (P,) rows into the arguments, ascending, and (P,) numbers of steps.
        """
        wanted = sources * self.entities + targets
        first = np.searchsorted(self.pairs, wanted, side="left").astype(np.int64)
        counts = np.searchsorted(self.pairs, wanted, side="right").astype(np.int64) - first
        return np.repeat(np.arange(len(wanted)), counts), self.numbers[ranges(first, counts)]

    def has(self, sources: Int64, numbers: Int64, targets: Int64) -> Bool:
        """(N,) whether each step exists."""
        wanted = (sources * self.entities + targets) * (2 * self.relations) + numbers
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        found: Bool = self.keys[at] == wanted if len(self.keys) else np.zeros(len(wanted), bool)
        return found

    def leaving(
        self, sources: Int64, limit: int, rng: np.random.Generator
    ) -> tuple[Int64, Int64, Float64]:
        """Steps from entities, drawn with repetition where there are more than the limit.

        Args:
            sources: (N,).
            limit: Steps of one entity at most.
            rng: Of the draw.

        Returns:
            (P,) rows into `sources`, (P,) step rows, (P,) how many steps each one stands for.
        """
        degree = self.offsets[sources + 1] - self.offsets[sources]
        counts = np.minimum(degree, limit)
        rows = np.repeat(np.arange(len(sources)), counts)
        steps = ranges(self.offsets[sources], counts)
        drawn = np.flatnonzero(degree[rows] > limit)
        many = sources[rows[drawn]]
        steps[drawn] = self.offsets[many] + (
            rng.random(len(drawn)) * (self.offsets[many + 1] - self.offsets[many])
        ).astype(np.int64)
        return rows, steps, degree[rows] / np.maximum(counts[rows], 1)
