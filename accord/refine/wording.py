"""Triples, steps and relations as the reasons of flags and proposals say them."""

from __future__ import annotations

from accord.graph.graph import KnowledgeGraph
from accord.text.render import entity_name, relation_text


def said(graph: KnowledgeGraph, head: int, relation: int, tail: int) -> str:
    """A triple in names."""
    return f"{entity_name(graph, head)} {relation_text(graph, relation)} {entity_name(graph, tail)}"


def step_said(graph: KnowledgeGraph, source: int, number: int, target: int) -> str:
    """A step as the triple that it walks, in the triple's own direction.

    Args:
        graph: The graph.
        source: Where the step starts.
        number: r from head to tail, r + R from tail to head.
        target: Where it leads.
    """
    back = number >= graph.num_relations
    head, tail = (target, source) if back else (source, target)
    return said(graph, head, number % graph.num_relations, tail)


def read(graph: KnowledgeGraph, number: int) -> str:
    """A relation in quotation marks, and whether it is walked from tail to head."""
    phrase = relation_text(graph, number % graph.num_relations)
    return f"'{phrase}' backwards" if number >= graph.num_relations else f"'{phrase}'"


def listed(names: list[str], most: int = 2) -> str:
    """Names in a row, the first ones of many.

    Example:
        >>> listed(["Oslo", "Bergen", "Turin"])
        'Oslo, Bergen and 1 more'
    """
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most:,} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def called(text: str) -> str:
    """A name without case and doubled spaces, `_` as a space, so that names compare.

    Example:
        >>> called("Lives_In ")
        'lives in'
    """
    return " ".join(text.replace("_", " ").split()).casefold()
