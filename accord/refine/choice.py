"""Which items of a queue are meant: by kind, by relation, by an entity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from accord.errors import ConfigError, nearest
from accord.graph.graph import KnowledgeGraph
from accord.refine.entry import Entry
from accord.refine.items import Kind
from accord.refine.wording import called


@dataclass(frozen=True)
class Choice:
    """What is asked for; empty fields ask for nothing."""

    kind: str = ""
    """flag or proposal."""
    relation: str = ""
    """Id or phrase of a relation or property."""
    about: str = ""
    """Id or name of an entity at either end."""

    def __post_init__(self) -> None:
        if self.kind and self.kind not in get_args(Kind):
            raise ConfigError(f"unknown kind of item {self.kind!r}", "flag or proposal")

    def of(self, graph: KnowledgeGraph, entries: Iterable[Entry]) -> list[Entry]:
        """Those that are meant, in their order.

        Args:
            graph: The graph that the queue is of.
            entries: All that the queue has, decided ones too: what none of them names is an error.

        Raises:
            ConfigError: No item is about such a relation or entity.
        """
        rows = [(entry, _spoken_of(graph, entry)) for entry in entries]
        for what, asked, place in (("relation", self.relation, 0), ("entity", self.about, 1)):
            _check(what, asked, {name for _, spoken in rows for name in spoken[place]})
        return [
            entry
            for entry, (relations, ends) in rows
            if self.kind in ("", entry.item.kind)
            and (not self.relation or called(self.relation) in map(called, relations))
            and (not self.about or called(self.about) in map(called, ends))
        ]


def _spoken_of(graph: KnowledgeGraph, entry: Entry) -> tuple[set[str], set[str]]:
    """Ids and names of the relations and of the entities that an item is about."""
    item = entry.item
    said = [item.triple, *([item.replaces] if item.replaces else [])]
    relations = {relation for _, relation, _ in said}
    ends = {h for h, _, _ in said} | (set() if item.attribute else {t for _, _, t in said})
    phrases = (graph.relation_ids.find(r, graph.relation_order) for r in relations)
    names = (graph.entity_ids.find(e, graph.entity_order) for e in ends)
    return (
        relations | {graph.relation_phrases[r] for r in phrases if r >= 0} - {""},
        ends | {graph.entity_names[e] for e in names if e >= 0} - {""},
    )


def _check(what: str, asked: str, known: set[str]) -> None:
    if asked and called(asked) not in map(called, known):
        raise ConfigError(
            f"no item of the queue is about the {what} {asked!r}", nearest(asked, known)
        )
