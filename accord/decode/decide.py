"""Options weighed by what the graph says for and against each; or 'not enough knowledge'.

This supports a decision and does not make one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from accord.decode.beyond import unsaid, without
from accord.decode.decision import (
    FEATURES,
    SHOWN,
    Asked,
    Calibration,
    Decision,
    Evidence,
    Weighed,
)
from accord.decode.guided import Citation, citation_of, holds
from accord.decode.ranking import Float64, rank, word_pieces
from accord.decode.rules import Rule
from accord.decode.ways import Learnt, Ways
from accord.errors import ConfigError, GraphError
from accord.graph.graph import SPLITS, Int64, KnowledgeGraph
from accord.graph.lookup import known_entity
from accord.graph.paths_follow import follow
from accord.text.asking import Asking, Step
from accord.text.mentions import MentionIndex
from accord.text.qa_prompts import question_prompt
from accord.text.render import entity_name, one_line, relation_text

BEST = 5
"""Paths that count for an option, the most telling."""
NO_PATH = 0.25
"""Where no path leads to an option, its chance is this share of what is usual."""
MOST_OPTIONS = 100
MOST_CHARACTERS = 2000


class DecidingModel(Protocol):
    """What weighing needs of a model."""

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Any:
        """(N, P) unit vectors."""

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Any:
        """(N, P) unit vectors."""

    def score_continuations(self, prompts: list[str], continuations: list[str]) -> Float64:
        """(N,) log-probabilities, nats."""


@dataclass
class Found:
    """What was found about one option."""

    features: Float64 = field(default_factory=lambda: np.zeros(len(FEATURES)))
    """(5,) in the order of `FEATURES`."""
    evidence: list[Evidence] = field(default_factory=list)


class Decider:
    """Weighs options over one graph.

    Args:
        graph: The graph.
        model: Asked for its opinion of every option; None where the calibration gives it no
            weight.
        calibration: Weights and threshold; None for the defaults, which are not calibrated.
        rules: Rules that decide; empty to learn from the graph what implies what is asked.
        splits: Whose triples count as known.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        model: DecidingModel | None = None,
        calibration: Calibration | None = None,
        rules: Sequence[Rule] = (),
        splits: Sequence[str] = SPLITS,
    ) -> None:
        self.graph = graph
        self.model = model
        self.calibration = calibration or Calibration()
        self.rules = tuple(rules)
        self.ways = Ways(graph, splits)
        self._asking = Asking(graph)
        self._mentions = MentionIndex(graph)
        if self.calibration.needs_model and model is None:
            raise ConfigError("the calibration weighs a model's opinion", "give a model")

    def decide(self, question: str, options: Sequence[str], topics: Sequence[int] = ()) -> Decision:
        """Weighs options.

        Args:
            question: The question; of more than 2,000 characters only those are read.
            options: Two or more: ids, names or aliases of entities, or other texts.
            topics: Entity idx that a question is about which names none.

        Returns:
            The options, the most probable first, with what speaks for and against each.

        Raises:
            ConfigError: An empty question, fewer than two options, one twice (also by another of
                its names), or too many.
            GraphError: An option that several entities are called.
        """
        question = _checked(question, options)[:MOST_CHARACTERS]
        entities = [self._option(text) for text in options]
        self._check_distinct(options, entities)
        asked = self.read(question, [e for e in entities if e is not None], topics)
        found = [self.weigh(asked, e, text) for e, text in zip(entities, options, strict=True)]
        scores = np.array([f.features for f in found]) @ self.calibration.weights
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        weighed = [
            Weighed(
                one_line(text) if e is None else one_line(entity_name(self.graph, e)),
                "" if e is None else self.graph.entity_ids[e],
                float(share),
                tuple(f.evidence),
            )
            for text, e, share, f in zip(options, entities, shares, found, strict=True)
        ]
        weighed.sort(key=lambda option: -option.probability)
        reason = self._unclear(asked, found) or self._doubt(weighed)
        fitted = self.calibration.fitted and not self.rules
        return Decision(question, asked.text, tuple(weighed), bool(reason), reason, fitted)

    def read(self, question: str, options: Sequence[int], topics: Sequence[int] = ()) -> Asked:
        """What a question is about and which relation it asks for."""
        named = [m.candidates[0].entity for m in self._mentions.find(question)]
        chosen = tuple(dict.fromkeys(e for e in named if e not in options)) or tuple(topics)
        if self.rules:
            return Asked(chosen, -1, "the rules that were given", question)
        if not chosen:
            return Asked((), -1, "", question)
        numbers = self._numbers(chosen, options)
        texts = [(text, n) for n in numbers for text in self._voices(chosen[0], n)]
        best = int(np.argmax(rank(question, [text for text, _ in texts], "words")))
        return Asked(chosen, texts[best][1], texts[best][0], question)

    def worded(self, topic: int, number: int) -> str:
        """The question that a relation number answers."""
        return self._asking.chain(topic, [Step(number, False)])

    def _voices(self, topic: int, number: int) -> list[str]:
        """'What contains Lima?', and 'What does Lima lie in?' where a verb is known."""
        turned = self._asking.turned_round(topic, number)
        return [self.worded(topic, number), *filter(None, [turned])]

    def _numbers(self, topics: Sequence[int], options: Sequence[int]) -> list[int]:
        """Relation numbers that ever lead to such options; all where none does."""
        near = [self.ways.around(option).numbers for option in options]
        numbers = {self.ways.turned(int(n)) for part in near for n in part}
        return sorted(numbers) or list(range(self.ways.count))

    def weigh(self, asked: Asked, option: int | None, text: str) -> Found:
        """What speaks for and against one option.

        Args:
            asked: The question.
            option: Entity idx; None where it names none.
            text: As it was given.
        """
        found = Found()
        if option is not None:
            for topic in asked.topics:
                if self.rules:
                    self._by_rules(found, topic, option)
                elif asked.number >= 0:
                    self._by_paths(found, topic, asked.number, option)
        self._by_model(found, asked, option, text)
        return found

    def _by_rules(self, found: Found, topic: int, option: int) -> None:
        count = self.graph.num_relations
        for rule in self.rules:
            steps = [(number % count, number >= count) for number in rule.path]
            walked = follow(self.graph, [topic], steps)
            if option == topic or option not in walked.answers:
                continue
            rows = self._one_way(topic, option, rule.path, walked.rows)
            said = self._said(topic, rule.path, rows)
            text = f"{rule.name} ({rule.weight:+g}): {' '.join(c.text for c in said)}"
            found.features[FEATURES.index("rules")] += rule.weight
            found.evidence.append(Evidence(text, rule.weight, said))

    def _one_way(
        self, topic: int, option: int, path: Sequence[int], rows: Sequence[Int64]
    ) -> list[int]:
        """The rows of one of the ways in which a path leads to an option, found from its end."""
        here, found = option, []
        starts = self._levels(topic, path, rows)
        for number, level, before in zip(
            reversed(path), reversed(rows), reversed(starts), strict=True
        ):
            origin, goal = (0, 2) if number < self.graph.num_relations else (2, 0)
            triples = self.graph.triples[level]
            fits = (triples[:, goal] == here) & np.isin(triples[:, origin], list(before))
            row = int(level[np.flatnonzero(fits)[0]])
            here = int(self.graph.triples[row, origin])
            found.append(row)
        return found[::-1]

    def _levels(self, topic: int, path: Sequence[int], rows: Sequence[Int64]) -> list[set[int]]:
        """Before each step, the entities that are reached by then."""
        here, found = {topic}, []
        for number, level in zip(path, rows, strict=True):
            found.append(here)
            origin, goal = (0, 2) if number < self.graph.num_relations else (2, 0)
            triples = self.graph.triples[level]
            here = set(triples[np.isin(triples[:, origin], list(here)), goal].tolist())
        return found

    def _by_paths(self, found: Found, topic: int, number: int, option: int) -> None:
        learnt = self.ways.learn(number)
        ways = self.ways.between(topic, option)
        stated = ways.pop((number,), None)
        if stated:
            found.features[FEATURES.index("stated")] += 1
            said = self._said(topic, (number,), stated[0])
            text = f"the graph states it: {said[0].text}"
            found.evidence.append(Evidence(text, self.calibration.stated, said))
        known = {path: rows for path, rows in ways.items() if path in learnt.counts}
        rules, lift = summary(learnt, list(known))
        found.features[FEATURES.index("rules")] += rules
        found.features[FEATURES.index("lift")] += lift
        for path in _telling(learnt, list(known)):
            evidence = self._evidence(topic, number, path, known[path][0], learnt)
            # A border walked from either side is one piece of evidence.
            if evidence.text not in {other.text for other in found.evidence}:
                found.evidence.append(evidence)

    def _evidence(
        self, topic: int, number: int, path: tuple[int, ...], rows: Sequence[int], learnt: Learnt
    ) -> Evidence:
        said = self._said(topic, path, rows)
        hits, cases = learnt.counts[path]
        asked = relation_text(self.graph, number)
        text = " ".join(citation.text for citation in said)
        text += f" ({asked!r} holds in {hits} of {cases} such cases; usually in {learnt.base:.0%})"
        return Evidence(text, learnt.lift(path), said)

    def _said(self, topic: int, path: Sequence[int], rows: Sequence[int]) -> tuple[Citation, ...]:
        """The statements of a way, each looked up again."""
        found, here = [], topic
        for number, row in zip(path, rows, strict=True):
            head, _, tail = (int(x) for x in self.graph.triples[row])
            end = tail if number < self.graph.num_relations else head
            citation = citation_of(self.graph, row, number, here, end)
            if not holds(self.graph, citation):
                raise GraphError(f"the graph does not state {citation.text!r}")
            found.append(citation)
            here = end
        return tuple(found)

    def _by_model(self, found: Found, asked: Asked, option: int | None, text: str) -> None:
        if self.model is None:
            return
        prompt, said = question_prompt(asked.question), f" {one_line(text)}"
        score = self.model.score_continuations([prompt], [said])[0]
        found.features[FEATURES.index("likelihood")] = score / len(said.encode())
        if option is not None and asked.topics and asked.number >= 0:
            queries = np.array([[topic, asked.number] for topic in asked.topics], dtype=np.int64)
            query = self.model.embed_queries(self.graph, queries)
            near = query @ self.model.embed_entities(self.graph, np.array([option]))[0]
            found.features[FEATURES.index("model")] = float(np.mean(near))

    def _option(self, text: str) -> int | None:
        known = known_entity(self.graph, text)
        if known is not None:
            return known
        mentions = self._mentions.find(text)
        whole = [m for m in mentions if m.text.casefold() == text.strip().casefold()]
        return whole[0].candidates[0].entity if whole else None

    def _check_distinct(self, options: Sequence[str], entities: Sequence[int | None]) -> None:
        first: dict[int, str] = {}
        for text, entity in zip(options, entities, strict=True):
            if entity is not None and first.setdefault(entity, text) != text:
                same = f"options {first[entity]!r} and {text!r} are one entity"
                raise ConfigError(f"{same}: {self.graph.entity_ids[entity]}", "leave one out")

    def _unclear(self, asked: Asked, found: Sequence[Found]) -> str:
        """Why it is not known what is asked, or asked for one; empty where it is."""
        if not asked.topics:
            return "the question names no entity of the graph beside the options"
        unread = "" if self.rules or self.calibration.needs_model else self._unread(asked)
        stated = [f.features[FEATURES.index("stated")] for f in found]
        most = stated.count(max(stated)) if max(stated) > 0 else 1
        return unread or (f"the graph states it of {most} options" if most > 1 else "")

    def _unread(self, asked: Asked) -> str:
        """Why a question does not ask what it was read as; empty where it does."""
        names = [mention.text for mention in self._mentions.find(asked.question)]
        question = without(asked.question, names)
        topic = one_line(entity_name(self.graph, asked.topics[0]))
        if not word_pieces(question) & word_pieces(without(asked.text, [topic])):
            return "the question has no word of a relation that leads to such options"
        word = unsaid(question, asked.text)
        return f"no relation says {word!r}" if word else ""

    def _doubt(self, weighed: Sequence[Weighed]) -> str:
        """Why nothing should be said; empty where something can."""
        asks_model = self.calibration.needs_model
        if not asks_model and not any(option.evidence for option in weighed):
            return "the graph says nothing for or against any option"
        best, limit = weighed[0].probability, self.calibration.threshold
        if np.isclose(best, weighed[1].probability):
            return "no option is better supported than the next"
        if best < limit:
            return f"the best option's probability {best:.2f} is below the threshold {limit:.2f}"
        return ""


def summary(learnt: Learnt, paths: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """What paths say together about whether a relation holds.

    Args:
        learnt: How often each path implies it.
        paths: The paths that hold between two entities.

    Returns:
        The log-odds of at least one of the five best being right where they are independent, and
        the mean over all of how much likelier, in logs, each makes it.
    """
    if not paths:
        return _logit(learnt.base * NO_PATH), math.log(NO_PATH)
    sure = sorted((learnt.confidence(path) for path in paths), reverse=True)[:BEST]
    lifts = [learnt.lift(path) for path in paths]
    return _logit(1 - math.prod(1 - c for c in sure)), float(np.mean(lifts))


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(clipped / (1 - clipped))


def _telling(learnt: Learnt, paths: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The paths that speak most for and most against, as many of each as are shown."""
    order = sorted(paths, key=lambda path: (-learnt.lift(path), len(path), path))
    best = [path for path in order if learnt.lift(path) > 0][:SHOWN]
    worst = [path for path in reversed(order) if learnt.lift(path) < 0][:SHOWN]
    return [*best, *worst]


def _checked(question: str, options: Sequence[str]) -> str:
    if not question.strip():
        raise ConfigError("the question is empty", "say what is to be decided")
    if len(options) < 2:
        raise ConfigError(f"{len(options)} options", "give two or more, each with --option")
    if len(options) > MOST_OPTIONS:
        raise ConfigError(f"{len(options)} options", f"give {MOST_OPTIONS} at most")
    named = [one_line(option).casefold() for option in options]
    if not all(named) or len(set(named)) < len(named):
        raise ConfigError("an option is empty or given twice", "give different options")
    return question
