"""The questions of the four generative tasks over triples."""

from __future__ import annotations

import string
import unicodedata
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, GraphError
from accord.evaluate.known import KnownAnswers
from accord.evaluate.protocol import Int64
from accord.evaluate.scorers import FrequencyScorer
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.triples import corrupt_tails
from accord.graph.graph import KnowledgeGraph
from accord.text import prompts
from accord.text.prompts import Example, PromptConfig
from accord.text.render import relation_text

TASKS = ("head", "tail", "relation", "classification")


@dataclass(frozen=True)
class QaConfig:
    """What is asked, and how."""

    tasks: tuple[str, ...] = TASKS
    """Some of head, tail, relation, classification."""
    limit: int | None = 1000
    """Triples to ask about at most, drawn so that each relation keeps its share; None for all."""
    choices: int = 20
    """Relations listed at most for relation prediction."""
    max_new_tokens: int = 32
    """Tokens of an answer at most."""
    seed: int = 0
    """Of sample, examples, false triples and listed relations."""
    prompt: PromptConfig = field(default_factory=PromptConfig)
    """How questions are put."""
    as_trained: bool = False
    """No prompt: the model completes the query that it was trained on; head and tail only."""

    def __post_init__(self) -> None:
        if self.as_trained and set(self.tasks) - {"head", "tail"}:
            raise ConfigError("only head and tail can be asked as trained", "name them as tasks")
        unknown = set(self.tasks) - set(TASKS)
        if unknown:
            raise ConfigError(f"no task {sorted(unknown)[0]!r}", "choose from " + ", ".join(TASKS))
        if self.choices < 2 or (self.limit is not None and self.limit < 1):
            raise ConfigError("choices must be at least 2 and limit at least 1")


@dataclass(frozen=True)
class Item:
    """One question with what counts as right."""

    prompt: str
    answer: str
    also: frozenset[str]
    """Normalised answers that are true too."""
    baseline: str
    """What the trivial baseline answers."""
    query: tuple[int, int] = (-1, -1)
    """Entity idx and relation number of head and tail questions."""


def normalise(text: str) -> str:
    """An answer without case, surrounding punctuation and doubled spaces.

    Example:
        >>> normalise("  The Hague. ")
        'the hague'
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.strip(string.punctuation + string.whitespace + "。、，“”‘’«»")


class Asker:
    """Makes the questions of all tasks about the same triples.

    Args:
        graph: The graph; solved examples come from train.
        split: Whose triples are asked about.
        config: What is asked, and how.

    Raises:
        GraphError: No triples in the split, or too few in train for the examples.
    """

    def __init__(self, graph: KnowledgeGraph, split: str, config: QaConfig) -> None:
        self.graph, self.config, self.prompt = graph, config, config.prompt
        triples = graph.triples_of(split).astype(np.int64)
        train = graph.triples_of("train").astype(np.int64)
        if not len(triples) or len(train) < config.prompt.shots:
            raise GraphError(
                f"graph {graph.name!r} has {len(triples)} {split} and {len(train)} train triples",
                "choose another --split or fewer --shots",
            )
        self.triples = triples[stratified_sample(triples[:, 1], config.limit, config.seed)]
        # Different relations where there are enough: the examples show the form, not the answer.
        shuffled = train[np.random.default_rng(config.seed).permutation(len(train))]
        order = np.argsort(_repetition(shuffled[:, 1]), kind="stable")
        self.shots = shuffled[order[: config.prompt.shots]]
        self.phrases = [relation_text(graph, r) for r in range(graph.num_relations)]

    def items(self, task: str) -> list[Item]:
        """The questions of one of `TASKS`; the same each time."""
        if task == "relation":
            return self._relation_items(np.random.default_rng([self.config.seed, 1]))
        if task == "classification":
            return self._classification_items(np.random.default_rng([self.config.seed, 2]))
        return self._entity_items(inverse=task == "head")

    def _entity_items(self, inverse: bool) -> list[Item]:
        # Head prediction is tail prediction by the inverse relation.
        known = KnownAnswers.of(self.graph.triples, self.graph.num_relations)
        frequent = FrequencyScorer(self.graph)
        shots = [self._entity_example(row, inverse) for row in self.shots]
        items = []
        for row in self.triples:
            question, answer = self._entity_example(row, inverse)
            entity, number, _ = self._turned(row, inverse)
            also = frozenset(normalise(self._name(e)) for e in known.of_query(entity, number))
            best = frequent.best(number)
            baseline = self._name(best) if best >= 0 else ""
            prompt = prompts.tail_prompt(shots, question, self.prompt)
            items.append(Item(prompt, answer, also, baseline, (entity, number)))
        return items

    def _turned(self, row: Int64, inverse: bool) -> tuple[int, int, int]:
        head, relation, tail = (int(x) for x in row)
        if inverse:
            return tail, relation + self.graph.num_relations, head
        return head, relation, tail

    def _entity_example(self, row: Int64, inverse: bool) -> Example:
        entity, number, answer = self._turned(row, inverse)
        question = prompts.tail_question(self.graph, entity, number, self.prompt)
        return question, self._name(answer)

    def _name(self, entity: int) -> str:
        return prompts.answer_text(self.graph, int(entity))

    def _relation_items(self, rng: np.random.Generator) -> list[Item]:
        train = self.graph.triples_of("train")[:, 1]
        counts = np.bincount(train, minlength=len(self.phrases))
        joining = self._joining()
        shots = [self._relation_example(row) for row in self.shots]
        items = []
        for row in self.triples:
            question, answer = self._relation_example(row)
            listed = self._choices(int(row[1]), rng)
            choices = [self.phrases[r] for r in listed]
            prompt = prompts.relation_prompt(choices, shots, question, self.prompt)
            baseline = self.phrases[max(listed, key=lambda r: int(counts[r]))]
            also = joining[int(row[0]), int(row[2])]
            items.append(Item(prompt, answer, frozenset(also), baseline))
        return items

    def _joining(self) -> dict[tuple[int, int], set[str]]:
        """(head, tail) -> the normalised phrases of all relations from one to the other."""
        pairs: dict[tuple[int, int], set[str]] = {}
        for head, relation, tail in self.graph.triples.tolist():
            pairs.setdefault((head, tail), set()).add(normalise(self.phrases[relation]))
        return pairs

    def _relation_example(self, row: Int64) -> Example:
        head, relation, tail = (int(x) for x in row)
        question = prompts.relation_question(self.graph, head, tail, self.prompt)
        return question, self.phrases[relation]

    def _choices(self, relation: int, rng: np.random.Generator) -> list[int]:
        # Those of the examples are always listed, else an example's answer would be no choice.
        needed = {relation, *(int(shot[1]) for shot in self.shots)}
        others = np.array([r for r in range(len(self.phrases)) if r not in needed], dtype=np.int64)
        room = min(len(others), max(0, self.config.choices - len(needed)))
        return sorted(needed | set(rng.permutation(others)[:room].tolist()))

    def _classification_items(self, rng: np.random.Generator) -> list[Item]:
        triples, truth = self._half_false(self.triples, rng)
        shots = [
            self._judged(row, bool(true))
            for row, true in zip(*self._half_false(self.shots, rng), strict=True)
        ]
        majority = prompts.YES if truth.sum() * 2 >= len(truth) else prompts.NO
        items = []
        for row, true in zip(triples, truth, strict=True):
            question, answer = self._judged(row, bool(true))
            prompt = prompts.classification_prompt(shots, question, self.prompt)
            items.append(Item(prompt, answer, frozenset(), majority))
        return items

    def _judged(self, row: Int64, true: bool) -> Example:
        question = prompts.classification_question(self.graph, row.tolist(), self.prompt)
        return question, prompts.YES if true else prompts.NO

    def _half_false(
        self, triples: Int64, rng: np.random.Generator
    ) -> tuple[Int64, npt.NDArray[np.bool_]]:
        false = np.zeros(len(triples), dtype=np.bool_)
        false[rng.permutation(len(triples))[: len(triples) // 2]] = True
        tails = corrupt_tails(self.graph, triples, rng)
        false &= tails >= 0
        mixed = triples.copy()
        mixed[false, 2] = tails[false]
        return mixed, ~false


def _repetition(values: Int64) -> Int64:
    """(N,) how often each value stood earlier in the array."""
    seen: dict[int, int] = {}
    counts = np.zeros(len(values), dtype=np.int64)
    for i, value in enumerate(values.tolist()):
        counts[i] = seen.get(value, 0)
        seen[value] = int(counts[i]) + 1
    return counts
