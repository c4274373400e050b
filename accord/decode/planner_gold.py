"""The relation paths that questions with known answers ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from accord.decode.planner_features import masked
from accord.decode.plans import Plan, Plans
from accord.decode.schema import Schema
from accord.errors import GraphError
from accord.graph.graph import Int64
from accord.progress import track
from accord.text.mentions import Mention, MentionIndex
from accord.text.questions import Question, pattern_of
from accord.text.render import entity_name, one_line

Path = tuple[int, ...]
"""Numbers of the schema."""
PER_WORDING = 6
TRIES = 3
"""So many times as many questions of a wording are looked at, where the graph lacks answers."""
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

    @property
    def words(self) -> list[list[str]]:
        """The question without its topic, for each mention of it."""
        return wordings(self.question, self.mentions, self.topics)


def wordings(
    question: Question, mentions: Sequence[Mention], topics: Collection[int]
) -> list[list[str]]:
    """The words of a question with one word in place of its topic, for each mention of it."""
    return [
        masked(question.question, mention.start, mention.end)
        for mention in mentions
        if any(candidate.entity in topics for candidate in mention.candidates)
    ]


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
        self._called_so: dict[str, list[int]] | None = None

    def __call__(
        self, questions: Sequence[Question], per_wording: int = PER_WORDING, seed: int = 0
    ) -> list[Asked]:
        """Those questions of one topic whose topic is named and whose path is found.

        A question's `pattern` or `paths` say its path; where they say none, the paths from its
        topic that lead to exactly its answers are taken, each as right as the others.

        Args:
            questions: Questions with answers.
            per_wording: Questions that differ in nothing but the topic, at most.
            seed: Of the draw among those.

        Returns:
            The questions, in an order that the seed gives.
        """
        found, seen = list[Asked](), Counter[tuple[str, ...]]()
        tried = Counter[tuple[str, ...]]()
        order = np.random.default_rng(seed).permutation(len(questions)).tolist()
        with track("reading questions", len(order), "questions") as advance:
            for question in (questions[i] for i in order):
                advance(1)
                mentions = self.mentions.find_overlapping(question.question)
                topics = self._topics(question, mentions)
                said = wordings(question, mentions, topics)
                key = tuple(said[0]) if said else ()
                if not said or seen[key] >= per_wording or tried[key] >= TRIES * per_wording:
                    continue
                tried[key] += 1
                paths = self.paths(question, topics)
                if paths:
                    seen[key] += 1
                    named = frozenset(topics)
                    found.append(Asked(question, tuple(mentions), named, frozenset(paths)))
        return found

    def paths(self, question: Question, topics: Iterable[int]) -> set[Path]:
        """The paths that a question asks for, from its topics."""
        stated = question.pattern or (pattern_of(question.paths[0]) if question.paths else "")
        path = self.read(stated) if stated else None
        if path is not None:
            return {path}
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
        last = self._arriving(question)
        level: list[tuple[Path, Int64]] = [((), np.array([topic], dtype=np.int64))]
        for left in range(self.hops, 0, -1):
            longer: list[tuple[Path, Int64]] = []
            for path, here in level:
                for step, ends in self._steps(topic, path, here, last if left == 1 else None):
                    if step in last and self._called(step, ends, question) == wanted:
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

    def _arriving(self, question: Question) -> frozenset[int]:
        """The steps that lead to a question's first answer from anywhere, and all properties."""
        schema, count = self.schema, 2 * self.schema.graph.num_relations
        found = set(range(len(schema.steps), len(schema)))
        for entity in self._answering(question):
            here = (s for s in schema.at(entity).tolist() if not schema.is_property(s))
            numbers = (n for s in here for n in schema.steps[s])
            found |= {schema.step_of((n + count // 2) % count) for n in numbers}
        return frozenset(found)

    def _answering(self, question: Question) -> Sequence[int]:
        """The entities that a question's first answer may be."""
        graph = self.schema.graph
        if question.answer_ids:
            return [max(0, graph.entity_ids.find(question.answer_ids[0], graph.entity_order))]
        if self._called_so is None:
            self._called_so = {}
            for entity in range(graph.num_entities):
                name = one_line(entity_name(graph, entity))
                self._called_so.setdefault(name, []).append(entity)
        return self._called_so.get(question.answers[0], [])

    def _steps(
        self, topic: int, path: Path, here: Int64, only: frozenset[int] | None
    ) -> Iterable[tuple[int, Int64]]:
        steps = {s for e in here.tolist() for s in self.schema.at(e).tolist()}
        for step in sorted(steps if only is None else steps & only):
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


def plan_of(schema: Schema, topic: int, path: Sequence[int], returns: bool = False) -> Plan:
    """A path of the schema as a plan from a topic; `returns` as of `Plan`."""
    ends = bool(path) and schema.is_property(path[-1])
    steps = tuple(schema.steps[step] for step in (path[:-1] if ends else path))
    name = schema.graph.properties[path[-1] - len(schema.steps)] if ends else ""
    return Plan(topic, steps, name, returns)
