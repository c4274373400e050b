"""Places at which a model chooses what to write: texts, names, literals, steps of a path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from accord.decode.trie import Option
from accord.graph.graph import KnowledgeGraph
from accord.graph.paths_follow import follow
from accord.text.qa_prompts import ANSWER_JOIN
from accord.text.render import entity_name, one_line, relation_text


@dataclass(frozen=True)
class Texts:
    """One of some texts, such as the wordings of a fact."""

    texts: tuple[str, ...]
    join: str = ""
    """Written between several; empty for one only."""

    def options(self) -> Iterator[Option]:
        """Each text."""
        for text in self.texts:
            yield Option(f" {text}", None, text)


@dataclass(frozen=True)
class Names:
    """The name of an entity."""

    graph: KnowledgeGraph
    entities: tuple[int, ...] | None = None
    """Entity idx; None for all of the graph."""
    join: str = ANSWER_JOIN.rstrip()
    """Written between several; empty for one only."""

    def options(self) -> Iterator[Option]:
        """The entities' names; one name may stand for several."""
        chosen = range(self.graph.num_entities) if self.entities is None else self.entities
        for entity in chosen:
            yield Option(f" {one_line(entity_name(self.graph, entity))}", None, entity)


@dataclass(frozen=True)
class Literals:
    """The value of an attribute."""

    graph: KnowledgeGraph
    rows: tuple[int, ...]
    """Rows of `graph.attributes`."""
    join: str = ANSWER_JOIN.rstrip()
    """Written between several; empty for one only."""

    def options(self) -> Iterator[Option]:
        """The values as stated."""
        for row in self.rows:
            yield Option(f" {one_line(self.graph.attribute_values[row])}", None, row)


@dataclass(frozen=True)
class Walk:
    """The next relation of a path, such as ``has the capital > Paris > is in the time zone``."""

    graph: KnowledgeGraph
    entity: int
    """Entity idx from which it goes on."""
    hops: int
    """Steps at most."""
    first: bool = True
    join: str = ""

    def options(self) -> Iterator[Option]:
        """The relations that the entity has, both ways; the value is the relation number."""
        sides = (self.graph.outgoing(self.entity), self.graph.incoming(self.entity))
        for shift, triples in zip((0, self.graph.num_relations), sides, strict=True):
            for relation in np.unique(triples[:, 1]).tolist():
                number = relation + shift
                text = f"{'' if self.first else ' >'} {relation_text(self.graph, number)} >"
                yield Option(text, Ends(self.graph, self.entity, number, self.hops - 1), number)


@dataclass(frozen=True)
class Ends:
    """Where a step leads; the path may end there or go on."""

    graph: KnowledgeGraph
    entity: int
    number: int
    """Relation number of the step."""
    hops: int
    """Steps that may follow."""
    join: str = ""

    def options(self) -> Iterator[Option]:
        """The names of the entities that the step leads to; the value is the entity idx."""
        count = self.graph.num_relations
        step = (self.number % count, self.number >= count)
        for entity in follow(self.graph, [self.entity], [step]).answers.tolist():
            text = f" {one_line(entity_name(self.graph, entity))}"
            yield Option(text, None, entity)
            if self.hops:
                yield Option(text, Walk(self.graph, entity, self.hops, first=False), entity)
