"""Entities that may be one and the same: equal names, and how much of their surroundings agrees."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.refine.items import Item
from accord.refine.steps import Steps
from accord.text.render import entity_name

SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
CROWD = 8
"""Entities of one name from which the name says nothing."""
LEAST = 0.2
"""Shared share of steps from which two entities of one name are proposed."""


def folded(name: str) -> str:
    """A name without case, accents, punctuation and the order of its words.

    Example:
        >>> folded("Berners-Lee, Tim")
        'berners lee tim'
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(sorted(re.findall(r"\w+", letters)))


def propose_duplicates(graph: KnowledgeGraph, steps: Steps) -> list[Item]:
    """Finds pairs of entities with a name or alias in common and like surroundings.

    Args:
        graph: The graph.
        steps: Its triples.

    Returns:
        Proposals of `owl:sameAs`, the surest first; their score is the shared share of steps.
    """
    places: dict[str, list[int]] = {}
    for entity in range(graph.num_entities):
        names = {folded(n) for n in (graph.entity_names[entity], *graph.aliases_of(entity)) if n}
        for name in names - {""}:
            places.setdefault(name, []).append(entity)
    pairs = {
        (a, b)
        for entities in places.values()
        if 2 <= len(entities) <= CROWD
        for i, a in enumerate(entities)
        for b in entities[i + 1 :]
    }
    rated = [(shared_steps(steps, a, b), a, b) for a, b in sorted(pairs)]
    found = [_item(graph, *row) for row in rated if row[0] >= LEAST]
    return sorted(found, key=lambda item: -item.score)


def shared_steps(steps: Steps, one: int, other: int) -> float:
    """Share of the steps from two entities that both have; a step between them does not count."""
    sets = []
    for entity, peer in ((one, other), (other, one)):
        part = slice(int(steps.offsets[entity]), int(steps.offsets[entity + 1]))
        targets, numbers = steps.targets[part], steps.numbers[part]
        keep = targets != peer
        sets.append(targets[keep] * (2 * steps.relations) + numbers[keep])
    both = len(np.intersect1d(sets[0], sets[1], assume_unique=True))
    return both / max(1, len(sets[0]) + len(sets[1]) - both)


def _item(graph: KnowledgeGraph, share: float, one: int, other: int) -> Item:
    names = entity_name(graph, one), entity_name(graph, other)
    reason = f"{names[0]} and {names[1]} have a name in common and {share:.0%} of their triples"
    ids = graph.entity_ids[one], graph.entity_ids[other]
    return Item("proposal", ids[0], SAME_AS, ids[1], share, None, reason)
