"""The question sets of `benchmarks/asking.py`, and how they are split."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from kale_sets import published

from accord.graph.builder import GraphBuilder
from accord.graph.dataset_files import local_file
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.splitting import split_by_entities
from accord.text.questions import Question

KINDS = {
    "actor": "starred_actors", "director": "directed_by", "writer": "written_by",
    "genre": "has_genre", "imdbrating": "has_imdb_rating", "imdbvotes": "has_imdb_votes",
    "language": "in_language", "tags": "has_tags", "tag": "has_tags", "year": "release_year",
}  # fmt: skip
"""MetaQA's kinds of entities -> the relation that leads to them from a film."""
HELD_OUT = 0.2
"""Share of the wordings of each question type that no planner learns from."""


@dataclass(frozen=True)
class Split:
    """What is learnt from and what is asked."""

    train: list[Question]
    test: list[Question]
    exact: frozenset[str]
    """Ids of test questions whose answers the graph has exactly."""


def metaqa(held_out: bool, seed: int) -> Split:
    """MetaQA of one to three hops: dev to learn from, test to ask; no brackets around the topic.

    Args:
        held_out: Train without a fifth of the wordings of each question type, and ask those only.
        seed: Of the draw of wordings.
    """
    rows = {split: list(_metaqa(split)) for split in ("dev", "test")}
    keep = {row[0].id for row in rows["dev"]}
    asked = {row[0].id for row in rows["test"]}
    if held_out:
        hidden = _hidden([row for part in rows.values() for row in part], seed)
        keep = {q.id for q, wording, _ in rows["dev"] if (q.pattern, wording) not in hidden}
        asked = {q.id for q, wording, _ in rows["test"] if (q.pattern, wording) in hidden}
    train = [q for q, *_ in rows["dev"] if q.id in keep]
    test = [q for q, *_ in rows["test"] if q.id in asked]
    return Split(train, test, frozenset(q.id for q, _, exact in rows["test"] if exact))


def pathquestion(hops: int, graph: KnowledgeGraph, seed: int) -> Split:
    """PathQuestion, split such that no path's set of entities is in both parts."""
    found = published(f"pathquestion/pq-{hops}h.jsonl.gz", graph)
    shares = (0.45, 0.0, 0.55) if hops == 2 else (0.8, 0.0, 0.2)
    ready = split_by_entities(found, shares, seed=seed)
    test = [q for q in ready if q.split == "test"]
    train = [q for q in ready if q.split == "train"]
    return Split(train, test, frozenset(q.id for q in test))


def shuffled(graph: KnowledgeGraph, seed: int) -> KnowledgeGraph:
    """The same graph with the phrases of its relations dealt out anew."""
    order = np.random.default_rng(seed).permutation(graph.num_relations).tolist()
    builder = GraphBuilder(graph.name)
    for idx, key in enumerate(graph.entity_ids):
        builder.entity(key, graph.entity_names[idx], "", graph.aliases_of(idx))
    for idx, other in enumerate(order):
        phrases = graph.relation_phrases[other], graph.inverse_phrases[other]
        builder.relation(f"r{idx}", *phrases)
    for head, relation, tail in graph.triples.tolist():
        ids = graph.entity_ids
        builder.triple(ids[head], f"r{relation}", ids[tail])
    return builder.build()


def renamed(questions: Sequence[Question], graph: KnowledgeGraph) -> list[Question]:
    """Questions over a graph with its relations' ids as `shuffled` writes them."""
    place = {key: f"r{i}" for i, key in enumerate(graph.relation_ids)}

    def part(name: str) -> str:
        return ("~" if name.startswith("~") else "") + place[name.removeprefix("~")]

    return [
        Question(
            q.id, q.question, q.answers, q.topics, q.answer_ids, hops=q.hops,
            pattern=" > ".join(map(part, q.pattern.split(" > "))),
        )
        for q in questions
    ]  # fmt: skip


def sample(questions: Sequence[Question], count: int, seed: int = 0) -> list[Question]:
    """At most so many questions of each number of hops."""
    groups: dict[int, list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.hops].append(question)
    rng = random.Random(seed)
    return [q for part in groups.values() for q in rng.sample(part, min(count, len(part)))]


def wording_of(question: str, topic: str) -> str:
    """A question without its topic."""
    return " ".join(question.replace(topic, " _ ", 1).casefold().split())


def _metaqa(split: str) -> Iterator[tuple[Question, str, bool]]:
    """(question, its wording, whether the graph has exactly its answers)"""
    for hops in (1, 2, 3):
        path = local_file(f"metaqa/{hops}hop_{split}.jsonl.gz", None)
        if path is None:
            raise SystemExit("set ACCORD_DATA to a folder that holds metaqa")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                row = json.loads(line)
                kinds = row["qtype"].split("_to_")
                pairs = pairwise(kinds)
                steps = [KINDS[b] if a == "movie" else f"~{KINDS[a]}" for a, b in pairs]
                text = re.sub(r"\[(.*)\]", r"\1", row["question"])
                wording = re.sub(r"\[.*\]", "_", row["question"])
                question = Question(
                    f"{hops}-{split}-{number}", text, tuple(row["answers"]), (row["topic"],),
                    hops=hops, pattern=" > ".join(steps),
                )  # fmt: skip
                yield question, wording, bool(row["kb_ok"])


def _hidden(rows: Sequence[tuple[Question, str, bool]], seed: int) -> set[tuple[str, str]]:
    """A fifth of the wordings of each question type."""
    wordings: dict[str, set[str]] = defaultdict(set)
    for question, wording, _ in rows:
        wordings[question.pattern].add(wording)
    rng, found = random.Random(seed), set[tuple[str, str]]()
    for pattern, every in sorted(wordings.items()):
        drawn = rng.sample(sorted(every), max(1, round(HELD_OUT * len(every))))
        found |= {(pattern, wording) for wording in drawn}
    return found
