"""Whether a model knows each fact that a question needs: its hops, asked one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import ConfigError, DataError, GraphError
from accord.evaluate.known import KnownAnswers
from accord.evaluate.protocol import GenerativeModel
from accord.evaluate.qa_answers import judge
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.facts import FactReader
from accord.synthesis.steps import hop_between
from accord.text.asking import Asking, Step
from accord.text.qa_prompts import question_prompt, read_answers
from accord.text.questions import Hop, HopPath, Question, pattern_of
from accord.text.render import entity_name

FORMS = ("question", "completion")
HOP_TOKENS = 24
Key = tuple[int, int | str]
"""Entity idx and relation number, or entity idx and the property of an attribute."""


@dataclass(frozen=True)
class AskedHop:
    """One fact that was asked for."""

    prompt: str
    """The question; for completions a note of the query."""
    answers: tuple[str, ...]
    """Everything that is right."""
    written: str
    right: bool
    """The answer written first is right."""


class _Facts:
    """Single facts of one graph: what is right, and how they are asked for in words."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._known = KnownAnswers.of(graph.triples, graph.num_relations)
        self._asking, self._reader = Asking(graph), FactReader(graph)

    def key(self, question: Question, hop: Hop) -> Key:
        try:
            fact = self._reader.path((hop,))[0]
        except GraphError as error:
            raise GraphError(
                f"question {question.id!r}: {error.message}",
                "give the graph that the questions were made from with --graph",
            ) from error
        start = self._reader.entity(hop.start)
        if fact.step is None:
            return start, hop.relation
        number = self.graph.relation(hop.relation)
        return start, number + self.graph.num_relations * hop.inverse

    def answers(self, key: Key) -> tuple[str, ...]:
        start, asked = key
        if isinstance(asked, str):
            attributes = self.graph.attributes_of(start)
            return tuple(item.value for item in attributes if item.property == asked)
        return tuple(entity_name(self.graph, end) for end in self._ends(start, asked))

    def first(self, key: Key) -> Key:
        """One key for all that are asked for in the same words."""
        start, asked = key
        return key if isinstance(asked, str) else (start, self._asking.alike(asked)[0])

    def _ends(self, start: int, number: int) -> dict[int, int]:
        """Everything that is right -> the relation number by which the graph has it."""
        found: dict[int, int] = {}
        for other in self._asking.alike(number):
            for end in self._known.of_query(start, other).tolist():
                found.setdefault(end, other)
        return found

    def paths(self, key: Key) -> tuple[HopPath, ...]:
        """One hop to each answer."""
        start, asked = key
        here = self.graph.entity_ids[start]
        if isinstance(asked, str):
            return tuple((Hop(here, asked, value),) for value in self.answers(key))
        return tuple(
            (hop_between(self.graph, start, number, end),)
            for end, number in self._ends(start, asked).items()
        )

    def worded(self, key: Key) -> str:
        start, asked = key
        if isinstance(asked, str):
            return self._asking.attribute(start, [], asked)
        return self._asking.chain(start, [Step(asked, len(self._ends(start, asked)) == 1)])


class Hops:
    """Asks for the single facts of questions.

    Args:
        model: What is asked.
        graph: The graph that the questions' paths are of.
        form: "question": in words, put like the questions themselves; "completion": the trained
            text of a query, read as the completion objective trains it. A model has to be asked in
            the form that it learnt its facts in, else forgetting and form cannot be told apart.

    Raises:
        ConfigError: No such form.
    """

    def __init__(self, model: GenerativeModel, graph: KnowledgeGraph, form: str) -> None:
        if form not in FORMS:
            raise ConfigError(f"no form of hops {form!r}", "choose from " + ", ".join(FORMS))
        self.model, self.graph, self.form = model, graph, form
        self._facts = _Facts(graph)

    def ask(self, questions: Sequence[Question]) -> list[tuple[AskedHop, ...]]:
        """The hops of each question; empty where it has no path or a hop cannot be asked.

        A question needs, for each of its topics, the hops of the first path from there. An
        attribute can be asked in words only.

        Raises:
            GraphError: A hop is no triple and no attribute of the graph.
        """
        needed = [
            [self._facts.key(question, hop) for hop in _hops(question)] for question in questions
        ]
        keys = list(dict.fromkeys(key for row in needed for key in row if self._askable(key)))
        asked = dict(zip(keys, self._answered(keys), strict=True))
        return [
            tuple(asked[key] for key in row) if all(key in asked for key in row) else ()
            for row in needed
        ]

    def _askable(self, key: Key) -> bool:
        return self.form == "question" or isinstance(key[1], int)

    def _answered(self, keys: Sequence[Key]) -> Iterator[AskedHop]:
        answers = [self._facts.answers(key) for key in keys]
        if self.form == "completion":
            queries = np.array(keys, dtype=np.int64).reshape(-1, 2)
            written = self.model.complete_names(self.graph, queries, HOP_TOKENS) if keys else []
            prompts = [self._noted(key) for key in keys]
            found = [[text] for text in written]
        else:
            prompts = [question_prompt(self._facts.worded(key)) for key in keys]
            written = self.model.generate(prompts, HOP_TOKENS)
            found = [read_answers(text) for text in written]
        for prompt, right, text, names in zip(prompts, answers, written, found, strict=True):
            yield AskedHop(prompt, right, text, judge(names, right).hits_at_1 > 0)

    def _noted(self, key: Key) -> str:
        return f"{self.graph.entity_ids[key[0]]} {key[1]}"


def fact_questions(graph: KnowledgeGraph, questions: Iterable[Question]) -> list[Question]:
    """Every fact on the questions' paths as a question of its own, worded as `Hops` asks it.

    Args:
        graph: The graph that the paths are of.
        questions: Questions with paths; those without add nothing.

    Returns:
        One-hop questions with all their answers and a path to each, each once, without a split.

    Raises:
        GraphError: A hop is no triple and no attribute of the graph.
    """
    facts = _Facts(graph)
    keys: dict[Key, Hop] = {}
    for question in questions:
        for hop in (hop for path in question.paths for hop in path):
            keys.setdefault(facts.first(facts.key(question, hop)), hop)
    return [
        Question(
            f"fact-{number}", facts.worded(key), facts.answers(key), (hop.start,),
            paths=facts.paths(key), hops=1, pattern=pattern_of((hop,)), source="facts of paths",
        )
        for number, (key, hop) in enumerate(keys.items())
    ]  # fmt: skip


def _hops(question: Question) -> list[Hop]:
    """The hops of the first path from each topic, each once."""
    first: dict[str, HopPath] = {}
    for path in question.paths:
        if path:
            first.setdefault(path[0].start, path)
    stated = [first[topic] for topic in question.topics if topic in first]
    chosen = stated or list(first.values())[:1]
    return list(dict.fromkeys(hop for path in chosen for hop in path))


@dataclass(frozen=True)
class Cells:
    """Questions by whether their facts are known and whether they were answered rightly."""

    known_right: int
    known_wrong: int
    unknown_right: int
    unknown_wrong: int

    @classmethod
    def of(cls, known: Sequence[bool], right: Sequence[bool]) -> Cells:
        """Counts the four cells."""
        pairs = list(zip(known, right, strict=True))
        order = ((True, True), (True, False), (False, True), (False, False))
        return cls(*(pairs.count(pair) for pair in order))

    @property
    def known_incorrect(self) -> float | None:
        """Share of wrong answers among questions whose facts are known; None where none is."""
        known = self.known_right + self.known_wrong
        return self.known_wrong / known if known else None

    def to_dict(self) -> dict[str, Any]:
        """{"known_incorrect", "known", and the four cells}."""
        return {
            "known_incorrect": self.known_incorrect,
            "known": self.known_right + self.known_wrong,
            "cells": dict(vars(self)),
        }


def read_known(path: str | Path, questions: Sequence[Question]) -> list[bool | None]:
    """What another run knew, from its dump.

    Args:
        path: A dump that `accord eval qa --hops --out` wrote.
        questions: The questions that are asked now.

    Returns:
        One truth a question: whether its hops were all answered rightly; None where they could
        not be asked.

    Raises:
        DataError: The file is no such dump, or a question is not in it.
    """
    file = Path(path)
    known: dict[tuple[str, str], bool | None] = {}
    number = 0
    try:
        for line in file.read_text("utf-8").splitlines():
            number += 1
            row = json.loads(line)
            known[str(row["id"]), str(row["question"])] = row["known"]
    except OSError as error:
        raise DataError(f"cannot read ({error})", file) from error
    except (ValueError, KeyError, TypeError) as error:
        hint = "write it with `accord eval qa RUN --qa FILE --hops --out DUMP`"
        raise DataError(f"not a dump with known facts ({error!r})", file, number, hint) from error
    missing = [q for q in questions if (q.id, q.question) not in known]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(questions)} questions are not in it, such as "
            f"{missing[0].id!r}",
            file,
            hint="the same --qa, --split, --limit and --seed are needed",
        )
    return [known[question.id, question.question] for question in questions]
