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
    elsewhere: each that does is as likely, however often it does."""


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
    peer = _peers(train, found[:, 1], column, graph.num_entities, rng)
    same = rng.random(count) < SAME_ROLE
    found[np.arange(count), column] = np.where(same, peer, new)
    size = (max(1, graph.num_relations), max(1, graph.num_entities))
    false = ~np.isin(triple_keys(found, *size), triple_keys(graph.triples, *size))
    return Corrupted(found[false], rows[false], same[false].astype(np.int64))


def _peers(
    train: Int64, relations: Int64, columns: Int64, entities: int, rng: np.random.Generator
) -> Int64:
    """(N,) for each relation and end one of the distinct entities that stand there.

    Drawn by how often they stand there, they would be the common ones, which look right: errors
    with a rare entity would then not be known as errors.
    """
    found, drawn = np.zeros(len(relations), dtype=np.int64), rng.random(len(relations))
    for column in (0, 2):
        keys = np.unique(train[:, 1] * entities + train[:, column])
        at = columns == column
        start, end = (np.searchsorted(keys, (relations[at] + more) * entities) for more in (0, 1))
        found[at] = keys[start + (drawn[at] * (end - start)).astype(np.int64)] % entities
    return found
