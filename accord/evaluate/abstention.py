"""When `accord ask` should rather say nothing: coverage against precision, and the threshold.

Questions that have no answer are made by taking relations out of the graph; so a set of questions
with answers and paths is enough to learn from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.decode.confidence import Confidence, fit_confidence, threshold_for
from accord.decode.given import copied
from accord.decode.guided import Guide, read_off
from accord.decode.retrieve import Retrieved
from accord.errors import ConfigError
from accord.evaluate.asking import no_question
from accord.evaluate.files import write_lines
from accord.evaluate.protocol import Float64
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.progress import track
from accord.text.questions import Question

Bools = npt.NDArray[np.bool_]
DRAWS = 5
"""Graphs with gaps that questions are asked of."""
POINTS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class AbstentionResult:
    """For every question how sure the best plan is, and whether it is right."""

    split: str
    sure: Float64
    """(N,) confidence; 0 where nothing was found."""
    right: Bools
    """(N,) whether exactly the gold answers were found."""
    answerable: Bools
    """(N,) whether the graph has an answer."""
    confidence: Confidence
    seconds: float

    @property
    def given(self) -> Bools:
        """(N,) whether an answer is given."""
        return np.asarray((self.sure >= self.confidence.threshold) & (self.sure > 0))

    def to_dict(self) -> dict[str, Any]:
        """{"n", "coverage", "precision", "abstention": {...}, "curve": [...], ...}."""
        given = self.given
        return {
            "split": self.split,
            "n": len(self.sure),
            "unanswerable": int((~self.answerable).sum()),
            "coverage": float(given.mean()),
            "precision": float(self.right[given].mean()) if given.any() else None,
            "abstention": self._abstention(),
            "curve": [self._point(wanted) for wanted in POINTS],
            "confidence": asdict(self.confidence),
            "seconds": self.seconds,
        }

    def _abstention(self) -> dict[str, float]:
        """Precision, recall and F1 of saying nothing where no answer that is found is right."""
        silent, should = ~self.given, ~self.right
        hits = float((silent & should).sum())
        precision = hits / max(1, int(silent.sum()))
        recall = hits / max(1, int(should.sum()))
        f1 = 2 * precision * recall / max(1e-12, precision + recall)
        return {"precision": precision, "recall": recall, "f1": f1}

    def _point(self, wanted: float) -> dict[str, float]:
        threshold = threshold_for(self.sure.tolist(), self.right, wanted)
        reached = bool((self.sure >= threshold).any())
        coverage = float((self.sure >= threshold).mean()) if reached else 0.0
        return {"precision": wanted, "threshold": threshold, "coverage": coverage}

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [[k, found[k]] for k in ("coverage", "precision")]
        rows += [[f"abstention {key}", value] for key, value in found["abstention"].items()]
        rows.append(["threshold", self.confidence.threshold])
        return f"asking, {len(self.sure)} questions\n{table(['', 'value'], rows)}"


def evaluate_abstention(
    guide: Guide,
    questions: Sequence[Question],
    split: str = "",
    precision: float | None = None,
    unanswerable: Sequence[bool] | None = None,
) -> AbstentionResult:
    """Asks every question and says how sure and how right the answers are.

    Args:
        guide: What answers.
        questions: Questions with answers.
        split: What the result calls them.
        precision: Learn weights and a threshold for this share of right answers from these
            questions; None measures with the guide's own.
        unanswerable: For each question whether the graph has no answer, so that none is right;
            None for all False.

    Returns:
        Confidence and correctness of every question.

    Raises:
        DataError: No question.
        ConfigError: A precision that is none.
    """
    empty = list(unanswerable or [False] * len(questions))
    return _judged([(guide, empty)], questions, split, precision, guide.confidence)


def evaluate_gaps(
    guide: Guide,
    questions: Sequence[Question],
    remove: float,
    split: str = "",
    precision: float | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> AbstentionResult:
    """Asks every question of several graphs, each of which lacks other relations.

    What is learnt from one draw of relations fits those: how alike a relation that is gone and
    one that is left are worded differs much.

    Args:
        guide: What answers.
        questions: Questions with their paths.
        remove: Share of the relations on those paths that each graph lacks.
        split: What the result calls them.
        precision: As of `evaluate_abstention`.
        seed: Of the draws.
        draws: How many graphs.

    Returns:
        Confidence and correctness of every question in every graph.

    Raises:
        DataError: No question.
        ConfigError: A share or a precision that is none, or questions without paths.
    """
    asked: list[tuple[Guide, list[bool]]] = []
    for draw in range(draws if questions else 0):
        poorer, empty = remove_relations(guide.graph, questions, remove, seed + draw)
        own = guide.retriever
        asked.append((Guide(poorer, own.model, own.config, guide.confidence, own.planner), empty))
    return _judged(asked, questions, split, precision, guide.confidence)


def _judged(
    asked: Sequence[tuple[Guide, list[bool]]],
    questions: Sequence[Question],
    split: str,
    precision: float | None,
    weights: Confidence,
) -> AbstentionResult:
    if not questions:
        raise no_question(split)
    if precision is not None and not 0 < precision <= 1:
        raise ConfigError(f"precision is {precision}", "use more than 0, up to 1")
    start, found, right = time.perf_counter(), list[Retrieved](), list[bool]()
    with track("asking", len(asked) * len(questions), "questions") as advance:
        for guide, without in asked:
            for question, empty in zip(questions, without, strict=True):
                retrieved = guide.retriever(question.question)
                found.append(retrieved)
                right.append(not empty and _is_right(guide, retrieved, question))
                advance(1)
    if precision is not None:
        weights = fit_confidence(found, right, precision)
    sure = np.array([weights(retrieved) for retrieved in found])
    answerable = ~np.array([empty for _, without in asked for empty in without], dtype=np.bool_)
    seconds = time.perf_counter() - start
    return AbstentionResult(split, sure, np.array(right), answerable, weights, seconds)


def remove_relations(
    graph: KnowledgeGraph, questions: Sequence[Question], share: float, seed: int = 0
) -> tuple[KnowledgeGraph, list[bool]]:
    """A graph that lacks some relations and properties, and the questions that it cannot answer.

    Args:
        graph: The graph.
        questions: Questions with their paths.
        share: Of the relations on those paths, how many are taken out; at least one.
        seed: Of the draw.

    Returns:
        The graph without their triples and values, and for each question whether a step of
        its paths is gone.

    Raises:
        ConfigError: A share that is none, or questions without paths.
    """
    if not 0 < share < 1:
        raise ConfigError(f"remove is {share}", "use a share between 0 and 1")
    used = sorted({hop.relation for q in questions for path in q.paths for hop in path})
    if len(used) < 2:
        raise ConfigError("the questions' paths have fewer than two relations", "leave it out")
    count = min(len(used) - 1, max(1, round(share * len(used))))
    gone = set(np.random.default_rng(seed).permutation(used)[:count].tolist())
    properties = gone & set(graph.properties)
    numbers = [graph.relation(relation) for relation in gone - properties]
    kept = copied(graph, ~np.isin(graph.triples[:, 1], numbers), properties).build()
    return kept, [any(h.relation in gone for path in q.paths for h in path) for q in questions]


def _is_right(guide: Guide, retrieved: Retrieved, question: Question) -> bool:
    if not retrieved.ranked:
        return False
    answers, _ = read_off(guide.plans, retrieved.ranked[0].known.plan, 1.0)
    if question.answer_ids:
        return {answer.id for answer in answers} == set(question.answer_ids)
    return {answer.name for answer in answers} == set(question.answers)


def write_confidence(path: str | Path, confidence: Confidence) -> Path:
    """Keeps weights and threshold as JSON, for `accord ask --confidence`."""
    return write_lines(path, [json.dumps(asdict(confidence))])
