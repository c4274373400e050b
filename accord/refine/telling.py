"""Items of the queue as people read them, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accord.graph.graph import KnowledgeGraph
from accord.refine.entry import Entry
from accord.refine.wording import listed
from accord.text.render import entity_name, relation_text


def told_change(graph: KnowledgeGraph, entry: Entry) -> dict[str, Any]:
    """An accepted item in names, with its reason.

    Args:
        graph: Before or after the change; what it does not know is called by its id.
        entry: The item.

    Returns:
        {"id", "change" (remove, add or edit), "head", "relation", "tail", "probability", "reason",
        "evidence"}; of an edit also "instead", the statement that stood there.
    """
    item = entry.item
    told = {
        "id": entry.id,
        "change": "edit" if item.replaces else "remove" if item.kind == "flag" else "add",
        "head": _entity(graph, item.head),
        "relation": _relation(graph, item.relation),
        "tail": item.tail if item.attribute else _entity(graph, item.tail),
        "probability": item.probability,
        "reason": item.reason,
        "evidence": list(item.evidence),
    }
    if item.replaces:
        head, relation, tail = item.replaces
        end = tail if item.attribute else _entity(graph, tail)
        told["instead"] = f"{_entity(graph, head)} → {_relation(graph, relation)} → {end}"
    return told


def told_origin(entries: Sequence[Entry]) -> str:
    """Where accepted items came from, for the note of their patch: how many, found and accepted by.

    Args:
        entries: The items.

    Returns:
        Such as `2 items found by runs/joint, accepted by anna`; empty for none.
    """
    if not entries:
        return ""
    runs, people = ({getattr(e, key) for e in entries} - {""} for key in ("run", "who"))
    parts = [f"{len(entries):,} item{'s' if len(entries) > 1 else ''}"]
    for verb, names in (("found", runs), ("accepted", people)):
        parts += [f"{verb} by {listed(sorted(names), 3)}"] if names else []
    return parts[0] + (" " + ", ".join(parts[1:]) if parts[1:] else "")


def _entity(graph: KnowledgeGraph, identifier: str) -> str:
    idx = int(graph.entities([identifier])[0])
    return entity_name(graph, idx) if idx >= 0 else identifier


def _relation(graph: KnowledgeGraph, identifier: str) -> str:
    known = graph.relation_ids.find(identifier, graph.relation_order)
    return relation_text(graph, known) if known >= 0 else identifier
