"""Queries of triples and the answers that are already known for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import GraphError
from accord.evaluate.protocol import Int64
from accord.graph.builder import triple_keys
from accord.graph.graph import SPLITS, KnowledgeGraph


def queries_of(triples: npt.NDArray[np.integer[Any]], relations: int) -> tuple[Int64, Int64]:
    """Both queries of every triple: all tail predictions, then all head predictions.

    Args:
        triples: (T, 3) head, relation, tail.
        relations: R; the head prediction of relation r has number r + R.

    Returns:
        (2T, 2) int64 queries (entity, relation number) and (2T,) int64 answers.
    """
    head, relation, tail = (triples[:, i].astype(np.int64) for i in range(3))
    forward = np.stack([head, relation], axis=1)
    backward = np.stack([tail, relation + relations], axis=1)
    return np.concatenate([forward, backward]), np.concatenate([tail, head])


def ranges(starts: Int64, counts: Int64) -> Int64:
    """The numbers starts[i], starts[i] + 1, ... (counts[i] of them), all after one another."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(starts - ends + counts, counts)


def default_filter(split: str) -> tuple[str, ...]:
    """The splits whose triples count as known when one is evaluated.

    Test triples are never used while tuning on train or valid.

    Raises:
        GraphError: No such split.
    """
    if split not in SPLITS:
        raise GraphError(f"no split {split!r}", "choose train, valid or test")
    return SPLITS[: max(2, SPLITS.index(split) + 1)]


@dataclass(frozen=True)
class KnownAnswers:
    """All known answers of all queries, found by binary search."""

    relations: int
    """R."""
    keys: Int64
    """(K,) sorted: entity * 2R + relation number."""
    answers: Int64
    """(K,) one answer to the query of that key; none twice for one key."""

    @classmethod
    def of(cls, triples: npt.NDArray[np.integer[Any]], relations: int) -> KnownAnswers:
        """Builds the table from triples.

        Args:
            triples: (T, 3); repetitions do no harm.
            relations: R.

        Raises:
            DataError: More entities and relations than one number can index.
        """
        queries, answers = queries_of(triples, relations)
        entities = 1 + int(answers.max(initial=0))
        rows = np.column_stack([queries, answers])
        # One number a row: sorting plain integers is ten times faster than sorting by columns.
        order = np.sort(triple_keys(rows, 2 * relations, entities))
        distinct = order[np.flatnonzero(np.diff(order, prepend=-1))]
        keys, found = np.divmod(distinct, entities)
        return cls(relations, keys, found)

    @classmethod
    def of_splits(cls, graph: KnowledgeGraph, splits: tuple[str, ...]) -> KnownAnswers:
        """Builds the table from some splits of a graph."""
        parts = [graph.triples_of(split) for split in splits]
        return cls.of(np.concatenate(parts), graph.num_relations)

    def pairs(self, queries: Int64) -> tuple[Int64, Int64]:
        """The known answers of many queries.

        Args:
            queries: (B, 2).

        Returns:
            (P,) rows into `queries`, ascending, and (P,) entities known for that row.
        """
        keys = queries[:, 0] * (2 * self.relations) + queries[:, 1]
        starts = np.searchsorted(self.keys, keys, side="left").astype(np.int64)
        counts = np.searchsorted(self.keys, keys, side="right").astype(np.int64) - starts
        rows = np.repeat(np.arange(len(queries), dtype=np.int64), counts)
        return rows, self.answers[ranges(starts, counts)]

    def of_query(self, entity: int, relation: int) -> Int64:
        """(n,) the known answers of one query."""
        return self.pairs(np.array([[entity, relation]], dtype=np.int64))[1]
