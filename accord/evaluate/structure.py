"""Ranking by structure embeddings."""

from __future__ import annotations

import numpy as np
import torch

from accord.evaluate.link_prediction import (
    LinkPredictionConfig,
    LinkPredictionResult,
    evaluate_scorer,
)
from accord.evaluate.protocol import Float32, Int64
from accord.graph.graph import KnowledgeGraph
from accord.model.structure import StructureVectors, all_scores, compose

DISTANCE_CELLS = 2**24
"""Numbers of all differences at once, where distances are added up by hand."""


class StructureScorer:
    """Scores of trained structure embeddings.

    Args:
        vectors: The embeddings.
        graph: Their graph or a descendant. What came later has no vector: as a candidate it has
            the query's mean score, and queries about it score all alike.

    Raises:
        GraphError: An unrelated graph.
    """

    def __init__(self, vectors: StructureVectors, graph: KnowledgeGraph) -> None:
        memory = vectors.entities.bind(graph)
        every = np.arange(graph.num_entities, dtype=np.int64)
        self._entities = memory.rows(every)  # (E, D)
        self._known = memory.known(every)
        self._rows = vectors.relation_rows(graph)
        tables = (vectors.relations, vectors.inverse_relations)
        self._relations = torch.from_numpy(np.stack(tables))  # (2, R, Dr)
        self._interaction, self._norm = vectors.interaction, vectors.norm

    @torch.no_grad()
    def scores(self, queries: Int64) -> Float32:
        """(B, E) float32."""
        inverse, relation = np.divmod(queries[:, 1], len(self._rows))
        row = self._rows[relation]
        heads = self._entities[torch.from_numpy(queries[:, 0])]
        relations = self._relations[torch.from_numpy(inverse), torch.from_numpy(np.maximum(row, 0))]
        asked = compose(self._interaction, heads, relations)
        step = len(asked) if self._norm == 2 else DISTANCE_CELLS // self._entities.numel()
        parts = [
            all_scores(self._interaction, block, self._entities, self._norm)
            for block in torch.split(asked, max(1, step))
        ]
        found: Float32 = torch.cat(parts).numpy()
        if not self._known.all():
            found[:, ~self._known] = found[:, self._known].mean(axis=1, keepdims=True)
        found[(row < 0) | ~self._known[queries[:, 0]]] = 0.0
        return found


def evaluate_structure(
    vectors: StructureVectors, graph: KnowledgeGraph, config: LinkPredictionConfig | None = None
) -> LinkPredictionResult:
    """`evaluate_link_prediction` by structure embeddings in place of a model's.

    Args:
        vectors: The embeddings.
        graph: Their graph or a descendant.
        config: What is ranked; None: all of valid.

    Returns:
        Ranks and metrics.

    Raises:
        GraphError: The split has no triples, or the graph is unrelated.
    """
    config = config or LinkPredictionConfig()
    return evaluate_scorer(StructureScorer(vectors, graph), graph, config.drawn(graph), config)
