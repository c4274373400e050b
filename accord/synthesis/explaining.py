"""Questions that somebody has, given the paths between their topics and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Literal

from accord.errors import ConfigError, GraphError
from accord.graph.graph import KnowledgeGraph
from accord.graph.paths import MOST_HOPS, PathConfig, PathResult, PathSearch, Repeat
from accord.synthesis.choosing import Chooser, Chosen
from accord.synthesis.facts import FactReader
from accord.synthesis.linking import Candidates, Linked, Linker
from accord.text.questions import HopPath, Question, pattern_of

NO_TOPIC = "no known entity"
NO_ANSWER = "answer not in the graph"
NO_PATH = "no path"
FURTHER = 2
"""Steps by which a partial path may fall short of the answer."""


@dataclass(frozen=True)
class ExplainConfig:
    """How paths for given questions are found."""

    max_hops: int = 3
    """Longest path, 1 to 8 steps."""
    max_paths: int = 5
    """Paths of a question that are found for its rationale; given ones all stay."""
    search_paths: int = 50_000
    """Paths of a question that are looked at to choose from; beyond them a search is incomplete."""
    repeat: Repeat = "entity"
    """entity: a path may come back to an entity (children, their parents). none: it may not."""
    no_path: Literal["skip", "partial"] = "skip"
    """Where nothing joins topic and answer: leave the question out, or keep a path that begins at
    the topic and leads towards the answer."""
    seconds: float = 10.0
    """Time for one question's search."""

    def __post_init__(self) -> None:
        PathConfig(max_hops=self.max_hops, repeat=self.repeat, seconds=self.seconds)
        if self.max_paths < 1 or self.search_paths < self.max_paths:
            raise ConfigError(
                f"max_paths is {self.max_paths}, search_paths {self.search_paths}",
                "say at least one path, and look at no fewer than are said",
            )
        if self.no_path not in ("skip", "partial"):
            raise ConfigError(f"no_path is {self.no_path!r}", "choose skip or partial")


@dataclass(frozen=True)
class Explained:
    """What came of the search for one question."""

    question: Question
    """With topics, answers and paths as found."""
    linked: bool
    reason: str = ""
    """Why there is no path; empty where there is."""
    complete: bool = True
    """False where a budget or `search_paths` ended the search."""
    partial: bool = False
    """Its paths do not lead to an answer."""
    gold: bool | None = None
    """Whether the given paths are among those found; None where none were given, and where one
    walks a triple twice in the same direction (back and forth), which no search does."""


class Explainer:
    """Links questions to a graph and finds their paths.

    Args:
        graph: The graph.
        config: How; the default looks for paths of up to 3 hops.
    """

    def __init__(self, graph: KnowledgeGraph, config: ExplainConfig | None = None) -> None:
        self.graph, self.config = graph, config or ExplainConfig()
        self.linker, self.chooser, self.facts = Linker(graph), Chooser(graph), FactReader(graph)
        self._search = PathSearch(graph, self._limits(self.config.max_hops, False))

    def explain(self, questions: Sequence[Question]) -> list[Explained]:
        """Finds paths for several questions at once.

        Args:
            questions: Questions with answers; topics and paths are used where they are given.

        Returns:
            One result a question, in the same order. A given path that the graph has stays the
            question's; it counts as found only where the search finds it too.
        """
        links = [self.linker.link(question) for question in questions]
        pairs = list(chain.from_iterable(map(_pairs, links)))
        results = iter(self._search.find_pairs(pairs))
        return [
            self._explained(question, link, [next(results) for _ in _pairs(link)])
            for question, link in zip(questions, links, strict=True)
        ]

    def _limits(self, hops: int, one: bool) -> PathConfig:
        config = self.config
        count = 1 if one else config.search_paths
        return PathConfig(
            max_hops=hops, max_paths=count, repeat=config.repeat, seconds=config.seconds
        )

    def _explained(self, question: Question, link: Linked, results: list[PathResult]) -> Explained:
        linked = bool(link.topics)
        given = self._given(question)
        complete = all(result.complete and not result.limited for result in results)
        gold = self._found(given, results) if given and linked else None
        if given:
            kept = replace(question, paths=given)
            # Two chains that meet have the steps of both; so its own count stays.
            named = replace(self._named(kept, link), hops=question.hops)
            return Explained(named, linked, "", complete, False, gold)
        if not linked or not link.answers:
            return Explained(question, linked, NO_ANSWER if linked else NO_TOPIC)
        choices = [self.chooser.choose(r, link.answers, question.question) for r in results]
        paths = self._ordered([choice for choice in choices if choice is not None])
        if paths:
            return Explained(self._said(question, link, paths), True, "", complete)
        return self._partial(question, link, complete)

    def _partial(self, question: Question, link: Linked, complete: bool) -> Explained:
        if self.config.no_path == "partial":
            hops = min(MOST_HOPS, self.config.max_hops + FURTHER)
            search = PathSearch(self.graph, self._limits(hops, True))
            for result in search.find_pairs(_pairs(link)):
                for codes in result:
                    path = self.chooser.hops([row * 2 + inverse for row, inverse in codes])
                    paths = (path[: self.config.max_hops],)
                    return Explained(self._said(question, link, paths), True, "", complete, True)
        return Explained(question, True, NO_PATH, complete)

    def _given(self, question: Question) -> tuple[HopPath, ...]:
        """The paths that came with a question, where the graph has all their steps."""
        try:
            for path in question.paths:
                self.facts.path(path)
        except GraphError:
            return ()
        return tuple(path for path in question.paths if path)

    def _found(self, given: Sequence[HopPath], results: Sequence[PathResult]) -> bool | None:
        """Whether each given path is among the results; None where it ends in an attribute."""
        facts = [self.facts.path(path) for path in given]
        literal = any(fact.step is None for path in facts for fact in path)
        # A triple from an entity to itself has one direction.
        steps = [[replace(h, inverse=h.inverse and h.head != h.tail) for h in p] for p in given]
        if literal or any(len(set(path)) < len(path) for path in steps):
            return None
        return all(any(self._is_among(path, result) for result in results) for path in given)

    def _is_among(self, path: HopPath, result: PathResult) -> bool:
        if len(path) >= len(result.counts):
            return False
        start = sum(n * count for n, count in enumerate(result.counts[: len(path)]))
        count = result.counts[len(path)]
        block = result.codes[start : start + count * len(path)].reshape(count, len(path))
        keep = block[:, 0] >= 0
        for i, hop in enumerate(path):
            triples = self.graph.triples[block[:, i] >> 1]
            wanted = [self.graph.entity(hop.head), self.graph.relation(hop.relation)]
            wanted.append(self.graph.entity(hop.tail))
            # A triple from an entity to itself is found once, not once a direction.
            same_way = ((block[:, i] & 1) == int(hop.inverse)) | (hop.head == hop.tail)
            keep &= (triples == wanted).all(axis=1) & same_way
        return bool(keep.any())

    def _ordered(self, choices: Sequence[Chosen]) -> tuple[HopPath, ...]:
        """The paths of all topics, answer by answer, as many as are to be said."""
        columns = zip_longest(*(choice.codes for choice in choices))
        codes = [code for row in columns for code in row if code is not None]
        return tuple(self.chooser.hops(code) for code in codes[: self.config.max_paths])

    def _said(self, question: Question, link: Linked, paths: tuple[HopPath, ...]) -> Question:
        return self._named(replace(question, paths=paths), link)

    def _named(self, question: Question, link: Linked) -> Question:
        """With the ids of what was linked, the hops and the pattern."""
        ids = self.graph.entity_ids
        starts = tuple(dict.fromkeys(path[0].start for path in question.paths))
        answers = tuple(dict.fromkeys(ids[e] for found in link.answers for e in found))
        ends = {path[-1].end for path in question.paths}
        single = len(answers) == len(link.answers)
        return replace(
            question,
            topics=starts or question.topics,
            answer_ids=answers if single else tuple(a for a in answers if a in ends),
            hops=max((len(path) for path in question.paths), default=0),
            pattern=question.pattern or pattern_of(question.paths[0]),
        )


def _pairs(link: Linked) -> list[tuple[Candidates, Candidates]]:
    """(topic's candidates, all answers' candidates) for each topic."""
    answers = tuple(dict.fromkeys(chain.from_iterable(link.answers)))
    return [(topic, answers) for topic in link.topics]
