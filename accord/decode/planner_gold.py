"""The relation paths that questions with known answers ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from accord.decode.plans import Plan, Plans
from accord.decode.schema import Schema
from accord.errors import GraphError
from accord.graph.graph import Int64
from accord.text.mentions import Mention, MentionIndex
from accord.text.questions import Question
from accord.text.render import entity_name, one_line

Path = tuple[int, ...]
"""Numbers of the schema."""
FRONTIER = 5000
"""Entities of which paths to answers are looked for, at most; larger sets are passed over."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with the right readings of it."""

    question: Question
    mentions: tuple[Mention, ...]
    """All that it names."""
    topics: frozenset[int]
    """Entity idx that it is about."""
    paths: frozenset[Path]
    """Paths any of which is right."""


class Gold:
    """Reads off which paths questions ask for.

    Args:
        plans: The plans of the graph.
        schema: Its steps.
        mentions: Finds topics.
        hops: Steps of a path at most, where only answers are known.
    """

    def __init__(self, plans: Plans, schema: Schema, mentions: MentionIndex, hops: int) -> None:
        self.plans = plans
        self.schema = schema
        self.mentions = mentions
        self.hops = hops

    def __call__(self, questions: Iterable[Question]) -> list[Asked]:
        """Those questions of one topic whose topic is named and whose path is found.

        A question's `pattern` says its path; without one the paths from its topic that lead to
        exactly its answers are taken, each as right as the others.
        """
        found = []
        for question in questions:
            mentions = tuple(self.mentions.find_overlapping(question.question))
            topics = self._topics(question, mentions)
            paths = self.paths(question, topics) if topics else set()
            if paths:
                found.append(Asked(question, mentions, frozenset(topics), frozenset(paths)))
        return found

    def paths(self, question: Question, topics: Iterable[int]) -> set[Path]:
        """The paths that a question asks for, from its topics."""
        if question.pattern or question.paths:
            path = self.read(question.pattern)
            return {path} if path else set()
        return {path for topic in topics for path in self.leading(topic, question)}

    def read(self, pattern: str) -> Path | None:
        """The path that a pattern such as ``capital > ~located in`` writes; None for others."""
        graph, found = self.schema.graph, list[int]()
        properties = list(graph.properties)
        for part in pattern.split(" > "):
            try:
                number = graph.relation(part.removeprefix("~"))
            except GraphError:
                if part not in properties:
                    return None
                found.append(len(self.schema.steps) + properties.index(part))
            else:
                inverse = graph.num_relations * part.startswith("~")
                found.append(self.schema.step_of(number + inverse))
        return tuple(found)

    def leading(self, topic: int, question: Question) -> set[Path]:
        """The paths from a topic that lead to exactly the answers of a question."""
        wanted, found = frozenset(question.answer_ids or question.answers), set[Path]()
        level: list[tuple[Path, Int64]] = [((), np.array([topic], dtype=np.int64))]
        for left in range(self.hops, 0, -1):
            longer: list[tuple[Path, Int64]] = []
            for path, here in level:
                for step, ends in self._steps(topic, path, here):
                    if self._called(step, ends, question) == wanted:
                        found.add((*path, step))
                    if left > 1 and not self.schema.is_property(step) and len(ends) <= FRONTIER:
                        longer.append(((*path, step), ends))
            level = longer
        return found

    def _topics(self, question: Question, mentions: Sequence[Mention]) -> set[int]:
        named = {c.entity for mention in mentions for c in mention.candidates}
        if not question.topics:
            return named
        ids = self.schema.graph.entity_ids
        wanted = {ids.find(key, self.schema.graph.entity_order) for key in question.topics}
        return named & wanted if len(wanted) == 1 else set()

    def _steps(self, topic: int, path: Path, here: Int64) -> Iterable[tuple[int, Int64]]:
        for step in sorted({s for e in here.tolist() for s in self.schema.at(e).tolist()}):
            if self.schema.is_property(step):
                yield step, here
                continue
            ends = self.plans.ends(here, self.schema.steps[step])
            ends = ends[ends != topic] if path else ends
            if len(ends):
                yield step, ends

    def _called(self, step: int, ends: Int64, question: Question) -> frozenset[str]:
        graph = self.schema.graph
        if len(ends) > FRONTIER:
            return frozenset()
        if self.schema.is_property(step):
            name = graph.properties[step - len(self.schema.steps)]
            stated = (a for e in ends.tolist() for a in graph.attributes_of(e))
            return frozenset(a.value for a in stated if a.property == name)
        if question.answer_ids:
            return frozenset(graph.entity_ids[e] for e in ends.tolist())
        return frozenset(one_line(entity_name(graph, e)) for e in ends.tolist())


def plan_of(schema: Schema, topic: int, path: Sequence[int]) -> Plan:
    """A path of the schema as a plan from a topic."""
    ends = bool(path) and schema.is_property(path[-1])
    steps = tuple(schema.steps[step] for step in (path[:-1] if ends else path))
    name = schema.graph.properties[path[-1] - len(schema.steps)] if ends else ""
    return Plan(topic, steps, name)
