"""Structure scores of triples by vectors that were not trained on them: K folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from accord.errors import ConfigError
from accord.evaluate.known import KnownAnswers, queries_of
from accord.evaluate.protocol import Float32, Scorer
from accord.evaluate.structure import StructureScorer
from accord.graph.graph import KnowledgeGraph
from accord.model.structure import StructureVectors, all_scores, compose, pair_scores
from accord.objectives.structure import Structure, StructureConfig
from accord.objectives.triples import TripleSource
from accord.progress import track
from accord.refine.steps import Bool, Float64, Int64

CELLS = 2**24
"""Scores at once."""
ALL = 8192
"""Entities up to which a triple's ends are compared with all of them, beyond it with some."""
DRAWN = 512
"""How many those are."""
LARGE = 300_000
"""Triples from which on vectors are smaller and batches larger."""


@dataclass(frozen=True)
class FoldConfig:
    """How vectors are trained for a scan."""

    folds: int = 3
    """Parts of train, each scored by vectors trained on the others; 1 trains on all (in-sample,
    which is for comparison)."""
    epochs: int = 40
    """Times that each triple is seen, both directions."""
    most_steps: int = 1500
    """Steps of a fold at most, however large the graph."""
    dimension: int = 64
    """Complex numbers of an entity."""
    batch_size: int = 1024
    """Triples a step, both directions counted."""
    negatives: int = 1024
    """Entities drawn a step that every triple is told from, where the graph has more."""
    learning_rate: float = 0.01
    """Of Adam."""
    dropout: float = 0.4
    """Dropout on the vectors of queries."""
    seed: int = 0
    """Of folds, vectors and order."""

    def __post_init__(self) -> None:
        if min(self.folds, self.epochs, self.most_steps, self.dimension, self.batch_size) < 1:
            raise ConfigError(
                f"folds={self.folds}, epochs={self.epochs}, dimension={self.dimension}, "
                f"batch_size={self.batch_size}, most_steps={self.most_steps}",
                "use 1 or more of each",
            )

    def for_size(self, triples: int) -> FoldConfig:
        """The same for a graph of so many train triples; large ones in large batches."""
        if triples < LARGE:
            return self
        return replace(
            self, folds=min(self.folds, 2), dimension=min(self.dimension, 32), batch_size=8192,
            most_steps=min(self.most_steps, 600), dropout=0.0,
        )  # fmt: skip


def fold_numbers(count: int, folds: int, seed: int) -> Int64:
    """(count,) the fold of each triple, of equal size, drawn by the seed."""
    found = np.arange(count, dtype=np.int64) % folds
    np.random.default_rng([seed, 5]).shuffle(found)
    return found


class Folds:
    """Vectors of a graph, one set a fold, and the scores of triples by those that did not see them.

    Args:
        graph: The graph.
        folds: (T,) fold of each train triple.
        vectors: Of each fold, trained on the others.
    """

    def __init__(
        self, graph: KnowledgeGraph, folds: Int64, vectors: Sequence[StructureVectors]
    ) -> None:
        self.graph, self.folds, self.vectors = graph, folds, vectors
        self._scorers = [StructureScorer(v, graph) for v in vectors]
        self._known = KnownAnswers.of_splits(graph, ("train",))

    def scorer(self, fold: int = 0) -> StructureScorer:
        """The scorer of one fold."""
        return self._scorers[fold]

    def scores(self, triples: Int64, folds: Int64) -> Float64:
        """(N, 2) log-probability of tail and of head among entities that are not known answers."""
        found = np.zeros((len(triples), 2))
        for fold, scorer in enumerate(self._scorers):
            at = np.flatnonzero(folds == fold)
            if self.graph.num_entities <= ALL:
                found[at] = log_chances(scorer, self.graph, triples[at], self._known)
            else:
                found[at] = drawn_chances(self.vectors[fold], triples[at])
        return found


Advance = Callable[[int], None]
"""Told of steps that are done."""
Train = Callable[[KnowledgeGraph, int, int, Advance], StructureVectors]
"""(graph, fold, steps, advance) -> vectors trained on the graph's train triples."""


def train_folds(
    graph: KnowledgeGraph, folds: Int64, steps: Callable[[int], int], train: Train, what: str
) -> list[StructureVectors]:
    """Trains once without each fold.

    Args:
        graph: The graph.
        folds: (T,) fold of each train triple; one fold only trains on all of them.
        steps: How many for so many triples.
        train: Trains.
        what: What progress calls it.
    """
    count = int(folds.max(initial=0)) + 1
    kept = [folds != f if count > 1 else np.ones(len(folds), dtype=np.bool_) for f in range(count)]
    numbers = [steps(int(rows.sum())) for rows in kept]
    with track(f"training {what}", sum(numbers), "steps") as advance:
        return [
            train(with_train(graph, rows), fold, numbers[fold], advance)
            for fold, rows in enumerate(kept)
        ]


class StructureFolds(Folds):
    """Structure vectors of a graph, one set a fold.

    Args:
        graph: The graph.
        folds: (T,) fold of each train triple; one fold only trains on all of them.
        config: Settings.
    """

    def __init__(self, graph: KnowledgeGraph, folds: Int64, config: FoldConfig) -> None:
        def train(
            part: KnowledgeGraph, fold: int, steps: int, advance: Advance
        ) -> StructureVectors:
            return train_structure(part, config, fold, steps, advance)

        def steps(triples: int) -> int:
            return steps_for(triples, config)

        vectors = train_folds(graph, folds, steps, train, "structure embeddings")
        super().__init__(graph, folds, vectors)

    @classmethod
    def train(cls, graph: KnowledgeGraph, config: FoldConfig) -> StructureFolds:
        """Draws folds and trains vectors, fewer and smaller ones for a large graph."""
        count = len(graph.triples_of("train"))
        settings = config.for_size(count)
        return cls(graph, fold_numbers(count, settings.folds, settings.seed), settings)


def first_fold(graph: KnowledgeGraph, config: FoldConfig) -> KnowledgeGraph:
    """The graph with what the first fold's vectors are trained on, for them alone."""
    count = len(graph.triples_of("train"))
    folds = fold_numbers(count, config.folds, config.seed)
    return with_train(graph, folds != 0) if config.folds > 1 else graph


def steps_for(triples: int, config: FoldConfig) -> int:
    """Each triple is seen `epochs` times in both directions."""
    return max(20, min(config.most_steps, config.epochs * 2 * triples // config.batch_size))


def with_train(graph: KnowledgeGraph, kept: Bool) -> KnowledgeGraph:
    """The graph with some of its train triples only, for training: indexes are not made anew."""
    keep = np.concatenate([kept, np.ones(graph.num_triples - len(kept), dtype=np.bool_)])
    return replace(graph, triples=graph.triples[keep], split=graph.split[keep])


def train_structure(
    graph: KnowledgeGraph, config: FoldConfig, fold: int, steps: int, advance: Advance | None = None
) -> StructureVectors:
    """Trains ComplEx vectors on the train triples of a graph.

    Args:
        graph: The graph.
        config: Settings.
        fold: Goes into the seed.
        steps: How many.
        advance: Told of each step; None: nobody.
    """
    objective = structure_objective(graph, config, fold)
    optimizer = torch.optim.Adam(list(objective.parameters.values()), lr=config.learning_rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - step / steps)
        batch = objective.batch(step)
        optimizer.zero_grad(set_to_none=True)
        objective.loss({}, batch).value.backward()  # type: ignore[no-untyped-call]  # untyped there
        optimizer.step()
        if advance is not None:
            advance(1)
    return objective.vectors()


def structure_objective(graph: KnowledgeGraph, config: FoldConfig, fold: int) -> Structure:
    """ComplEx over all entities of a small graph, over drawn ones of a large one."""
    few = graph.num_entities <= 2 * config.negatives
    wanted = StructureConfig(
        weight=1.0, model="complex", dimension=config.dimension, batch_size=config.batch_size,
        negatives=0 if few else config.negatives, margin=0.0, dropout=config.dropout,
    )  # fmt: skip
    return Structure(TripleSource(graph, config.seed * 100 + fold), wanted)


def log_chances(
    scorer: Scorer, graph: KnowledgeGraph, triples: Int64, known: KnownAnswers
) -> Float64:
    """How probable the ends of triples are among all entities that are not known answers.

    Args:
        scorer: Scores all entities.
        graph: The graph.
        triples: (N, 3).
        known: Answers that do not compete, but for the triple's own.

    Returns:
        (N, 2) natural log of the softmax of the tail, of the head.
    """
    queries, answers = queries_of(triples, graph.num_relations)
    found = np.zeros(len(queries))
    size = max(1, CELLS // max(1, graph.num_entities))
    for start in range(0, len(queries), size):
        part = slice(start, start + size)
        scores = np.array(scorer.scores(queries[part]))
        own = scores[np.arange(len(scores)), answers[part]]
        rows, columns = known.pairs(queries[part])
        scores[rows, columns] = -np.inf
        scores[np.arange(len(scores)), answers[part]] = own
        found[part] = own - _log_sum(scores)
    return found.reshape(2, -1).T


def _log_sum(scores: Float32) -> Float64:
    """(B,) log of the sum of exponentials of rows."""
    most = scores.max(axis=1, keepdims=True)
    total = np.exp((scores - most).astype(np.float32)).sum(axis=1)
    found: Float64 = most[:, 0] + np.log(total)
    return found


@torch.no_grad()
def drawn_chances(vectors: StructureVectors, triples: Int64, seed: int = 0) -> Float64:
    """As `log_chances`, with the sum over all entities estimated from some that are drawn.

    Args:
        vectors: Of the graph itself: row i is entity i.
        triples: (N, 3).
        seed: Of the draw.
    """
    entities = torch.from_numpy(np.array(vectors.entities.vectors))
    drawn = np.random.default_rng(seed).integers(len(entities), size=DRAWN)
    others, share = entities[torch.from_numpy(drawn)], float(np.log(len(entities) / DRAWN))
    tables = (vectors.relations, vectors.inverse_relations)
    found = np.zeros((len(triples), 2))
    size = CELLS // DRAWN
    for side, (table, near, far) in enumerate(zip(tables, (0, 2), (2, 0), strict=True)):
        relations = torch.from_numpy(table)
        for start in range(0, len(triples), size):
            head, number, tail = (
                torch.from_numpy(triples[start : start + size, c]) for c in (near, 1, far)
            )
            asked = compose(vectors.interaction, entities[head], relations[number])
            own = pair_scores(vectors.interaction, asked, entities[tail], vectors.norm)
            wrong = all_scores(vectors.interaction, asked, others, vectors.norm)
            total = torch.logaddexp(torch.logsumexp(wrong, dim=1) + share, own)
            found[start : start + size, side] = (own - total).numpy()
    return found
