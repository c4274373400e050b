"""Small graphs and models whose answers are known."""

from __future__ import annotations

import numpy as np

from accord.evaluate.protocol import Float32, Int64
from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph


def random_graph(
    entities: int = 12,
    relations: int = 3,
    triples: int = 60,
    seed: int = 0,
    relabel: Int64 | None = None,
) -> KnowledgeGraph:
    """A random multigraph with loops; `relabel` gives the entities another order."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(n, size=triples) for n in (entities, relations, entities)], 1)
    builder = GraphBuilder("random")
    for position in np.arange(entities) if relabel is None else relabel:
        builder.entity(f"e{position}", f"entity {position}")
    for number in range(relations):
        builder.relation(f"r{number}", f"relation {number}", f"inverse {number}")
    for number, (head, relation, tail) in enumerate(rows):
        split = SPLITS[max(0, number % 6 - 3)]
        builder.triple(f"e{head}", f"r{relation}", f"e{tail}", split)
    return builder.build()


class FakeEmbeddings:
    """Vectors of whole numbers, so that scores are exact and often tie; keyed by entity id."""

    def __init__(self, seed: int = 0, dim: int = 3, spread: int = 2) -> None:
        self.seed, self.dim, self.spread = seed, dim, spread
        self.read = 0

    def _vector(self, *key: int) -> Float32:
        rng = np.random.default_rng([self.seed, *key])
        return rng.integers(-self.spread, self.spread + 1, self.dim).astype(np.float32)

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        rows = range(graph.num_entities) if entities is None else entities.tolist()
        self.read += len(rows)
        return np.stack([self._vector(int(graph.entity_ids[i][1:])) for i in rows])

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
        self.read += len(queries)
        return np.stack([self._vector(int(graph.entity_ids[e][1:]), int(r)) for e, r in queries])


class ConstantScorer:
    """The same score for all."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.entities = graph.num_entities

    def scores(self, queries: Int64) -> Float32:
        return np.zeros((len(queries), self.entities), dtype=np.float32)
