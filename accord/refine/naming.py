"""Names: of what accepted items bring into a graph, and what the names in an edit mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import LABEL
from accord.graph.lookup import find_relation, known_entity
from accord.graph.patches import Statement
from accord.refine.items import Item
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


def meant(
    graph: KnowledgeGraph, statement: tuple[str, str, str], item: Item
) -> tuple[str, str, str]:
    """The ids that an edit means, where it says names, aliases or phrases.

    Args:
        graph: The graph.
        statement: Head, relation and tail as somebody wrote them.
        item: What is edited; its own parts, and the value of an attribute, stay as they are.

    Returns:
        The same by ids; what nothing in the graph is called stays as it is.

    Raises:
        GraphError: Several entities are called so (the hint gives their ids).
    """
    ways = (_entity, _as_it_is, _as_it_is) if item.attribute else (_entity, _relation, _entity)
    head, relation, tail = (
        new if new == old else way(graph, new)
        for way, new, old in zip(ways, statement, item.triple, strict=True)
    )
    return head, relation, tail


def _as_it_is(graph: KnowledgeGraph, text: str) -> str:
    return text


def _entity(graph: KnowledgeGraph, text: str) -> str:
    found = known_entity(graph, text) if text.strip() else None
    return text if found is None else graph.entity_ids[found]


def _relation(graph: KnowledgeGraph, text: str) -> str:
    """An inverse phrase means the relation the other way round, so it stays as it is."""
    if not text.strip():
        return text
    try:
        found = find_relation(graph, text)
    except GraphError:
        return text
    return graph.relation_ids[found] if found < graph.num_relations else text


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
