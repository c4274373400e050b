"""False triples to learn from: true ones with one end exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accord.graph.builder import triple_keys
from accord.graph.graph import KnowledgeGraph
from accord.refine.steps import Int64

SAME_ROLE = 0.5
"""Share whose new end stands at that end of the relation elsewhere; the others are any entity."""


@dataclass(frozen=True)
class Corrupted:
    """False triples and what they were made from."""

    triples: Int64
    """(N, 3) none of which any split of the graph holds."""
    sources: Int64
    """(N,) rows of the train triples they were made from."""
    kinds: Int64
    """(N,) 0 where the new end is any entity, 1 where it stands at that end of the relation
    elsewhere."""


def corrupt(graph: KnowledgeGraph, rows: Int64, seed: int) -> Corrupted:
    """Exchanges the head or the tail of triples.

    Args:
        graph: The graph.
        rows: (N,) rows of its train triples, any order, repetitions allowed.
        seed: Of the draw.

    Returns:
        At most N false triples; what happened to be true is left out.
    """
    rng, train = np.random.default_rng([seed, 3]), graph.triples_of("train").astype(np.int64)
    found, count = train[rows], len(rows)
    column = np.where(rng.random(count) < 0.5, 0, 2)
    new = rng.integers(graph.num_entities, size=count)
    order = np.argsort(train[:, 1], kind="stable")
    start = np.searchsorted(train[order, 1], found[:, 1])
    end = np.searchsorted(train[order, 1], found[:, 1], side="right")
    peer = train[order[start + (rng.random(count) * (end - start)).astype(np.int64)], column]
    same = rng.random(count) < SAME_ROLE
    found[np.arange(count), column] = np.where(same, peer, new)
    size = (max(1, graph.num_relations), max(1, graph.num_entities))
    false = ~np.isin(triple_keys(found, *size), triple_keys(graph.triples, *size))
    return Corrupted(found[false], rows[false], same[false].astype(np.int64))
