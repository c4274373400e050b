"""Multi-hop questions from any graph, with complete answers and the paths to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.steps import Ints, Steps, hop_between
from accord.text.asking import Asking, Step
from accord.text.questions import Hop, HopPath, Question, pattern_of
from accord.text.render import entity_name, humanise

BATCH = 4096
DRY_BATCHES = 8
Branch = tuple[int, tuple[int, ...]]
"""Topic's entity idx, relation numbers of the steps."""


@dataclass(frozen=True)
class QuestionConfig:
    """Which questions are made."""

    hops: tuple[int, ...] = (2,)
    """Steps of a question's chain, 1 to 3; each gets an equal share."""
    intersections: float = 0.2
    """Share of the questions of 2 and 3 hops that ask what two chains both lead to."""
    attributes: float = 0.1
    """Share of the questions that end in an attribute, where the graph has any."""
    max_answers: int = 5
    """Questions with more right answers are left out."""
    max_between: int = 20
    """Questions whose chain passes through more entities at one step are left out."""
    seed: int = 0
    """Of every draw; the same seed gives the same questions."""

    def __post_init__(self) -> None:
        if not self.hops or not all(1 <= hop <= 3 for hop in self.hops):
            raise ConfigError(f"hops is {self.hops}", "use 1, 2 and 3")
        if not (0 <= self.intersections <= 1 and 0 <= self.attributes <= 1):
            raise ConfigError("intersections and attributes are shares", "use 0 to 1")
        if self.intersections + self.attributes > 1:
            raise ConfigError("intersections and attributes are more than all", "lower one")
        if min(self.max_answers, self.max_between) < 1:
            raise ConfigError("max_answers and max_between count entities", "use 1 or more")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}", "use 0 or more")


def generate_questions(
    graph: KnowledgeGraph, count: int, config: QuestionConfig | None = None
) -> Iterator[Question]:
    """Makes questions from a graph.

    Answers are complete: all entities (of all splits) that the steps lead to, or all values of the
    attribute. Steps over relations that are worded alike, such as a symmetric one and its inverse,
    are one step. The topic itself is left out, and the question says so. No two questions have the
    same topics and steps.

    Args:
        graph: The graph.
        count: How many.
        config: Which; the default makes 2-hop questions.

    Yields:
        Questions with paths, without rationale: fewer than asked for where the graph has no more.
    """
    config = config or QuestionConfig()
    maker = _Maker(graph, config)
    made = 0
    for shape, hops, share in _shares(graph, count, config):
        for question in maker.make(shape, hops, share):
            made += 1
            yield Question(**{**vars(question), "id": f"{hops}h-{made}"})


def _shares(
    graph: KnowledgeGraph, count: int, config: QuestionConfig
) -> Iterator[tuple[str, int, int]]:
    """(shape, hops, how many): equal shares a hop count, rounded so that they add up."""
    hops = sorted(set(config.hops))
    for i, hop in enumerate(hops):
        share = count * (i + 1) // len(hops) - count * i // len(hops)
        both = round(share * config.intersections) if hop > 1 else 0
        ends = round(share * config.attributes) if _askable_properties(graph) else 0
        yield from (("chain", hop, share - both - ends), ("both", hop, both), ("end", hop, ends))


class _Maker:
    """Draws chains and makes those questions of them that can be asked."""

    def __init__(self, graph: KnowledgeGraph, config: QuestionConfig) -> None:
        self.graph, self.config = graph, config
        self.steps, self.asking = Steps(graph), Asking(graph)
        self.rng = np.random.default_rng(config.seed)
        self.named, self.unique = _nameable(graph)
        self.properties = _askable_properties(graph)
        self.seen: set[tuple[object, ...]] = set()

    def make(self, shape: str, hops: int, count: int) -> Iterator[Question]:
        """Up to `count` questions of one shape; stops when draws bring nothing new."""
        make = {"chain": self._chain, "both": self._both, "end": self._end}[shape]
        made, dry = 0, 0
        while made < count and dry < DRY_BATCHES:
            before = made
            for entities, numbers in self._draws(shape, hops):
                question = make(entities, numbers)
                if question is not None:
                    made += 1
                    yield question
                if made == count:
                    return
            dry = 0 if made > before else dry + 1

    def _draws(self, shape: str, hops: int) -> Iterator[tuple[list[int], list[int]]]:
        """Chains through named entities, none twice, from a topic that its name tells apart."""
        if shape == "end" and hops == 1:
            entities = self.rng.choice(self.graph.attributes[:, 0], (BATCH, 1)).astype(np.int64)
            numbers = np.zeros((BATCH, 0), np.int64)
        else:
            entities, numbers = self.steps.walk(hops - (shape == "end"), BATCH, self.rng)
        ordered = np.sort(entities, axis=1)
        keep = self.unique[entities[:, 0]] & self.named[entities].all(axis=1)
        keep &= (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
        keep &= self._narrow(entities, numbers, shape)
        if shape == "both":
            keep &= self.unique[entities[:, -1]]
        rows = np.hstack([entities, numbers])[keep]
        # In a small graph most draws are alike.
        first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
        width = entities.shape[1]
        yield from ((row[:width], row[width:]) for row in rows[first].tolist())

    def _narrow(self, entities: Ints, numbers: Ints, shape: str) -> npt.NDArray[np.bool_]:
        """(B,) False where a chain is sure to lead to too many entities.

        A step leads at least to what it leads to from the one entity that was drawn.
        """
        sizes = self.steps.sizes(entities[:, :-1], numbers)
        limits = np.full(sizes.shape[1], self.config.max_between)
        if shape == "both":
            limits[-2:] = BATCH
        else:
            limits[-1:] = 1 if shape == "end" else self.config.max_answers + 1
        found: npt.NDArray[np.bool_] = np.all(sizes <= limits, axis=1)
        return found

    def _new(self, *key: object) -> bool:
        fresh = key not in self.seen
        self.seen.add(key)
        return fresh

    def _chain(self, entities: list[int], numbers: list[int]) -> Question | None:
        branch = self._branch(entities[0], numbers)
        if not self._new(branch):
            return None
        levels = self._levels(branch)
        if levels is None:
            return None
        answers = levels[-1][levels[-1] != branch[0]]
        if not self._askable(answers):
            return None
        paths = [self._path(branch, levels, int(answer)) for answer in answers]
        asked = self.asking.chain(
            branch[0], _worded(branch, levels), len(answers) < len(levels[-1])
        )
        return self._question(asked, [branch[0]], answers, paths, self._pattern(branch))

    def _both(self, entities: list[int], numbers: list[int]) -> Question | None:
        """A chain read from both ends: its last entity but one is what both branches lead to."""
        last = self.steps.turned(numbers[-1])
        ends_of = (entities[0], numbers[:-1]), (entities[-1], [last])
        branches = sorted(self._branch(*end) for end in ends_of)
        if not self._new(*branches):
            return None
        levels = [self._levels(branch, of_both=True) for branch in branches]
        if levels[0] is None or levels[1] is None:
            return None
        ends = [levels[0][-1], levels[1][-1]]
        answers = np.intersect1d(ends[0], ends[1], assume_unique=True)
        needed = len(answers) < min(len(end) for end in ends)
        if not needed or not self._askable(answers) or set(answers) & {b[0] for b in branches}:
            return None
        pairs = [(branches[i], levels[i] or []) for i in (0, 1)]
        paths = [self._path(b, found, int(a)) for a in answers for b, found in pairs]
        asked = self.asking.intersection([(b[0], _worded(b, found)) for b, found in pairs])
        pattern = " & ".join(map(self._pattern, branches))
        return self._question(asked, [b[0] for b in branches], answers, paths, pattern)

    def _end(self, entities: list[int], numbers: list[int]) -> Question | None:
        """The attribute of the one entity that a chain leads to."""
        attributes = [
            item
            for item in self.graph.attributes_of(entities[-1])
            if item.property in self.properties and item.value.strip()
        ]
        if not attributes:
            return None
        chosen = attributes[int(self.rng.integers(len(attributes)))].property
        branch = self._branch(entities[0], numbers)
        if not self._new(branch, chosen):
            return None
        levels = self._levels(branch)
        if levels is None or len(levels[-1]) != 1:
            return None
        values = list(dict.fromkeys(a.value for a in attributes if a.property == chosen))
        if len(values) > self.config.max_answers:
            return None
        path, owner = self._path(branch, levels, entities[-1]), self.graph.entity_ids[entities[-1]]
        paths = tuple((*path, Hop(owner, chosen, value)) for value in values)
        asked = self.asking.attribute(branch[0], _worded(branch, levels), chosen)
        topic = (self.graph.entity_ids[branch[0]],)
        pattern = pattern_of(paths[0])
        return Question(
            "", asked, tuple(values), topic, (), paths, "", len(paths[0]), pattern, "", self._source
        )

    @property
    def _source(self) -> str:
        return f"generated from {self.graph.name}"

    def _branch(self, topic: int, numbers: Sequence[int]) -> Branch:
        """One branch for all that are worded alike, so that no question is asked twice."""
        return topic, tuple(self.asking.alike(number)[0] for number in numbers)

    def _pattern(self, branch: Branch) -> str:
        relations, ids = self.graph.num_relations, self.graph.relation_ids
        return pattern_of(
            tuple(Hop("", ids[number % relations], "", number >= relations) for number in branch[1])
        )

    def _levels(self, branch: Branch, of_both: bool = False) -> list[Ints] | None:
        """What each step leads to, the topic first; None where it is too many."""
        levels = [np.array([branch[0]], np.int64)]
        for i, number in enumerate(branch[1]):
            levels.append(self.steps.follow_any(levels[-1], self.asking.alike(number)))
            last = i == len(branch[1]) - 1
            limit = BATCH if last and of_both else self.config.max_between
            if len(levels[-1]) > limit:
                return None
        return levels

    def _askable(self, answers: npt.NDArray[np.int64]) -> bool:
        return 0 < len(answers) <= self.config.max_answers and bool(self.named[answers].all())

    def _path(self, branch: Branch, levels: Sequence[Ints], answer: int) -> HopPath:
        """A path from the topic to one answer, found from its end.

        Whatever lies in a level is reached from the topic, so any step back into one will do.
        """
        hops: list[Hop] = []
        end = answer
        for i in range(len(branch[1]) - 1, -1, -1):
            start, number = next(self._back(end, branch[1][i], levels[i]))
            hops.append(hop_between(self.graph, start, number, end))
            end = start
        return tuple(reversed(hops))

    def _back(self, end: int, number: int, level: Ints) -> Iterator[tuple[int, int]]:
        """(entity of a level, relation number) of steps to an entity."""
        for other in self.asking.alike(number):
            back = self.steps.follow(np.array([end], np.int64), self.steps.turned(other))
            yield from ((int(start), other) for start in back[np.isin(back, level)])

    def _question(
        self,
        asked: str,
        topics: list[int],
        answers: npt.NDArray[np.int64],
        paths: list[HopPath],
        pattern: str,
    ) -> Question:
        ids, names = self.graph.entity_ids, [entity_name(self.graph, int(a)) for a in answers]
        hops = sum(len(path) for path in paths[: len(topics)])
        return Question(
            "",
            asked,
            tuple(dict.fromkeys(names)),
            tuple(ids[topic] for topic in topics),
            tuple(ids[int(answer)] for answer in answers),
            tuple(paths),
            "",
            hops,
            pattern,
            "",
            self._source,
        )


def _askable_properties(graph: KnowledgeGraph) -> set[str]:
    """The properties of attributes, without identifiers in other data bases."""
    return {
        property_
        for property_ in graph.properties
        if humanise(property_).lower().split()[-1] not in ("id", "identifier")
    }


def _worded(branch: Branch, levels: Sequence[Ints]) -> list[Step]:
    single = [len(level) == 1 for level in levels[1:]]
    return [Step(number, one) for number, one in zip(branch[1], single, strict=True)]


def _nameable(graph: KnowledgeGraph) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(E,) bool: entities that a text can name, and those that no other shares its name with."""
    named = graph.entity_names.nonempty()
    if not named.any():
        named = np.ones(graph.num_entities, np.bool_)
    names = [entity_name(graph, i).casefold() for i in range(graph.num_entities)]
    _, inverse, counts = np.unique(np.array(names), return_inverse=True, return_counts=True)
    return named, named & (counts[inverse] == 1)
