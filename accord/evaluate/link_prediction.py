"""Link prediction: filtered, both directions, with all three kinds of rank."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import GraphError
from accord.evaluate.files import write_lines
from accord.evaluate.known import KnownAnswers, default_filter, queries_of
from accord.evaluate.protocol import EmbeddingModel, Float64, Int64, Scorer
from accord.evaluate.ranking import HITS, Ranks, all_metrics, rank_metrics, rank_scores
from accord.evaluate.rerank import Neighbourhoods, StructureBoost
from accord.evaluate.scorers import EmbeddingScorer, FrequencyScorer
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.tables import metric_rows
from accord.graph.graph import KnowledgeGraph
from accord.progress import track

BLOCK_BYTES = 64 * 2**20
SIDES = ("both", "head", "tail")


@dataclass(frozen=True)
class LinkPredictionConfig:
    """What is ranked, and what stands beside."""

    split: str = "valid"
    """Whose triples to predict."""
    filter_splits: tuple[str, ...] | None = None
    """Whose triples are known and do not compete; None: train and valid, and test too only if
    test is evaluated."""
    boost: StructureBoost | None = None
    """The re-rank of candidates near in train to report beside, if any."""
    limit: int | None = None
    """Only so many triples, drawn so that each relation keeps its share."""
    seed: int = 0
    """For the draw."""
    hits: tuple[int, ...] = HITS
    """The k of Hits@k."""
    baseline: bool = True
    """Whether to rank by frequency in train beside."""

    def __post_init__(self) -> None:
        for split in (self.split, *(self.filter_splits or ())):
            default_filter(split)  # refuses a split that there is not

    @property
    def known(self) -> tuple[str, ...]:
        """The splits that filter."""
        return self.filter_splits or default_filter(self.split)

    def drawn(self, graph: KnowledgeGraph) -> np.ndarray[Any, np.dtype[np.int32]]:
        """(T, 3) the triples to predict.

        Raises:
            GraphError: The split has none.
        """
        triples = graph.triples_of(self.split)
        if not len(triples):
            raise GraphError(
                f"graph {graph.name!r} has no {self.split} triples",
                "choose another --split, or import it again with --valid and --test",
            )
        return triples[stratified_sample(triples[:, 1], self.limit, self.seed)]


@dataclass(frozen=True)
class Beside:
    """How structure embeddings, and text and structure together, rank the same queries."""

    structure: Ranks
    """N ranks by structure alone."""
    fused: Ranks
    """N ranks by the weighted sum of both scores."""
    facts: dict[str, Any]
    """What the weights were learnt on, and which they are."""


@dataclass(frozen=True)
class LinkPredictionResult:
    """Ranks of every query of a split, and what follows from them."""

    split: str
    filter_splits: tuple[str, ...]
    entity_ids: Sequence[str]
    relation_ids: Sequence[str]
    queries: Int64
    """(N, 2) entity idx and relation number; tail predictions first, then head predictions."""
    answers: Int64
    """(N,) the entity that was to be found."""
    ranks: Ranks
    """N ranks."""
    boost: StructureBoost | None = None
    boosted: Ranks | None = None
    """N ranks after the structure re-rank."""
    frequency: Ranks | None = None
    """N ranks of the baseline that knows only how often an entity answers a relation in train."""
    hits: tuple[int, ...] = HITS
    beside: Beside | None = None

    @property
    def mrr(self) -> float:
        """Filtered realistic MRR over both directions, without re-rank."""
        return float(self.reciprocal_ranks().mean())

    def reciprocal_ranks(self) -> Float64:
        """(N,) float64 realistic reciprocal ranks, for `paired_bootstrap`."""
        return np.asarray(1.0 / self.ranks.realistic, dtype=np.float64)

    def sides(self, ranks: Ranks) -> dict[str, dict[str, dict[str, float]]]:
        """All metrics of both directions together and of each alone."""
        return {side: all_metrics(ranks.where(self._mask(side)), self.hits) for side in SIDES}

    def per_relation(self) -> dict[str, dict[str, Any]]:
        """Realistic metrics of each relation that has queries, by direction."""
        relations = self.queries[:, 1] % len(self.relation_ids)
        result: dict[str, dict[str, Any]] = {}
        for relation in np.unique(relations):
            mine = relations == relation
            entry: dict[str, Any] = {"queries": int(mine.sum())}
            for side in SIDES:
                realistic = self.ranks.where(mine & self._mask(side)).realistic
                entry[side] = rank_metrics(realistic, self.hits)
            result[self.relation_ids[int(relation)]] = entry
        return result

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON: split, queries, both | head | tail, and what stands beside."""
        result: dict[str, Any] = {
            "split": self.split,
            "queries": len(self.queries),
            **self.sides(self.ranks),
            "filtered_with": list(self.filter_splits),
            "per_relation": self.per_relation(),
        }
        if self.boost is not None and self.boosted is not None:
            setting = {"hops": self.boost.hops, "weight": self.boost.weight}
            result["structure"] = {**setting, **self.sides(self.boosted)}
        if self.frequency is not None:
            result["baseline"] = {"frequency": self.sides(self.frequency)}
        if self.beside is not None:
            result["fusion"] = {
                "text": self.sides(self.ranks),
                "structure": self.sides(self.beside.structure),
                "fused": self.sides(self.beside.fused),
                **self.beside.facts,
            }
        return result

    def to_text(self) -> str:
        """The result for people."""
        rows = {side: metrics["realistic"] for side, metrics in self.sides(self.ranks).items()}
        rows["both, optimistic"] = all_metrics(self.ranks, self.hits)["optimistic"]
        rows["both, pessimistic"] = all_metrics(self.ranks, self.hits)["pessimistic"]
        if self.boost is not None and self.boosted is not None:
            label = f"both, structure {self.boost.hops} hops +{self.boost.weight:g}"
            rows[label] = rank_metrics(self.boosted.realistic, self.hits)
        if self.frequency is not None:
            rows["baseline: frequency"] = rank_metrics(self.frequency.realistic, self.hits)
        if self.beside is not None:
            rows["structure alone"] = rank_metrics(self.beside.structure.realistic, self.hits)
            rows["text + structure"] = rank_metrics(self.beside.fused.realistic, self.hits)
        known = " + ".join(self.filter_splits)
        title = f"link prediction on {self.split}: {len(self.queries):,} queries"
        return f"{title}, filtered with {known}\n{metric_rows(rows)}"

    def dump(self, path: str | Path) -> Path:
        """Writes one JSON line a query: its triple's ids, the direction and the ranks.

        Args:
            path: The file; written under another name first, then renamed.

        Returns:
            The path.
        """
        rows = range(len(self.queries))
        return write_lines(path, (json.dumps(self._line(i), ensure_ascii=False) for i in rows))

    def _line(self, row: int) -> dict[str, Any]:
        entity, number = (int(x) for x in self.queries[row])
        given, answer = self.entity_ids[entity], self.entity_ids[int(self.answers[row])]
        inverse = number >= len(self.relation_ids)
        line: dict[str, Any] = {
            "head": answer if inverse else given,
            "relation": self.relation_ids[number % len(self.relation_ids)],
            "tail": given if inverse else answer,
            "predicts": "head" if inverse else "tail",
            "optimistic": int(self.ranks.optimistic[row]),
            "pessimistic": int(self.ranks.pessimistic[row]),
            "realistic": float(self.ranks.realistic[row]),
        }
        if self.boosted is not None:
            line["structure"] = float(self.boosted.realistic[row])
        if self.beside is not None:
            line["structure_alone"] = float(self.beside.structure.realistic[row])
            line["fused"] = float(self.beside.fused.realistic[row])
        return line

    def _mask(self, side: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        inverse: np.ndarray[Any, np.dtype[np.bool_]] = self.queries[:, 1] >= len(self.relation_ids)
        return np.ones_like(inverse) if side == "both" else inverse == (side == "head")


def evaluate_link_prediction(
    model: EmbeddingModel, graph: KnowledgeGraph, config: LinkPredictionConfig | None = None
) -> LinkPredictionResult:
    """Ranks the tails and the heads of a split's triples by the model's embeddings.

    Args:
        model: What embeds entities and queries; every distinct text is read once.
        graph: The graph.
        config: What is ranked; None: all of valid.

    Returns:
        Ranks and metrics.

    Raises:
        GraphError: The split has no triples.
        ModelError: The model gives NaN.
    """
    config = config or LinkPredictionConfig()
    triples = config.drawn(graph)
    queries, _ = queries_of(triples, graph.num_relations)
    return evaluate_scorer(EmbeddingScorer(model, graph, queries), graph, triples, config)


def evaluate_scorer(
    scorer: Scorer,
    graph: KnowledgeGraph,
    triples: np.ndarray[Any, np.dtype[np.integer[Any]]],
    config: LinkPredictionConfig,
) -> LinkPredictionResult:
    """Ranks both queries of each triple by any scorer; same code, same figures for all models.

    Args:
        scorer: What scores all entities for a query.
        graph: The graph.
        triples: (T, 3) what to predict; `config.drawn(graph)` unless there is a reason.
        config: The split they come from, what filters, and what stands beside.

    Returns:
        Ranks and metrics.
    """
    queries, answers = queries_of(triples, graph.num_relations)
    known = KnownAnswers.of_splits(graph, config.known)
    ranks, boosted = _ranked(scorer, graph, queries, answers, known, config.boost)
    frequency = None
    if config.baseline:
        counts = FrequencyScorer(graph)
        frequency, _ = _ranked(counts, graph, queries, answers, known, None)
    return LinkPredictionResult(
        config.split,
        config.known,
        graph.entity_ids,
        list(graph.relation_ids),
        queries,
        answers,
        ranks,
        config.boost,
        boosted,
        frequency,
        config.hits,
    )


def _ranked(
    scorer: Scorer,
    graph: KnowledgeGraph,
    queries: Int64,
    answers: Int64,
    known: KnownAnswers,
    boost: StructureBoost | None,
) -> tuple[Ranks, Ranks | None]:
    near = Neighbourhoods(graph) if boost else None
    plain, raised = [], []
    rows = max(1, BLOCK_BYTES // (4 * graph.num_entities))
    with track("ranking", len(queries), "queries") as advance:
        for start in range(0, len(queries), rows):
            block, wanted = queries[start : start + rows], answers[start : start + rows]
            scores = scorer.scores(block)  # (B, E)
            filtered = known.pairs(block)
            plain.append(rank_scores(scores, wanted, filtered))
            if boost is not None and near is not None:
                lifted = scores.copy()  # the scorer may have handed out its own array
                lifted[near.pairs(block, boost.hops)] += np.float32(boost.weight)
                raised.append(rank_scores(lifted, wanted, filtered))
            advance(len(block))
    return Ranks.concatenate(plain), Ranks.concatenate(raised) if boost else None
