"""Names for what accepted items bring into a graph: new entities, and `owl:sameAs`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import LABEL
from accord.graph.patches import Statement
from accord.refine.patch import introducing
from accord.text.render import humanise

_WITH_TYPE = re.compile(r"(?P<name>.+) \([^()]+\)(?: \d+)?")
"""Ids of new entities as extraction makes them: `Kobe (LOC)`."""


def names_for(graph: KnowledgeGraph, added: Sequence[Statement]) -> list[Statement]:
    """Labels that statements need beside them, so that a patch may bring what is new.

    Args:
        graph: The graph.
        added: What accepted items add.

    Returns:
        A label for every entity and relation that neither the graph nor the statements name; what
        came and went with a patch that was undone counts as new.
    """
    named = {statement.subject for statement in introducing(graph, added)}
    ends = [key for s in added for key in ((s.subject,) if s.literal else (s.subject, s.value))]
    links = [s.predicate for s in added if not s.literal]
    entities, relations = ([k for k in dict.fromkeys(x) if k not in named] for x in (ends, links))
    wanted = [*_lacking_entities(graph, entities), *_lacking_relations(graph, relations)]
    return [Statement(key, LABEL, _name(key), True) for key in wanted]


def _lacking_entities(graph: KnowledgeGraph, identifiers: list[str]) -> Iterator[str]:
    for key, idx in zip(identifiers, graph.entities(identifiers).tolist(), strict=True):
        known = idx >= 0 or graph.relation_ids.find(key, graph.relation_order) >= 0
        if not known or (idx >= 0 and not graph.entity_names[idx] and _is_bare(graph, idx)):
            yield key


def _is_bare(graph: KnowledgeGraph, idx: int) -> bool:
    """Whether nothing is said about an entity."""
    offsets = graph.out_offsets, graph.in_offsets
    joined = any(int(each[idx + 1]) > int(each[idx]) for each in offsets)
    return not joined and not len(graph.attribute_rows(idx))


def _lacking_relations(graph: KnowledgeGraph, identifiers: Sequence[str]) -> Iterator[str]:
    for key in identifiers:
        idx = graph.relation_ids.find(key, graph.relation_order)
        if idx < 0 or not (graph.relation_phrases[idx] or (graph.triples[:, 1] == idx).any()):
            yield key


def _name(identifier: str) -> str:
    found = _WITH_TYPE.fullmatch(identifier)
    return found["name"] if found else humanise(identifier)
