"""Text and structure scores added up, with weights a relation that valid has taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from accord.errors import GraphError
from accord.evaluate.known import KnownAnswers, default_filter, queries_of
from accord.evaluate.link_prediction import (
    Beside,
    LinkPredictionConfig,
    LinkPredictionResult,
    evaluate_scorer,
)
from accord.evaluate.protocol import EmbeddingModel, Float32, Float64, Int64, Scorer
from accord.evaluate.ranking import Ranks, rank_scores
from accord.evaluate.scorers import EmbeddingScorer
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.structure import StructureScorer
from accord.graph.graph import KnowledgeGraph
from accord.model.structure import StructureVectors
from accord.progress import say

CELLS = 2**25
"""Scores of valid that are kept to learn from, for each of the two."""
SHRINKAGES = (1.0, 10.0, 100.0, 1e6)
"""How strongly a relation's weights are held to the common ones; the last is all but equal."""
ITERATIONS = 60


@dataclass(frozen=True)
class ScoreWeights:
    """What text and structure scores count for."""

    scales: Float64
    """(2,) standard deviation of each one's scores within a query; scores are divided by it."""
    common: Float64
    """(2,) weights of a relation that valid lacks."""
    relations: Float64
    """(2R, 2) weights by relation number."""
    shrinkage: float

    def of(self, queries: Int64) -> Float32:
        """(B, 2) what the two scores of each query are multiplied with."""
        return (self.relations[queries[:, 1]] / self.scales).astype(np.float32)

    def to_dict(self, graph: KnowledgeGraph) -> dict[str, Any]:
        """The weights for JSON, by relation and direction, of scores of unit spread."""
        rows, half = self.relations.tolist(), graph.num_relations
        by_relation = {
            name: {"tail": _pair(rows[i]), "head": _pair(rows[half + i])}
            for i, name in enumerate(graph.relation_ids)
        }
        common = _pair(self.common.tolist())
        return {"shrinkage": self.shrinkage, "common": common, "per_relation": by_relation}


def _pair(weights: list[float]) -> dict[str, float]:
    return {"text": weights[0], "structure": weights[1]}


class FusedScorer:
    """The weighted sum of two scorers.

    Args:
        text: The first.
        structure: The second.
        weights: Their weights.
    """

    def __init__(self, text: Scorer, structure: Scorer, weights: ScoreWeights) -> None:
        self._text, self._structure, self._weights = text, structure, weights

    def scores(self, queries: Int64) -> Float32:
        """(B, E) float32."""
        weight = self._weights.of(queries)
        first, second = self._text.scores(queries), self._structure.scores(queries)
        found: Float32 = weight[:, :1] * first + weight[:, 1:] * second
        return found


@dataclass(frozen=True)
class _Scored:
    """Both scores of some queries and what is right."""

    scores: torch.Tensor
    """(2, N, E) float32, those of known other answers -inf."""
    relations: torch.Tensor
    """(N,) int64 relation numbers."""
    answers: torch.Tensor
    """(N,) int64."""

    @classmethod
    def of(
        cls, scorers: Sequence[Scorer], graph: KnowledgeGraph, triples: Any, splits: tuple[str, ...]
    ) -> _Scored:
        queries, answers = queries_of(triples, graph.num_relations)
        rows, columns = KnownAnswers.of_splits(graph, splits).pairs(queries)
        others = columns != answers[rows]
        found = np.stack([scorer.scores(queries) for scorer in scorers])
        found[:, rows[others], columns[others]] = -np.inf
        wanted = (found, queries[:, 1], answers)
        return cls(*(torch.from_numpy(np.ascontiguousarray(x)) for x in wanted))

    def where(self, mask: torch.Tensor) -> _Scored:
        return _Scored(self.scores[:, mask], self.relations[mask], self.answers[mask])

    def scales(self) -> torch.Tensor:
        """(2,) mean standard deviation of a query's scores."""
        open_ = torch.isfinite(self.scores)
        count = open_.sum(-1).clamp_min(1)
        filled = self.scores.masked_fill(~open_, 0.0)
        mean = filled.sum(-1) / count
        gaps = (filled - mean[..., None]).masked_fill(~open_, 0.0)
        return ((gaps**2).sum(-1) / count).sqrt().mean(-1).clamp_min(1e-12)


def learn_weights(
    text: Scorer,
    structure: Scorer,
    graph: KnowledgeGraph,
    triples: np.ndarray[Any, np.dtype[np.integer[Any]]],
    filter_splits: tuple[str, ...],
) -> ScoreWeights:
    """Learns what text and structure scores count for.

    The answer is taken as drawn from the softmax of the weighted sum over candidates that are not
    known; each relation's weights have a normal prior around the common ones, so that a rare one
    keeps to them. How strong the prior is, is chosen by MRR between two halves of the triples.

    Args:
        text: First scorer.
        structure: Second scorer.
        graph: The graph.
        triples: (T, 3) of valid; at most as many are used as `CELLS` scores.
        filter_splits: Whose triples are known.

    Returns:
        The weights.
    """
    limit = max(4, CELLS // (2 * graph.num_entities))
    used = triples[stratified_sample(triples[:, 1], limit, 0)]
    data = _Scored.of((text, structure), graph, used, filter_splits)
    scales, count = data.scales(), 2 * graph.num_relations
    data = _Scored(data.scores / scales[:, None, None], data.relations, data.answers)
    shrinkage = _best_shrinkage(data, count)
    common, each = _fit(data, count, shrinkage)
    return ScoreWeights(
        scales=scales.double().numpy(),
        common=common.double().numpy(),
        relations=(common + each).double().numpy(),
        shrinkage=shrinkage,
    )


def _best_shrinkage(data: _Scored, count: int) -> float:
    """The one under which each half of the triples ranks the other best."""
    if len(data.answers) < 4:
        return SHRINKAGES[-1]
    even = torch.arange(len(data.answers)) % (len(data.answers) // 2) % 2 == 0
    halves = (data.where(even), data.where(~even))
    found = {}
    for shrinkage in SHRINKAGES:
        figures = []
        for learnt, judged in (halves, halves[::-1]):
            common, each = _fit(learnt, count, shrinkage)
            figures += _reciprocal_ranks(judged, common + each).tolist()
        found[shrinkage] = float(np.mean(figures))
    # Of equal figures the strongest prior.
    return max(found, key=lambda s: (round(found[s], 4), s))


def _fit(data: _Scored, count: int, shrinkage: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(2,) common weights and (count, 2) deviations of relation numbers; a convex problem."""
    common = torch.ones(2, requires_grad=True)
    each = torch.zeros(count, 2, requires_grad=True)
    solver = torch.optim.LBFGS([common, each], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        logits = _sums(data, common + each)
        right = logits.gather(1, data.answers[:, None])[:, 0]
        nll = (torch.logsumexp(logits, dim=1) - right).sum()
        value = nll + shrinkage / 2 * each.square().sum() + 1e-3 * common.square().sum()
        value.backward()  # type: ignore[no-untyped-call]  # untyped there
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]  # untyped there
    return common.detach(), each.detach()


def _sums(data: _Scored, weights: torch.Tensor) -> torch.Tensor:
    """(N, E) weighted sums; -inf stays, whatever a weight's sign."""
    closed = torch.isinf(data.scores[0])
    weight = weights[data.relations]  # (N, 2)
    filled = data.scores.masked_fill(closed, 0.0)
    found = weight[:, :1] * filled[0] + weight[:, 1:] * filled[1]
    return found.masked_fill(closed, -torch.inf)


def _reciprocal_ranks(data: _Scored, weights: torch.Tensor) -> Float64:
    ranks = rank_scores(_sums(data, weights).numpy(), data.answers.numpy())
    return np.asarray(1.0 / ranks.realistic, dtype=np.float64)


def evaluate_with_structure(
    model: EmbeddingModel,
    vectors: StructureVectors,
    graph: KnowledgeGraph,
    config: LinkPredictionConfig | None = None,
) -> LinkPredictionResult:
    """`evaluate_link_prediction` by text, with structure and both together beside.

    Weights are learnt on valid. Where valid itself is judged, each half of it has the weights that
    the other half taught.

    Args:
        model: What embeds entities and queries.
        vectors: Structure embeddings.
        graph: The graph of the latter, or a descendant.
        config: What is ranked; None: all of valid. The re-rank and the baseline stand beside the
            text's scores.

    Returns:
        Ranks by text, with those of structure and of the sum in `beside`.

    Raises:
        GraphError: The split or valid has no triples, or the graph is unrelated.
        ModelError: The model gives NaN.
    """
    config = config or LinkPredictionConfig()
    alone = replace(config, boost=None, baseline=False)
    triples, valid = config.drawn(graph), graph.triples_of("valid")
    if len(valid) < 2:
        raise GraphError(
            f"graph {graph.name!r} has {len(valid)} valid triples: no weights can be learnt",
            "import the graph with a valid split, or measure text and structure apart",
        )
    asked = np.concatenate([triples, valid])
    text = EmbeddingScorer(model, graph, queries_of(asked, graph.num_relations)[0])
    structure = StructureScorer(vectors, graph)

    def fused(learnt: Any, judged: Any) -> tuple[Ranks, ScoreWeights]:
        weights = learn_weights(text, structure, graph, learnt, default_filter("valid"))
        scorer = FusedScorer(text, structure, weights)
        return evaluate_scorer(scorer, graph, judged, alone).ranks, weights

    say("learning the weights of text and structure on valid")
    facts: dict[str, Any] = {"learnt_on": "valid"}
    if config.split == "valid":
        first = np.arange(len(triples)) % 2 == 0
        parts = (triples[first], triples[~first])
        ranks = _woven(first, fused(*parts[::-1])[0], fused(*parts)[0])
        facts = {"learnt_on": "the other half of valid"}
    else:
        ranks, weights = fused(valid, triples)
        facts |= weights.to_dict(graph)
    beside = Beside(evaluate_scorer(structure, graph, triples, alone).ranks, ranks, facts)
    return replace(evaluate_scorer(text, graph, triples, config), beside=beside)


def _woven(first: np.ndarray[Any, np.dtype[np.bool_]], one: Ranks, other: Ranks) -> Ranks:
    """Ranks of the triples in `first` and of the others, in the order of both directions."""
    mask = np.concatenate([first, first])
    found = [np.empty(len(mask), dtype=np.int64) for _ in range(2)]
    for ranks, where in ((one, mask), (other, ~mask)):
        found[0][where], found[1][where] = ranks.optimistic, ranks.pessimistic
    return Ranks(*found)
