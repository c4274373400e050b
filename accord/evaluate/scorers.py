"""Scorers: how every entity is scored as the answer to a query."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import ModelError
from accord.evaluate.known import queries_of, ranges
from accord.evaluate.protocol import EmbeddingModel, Float32, Int64
from accord.graph.graph import KnowledgeGraph


class EmbeddingScorer:
    """Cosine of query and entity embeddings, every text read once.

    Args:
        model: The model.
        graph: The graph.
        queries: (N, 2) all queries that will be asked.
    """

    def __init__(self, model: EmbeddingModel, graph: KnowledgeGraph, queries: Int64) -> None:
        self._entities, self._copies = _distinct_rows(model.embed_entities(graph))
        self._width = 2 * graph.num_relations
        self._keys, first = np.unique(_key(queries, self._width), return_index=True)
        self._queries = model.embed_queries(graph, queries[first])

    def scores(self, queries: Int64) -> Float32:
        """(B, E) float32 cosines.

        Raises:
            ModelError: A query that was not announced.
        """
        rows = self._rows(queries)
        scores: Float32 = self._queries[rows] @ self._entities.T  # (B, distinct)
        return scores if self._copies is None else scores[:, self._copies]

    def _rows(self, queries: Int64) -> Int64:
        keys = _key(queries, self._width)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        if (self._keys[rows] != keys).any():
            raise ModelError("a query was asked that was not among those to be embedded")
        return rows.astype(np.int64)


def _key(queries: Int64, width: int) -> Int64:
    return queries[:, 0] * width + queries[:, 1]


def _distinct_rows(vectors: Float32) -> tuple[Float32, Int64 | None]:
    # Entities of equal text must tie exactly, but a matrix product may round equal columns
    # differently at the edges of its blocks; so equal rows are multiplied once.
    dense = np.ascontiguousarray(vectors, dtype=np.float32)
    rows = dense.view(np.dtype((np.void, dense.shape[1] * dense.itemsize))).ravel()
    _, first, copies = np.unique(rows, return_index=True, return_inverse=True)
    if len(first) == len(dense):
        return dense, None
    return dense[first], copies.astype(np.int64)


def triple_scores(
    model: EmbeddingModel, graph: KnowledgeGraph, triples: npt.NDArray[np.integer[Any]]
) -> tuple[Float32, Float32]:
    """How well the two views of each triple agree, from either end.

    Args:
        model: The model; every distinct query and entity is read once.
        graph: The graph.
        triples: (T, 3).

    Returns:
        (T,) cosine of the tail query with the tail, (T,) cosine of the head query with the head.
    """
    queries, answers = queries_of(triples, graph.num_relations)
    asked, query_rows = np.unique(queries, axis=0, return_inverse=True)
    entities, entity_rows = np.unique(answers, return_inverse=True)
    left, right = model.embed_queries(graph, asked), model.embed_entities(graph, entities)
    cosines = np.einsum("td,td->t", left[query_rows.ravel()], right[entity_rows])
    return cosines[: len(triples)], cosines[len(triples) :]


class FrequencyScorer:
    """The trivial baseline: how often an entity answers that relation in train.

    Args:
        graph: The graph; only its train triples are used.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        relations, self._entities = graph.num_relations, graph.num_entities
        queries, answers = queries_of(graph.triples_of("train"), relations)
        keys, counts = np.unique(queries[:, 1] * self._entities + answers, return_counts=True)
        self._answers = keys % self._entities
        self._counts = counts.astype(np.float32)
        bounds = np.arange(2 * relations + 1)
        self._offsets = np.searchsorted(keys // self._entities, bounds).astype(np.int64)

    def scores(self, queries: Int64) -> Float32:
        """(B, E) float32 counts."""
        scores = np.zeros((len(queries), self._entities), dtype=np.float32)
        starts = self._offsets[queries[:, 1]]
        counts = self._offsets[queries[:, 1] + 1] - starts
        cells = ranges(starts, counts)
        scores[np.repeat(np.arange(len(queries)), counts), self._answers[cells]] = self._counts[
            cells
        ]
        return scores

    def best(self, relation: int) -> int:
        """The entity that answers a relation number most often; -1 for a relation without any."""
        cells = slice(int(self._offsets[relation]), int(self._offsets[relation + 1]))
        if cells.start == cells.stop:
            return -1
        return int(self._answers[cells][np.argmax(self._counts[cells])])
