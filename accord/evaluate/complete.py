"""Completes one triple: the entities that answer a query best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from accord.errors import ConfigError, ModelError
from accord.evaluate.known import KnownAnswers
from accord.evaluate.protocol import Float32, QueryTextModel
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.text.render import entity_name


@dataclass(frozen=True)
class Candidate:
    """One entity that may answer a query."""

    id: str
    name: str
    score: float
    """Cosine of query and entity."""
    known: bool
    """Whether the graph states it, in any split."""


@dataclass(frozen=True)
class Completion:
    """The best candidates, best first."""

    candidates: tuple[Candidate, ...]

    def to_dict(self) -> dict[str, Any]:
        """{"candidates": [{"id", "name", "score", "known"}]}."""
        return {"candidates": [asdict(candidate) for candidate in self.candidates]}

    def to_text(self) -> str:
        """The candidates for people."""
        rows = [[c.name, c.score, "known" if c.known else "", c.id] for c in self.candidates]
        return table(["entity", "score", "", "id"], rows)


def complete(
    model: QueryTextModel,
    graph: KnowledgeGraph,
    relation: int,
    entity: int | None = None,
    text: str | None = None,
    top: int = 10,
    vectors: Float32 | None = None,
) -> Completion:
    """Ranks all entities as answers to (entity, relation, ?).

    Args:
        model: The model.
        graph: Any graph; its entities need not have been in training.
        relation: Relation number; r + R asks for heads.
        entity: The query's entity; or
        text: its text, "name" or "name: description", where it is in no graph.
        top: How many candidates.
        vectors: (E, D) entity embeddings, if they are at hand.

    Returns:
        The candidates.

    Raises:
        ConfigError: Not exactly one of entity and text, or top below 1.
        ModelError: The model gives NaN.
    """
    if (entity is None) == (text is None) or top < 1:
        raise ConfigError("give either an entity or a text, and top of 1 or more")
    if entity is not None:
        query = model.embed_queries(graph, np.array([[entity, relation]], dtype=np.int64))
        known = KnownAnswers.of(graph.triples, graph.num_relations).of_query(entity, relation)
    else:
        query = model.embed_query_texts(graph, [text or ""], [relation])
        known = np.zeros(0, dtype=np.int64)
    scores = (model.embed_entities(graph) if vectors is None else vectors) @ query[0]
    if np.isnan(scores).any():
        raise ModelError("the scores are NaN", "go back to an earlier checkpoint of the run")
    best = np.argsort(-scores, kind="stable")[:top]
    return Completion(_candidates(graph, best.tolist(), scores, set(known.tolist())))


def _candidates(
    graph: KnowledgeGraph, entities: Sequence[int], scores: Float32, known: set[int]
) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(graph.entity_ids[e], entity_name(graph, e), float(scores[e]), e in known)
        for e in entities
    )
