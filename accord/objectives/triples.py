"""Train triples in both directions, drawn as a pure function of the step."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph
from accord.text.examples import TripleExample

Int64 = npt.NDArray[np.int64]
NEAR_SEED = 1_000_003
"""Added to the seed of the order for triples of changed entities, which have their own order."""


def epoch_rows(count: int, size: int, step: int, seed: int) -> Int64:
    """Which examples a step sees: epochs of seeded permutations, one after the other.

    Args:
        count: Examples in all.
        size: Examples a step.
        step: 0-based step.
        seed: Of the permutations.

    Returns:
        (size,) int64 indices into 0..count-1.
    """
    start, parts, left = step * size, [], size
    while left:
        epoch, offset = divmod(start, count)
        order = np.random.default_rng([seed, epoch]).permutation(count)[offset : offset + left]
        parts.append(order)
        start, left = start + len(order), left - len(order)
    return np.concatenate(parts).astype(np.int64)


class TripleSource:
    """A graph's train triples, each also read backwards with the inverse relation's number.

    Args:
        graph: The graph.
        seed: Of the order.
        changed: Entities (idx) whose triples are drawn more often.
        share: Of each draw, how much is triples of these.

    Raises:
        GraphError: Nothing to train on.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        seed: int,
        changed: Collection[int] = (),
        share: float = 0.0,
    ) -> None:
        train = graph.triples_of("train").astype(np.int64)
        if not len(train) or graph.num_entities < 2:
            raise GraphError(
                f"graph {graph.name!r} has {len(train)} train triples and {graph.num_entities} "
                "entities: nothing to contrast",
                "training needs at least one train triple and two entities",
            )
        inverse = train[:, [2, 1, 0]] + np.array([0, graph.num_relations, 0])
        self.triples = np.unique(np.concatenate([train, inverse]), axis=0)  # (M, 3)
        self.graph = graph
        self.seed = seed
        self.near = np.flatnonzero(np.isin(self.triples[:, 0], list(changed)))
        self.share = share if len(self.near) else 0.0
        self._cached: tuple[int, int, TripleExample] | None = None
        self.width = 2 * graph.num_relations
        keys = self.triples[:, 0] * self.width + self.triples[:, 1]
        self.queries, self.query_starts = np.unique(keys, return_index=True)
        self.query_ends = np.append(self.query_starts[1:], len(keys))

    def __len__(self) -> int:
        return len(self.triples)

    def draw(self, step: int, size: int) -> TripleExample:
        """The triples of a step; the same for every objective that asks."""
        if self._cached is None or self._cached[:2] != (step, size):
            rows = self._rows(step, size)
            heads, relations, tails = self.triples[rows].T
            self._cached = (step, size, TripleExample(heads, relations, tails, rows))
        return self._cached[2]

    def _rows(self, step: int, size: int) -> Int64:
        near = round(self.share * size)
        rows = epoch_rows(len(self), size - near, step, self.seed)
        if not near:
            return rows
        drawn = epoch_rows(len(self.near), near, step, self.seed + NEAR_SEED)
        return np.concatenate([rows, self.near[drawn]])

    def known(self, heads: Int64, relations: Int64, candidates: Int64) -> npt.NDArray[np.bool_]:
        """Which candidates are known answers of which queries in train.

        Args:
            heads: (Q,) entity idx.
            relations: (Q,) relation numbers.
            candidates: (C,) distinct entity idx.

        Returns:
            (Q, C) bool.
        """
        column = np.full(self.graph.num_entities, -1, dtype=np.int64)
        column[candidates] = np.arange(len(candidates))
        at = np.searchsorted(self.queries, heads * self.width + relations)
        at = np.minimum(at, len(self.queries) - 1)
        found = self.queries[at] == heads * self.width + relations
        counts = np.where(found, self.query_ends[at] - self.query_starts[at], 0)
        rows = np.repeat(np.arange(len(heads)), counts)
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        tails = self.triples[np.repeat(self.query_starts[at], counts) + inside, 2]
        mask = np.zeros((len(heads), len(candidates)), dtype=np.bool_)
        keep = column[tails] >= 0
        mask[rows[keep], column[tails[keep]]] = True
        return mask
