"""What a question's paths say: triples and attributes of the graph, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph
from accord.text.questions import Hop, HopPath
from accord.text.wording import (
    attribute_statement,
    phrase_of,
    triple_statement,
    triples_statement,
    turned,
)

Key = tuple[str, str, str]
REMEMBERED = 100_000
"""Hops and ids whose place in the graph is kept at most."""


class Step(NamedTuple):
    """One way to word a fact: the sentence ends with where the step leads."""

    subject: int
    """Entity idx."""
    number: int
    """Relation number from `subject` to `target`."""
    target: int
    """Entity idx."""


@dataclass(frozen=True)
class Fact:
    """A triple or an attribute that a path walks over."""

    hop: Hop
    step: Step | None
    """As the path walks; None for an attribute."""
    row: int = -1
    """Row of `graph.attributes`; -1 for a triple."""

    @property
    def key(self) -> Key:
        """Head, relation and tail as the graph states them."""
        return self.hop.head, self.hop.relation, self.hop.tail


class FactReader:
    """Finds the facts of hops in one graph, each hop once.

    Args:
        graph: The graph that the paths are of.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._facts: dict[Hop, Fact] = {}
        self._entities: dict[str, int] = {}

    def path(self, path: HopPath) -> list[Fact]:
        """The facts of a path, in its order.

        Args:
            path: Hops by ids. A hop over an attribute has the entity as head, the property as
                relation and the literal as tail.

        Raises:
            GraphError: A hop is no triple and no attribute of the graph.
        """
        if len(self._facts) > REMEMBERED:
            self._facts.clear()
        for hop in path:
            if hop not in self._facts:
                self._facts[hop] = self._triple(hop) or self._attribute(hop)
        return [self._facts[hop] for hop in path]

    def entity(self, entity_id: str) -> int:
        """The idx of an entity id; -1 where the graph has none."""
        found = self._entities.get(entity_id)
        if found is None:
            if len(self._entities) > REMEMBERED:
                self._entities.clear()
            found = self.graph.entity_ids.find(entity_id, self.graph.entity_order)
            self._entities[entity_id] = found
        return found

    def _triple(self, hop: Hop) -> Fact | None:
        graph = self.graph
        relation = graph.relation_ids.find(hop.relation, graph.relation_order)
        head, tail = self.entity(hop.head), self.entity(hop.tail)
        if min(relation, head, tail) < 0:
            return None
        around = graph.outgoing(head)
        if not bool(((around[:, 1] == relation) & (around[:, 2] == tail)).any()):
            return None
        step = Step(head, relation, tail)
        return Fact(hop, _turned(graph, step) if hop.inverse else step)

    def _attribute(self, hop: Hop) -> Fact:
        head = self.entity(hop.head)
        for row in self.graph.attribute_rows(head) if head >= 0 else ():
            found = self.graph.attribute(int(row))
            if (found.property, found.value) == (hop.relation, hop.tail):
                return Fact(hop, None, int(row))
        raise GraphError(
            f"graph {self.graph.name!r} has no triple or attribute {hop.head!r} {hop.relation!r} "
            f"{hop.tail!r}",
            "use the paths with the graph that they were found in",
        )


def by_level(paths: Iterable[Sequence[Fact]]) -> list[list[Fact]]:
    """The facts of all paths, first steps first, each once.

    Returns:
        One list a level; a fact is in the first level that it occurs in.
    """
    seen: set[Key] = set()
    levels: list[list[Fact]] = []
    for facts in zip_longest(*paths):
        fresh = {fact.key: fact for fact in facts if fact is not None and fact.key not in seen}
        seen |= fresh.keys()
        levels.append(list(fresh.values()))
    return levels


def fact_sentence(graph: KnowledgeGraph, fact: Fact) -> str:
    """One fact as a sentence."""
    if fact.step is None:
        return attribute_statement(graph, fact.row)
    return triple_statement(graph, *fact.step)


def sentences(graph: KnowledgeGraph, paths: Iterable[Sequence[Fact]]) -> list[str]:
    """The facts of paths as sentences, each fact once.

    What begins or ends at the same entity by the same relation is said in one sentence.

    Returns:
        ``['Peru borders Chile and Bolivia.', 'The capital of Chile is Santiago.', ...]``.
    """
    said: list[str] = []
    for level in by_level(paths):
        waiting = {fact.key: fact for fact in level}
        while waiting:
            first = next(iter(waiting.values()))
            group = _group(graph, first, list(waiting.values()))
            said.append(_sentence(graph, first, group))
            for key in group or [first.key]:
                del waiting[key]
    return said


def _turned(graph: KnowledgeGraph, step: Step) -> Step:
    return Step(step.target, turned(graph, step.number), step.subject)


def _group(graph: KnowledgeGraph, first: Fact, facts: list[Fact]) -> dict[Key, Step]:
    """The facts to say in one sentence with the first, each as that sentence words it."""
    if first.step is None:
        return {}
    choices = []
    for own in (first.step, _turned(graph, first.step)):
        steps = {fact.key: _as(graph, fact, own) for fact in facts}
        group = {key: step for key, step in steps.items() if step is not None}
        # A phrase of its own is needed: without one the sentence is turned round.
        if len(group) > 1 and phrase_of(graph, own.number) is not None:
            choices.append(group)
    return max(choices, key=len, default={first.key: first.step})


def _as(graph: KnowledgeGraph, fact: Fact, own: Step) -> Step | None:
    """The fact as a step from the same entity by the same relation, if it is one."""
    if fact.step is None:
        return None
    ways = (fact.step, _turned(graph, fact.step))
    return next((s for s in ways if (s.subject, s.number) == (own.subject, own.number)), None)


def _sentence(graph: KnowledgeGraph, first: Fact, group: dict[Key, Step]) -> str:
    if len(group) < 2:
        return fact_sentence(graph, first)
    subject, number, _ = next(iter(group.values()))
    return triples_statement(graph, subject, number, [step.target for step in group.values()])
