"""Learns a planner from questions whose answers or paths are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.decode.likeness import Likeness, WordVectors
from accord.decode.planner import PlannerWeights
from accord.decode.planner_features import (
    LIKE,
    TOPIC,
    Float32,
    like_paths,
    like_steps,
    masked,
    outwards,
    path_features,
    question_features,
    topic_features,
    trust,
)
from accord.decode.planner_gold import Asked, Path
from accord.decode.schema import Schema
from accord.errors import ConfigError, DataError
from accord.graph.graph import Int64
from accord.progress import track

Floats = npt.NDArray[np.floating[Any]]
PAIR = 0.3
"""How much a pair of steps is trusted, beside 1 for a step in its place."""
FEW = 5.0
"""How much faster the few weights of topics and of likeness learn."""
ANYWHERE = 3
"""Of so many readings one competes with paths from anywhere and not from its topic alone: in a
dialogue the question has to say which of two entities in play it is about."""
MOST_PATHS = 6000
"""Paths that compete in training, at most; those that are right are always among them."""


@dataclass(frozen=True)
class PlannerConfig:
    """How a planner learns."""

    hops: int = 3
    """Steps of a path at most."""
    steps: int = 400
    """Steps of learning."""
    batch: int = 32
    """Questions of a step."""
    learning_rate: float = 0.015
    dropout: float = 0.3
    """Share of a question's features that a step does not see, so that it learns from all."""
    unseen: float = 0.15
    """Share of questions read without any feature, by the likeness of words alone."""
    decay: float = 1e-4
    """Share by which weights shrink a step."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.hops <= 4:
            raise ConfigError(f"hops is {self.hops}", "use 1 to 4")
        if min(self.steps, self.batch) < 1:
            raise ConfigError("steps and batch count something", "use 1 or more")
        if self.learning_rate <= 0 or self.decay < 0:
            raise ConfigError("learning_rate or decay is out of range", "use more than 0")
        if not (0 <= self.dropout < 1 and 0 <= self.unseen < 1):
            raise ConfigError("dropout or unseen is out of range", "use 0 up to, not including, 1")


@dataclass(frozen=True, eq=False)
class _Rows:
    """All candidate topics of all questions; those of one question stand together."""

    offsets: Int64
    """(N + 1,) first row of each question."""
    features: list[Int64]
    """Of each row."""
    topic: Float32
    """(R, 7)"""
    first: list[Int64]
    """Steps that paths of each row may begin with."""
    gold: list[Int64]
    """Right paths of each row."""
    alike: list[Float32]
    """(P, 4) of each row: how like question and paths are."""


def train_planner(
    asked: Sequence[Asked],
    schema: Schema,
    config: PlannerConfig | None = None,
    vectors: WordVectors | None = None,
) -> PlannerWeights:
    """Learns which words of questions ask for which steps.

    Args:
        asked: Questions with their right paths.
        schema: The graph's steps.
        config: How it learns; None for the defaults.
        vectors: By which words never learnt are compared with those of relations; None compares
            letters.

    Returns:
        The weights, by which topic and path are the most probable reading of their questions.

    Raises:
        DataError: No question.
    """
    config = config or PlannerConfig()
    if not asked:
        raise DataError(
            "no question to learn from",
            hint="a question needs a topic that it names, and a pattern or answers in the graph",
        )
    rng = np.random.default_rng(config.seed)
    paths = _paths(asked, schema, config.hops, rng)
    columns = _numbered(chain.from_iterable(path_features(_texts(schema, p)) for p in paths))
    says = [item.words for item in asked]
    rows = _numbered(chain.from_iterable(map(question_features, chain.from_iterable(says))))
    known = frozenset(row for row in rows if " " not in row and not row.endswith("-"))
    likeness = _PathLikeness(Likeness(schema, vectors), paths)
    data = _rows(asked, schema, rows, known, {path: i for i, path in enumerate(paths)}, likeness)
    seen = seen_of([_texts(schema, path) for path in paths], columns)
    firsts = np.array([path[0] for path in paths])
    scale = np.array([trust(row) for row in rows], dtype=np.float32)
    learner = _Learner(data, seen, firsts, scale, config, rng)
    learner.fit()
    pairs = np.array([PAIR if c.startswith("pair ") else 1 for c in columns], dtype=np.float32)
    weight = learner.weight * scale[:, None] * pairs
    alike = learner.likeness
    return PlannerWeights(rows, columns, weight, learner.topic, alike, config.hops, vectors)


def seen_of(paths: Sequence[Sequence[str]], columns: Mapping[str, int]) -> Float32:
    """(N, K) how much of each feature paths have.

    A step that comes twice counts twice, as it does where paths are scored.

    Args:
        paths: N paths, each step in words.
        columns: Feature of paths -> its column.
    """
    seen = np.zeros((len(paths), len(columns)), dtype=np.float32)
    for i, path in enumerate(paths):
        for feature in path_features(path):
            seen[i, columns[feature]] += PAIR if feature.startswith("pair ") else 1
    return seen


def _numbered(names: chain[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def _texts(schema: Schema, path: Path) -> list[str]:
    return [schema.texts[step] for step in path]


def _paths(
    asked: Sequence[Asked], schema: Schema, hops: int, rng: np.random.Generator
) -> list[Path]:
    """The paths that compete: all that the schema allows from the topics, or a part of them."""
    entities = {c.entity for item in asked for m in item.mentions for c in m.candidates}
    firsts = sorted({step for entity in entities for step in schema.at(entity).tolist()})
    right = sorted({path for item in asked for path in item.paths})
    found, paths = dict.fromkeys(right), np.array(firsts, dtype=np.int64).reshape(-1, 1)
    for length in range(1, hops + 1):
        if length > 1:
            paths = schema.longer(paths)[1]
        if len(paths) > MOST_PATHS:
            paths = paths[rng.permutation(len(paths))[:MOST_PATHS]]
        found |= dict.fromkeys(map(tuple, paths.tolist()))
    every = list(found)
    if len(every) > MOST_PATHS + len(right):
        others = every[len(right) :]
        drawn = rng.permutation(len(others))[:MOST_PATHS].tolist()
        every = [*right, *(others[i] for i in sorted(drawn))]
    return every


def _rows(
    asked: Sequence[Asked],
    schema: Schema,
    rows: dict[str, int],
    known: frozenset[str],
    place: dict[Path, int],
    likeness: _PathLikeness,
) -> _Rows:
    offsets, features, topics, gold = [0], list[Int64](), list[Float32](), list[Int64]()
    first, alike = list[Int64](), list[Float32]()
    none, anywhere = np.zeros(0, dtype=np.int64), np.arange(len(schema), dtype=np.int64)
    for item in asked:
        right = np.array(sorted(place[path] for path in item.paths), dtype=np.int64)
        for mention in item.mentions:
            said = masked(item.question.question, mention.start, mention.end)
            seen = [rows[f] for f in question_features(said) if f in rows]
            mine = np.array(seen, dtype=np.int64)
            for candidate in mention.candidates:
                features.append(mine)
                alike.append(likeness(said))
                topics.append(topic_features(mention, candidate.score, known))
                far = len(first) % ANYWHERE == 0
                first.append(anywhere if far else schema.at(candidate.entity))
                gold.append(right if candidate.entity in item.topics else none)
        offsets.append(len(features))
    return _Rows(np.array(offsets), features, np.array(topics), first, gold, alike)


class _PathLikeness:
    """How like questions are to the paths that compete, each wording read once."""

    def __init__(self, likeness: Likeness, paths: Sequence[Path]) -> None:
        self._likeness = likeness
        self._count = len(paths)
        lengths = np.array([len(path) for path in paths])
        self._levels = [
            (rows, np.array([paths[i] for i in rows.tolist()], dtype=np.int64))
            for n in range(1, int(lengths.max()) + 1)
            if len(rows := np.flatnonzero(lengths == n))
        ]
        self._known: dict[tuple[str, ...], Float32] = {}

    def __call__(self, said: Sequence[str]) -> Float32:
        """(P, 4)"""
        # A name that was not masked says nothing of relations.
        key = tuple(word for word in outwards(said) if self._likeness.of(word).any())
        if key not in self._known:
            alike = like_steps(self._likeness, said)
            found = np.zeros((self._count, LIKE), dtype=np.float32)
            for rows, paths in self._levels:
                found[rows] = like_paths(alike, paths)
            self._known[key] = found
        return self._known[key]


class _Learner:
    """Gradient ascent on the probability of the right readings, by Adam."""

    def __init__(
        self,
        data: _Rows,
        seen: Float32,
        firsts: Int64,
        scale: Float32,
        config: PlannerConfig,
        rng: np.random.Generator,
    ) -> None:
        self.data, self.seen, self.firsts, self.scale = data, seen, firsts, scale
        self.config, self.rng = config, rng
        self.weight = np.zeros((len(scale), seen.shape[1]), dtype=np.float32)
        self.topic = np.zeros(len(TOPIC), dtype=np.float32)
        self.likeness = np.zeros(LIKE, dtype=np.float32)
        every = (self.weight, self.topic, self.likeness)
        self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in every]
        self._step = 0
        self._others: dict[bytes, Int64] = {}

    def fit(self) -> None:
        """Reads the questions over and over, each as often as the others."""
        count, left = len(self.data.offsets) - 1, np.zeros(0, dtype=np.int64)
        with track("learning to plan", self.config.steps, "steps") as advance:
            for step in range(self.config.steps):
                while len(left) < self.config.batch:
                    left = np.concatenate([left, self.rng.permutation(count)])
                part, left = np.split(left, [self.config.batch])
                self._learn(part, 1 - step / self.config.steps)
                advance(1)

    def _learn(self, part: Int64, rate: float) -> None:
        data = self.data
        rows = np.concatenate([np.arange(*data.offsets[i : i + 2]) for i in part])
        sizes = data.offsets[part + 1] - data.offsets[part]
        begins = np.cumsum(sizes) - sizes
        read = self._read(rows)
        alike = np.stack([data.alike[row] for row in rows.tolist()])
        logits: Floats = read @ self.weight @ self.seen.T + alike @ self.likeness
        logits += (data.topic[rows] @ self.topic)[:, None]
        right: Floats = np.full(logits.shape, -np.inf, dtype=np.float32)
        for i, row in enumerate(rows.tolist()):
            logits[i, self._barred(row)] = -np.inf
            right[i, data.gold[row]] = logits[i, data.gold[row]]
        gap = (_shares(right, begins, sizes) - _shares(logits, begins, sizes)) / len(part)
        parts: list[Floats] = [read.T @ (gap @ self.seen), data.topic[rows].T @ gap.sum(axis=1)]
        self._climb([*parts, np.einsum("rp,rpk->k", gap, alike)], rate)

    def _barred(self, row: int) -> Int64:
        """The paths that do not begin at a row's topic."""
        key = self.data.first[row].tobytes()
        if key not in self._others:
            self._others[key] = np.flatnonzero(~np.isin(self.firsts, self.data.first[row]))
        return self._others[key]

    def _read(self, rows: Int64) -> Float32:
        """(R, F) which features each row has, some left out and the others made up for it."""
        found = np.zeros((len(rows), len(self.weight)), dtype=np.float32)
        keep = 1 - self.config.dropout
        for i, row in enumerate(rows.tolist()):
            if self.rng.random() < self.config.unseen:
                continue
            mine = self.data.features[row]
            mine = mine[self.rng.random(len(mine)) < keep]
            found[i, mine] = self.scale[mine] / np.float32(keep)
        return found

    def _climb(self, gradients: Sequence[Floats], rate: float) -> None:
        """One step of Adam along the gradients."""
        self._step += 1
        every: tuple[Floats, ...] = (self.weight, self.topic, self.likeness)
        for p, gradient, (first, second) in zip(every, gradients, self._moments, strict=True):
            first[...] = 0.9 * first + 0.1 * gradient
            second[...] = 0.99 * second + 0.01 * gradient * gradient
            step = first / (1 - 0.9**self._step)
            # One size for all weights of a kind: a rare run of words is not to count like a word.
            size = np.sqrt(np.mean(second) / (1 - 0.99**self._step)) + 1e-8
            far = self.config.learning_rate * rate * (FEW if p.ndim == 1 else 1)
            p[...] = (1 - self.config.decay) * (p + far * step / size)


def _shares(logits: Floats, begins: Int64, sizes: Int64) -> Floats:
    """(R, P) softmax over all rows of a question; -inf counts nothing."""
    top = np.maximum.reduceat(logits.max(axis=1), begins)
    top = np.where(np.isfinite(top), top, 0)
    found = np.exp(logits - np.repeat(top, sizes)[:, None])
    total = np.add.reduceat(found.sum(axis=1), begins)
    return np.asarray(found / np.repeat(np.maximum(total, 1e-30), sizes)[:, None], np.float32)
