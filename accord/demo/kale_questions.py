"""What the second act asks: two-hop questions over a graph, and the facts that they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accord.errors import ConfigError

if TYPE_CHECKING:
    from accord.graph.graph import KnowledgeGraph
    from accord.text.questions import Question

DRAWN = 20
"""Questions drawn at most for each that is wanted; the others walk other relation paths."""
CITY, CAPITAL, MONEY = "country", "~capital", "~currency"
GEOGRAPHY = (
    *(f"{CITY} > {asked}" for asked in ("currency", "continent", "language")),
    *(f"{CAPITAL} > {asked}" for asked in ("currency", "continent", "language")),
    *(f"{MONEY} > {asked}" for asked in ("capital", "continent")),
)


@dataclass(frozen=True)
class AskedConfig:
    """Which questions are made."""

    count: int = 400
    """How many; fewer where the graph has no more."""
    paths: tuple[str, ...] = GEOGRAPHY
    """Relation paths asked about, as `pattern` writes them; empty for all."""
    max_answers: int = 1
    """Questions with more right answers are left out."""
    test_share: float = 0.3
    """Share of the questions that is held out, by the entities of their paths."""


@dataclass(frozen=True)
class Asked:
    """The questions, on disk."""

    questions: Path
    """Of train and test, with rationales."""
    facts: Path
    """Every fact on their paths as a one-hop question, all train."""
    counts: dict[str, int]
    """train, test, facts."""


def make_questions(graph: KnowledgeGraph, folder: Path, config: AskedConfig, seed: int) -> Asked:
    """Writes the questions and their facts, unless they are there.

    Args:
        graph: The graph.
        folder: Where they are kept.
        config: Which.
        seed: Of every draw.

    Returns:
        Where they are.

    Raises:
        ConfigError: The graph has no such questions for train or test, or the folder holds others.
    """
    from accord.train.checkpoint import RunFolder

    questions, facts = folder / "questions.jsonl.gz", folder / "facts.jsonl.gz"
    kept, made_with = RunFolder(folder), _made_with(graph, config, seed)
    if (folder / "questions.json").is_file():
        found = kept.read_json("questions.json")
        if found.get("made_with") != made_with:
            raise ConfigError(
                f"{folder} holds other questions than this demo's (seed {seed})",
                "choose another --out, or give the --seed that it was made with",
            )
    else:
        counts = _write(graph, questions, facts, config, seed)
        found = {"counts": counts, "made_with": made_with}
        kept.write_json("questions.json", found)  # last: where it lies, both files are whole
    return Asked(questions, facts, found["counts"])


def _made_with(graph: KnowledgeGraph, config: AskedConfig, seed: int) -> dict[str, Any]:
    return {**vars(config), "paths": list(config.paths), "seed": seed, "graph": graph.hash}


def _write(
    graph: KnowledgeGraph, questions: Path, facts: Path, config: AskedConfig, seed: int
) -> dict[str, int]:
    from accord.evaluate.hops import fact_questions
    from accord.synthesis.rationale import with_rationales
    from accord.synthesis.splitting import split_by_entities
    from accord.text.questions import write_questions

    drawn = list(islice(_drawn(graph, config, seed), config.count))
    shares = (1 - config.test_share, 0.0, config.test_share)
    asked = split_by_entities(list(with_rationales(graph, drawn)), shares, seed=seed)
    counts = {name: sum(q.split == name for q in asked) for name in ("train", "test")}
    if not all(counts.values()):
        raise ConfigError(
            f"the graph {graph.name!r} gives {counts['train']} questions to learn and "
            f"{counts['test']} to ask",
            "choose other relation paths, or more answers to a question",
        )
    single = [replace(fact, split="train") for fact in fact_questions(graph, asked)]
    write_questions(questions, asked)
    write_questions(facts, single)
    return {**counts, "facts": len(single)}


def _drawn(graph: KnowledgeGraph, config: AskedConfig, seed: int) -> Iterator[Question]:
    """Two-hop chains, one after the other, that walk the wanted relation paths."""
    from accord.synthesis.questions import QuestionConfig, generate_questions

    chains = QuestionConfig(
        intersections=0.0, attributes=0.0, max_answers=config.max_answers, seed=seed
    )
    for question in generate_questions(graph, DRAWN * config.count, chains):
        if not config.paths or question.pattern in config.paths:
            yield question
