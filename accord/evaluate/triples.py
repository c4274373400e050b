"""Triple classification: is a triple true? One threshold a relation, chosen on valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import GraphError
from accord.evaluate.known import KnownAnswers
from accord.evaluate.protocol import EmbeddingModel, Float64, Int64
from accord.evaluate.scorers import triple_scores
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.tables import table
from accord.graph.graph import SPLITS, KnowledgeGraph

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """Triples and whether they are true."""

    triples: Int64
    """(N, 3)."""
    labels: Bool
    """(N,)."""
    source: str
    """Where the false ones come from, in words."""


@dataclass(frozen=True)
class TripleResult:
    """How many triples were judged rightly."""

    split: str
    source: str
    relation_ids: tuple[str, ...]
    relations: Int64
    """(N,) relation of each triple."""
    labels: Bool
    """(N,)."""
    correct: Bool
    """(N,) for `paired_bootstrap`."""
    thresholds: Mapping[int, float]
    """Relation -> score from which a triple counts as true."""
    trivial: Bool
    """(N,) whether the answer that is most frequent for the relation in valid is right."""

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON: n, accuracy, and what stands beside."""
        return {
            "split": self.split,
            "n": len(self.correct),
            "accuracy": float(self.correct.mean()),
            "negatives": self.source,
            "baseline": {"majority": float(self.trivial.mean())},
            "per_relation": {
                self.relation_ids[int(r)]: {
                    "n": int((self.relations == r).sum()),
                    "accuracy": float(self.correct[self.relations == r].mean()),
                }
                for r in np.unique(self.relations)
            },
        }

    def to_text(self) -> str:
        """The result for people."""
        result = self.to_dict()
        rows = [[name, row["n"], row["accuracy"]] for name, row in result["per_relation"].items()]
        rows.append(["all", result["n"], result["accuracy"]])
        rows.append(["baseline: majority", result["n"], *result["baseline"].values()])
        title = f"triple classification on {self.split}; negatives: {self.source}"
        return f"{title}\n{table(['relation', 'n', 'accuracy'], rows)}"


def evaluate_triples(
    model: EmbeddingModel, graph: KnowledgeGraph, valid: Labelled, judged: Labelled, split: str
) -> TripleResult:
    """Judges triples by the mean cosine of their two queries with their answers.

    Args:
        model: The model.
        graph: The graph.
        valid: What the thresholds are chosen on.
        judged: What is judged.
        split: The name of what is judged.

    Returns:
        Accuracy, in all and by relation.
    """
    scores = [_scores(model, graph, part) for part in (valid, judged)]
    thresholds = best_thresholds(valid.triples[:, 1], scores[0], valid.labels)
    everywhere = _threshold(scores[0], valid.labels)
    relations = judged.triples[:, 1]
    limits = np.array([thresholds.get(int(r), everywhere) for r in relations])
    return TripleResult(
        split,
        judged.source,
        tuple(graph.relation_ids),
        relations,
        judged.labels,
        (scores[1] >= limits) == judged.labels,
        thresholds,
        majority_label(valid, relations) == judged.labels,
    )


def majority_label(valid: Labelled, relations: Int64) -> Bool:
    """The trivial baseline: the label that most triples of a relation have in valid.

    Published negatives are unevenly spread over relations, so this can be far above one half.

    Args:
        valid: Where labels are counted.
        relations: (N,).

    Returns:
        (N,) bool; all of valid decides for relations without triples there.
    """
    votes = np.where(valid.labels, 1, -1)
    size = 1 + int(max(relations.max(initial=0), valid.triples[:, 1].max(initial=0)))
    balance = np.bincount(valid.triples[:, 1], votes, minlength=size)
    seen = np.bincount(valid.triples[:, 1], minlength=size) > 0
    everywhere: Bool = np.where(seen, balance >= 0, votes.sum() >= 0)
    return everywhere[relations]


def _scores(model: EmbeddingModel, graph: KnowledgeGraph, part: Labelled) -> Float64:
    tail, head = triple_scores(model, graph, part.triples)
    return np.asarray((tail.astype(np.float64) + head) / 2)


def best_thresholds(relations: Int64, scores: Float64, labels: Bool) -> dict[int, float]:
    """The threshold of each relation that judges most of its triples rightly.

    Args:
        relations: (N,).
        scores: (N,) higher is more likely true.
        labels: (N,).

    Returns:
        Relation -> threshold; a triple counts as true from it upwards.
    """
    return {
        int(r): _threshold(scores[relations == r], labels[relations == r])
        for r in np.unique(relations)
    }


def _threshold(scores: Float64, labels: Bool) -> float:
    order = np.argsort(scores, kind="stable")
    ordered, truth = scores[order], labels[order]
    # right[i]: triples judged rightly if the first i are called false
    right = np.concatenate([[0], np.cumsum(~truth)]) + truth.sum()
    right[1:] -= np.cumsum(truth)
    possible = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    cut = int(np.argmax(np.where(possible, right, -1)))
    if cut == 0:
        return float(ordered[0])
    if cut == len(ordered):
        return float(np.nextafter(ordered[-1], np.inf))
    return float((ordered[cut - 1] + ordered[cut]) / 2)


def halves(part: Labelled, seed: int = 0) -> tuple[Labelled, Labelled]:
    """Two halves, each relation and label in both, so that one can be judged by the other."""
    groups = part.triples[:, 1] * 2 + part.labels
    first = np.zeros(len(groups), dtype=np.bool_)
    first[stratified_sample(groups, (len(groups) + 1) // 2, seed)] = True
    one, other = (
        Labelled(part.triples[rows], part.labels[rows], part.source) for rows in (first, ~first)
    )
    return one, other


def published(
    triples: npt.NDArray[np.integer[Any]], labels: Bool, name: str, limit: int | None, seed: int
) -> Labelled:
    """Labelled triples that came with a data set.

    Args:
        triples: (N, 3).
        labels: (N,).
        name: The data set.
        limit: Only so many, each relation and label keeping its share.
        seed: Of the draw.
    """
    wide = triples.astype(np.int64)
    rows = stratified_sample(wide[:, 1] * 2 + labels, limit, seed)
    return Labelled(wide[rows], labels[rows], f"as published with {name}")


def corrupted(
    graph: KnowledgeGraph, split: str, limit: int | None = None, seed: int = 0
) -> Labelled:
    """A split's triples, each with a false one made by another tail of the same relation.

    The other tail occurs with the relation in train, and the false triple is in no split. Where
    a relation leaves no such tail, any entity will do; a triple without any is left out.

    Args:
        graph: The graph.
        split: Whose triples.
        limit: Only so many of them, each relation keeping its share.
        seed: Of sample and corruption.

    Returns:
        As many true triples as false ones, in turn.

    Raises:
        GraphError: The split has no triple that can be corrupted.
    """
    triples = graph.triples_of(split).astype(np.int64)
    triples = triples[stratified_sample(triples[:, 1], limit, seed)]
    false_tails = corrupt_tails(graph, triples, np.random.default_rng([seed, SPLITS.index(split)]))
    triples, false_tails = triples[false_tails >= 0], false_tails[false_tails >= 0]
    if not len(triples):
        raise GraphError(
            f"graph {graph.name!r} has no {split} triples to judge",
            "thresholds are chosen on valid: import the graph with valid and test splits",
        )
    both = np.repeat(triples, 2, axis=0)
    both[1::2, 2] = false_tails
    source = "tails drawn from the relation's range, in no split"
    return Labelled(both, np.arange(len(both)) % 2 == 0, source)


def corrupt_tails(graph: KnowledgeGraph, triples: Int64, rng: np.random.Generator) -> Int64:
    """(T,) int64: a tail that makes each triple false; -1 where there is none."""
    known = KnownAnswers.of(graph.triples, graph.num_relations)
    train = graph.triples_of("train")
    ranges = [np.unique(train[train[:, 1] == r, 2]) for r in range(graph.num_relations)]
    everything = np.arange(graph.num_entities)
    tails = np.full(len(triples), -1, dtype=np.int64)
    for row, (head, relation, _) in enumerate(triples.tolist()):
        true = known.of_query(head, relation)
        for candidates in (ranges[relation], everything):
            left = np.setdiff1d(candidates, true, assume_unique=True)
            if len(left):
                tails[row] = left[rng.integers(len(left))]
                break
    return tails
