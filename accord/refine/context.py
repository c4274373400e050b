"""What else the graph says around an item, for whoever has to decide about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from accord.graph.graph import KnowledgeGraph
from accord.refine.entry import Entry
from accord.refine.wording import listed, read
from accord.text.render import entity_name, humanise

MOST_LINES = 12
"""Relations of an entity that are shown at most; the item's own is the first."""
MOST_NAMES = 6
"""Entities behind each at most."""


def context(graph: KnowledgeGraph, entry: Entry) -> str:
    """The surroundings of an item's ends, and who found it when.

    Args:
        graph: The graph that the queue is of.
        entry: The item.

    Returns:
        Some lines.
    """
    item = entry.item
    ends = [item.head] if item.attribute else list(dict.fromkeys((item.head, item.tail)))
    lines = [line for end in ends for line in _about(graph, end, item.relation)]
    found = f"found by {entry.run or 'hand'} at {entry.time}"
    scores = "" if item.probability is None else f", probability {item.probability:.2f}"
    return "\n".join([*lines, f"  {found}, score {item.score:.3f}{scores}"])


def _about(graph: KnowledgeGraph, identifier: str, relation: str) -> Iterator[str]:
    entity = graph.entity_ids.find(identifier, graph.entity_order)
    if entity < 0:
        yield f"  {identifier}: new to the graph"
        return
    text = " ".join(graph.entity_descriptions[entity].split())
    yield f"  {entity_name(graph, entity)} ({identifier})" + (f": {text[:200]}" if text else "")
    own = graph.relation_ids.find(relation, graph.relation_order)
    steps = _steps(graph, entity)
    order = sorted(steps, key=lambda number: (number % graph.num_relations != own, number))
    for number in order[:MOST_LINES]:
        names = listed([entity_name(graph, end) for end in steps[number]], MOST_NAMES)
        yield f"    {read(graph, number)}: {names}"
    if len(order) > MOST_LINES:
        yield f"    and {len(order) - MOST_LINES} more relations"
    values = (f"{humanise(a.property)}: {a.value[:80]}" for a in graph.attributes_of(entity))
    if shown := listed(list(values), MOST_NAMES):
        yield f"    {shown}"


def _steps(graph: KnowledgeGraph, entity: int) -> dict[int, list[int]]:
    """Where the triples of an entity lead, by number of the step."""
    found: dict[int, list[int]] = defaultdict(list)
    for _, relation, tail in graph.outgoing(entity).tolist():
        found[relation].append(tail)
    for head, relation, _ in graph.incoming(entity).tolist():
        found[relation + graph.num_relations].append(head)
    return found
