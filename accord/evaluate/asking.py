"""How often `accord ask` gives the right answers, and all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from accord.decode.guided import Guide
from accord.decode.likeness import WordVectors
from accord.decode.planner import PlannerWeights
from accord.decode.planner_gold import PER_WORDING, Asked, Gold, plan_of
from accord.decode.planner_training import PlannerConfig, train_planner
from accord.decode.plans import Plan, Plans
from accord.decode.retrieve import Retrieved
from accord.decode.schema import Schema
from accord.errors import DataError
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.progress import track
from accord.text.mentions import MentionIndex
from accord.text.questions import Question
from accord.text.render import entity_name, one_line

CONVENTION = 500
"""Questions by which it is seen whether a path's topic may answer it."""
Called = tuple[str, ...]
"""All by which an answer may be named: id and name, or a literal."""


@dataclass(frozen=True)
class Judged:
    """One question and what was answered."""

    question: Question
    read_as: str
    """The question of the plan that was followed; empty where there was none."""
    given: bool
    """Whether an answer was given."""
    hits_at_1: float
    """1 where the first answer is right."""
    f1: float
    """Of all answers given against all that are right."""
    exact: float
    """1 where exactly the right ones were given."""
    sure: float
    """The confidence."""


@dataclass(frozen=True)
class AskingResult:
    """What was asked and answered."""

    split: str
    ranking: str
    items: tuple[Judged, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """{"split", "n", "hits@1", "f1", "exact_match", "given", "ranking", "seconds"}."""
        return {
            "split": self.split,
            "n": len(self.items),
            **means(self.items),
            "ranking": self.ranking,
            "seconds": self.seconds,
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [[k, found[k]] for k in means(self.items)]
        return f"{len(self.items)} questions, ranked by {self.ranking}\n{table(['', ''], rows)}"


def means(items: Sequence[Judged]) -> dict[str, float]:
    """Means over questions; those without an answer count as wrong."""
    count = max(1, len(items))
    return {
        "hits@1": sum(item.hits_at_1 for item in items) / count,
        "f1": sum(item.f1 for item in items) / count,
        "exact_match": sum(item.exact for item in items) / count,
        "given": sum(item.given for item in items) / count,
    }


def no_question(split: str) -> DataError:
    """The error for a file without a question of a split; of any split where it is empty."""
    if split:
        return DataError(f"no question of the split {split!r}", hint="leave --split out for all")
    return DataError("no question in the file", hint="one JSON object a line; see --qa")


def evaluate_asking(guide: Guide, questions: Sequence[Question], split: str = "") -> AskingResult:
    """Asks every question and compares all answers with all that are right.

    Args:
        guide: What answers.
        questions: Questions with answers.
        split: What the result calls them.

    Raises:
        DataError: No question.
    """
    if not questions:
        raise no_question(split)
    start, found = time.perf_counter(), list[Judged]()
    with track("asking", len(questions), "questions") as advance:
        for question in questions:
            found.append(_asked(guide, question))
            advance(1)
    ranking = guide.retriever.config.ranking
    return AskingResult(split, ranking, tuple(found), time.perf_counter() - start)


def learn_planner(
    graph: KnowledgeGraph,
    questions: Sequence[Question],
    config: PlannerConfig | None = None,
    vectors: WordVectors | None = None,
    per_wording: int = PER_WORDING,
) -> PlannerWeights:
    """Learns which relation paths questions ask for.

    Args:
        graph: The graph that the questions are about.
        questions: Questions with answers; a `pattern` or path says which path is right, else all
            paths that lead to exactly the answers are.
        config: How it learns; None for the defaults.
        vectors: By which unseen words are compared with those of relations; None for letters.
        per_wording: Questions that differ in nothing but the topic, at most.

    Raises:
        DataError: No question whose topic is named and whose path is in the graph.
    """
    config = config or PlannerConfig()
    plans = Plans(graph)
    schema = Schema(graph, plans.groups)
    gold = Gold(plans, schema, MentionIndex(graph), config.hops)
    asked = gold(questions, per_wording, config.seed)
    learnt = train_planner(asked, schema, config, vectors)
    return replace(learnt, returns=_returns(plans, schema, asked[:CONVENTION]))


def _returns(plans: Plans, schema: Schema, asked: Sequence[Asked]) -> bool:
    """Whether the topic counts among the answers of paths that return to it.

    Question sets differ in this: 'the child of the mother of X' may be X or only a sibling.
    """
    right = {False: 0.0, True: 0.0}
    for item in asked:
        topic, path = min(item.topics), min(item.paths)
        for returns in right:
            answers = called(plans, plan_of(schema, topic, path, returns))
            right[returns] += judged(item.question, answers).exact
    return right[True] > right[False]


def judged(
    question: Question, answers: Sequence[Called], read_as: str = "", sure: float = 1.0
) -> Judged:
    """Compares answers with those that are right.

    Args:
        question: The question.
        answers: Everything by which each answer is called, the first first.
        read_as: How the question was read.
        sure: The confidence.

    Example:
        >>> item = judged(Question("", "Who?", ("Ann", "Bo")), [("a", "Ann"), ("c", "Cy")])
        >>> item.hits_at_1, item.f1, item.exact
        (1.0, 0.5, 0.0)
    """
    wanted = set(question.answer_ids or question.answers)
    right = [bool(wanted & set(called)) for called in answers]
    found = len(wanted & {name for called in answers for name in called})
    precision, recall = sum(right) / max(1, len(right)), found / max(1, len(wanted))
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    exact = bool(right) and all(right) and found == len(wanted)
    first = float(bool(right) and right[0])
    return Judged(question, read_as, bool(answers), first, f1, float(exact), sure)


def called(plans: Plans, plan: Plan) -> list[Called]:
    """All answers of a plan, in the order of the graph."""
    reached, graph = plans.reach(plan), plans.graph
    if plan.attribute:
        values = (graph.attribute(row).value for row in reached.attributes.tolist())
        return [(value,) for value in dict.fromkeys(values)]
    entities = np.unique(reached.entities).tolist()
    return [(graph.entity_ids[e], one_line(entity_name(graph, e))) for e in entities]


def _asked(guide: Guide, question: Question) -> Judged:
    retrieved = guide.retriever(question.question)
    sure = guide.confidence(retrieved)
    given = bool(retrieved.ranked) and sure >= guide.confidence.threshold
    answers = called(guide.plans, retrieved.ranked[0].known.plan) if given else []
    return judged(question, answers, read_as(retrieved), sure)


def read_as(retrieved: Retrieved) -> str:
    """The question of the best plan; empty where there is none."""
    return retrieved.ranked[0].known.text if retrieved.ranked else ""
