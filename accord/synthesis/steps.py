"""Every step that a graph allows, in arrays that random walks and complete answers read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from accord.graph.graph import KnowledgeGraph
from accord.text.questions import Hop

Ints = npt.NDArray[np.int64]


class Steps:
    """The triples of all splits, both ways, grouped by start and relation number.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        heads, relations, tails = (graph.triples[:, i].astype(np.int64) for i in range(3))
        count = graph.num_relations
        starts = np.concatenate([heads, tails])
        numbers = np.concatenate([relations, relations + count])
        ends = np.concatenate([tails, heads])
        order = np.lexsort((ends, numbers, starts))
        self._width = max(1, 2 * count)
        self._starts, self._ends = starts[order], ends[order]
        keys = self._starts * self._width + numbers[order]
        self._groups, first = np.unique(keys, return_index=True)
        self._bounds = np.append(first, len(keys)).astype(np.int64)
        marks = np.arange(graph.num_entities + 1, dtype=np.int64) * self._width
        self._of_entity = np.searchsorted(self._groups, marks).astype(np.int64)
        self._by_number = np.argsort(numbers[order], kind="stable").astype(np.int64)
        sizes = np.bincount(numbers, minlength=self._width)
        self._number_bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._numbers = np.flatnonzero(sizes).astype(np.int64)

    def walk(self, length: int, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Random chains in which each relation, rare or frequent, is as likely as any other.

        One step's relation is drawn first, then one of its triples, then steps before and after
        it; a step draws a relation of the entity, then one of the triples with it.

        Args:
            length: Steps of a chain.
            count: B, how many chains.
            rng: Where the draws come from.

        Returns:
            (B, length + 1) entity idx along each chain, (B, length) relation numbers. Chains may
            visit an entity twice. Empty for a graph without triples.
        """
        entities = np.zeros((count, length + 1), np.int64)
        numbers = np.zeros((count, length), np.int64)
        if not len(self._numbers):
            return entities[:0], numbers[:0]
        pivot = int(rng.integers(length))
        chosen = rng.choice(self._numbers, count)
        low, high = self._number_bounds[chosen], self._number_bounds[chosen + 1]
        row = self._by_number[rng.integers(low, high)]
        numbers[:, pivot] = chosen
        entities[:, pivot], entities[:, pivot + 1] = self._starts[row], self._ends[row]
        for i in range(pivot + 1, length):
            numbers[:, i], entities[:, i + 1] = self._draw(entities[:, i], rng)
        for i in range(pivot, 0, -1):
            back, entities[:, i - 1] = self._draw(entities[:, i], rng)
            numbers[:, i - 1] = (back + self._width // 2) % self._width
        return entities, numbers

    def _draw(self, starts: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
        group = rng.integers(self._of_entity[starts], self._of_entity[starts + 1])
        row = rng.integers(self._bounds[group], self._bounds[group + 1])
        return self._groups[group] % self._width, self._ends[row]

    def sizes(self, starts: Ints, numbers: Ints) -> Ints:
        """How many entities single steps lead to.

        Args:
            starts: Entity idx, of any shape.
            numbers: Relation numbers of steps that exist, of the same shape.

        Returns:
            Counts of the same shape.
        """
        place = np.searchsorted(self._groups, starts * self._width + numbers)
        return self._bounds[place + 1] - self._bounds[place]

    def turned(self, number: int) -> int:
        """The relation number of the same step walked the other way."""
        return (number + self._width // 2) % self._width

    def follow(self, starts: Ints, number: int) -> Ints:
        """All entities that one step leads to from any of some entities.

        Args:
            starts: (n,) entity idx.
            number: Relation number of the step.

        Returns:
            (m,) entity idx, ascending, none twice.
        """
        keys = starts * self._width + number
        place = np.searchsorted(self._groups, keys)
        inside = place < len(self._groups)
        place, keys = place[inside], keys[inside]
        place = place[self._groups[place] == keys]
        if len(place) == 1:
            found = self._ends[self._bounds[place[0]] : self._bounds[place[0] + 1]]
        else:
            spans = [self._ends[self._bounds[p] : self._bounds[p + 1]] for p in place]
            found = np.concatenate(spans) if spans else self._ends[:0]
        return found if len(found) < 2 else np.unique(found)

    def follow_any(self, starts: Ints, numbers: Sequence[int]) -> Ints:
        """As `follow`, by any of several relation numbers."""
        found = [self.follow(starts, number) for number in numbers]
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))


def hop_between(graph: KnowledgeGraph, start: int, number: int, end: int) -> Hop:
    """A step by ids.

    Args:
        graph: The graph.
        start: Entity idx where it begins.
        number: Relation number; from the number of relations on, relations walked backwards.
        end: Entity idx where it leads.
    """
    inverse, ids = number >= graph.num_relations, graph.entity_ids
    head, tail = (end, start) if inverse else (start, end)
    return Hop(ids[head], graph.relation_ids[number % graph.num_relations], ids[tail], inverse)
