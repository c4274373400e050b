"""Relation paths that exist from an entity, and all that they lead to.

A plan says how to walk and not where: its answers are found by following it, so they are complete.
Relations that read alike (a border stated from both sides, 'has the city' and the inverse of 'is a
city of') are one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from accord.graph.graph import Int32, Int64, KnowledgeGraph
from accord.text.asking import Asking
from accord.text.asking import Step as WordedStep
from accord.text.render import relation_text

Step = tuple[int, ...]
"""Relation numbers that read alike: r from head to tail, r + R for the inverse."""


@dataclass(frozen=True)
class Plan:
    """A way to walk from an entity: steps, and at the end a property where one is asked for."""

    topic: int
    """Entity idx where it begins."""
    steps: tuple[Step, ...] = ()
    attribute: str = ""
    """Property whose literal values are the answers; empty where entities are."""
    returns: bool = False
    """Whether it may pass or end at its topic again, as a person is a child of their mother."""

    def left_out(self, number: int, ends: Int64) -> Int64:
        """(n,) of what the step of a number, from 1 on, leads to that which counts."""
        return ends if number == 1 or self.returns else ends[ends != self.topic]

    @property
    def hops(self) -> int:
        """Steps, the property's among them."""
        return len(self.steps) + bool(self.attribute)


@dataclass(frozen=True, eq=False)
class Reached:
    """All that a plan leads to, with every row of the graph by which it does."""

    entities: Int64
    """(N,) entity idx that answer, sorted; of a property, those that have it."""
    rows: tuple[Int64, ...]
    """For each step the rows of `triples` that lead to an answer."""
    attributes: Int64
    """Rows of `attributes` that answer; empty where entities do."""


@dataclass(frozen=True, eq=False)
class Known:
    """A plan that exists, as found by a search within a budget."""

    plan: Plan
    frontier: Int64
    """(n,) entity idx that its steps lead to; a part where there are very many."""
    singles: tuple[bool, ...] = ()
    """For each step, whether it leads to one entity only."""
    text: str = field(default="", compare=False)
    """The question that the plan answers, in plain words."""


class Plans:
    """The plans of one graph.

    Args:
        graph: The graph.
        frontier: Entities looked at to see which steps go on from a plan.

    Example:
        >>> from accord.graph.builder import GraphBuilder
        >>> builder = GraphBuilder("g")
        >>> builder.relation("capital", "has the capital", "is the capital of")
        0
        >>> builder.triple("Peru", "capital", "Lima")
        >>> plans = Plans(builder.build())
        >>> [known.text for known in plans.after(plans.start(0))]
        ['What is the capital of Peru?']
    """

    def __init__(self, graph: KnowledgeGraph, frontier: int = 2000) -> None:
        self.graph = graph
        self._limit = frontier
        self._asking = Asking(graph)
        self._group = _alike(graph)
        # A memory map costs more at each look than what is looked at.
        self._triples = np.asarray(graph.triples)
        self._out = np.asarray(graph.out_offsets), np.asarray(graph.out_edges)
        self._into = np.asarray(graph.in_offsets), np.asarray(graph.in_edges)

    @property
    def groups(self) -> Sequence[Step]:
        """For each relation number the step that it is part of."""
        return self._group

    def start(self, topic: int) -> Known:
        """The empty plan of an entity."""
        return Known(Plan(topic), np.array([topic], dtype=np.int64))

    def after(self, known: Known) -> Iterator[Known]:
        """Every plan that is one step longer, each with its question.

        Args:
            known: A plan of entities; one of a property has nothing after it.

        Yields:
            Plans that lead to something other than their topic, in the order of the graph.
        """
        plan = known.plan
        for step, ends in self._steps(known.frontier).items():
            goal = ends if not plan.steps else ends[ends != plan.topic]
            if len(goal):
                longer = Plan(plan.topic, (*plan.steps, step))
                singles = (*known.singles, len(goal) == 1)
                yield self._worded(Known(longer, goal[: self._limit], singles))

    def properties(self, known: Known) -> Iterator[Known]:
        """Every plan that reads a property of what a plan leads to."""
        rows = self._attribute_rows(known.frontier)
        for number in np.unique(self.graph.attributes[rows, 1]).tolist():
            plan = Plan(known.plan.topic, known.plan.steps, self.graph.properties[number])
            yield self._worded(Known(plan, known.frontier, known.singles))

    def worded(self, plan: Plan) -> Known:
        """A plan with its question, and where its steps lead."""
        here, singles = np.array([plan.topic], dtype=np.int64), []
        for number, step in enumerate(plan.steps, 1):
            here = self.ends(here, step)
            here = plan.left_out(number, here)
            singles.append(len(here) == 1)
        return self._worded(Known(plan, here[: self._limit], tuple(singles)))

    def turned_question(self, topic: int, number: int) -> str:
        """The question of one step with the topic as subject, empty where no verb is known."""
        return self._asking.turned_round(topic, number)

    def ends(self, here: Int64, step: Step) -> Int64:
        """(N,) sorted entity idx to which a step leads from some entities; nothing is cut off."""
        rows = np.concatenate([self._follow(here, number) for number in step])
        return np.unique(self._ends(rows, step, here))

    def exists(self, plan: Plan) -> bool:
        """Whether a plan leads to anything."""
        here = np.array([plan.topic], dtype=np.int64)
        for number, step in enumerate(plan.steps, 1):
            here = self.ends(here, step)
            here = plan.left_out(number, here)
        if not plan.attribute:
            return bool(len(here))
        rows = self.graph.attributes[self._attribute_rows(here), 1]
        return bool((rows == list(self.graph.properties).index(plan.attribute)).any())

    def reach(self, plan: Plan) -> Reached:
        """Follows a plan to all that it leads to; nothing is cut off.

        The topic itself is no answer of a plan of several steps, unless that `returns`.
        """
        here = np.array([plan.topic], dtype=np.int64)
        walked: list[Int64] = []
        for number, step in enumerate(plan.steps, 1):
            rows = np.unique(np.concatenate([self._follow(here, n) for n in step]))
            ends = self._ends(rows, step, here)
            here = np.unique(plan.left_out(number, ends))
            walked.append(rows)
        attributes = self._attribute_rows(here) if plan.attribute else np.zeros(0, np.int64)
        if plan.attribute:
            number = list(self.graph.properties).index(plan.attribute)
            attributes = attributes[self.graph.attributes[attributes, 1] == number]
            here = np.unique(self.graph.attributes[attributes, 0]).astype(np.int64)
        return Reached(here, self._leading(walked, plan.steps, here), attributes)

    def walked(self, row: int, step: Step) -> list[tuple[int, int, int]]:
        """(relation number, start, end) of each way in which a step walks a triple."""
        head, relation, tail = (int(x) for x in self.graph.triples[row])
        ways = ((relation, head, tail), (relation + self.graph.num_relations, tail, head))
        return [way for way in ways if way[0] in step]

    def _follow(self, here: Int64, number: int) -> Int64:
        inverse = number >= self.graph.num_relations
        rows = _edges(*(self._into if inverse else self._out), here)
        found: Int64 = rows[self._triples[rows, 1] == number % self.graph.num_relations]
        return found

    def _ends(self, rows: Int64, step: Step, starts: Int64) -> Int64:
        triples = self._triples[rows].astype(np.int64)
        count = self.graph.num_relations
        found = []
        for number in step:
            mine = triples[triples[:, 1] == number % count]
            origin, goal = (2, 0) if number >= count else (0, 2)
            # Rows of one number were read from the starts themselves.
            here = slice(None) if len(step) == 1 else np.isin(mine[:, origin], starts)
            found.append(mine[here, goal])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _leading(
        self, walked: Sequence[Int64], steps: Sequence[Step], answers: Int64
    ) -> tuple[Int64, ...]:
        """Of the rows of each step, those from which an answer is reached."""
        found: list[Int64] = []
        here = answers
        for rows, step in zip(reversed(walked), reversed(steps), strict=True):
            turned = tuple((n + self.graph.num_relations) % self._count for n in step)
            triples = self._triples[rows]
            keep = np.zeros(len(rows), dtype=np.bool_)
            for number in turned:
                origin = 2 if number >= self.graph.num_relations else 0
                mine = triples[:, 1] == number % self.graph.num_relations
                keep |= mine & np.isin(triples[:, origin], here)
            found.append(rows[keep])
            here = np.unique(self._ends(rows[keep], turned, here))
        return tuple(reversed(found))

    @property
    def _count(self) -> int:
        return 2 * self.graph.num_relations

    def _steps(self, frontier: Int64) -> dict[Step, Int64]:
        """What goes on from some entities: step -> (n,) sorted entity idx."""
        ahead = self._triples[_edges(*self._out, frontier)]
        back = self._triples[_edges(*self._into, frontier)]
        shift = self.graph.num_relations
        numbers = np.concatenate([ahead[:, 1].astype(np.int64), back[:, 1] + np.int64(shift)])
        ends = np.concatenate([ahead[:, 2], back[:, 0]]).astype(np.int64)
        groups = dict.fromkeys(self._group[n] for n in np.unique(numbers).tolist())
        return {step: np.unique(ends[np.isin(numbers, step)]) for step in groups}

    def _attribute_rows(self, entities: Int64) -> Int64:
        parts = [self.graph.attribute_rows(entity) for entity in entities.tolist()]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _worded(self, known: Known) -> Known:
        pairs = zip(known.plan.steps, known.singles, strict=True)
        steps = [WordedStep(step[0], single) for step, single in pairs]
        topic, prop = known.plan.topic, known.plan.attribute
        asked = self._asking
        text = asked.attribute(topic, steps, prop) if prop else asked.chain(topic, steps)
        return Known(known.plan, known.frontier, known.singles, text)


def _alike(graph: KnowledgeGraph) -> list[Step]:
    """For each relation number all those that read as it does."""
    groups: dict[str, list[int]] = {}
    for number in range(2 * graph.num_relations):
        groups.setdefault(relation_text(graph, number).casefold(), []).append(number)
    found: list[Step] = [()] * (2 * graph.num_relations)
    for numbers in groups.values():
        for number in numbers:
            found[number] = tuple(numbers)
    return found


def _edges(offsets: Int64, edges: Int32, entities: Int64) -> Int64:
    """The rows of some entities, one after the other."""
    begin, sizes = offsets[entities], offsets[entities + 1] - offsets[entities]
    places = np.repeat(begin - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
    return np.asarray(edges[places], dtype=np.int64)
