"""The structure re-rank: candidates near the query's entity in the train graph gain a little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError
from accord.evaluate.known import ranges
from accord.evaluate.protocol import Int64
from accord.graph.graph import KnowledgeGraph


@dataclass(frozen=True)
class StructureBoost:
    """How much to add to which candidates.

    Source: SimKGC (arXiv 2203.02167), section 3.4.
    Differs from the paper: the query's own entity gains only if train has a loop on it.
    """

    hops: int = 2
    """Candidates within this many edges, walked in either direction, of the query's entity."""
    weight: float = 0.05
    """What is added to their score."""

    def __post_init__(self) -> None:
        if self.hops < 1:
            raise ConfigError(f"structure hops must be at least 1, got {self.hops}")


class Neighbourhoods:
    """Entities near an entity in the train split, edges walked in either direction.

    Args:
        graph: The graph; only its train triples are used.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        train = graph.triples_of("train")
        source = np.concatenate([train[:, 0], train[:, 2]]).astype(np.int64)
        target = np.concatenate([train[:, 2], train[:, 0]]).astype(np.int64)
        order = np.argsort(source, kind="stable")
        self._targets = target[order]
        bounds = np.arange(graph.num_entities + 1)
        self._offsets = np.searchsorted(source[order], bounds).astype(np.int64)
        self._loops = np.unique(train[train[:, 0] == train[:, 2], 0]).astype(np.int64)

    def within(self, entity: int, hops: int) -> Int64:
        """The entities at 1 to `hops` edges from one, ascending; itself only if it has a loop."""
        seen = np.zeros(len(self._offsets) - 1, dtype=np.bool_)
        seen[entity] = True
        frontier = np.array([entity], dtype=np.int64)
        for _ in range(hops):
            frontier = self._step(frontier, seen)
            if not len(frontier):
                break
        seen[entity] = bool(np.isin(entity, self._loops))
        return np.flatnonzero(seen).astype(np.int64)

    def _step(self, frontier: Int64, seen: npt.NDArray[np.bool_]) -> Int64:
        starts = self._offsets[frontier]
        reached = self._targets[ranges(starts, self._offsets[frontier + 1] - starts)]
        fresh = np.unique(reached[~seen[reached]])
        seen[fresh] = True
        return fresh

    def pairs(self, queries: Int64, hops: int) -> tuple[Int64, Int64]:
        """(P,) rows of `queries` and (P,) entities near the entity of that row."""
        entities, rows = np.unique(queries[:, 0], return_inverse=True)
        near = [self.within(int(entity), hops) for entity in entities]
        counts = np.array([len(found) for found in near], dtype=np.int64)
        starts = np.cumsum(counts) - counts
        table = np.concatenate(near) if near else np.zeros(0, dtype=np.int64)
        columns = table[ranges(starts[rows], counts[rows])]
        return np.repeat(np.arange(len(queries), dtype=np.int64), counts[rows]), columns
