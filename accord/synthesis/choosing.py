"""Which of the paths between a question's topic and its answers explain the answers.

Many paths lead there by chance. The relation path that leads to the answers and to little else is
taken; words that it shares with the question decide between equals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.graph.paths import PathResult
from accord.synthesis.steps import Ints, Steps
from accord.text.asking import Asking
from accord.text.questions import Hop, HopPath
from accord.text.render import humanise, relation_text

TRIED = 24
"""Relation paths that are followed to see where else they lead."""
OPENING = 4
"""Letters by which words are compared: 'directed' and 'directors' agree."""


@dataclass(frozen=True)
class Chosen:
    """The relation path that explains the answers best."""

    numbers: tuple[int, ...]
    """Relation numbers of its steps; one stands for all that are worded alike."""
    f1: float
    """How well what it leads to agrees with the answers, 0 to 1."""
    codes: tuple[tuple[int, ...], ...]
    """One path to each answer that it reaches, each step as row * 2 + inverse."""


class Chooser:
    """Chooses among the paths that a search found in one graph.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph, self._steps = graph, Steps(graph)
        asking = Asking(graph)
        self._alike = [asking.alike(number) for number in range(2 * graph.num_relations)]
        self._first = np.array([numbers[0] for numbers in self._alike], np.int64)
        self._openings = [_openings(_said(graph, r)) for r in range(graph.num_relations)]

    def choose(
        self, found: PathResult, answers: Sequence[Collection[int]], question: str
    ) -> Chosen | None:
        """The relation path, from one of the topic's candidates, that explains the answers.

        Args:
            found: All paths, or many, from the topic's candidates to the answers'.
            answers: For each answer the entity idx that it may be.
            question: The question's text.

        Returns:
            What was chosen; None where there is no path.
        """
        owner = {entity: i for i, candidates in enumerate(answers) for entity in candidates}
        asked = _openings(question)
        ranked = []
        for covered, start, numbers, block in self._relation_paths(found, owner):
            reached = self._reached(start, numbers)
            groups = {owner.get(int(e), -1 - int(e)) for e in reached if e != start or e in owner}
            f1 = 2 * covered / (len(groups) + len(answers))
            shared = len(asked & set().union(*(self._openings[n % self._count] for n in numbers)))
            ranked.append(((-round(f1, 6), -shared, len(numbers), start, numbers), f1, block))
        if not ranked:
            return None
        (*_, numbers), f1, block = min(ranked, key=lambda item: item[0])
        return Chosen(numbers, f1, self._one_each(block, owner))

    def hops(self, codes: Sequence[int]) -> HopPath:
        """A path by ids."""
        ids, relations = self._graph.entity_ids, self._graph.relation_ids
        rows = (self._graph.triples[code >> 1].tolist() for code in codes)
        pairs = zip(rows, codes, strict=True)
        return tuple(Hop(ids[h], relations[r], ids[t], bool(code & 1)) for (h, r, t), code in pairs)

    @property
    def _count(self) -> int:
        return self._graph.num_relations

    def _relation_paths(
        self, found: PathResult, owner: dict[int, int]
    ) -> list[tuple[int, int, tuple[int, ...], Ints]]:
        """(answers reached, start, relation numbers, paths) of those that reach the most."""
        every = []
        place = 0
        for length, count in enumerate(found.counts):
            block = found.codes[place : place + length * count].reshape(count, length)
            place += length * count
            if length and count:
                every += self._of_length(block.astype(np.int64), owner)
        every.sort(key=lambda item: (-item[0], len(item[2]), item[1], item[2]))
        return every[:TRIED]

    def _of_length(
        self, block: Ints, owner: dict[int, int]
    ) -> list[tuple[int, int, tuple[int, ...], Ints]]:
        rows, back = block >> 1, block & 1
        triples = self._graph.triples
        numbers = self._first[triples[rows, 1] + back * self._count]
        starts = np.where(back[:, 0] == 1, triples[rows[:, 0], 2], triples[rows[:, 0], 0])
        keys = np.column_stack([starts, numbers]).astype(np.int64)
        distinct, which = np.unique(keys, axis=0, return_inverse=True)
        order = np.argsort(which.reshape(-1), kind="stable")
        bounds = np.searchsorted(which.reshape(-1)[order], np.arange(len(distinct) + 1))
        ends = self._ends(block)
        found = []
        for i, key in enumerate(distinct.tolist()):
            members = order[bounds[i] : bounds[i + 1]]
            covered = {owner[e] for e in np.unique(ends[members]).tolist()}
            found.append((len(covered), key[0], tuple(key[1:]), block[members]))
        return found

    def _ends(self, block: Ints) -> Ints:
        last = block[:, -1]
        triples = self._graph.triples[last >> 1]
        ends: Ints = np.where(last & 1, triples[:, 0], triples[:, 2]).astype(np.int64)
        return ends

    def _reached(self, start: int, numbers: Sequence[int]) -> Ints:
        here = np.array([start], np.int64)
        for number in numbers:
            here = self._steps.follow_any(here, self._alike[number])
        return here

    def _one_each(self, block: Ints, owner: dict[int, int]) -> tuple[tuple[int, ...], ...]:
        """The first path to each answer, in the order of the answers."""
        ends, first = np.unique(self._ends(block), return_index=True)
        by_answer: dict[int, int] = {}
        for end, place in zip(ends.tolist(), first.tolist(), strict=True):
            answer = owner[end]
            by_answer[answer] = min(place, by_answer.get(answer, place))
        return tuple(tuple(block[by_answer[a]].tolist()) for a in sorted(by_answer))


def _said(graph: KnowledgeGraph, relation: int) -> str:
    words = humanise(graph.relation_ids[relation])
    both = (relation, relation + graph.num_relations)
    return " ".join([words, *(relation_text(graph, number) for number in both)])


def _openings(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {word[:OPENING] for word in words if len(word) >= OPENING}
