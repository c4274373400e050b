"""A question's topics and answers as entities of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from accord.graph.graph import KnowledgeGraph
from accord.text.folding import name_key
from accord.text.mentions import MentionIndex
from accord.text.questions import Question
from accord.text.render import entity_name

CANDIDATES = 5
"""Entities that one mention may stand for, the likeliest first."""
Candidates = tuple[int, ...]


@dataclass(frozen=True)
class Linked:
    """What a question is about, in the graph."""

    topics: tuple[Candidates, ...]
    """For each topic the entity idx that it may be."""
    answers: tuple[Candidates, ...]
    """For each answer that the graph has the entity idx that it may be."""


class Linker:
    """Finds the entities that questions name.

    Topics that are given are looked up by id, name or alias; else mentions are looked for in the
    question's text. Names are compared folded: case, Unicode form and underscores do not matter.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph

    def link(self, question: Question) -> Linked:
        """The entities of a question's topics and answers; what is not found is left out."""
        topics = [found for topic in question.topics if (found := self._named(topic))]
        if not topics:
            topics = self._mentioned(question.question)
        stated = question.answer_ids or question.answers
        answers = [found for answer in stated if (found := self._named(answer))]
        if not answers and question.answer_ids:
            answers = [found for answer in question.answers if (found := self._named(answer))]
        return Linked(tuple(topics), tuple(answers))

    def _named(self, text: str) -> Candidates:
        by_id = self._graph.entity_ids.find(text, self._graph.entity_order)
        if by_id >= 0:
            return (by_id,)
        key = name_key(text)
        return tuple(self._names.get(key, ()) or self._aliases.get(key, ()))

    def _mentioned(self, text: str) -> list[Candidates]:
        return [
            tuple(candidate.entity for candidate in mention.candidates[:CANDIDATES])
            for mention in self._mentions.find(text)
            if mention.candidates
        ]

    @cached_property
    def _mentions(self) -> MentionIndex:
        return MentionIndex(self._graph)

    @cached_property
    def _names(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for entity in range(self._graph.num_entities):
            found.setdefault(name_key(entity_name(self._graph, entity)), []).append(entity)
        return found

    @cached_property
    def _aliases(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for entity in range(self._graph.num_entities):
            for alias in self._graph.aliases_of(entity):
                found.setdefault(name_key(alias), []).append(entity)
        return found
