"""The questions that benchmarks/kale.py measures on, made once and kept beside its runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from accord.api import load_graph
from accord.evaluate.hops import fact_questions
from accord.evaluate.statistics import stratified_sample
from accord.graph.dataset_files import local_file
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.synthesis.rationale import with_rationales
from accord.synthesis.splitting import split_by_entities
from accord.text.questions import Question, pattern_of, read_questions, write_questions
from accord.text.render import entity_name


@dataclass(frozen=True)
class Questions:
    """Where a set's questions come from."""

    graph: str
    file: str = ""
    """Below ACCORD_DATA; empty where they are generated."""
    count: int = 0
    """How many are generated."""
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Of train, valid and test, such that test has 1,000 or more."""
    asked: QuestionConfig = field(default_factory=lambda: QuestionConfig(attributes=0.0))
    """Which are generated."""


ONE_ANSWER = QuestionConfig(attributes=0.0, intersections=0.0, max_answers=1)


SETS = {
    "geography-2h": Questions("geography", "", 2400, (0.4, 0.1, 0.5), ONE_ANSWER),
    "pathquestion-2h": Questions(
        "pathquestion-2h", "pathquestion/pq-2h.jsonl.gz", shares=(0.35, 0.1, 0.55)
    ),
    "pathquestion-3h": Questions("pathquestion-3h", "pathquestion/pq-3h.jsonl.gz"),
    "fb15k-237-2h": Questions("fb15k-237", count=7000),
    "umls-2h": Questions("umls", count=7000),
}


def prepare(name: str, folder: Path, most: int) -> tuple[Path, int]:
    """Writes the questions of a set with rationales and splits.

    Args:
        name: Of `SETS`.
        folder: Where they are kept; what is there is taken as it is.
        most: Questions of the whole set at most; 0 for all.

    Returns:
        The file of questions, and how many one-hop questions their paths are made of.
    """
    asked, source = folder / "questions.jsonl.gz", SETS[name]
    graph = load_graph(source.graph)
    if not asked.is_file():
        count = min(source.count, most) if most else source.count
        found = list(generate_questions(graph, count, source.asked))
        if source.file:
            found = published(source.file, graph)
            found = found[: most or None]
        ready = list(with_rationales(graph, split_by_entities(found, source.shares)))
        write_questions(asked, ready)
    return asked, len(fact_questions(graph, list(read_questions(asked))))


def published(file: str, graph: KnowledgeGraph) -> list[Question]:
    """A public set with its ids in words."""
    path = local_file(file, None)
    if path is None:
        raise SystemExit(f"set ACCORD_DATA to a folder that holds {file}")
    return [_named(question, graph) for question in read_questions(path)]


def _named(question: Question, graph: KnowledgeGraph) -> Question:
    """Ids in the question and its answers as names, as everything else puts them."""

    def name(entity: str) -> str:
        return entity_name(graph, graph.entity(entity))

    text = question.question
    for topic in question.topics:
        text = text.replace(topic, name(topic))
    return replace(
        question,
        question=text,
        answers=tuple(map(name, question.answers)),
        answer_ids=question.answers,
        pattern=pattern_of(question.paths[0]),
    )


def of_split(path: Path, split: str, most: int = 0) -> list[Question]:
    """Questions of a split; at most so many, each relation path keeping its share."""
    found = [question for question in read_questions(path) if question.split == split]
    patterns = np.unique([question.pattern for question in found], return_inverse=True)[1]
    return [found[i] for i in stratified_sample(patterns.reshape(-1), most or None, 0)]
