"""Relation paths of one and two steps between entities, and how often each implies a relation.

The rules are learnt from the graph alone: where a path leads from an entity to another, how often
does the relation that is asked for hold between the two as well?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.graph.graph import SPLITS, Int64, KnowledgeGraph

HEADS = 100
"""Entities from which the paths of a relation are counted, at most."""
WIDTH = 200
"""Triples of an entity that are looked at, at most."""
SHRINK = 5.0
"""So many cases of the relation's own frequency are added to those that were counted."""
Path = tuple[int, ...]


class Triples(NamedTuple):
    """The triples of an entity, read from it."""

    numbers: Int64
    """(n,) relation numbers."""
    ends: Int64
    """(n,) entity idx at the other end."""
    rows: Int64
    """(n,) rows of `graph.triples`."""


@dataclass(frozen=True)
class Learnt:
    """How often paths imply a relation."""

    base: float
    """Share of the pairs of the relation's heads and tails between which it holds."""
    counts: dict[Path, tuple[int, int]]
    """Path -> (cases in which the relation holds, all cases)."""

    def confidence(self, path: Path) -> float:
        """Probability, 0 to 1, that the relation holds where the path does."""
        hits, cases = self.counts.get(path, (0, 0))
        return (hits + SHRINK * self.base) / (cases + SHRINK)

    def lift(self, path: Path) -> float:
        """Log of how much likelier the path makes the relation; below 0 it speaks against it."""
        return math.log(max(self.confidence(path), 1e-4) / max(self.base, 1e-4))


class Ways:
    """Paths of one graph.

    Args:
        graph: The graph.
        splits: Whose triples are walked.
    """

    def __init__(self, graph: KnowledgeGraph, splits: Sequence[str] = SPLITS) -> None:
        self.graph = graph
        self._walkable = np.isin(graph.split, [SPLITS.index(split) for split in splits])
        self.count = 2 * graph.num_relations
        self.around = lru_cache(maxsize=1 << 14)(self._around)
        self.learn = lru_cache(maxsize=256)(self._learn)

    def turned(self, number: int) -> int:
        """The relation number of the same step walked the other way."""
        return (number + self.graph.num_relations) % self.count

    def _around(self, entity: int) -> Triples:
        graph = self.graph
        out = graph.out_edges[graph.out_offsets[entity] : graph.out_offsets[entity + 1]]
        into = graph.in_edges[graph.in_offsets[entity] : graph.in_offsets[entity + 1]]
        first, second = (_spread(rows[self._walkable[rows]], WIDTH) for rows in (out, into))
        ahead, back = graph.triples[first], graph.triples[second]
        numbers = [ahead[:, 1], back[:, 1] + graph.num_relations]
        ends, rows = [ahead[:, 2], back[:, 0]], [first, second]
        return Triples(*(np.concatenate(part).astype(np.int64) for part in (numbers, ends, rows)))

    def between(self, head: int, tail: int) -> dict[Path, list[tuple[int, ...]]]:
        """Every path of one or two steps, with the rows of the triples by which it goes.

        An entity in the middle is neither of the two.
        """
        here, there = self.around(head), self.around(tail)
        found: dict[Path, list[tuple[int, ...]]] = {}
        direct = here.ends == tail
        for number, row in zip(here.numbers[direct], here.rows[direct], strict=True):
            found.setdefault((int(number),), []).append((int(row),))
        back: dict[int, list[tuple[int, int]]] = {}
        for number, end, row in zip(*(part.tolist() for part in there), strict=True):
            if end not in (head, tail):
                back.setdefault(end, []).append((self.turned(number), row))
        for number, end, row in zip(*(part.tolist() for part in here), strict=True):
            for second, other in back.get(end, ()):
                found.setdefault((number, second), []).append((row, other))
        return found

    def tails(self, number: int) -> Int64:
        """(n,) sorted entity idx to which a relation number leads from somewhere."""
        triples = self._triples_of(number)
        return np.unique(triples[:, 2 if number < self.graph.num_relations else 0])

    def _triples_of(self, number: int) -> Int64:
        relation = self.graph.triples[:, 1] == number % self.graph.num_relations
        found: Int64 = self.graph.triples[relation & self._walkable].astype(np.int64)
        return found

    def _learn(self, number: int) -> Learnt:
        """Counts, over heads of a relation, where its paths lead."""
        tails = self.tails(number)
        triples = self._triples_of(number)
        column = 0 if number < self.graph.num_relations else 2
        heads = _spread(np.unique(triples[:, column]), HEADS).tolist()
        cases: dict[int, int] = {}
        hits: dict[int, int] = {}
        pairs = true = 0
        for head in heads:
            known = self.around(head)
            answers = np.unique(known.ends[known.numbers == number])
            keys, ends = self._reached(head, tails)
            pairs, true = pairs + int((tails != head).sum()), true + int((answers != head).sum())
            for counter, chosen in ((cases, keys), (hits, keys[np.isin(ends, answers)])):
                for key, n in zip(*np.unique(chosen, return_counts=True), strict=True):
                    counter[int(key)] = counter.get(int(key), 0) + int(n)
        counts = {self._path(k): (hits.get(k, 0), n) for k, n in cases.items() if k != number}
        return Learnt(true / max(1, pairs), counts)

    def _reached(self, head: int, wanted: Int64) -> tuple[Int64, Int64]:
        """(n,) keys of paths and (n,) entity idx to which they lead, each pair once."""
        first = self.around(head)
        keys, ends = [first.numbers], [first.ends]
        for number, middle in {(n, e) for n, e in zip(first.numbers, first.ends, strict=True)}:
            if middle != head:
                second = self.around(int(middle))
                other = second.ends != middle
                keys.append(self.count * (1 + number) + second.numbers[other])
                ends.append(second.ends[other])
        key, end = np.concatenate(keys), np.concatenate(ends)
        keep = np.isin(end, wanted) & (end != head)
        found = np.unique(key[keep] * self.graph.num_entities + end[keep])
        return found // self.graph.num_entities, found % self.graph.num_entities

    def _path(self, key: int) -> Path:
        first, last = divmod(key, self.count)
        return (last,) if first == 0 else (first - 1, last)


def _spread(rows: npt.NDArray[np.integer[Any]], count: int) -> Int64:
    """At most so many of some rows, evenly over all."""
    if len(rows) <= count:
        return rows.astype(np.int64)
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)].astype(np.int64)
