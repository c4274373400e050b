"""Which relation path a question asks for, learnt from questions whose answers are known.

A log-linear model of (topic, path) given the question: what the question's words, pairs and
triples of words say for each step, for its place in the path, and for what stands beside it. Paths
are never enumerated over entities: what may follow what is read from the graph's schema, and only
the best paths are followed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from accord.decode.likeness import Likeness, WordVectors
from accord.decode.planner_features import (
    LIKE,
    MASK,
    STEM,
    TOPIC,
    Columns,
    Float32,
    like_paths,
    like_steps,
    question_features,
    topic_features,
)
from accord.decode.schema import Schema
from accord.errors import ConfigError, DataError
from accord.graph.graph import Int64
from accord.text.function_words import FUNCTION_WORDS
from accord.text.mentions import Mention

FILE = "planner.safetensors"
"""Of a run folder."""
WIDTH = 512
"""Paths of a length that are made longer, at most."""


ASKING = frozenset(("who", "whose", "when", "where", "how"))
"""Words of grammar that say what kind of thing is asked for."""
DECIDED = 4.0
"""Nats by which a word that says much favours the step that it goes with."""
PLAIN = 0.2
"""A word that says less than this, 0 to 1, asks for no step."""
SHOWN = 64
"""Candidates that are given back, at most."""


class Opening(NamedTuple):
    """Where paths may begin, and what the question then says of them."""

    said: Sequence[str]
    """Its words with one word in place of the topic."""
    first: Int64
    """(n,) numbers of the schema that go on from there."""
    worth: float
    """Added to the score of each path from there, nats."""


class Candidate(NamedTuple):
    """A path that the schema allows."""

    opening: int
    """Where it begins: the place in the list of openings."""
    path: tuple[int, ...]
    """Numbers of the schema."""
    logprob: float
    """Among all paths from all openings, nats."""


class Signs(NamedTuple):
    """What tells whether a path is what a question asks."""

    coverage: float
    """Share of what the question's words say that the path accounts for, 0 to 1."""
    asked: float
    """Share of the path's steps that a word of the question asks for, 0 to 1."""
    missed: float = 0.0
    """How much the word says that the path accounts for least, 0 to 1."""


@dataclass(frozen=True, eq=False)
class PlannerWeights:
    """What a planner has learnt."""

    rows: dict[str, int]
    """Feature of questions -> its row."""
    columns: dict[str, int]
    """Feature of paths -> its column."""
    weight: Float32
    """(F, K)"""
    topic: Float32
    """(7,) in the order of `TOPIC`."""
    likeness: Float32
    """(4,) of how like the question's words are to the steps: `accord.decode.planner_features`."""
    hops: int
    """Steps of a path at most."""
    vectors: WordVectors | None = None
    """By which words are compared; None where their letters alone tell."""
    returns: bool = False
    """Whether paths may return to their topic, in the questions that it has learnt from."""

    @property
    def words(self) -> frozenset[str]:
        """Words that it has learnt from."""
        return frozenset(row for row in self.rows if " " not in row and not row.endswith("-"))

    def save(self, path: str | Path) -> Path:
        """Writes them as safetensors, to a temporary name that is renamed."""
        from safetensors.numpy import save_file

        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        said = {"rows": json.dumps(list(self.rows)), "columns": json.dumps(list(self.columns))}
        said |= {"hops": str(self.hops), "topic": json.dumps(TOPIC)}
        said["returns"] = json.dumps(self.returns)
        parts = {"weight": self.weight, "topic": self.topic, "likeness": self.likeness}
        if self.vectors is not None:
            said["words"] = json.dumps(self.vectors.words)
            parts["vectors"] = self.vectors.vectors.astype(np.float16)
        partial = file.with_name(file.name + ".partial")
        save_file({key: np.ascontiguousarray(part) for key, part in parts.items()}, partial, said)
        partial.replace(file)
        return file

    @classmethod
    def load(cls, path: str | Path) -> PlannerWeights:
        """Reads what `save` wrote.

        Raises:
            DataError: It is no such file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="numpy") as file:
                said = file.metadata()
                rows, columns = (json.loads(said[key]) for key in ("rows", "columns"))
                names = list(file.keys())
                parts = {key: file.get_tensor(key).astype(np.float32) for key in names}
                hops, words = int(said["hops"]), tuple(json.loads(said.get("words", "[]")))
                returns = bool(json.loads(said["returns"]))
            weight, topic, likeness = (parts[key] for key in ("weight", "topic", "likeness"))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            hint = "`accord eval asking --fit --out` writes such a file"
            raise DataError(f"no planner can be read: {error}", path, hint=hint) from error
        fit = weight.shape == (len(rows), len(columns)) and topic.shape == (len(TOPIC),)
        if not fit or likeness.shape != (LIKE,) or (words and len(words) != len(parts["vectors"])):
            raise DataError("the planner's parts do not fit together", path, hint="make it anew")
        vectors = WordVectors(words, parts["vectors"]) if words else None
        numbered = _numbered(rows), _numbered(columns)
        return cls(*numbered, weight, topic, likeness, hops, vectors, returns)


def find_planner(run: str | Path, path: str | Path | None = None) -> PlannerWeights | None:
    """The planner that a file or a run has; None where there is none.

    Args:
        run: Run folder, or a base model's name.
        path: File that `accord eval asking --fit` wrote; None takes the run's own.

    Raises:
        DataError: A file that cannot be read.
    """
    own = Path(run) / FILE
    chosen = path if path is not None else own if own.is_file() else None
    return None if chosen is None else PlannerWeights.load(chosen)


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


class Planner:
    """Scores the paths of one graph for questions.

    Args:
        weights: What was learnt.
        schema: Which steps follow one another.
        hops: Steps of a path at most; None takes what was learnt.
    """

    def __init__(self, weights: PlannerWeights, schema: Schema, hops: int | None = None) -> None:
        self.weights = weights
        self.schema = schema
        self.hops = hops or weights.hops
        self._columns = Columns(schema.texts, weights.columns, self.hops)
        self._words = weights.words
        self._likeness = Likeness(schema, weights.vectors)
        learnt = [c for c in weights.columns if c.startswith("any ")]
        self._any = [weights.columns[column] for column in learnt]
        self._sharpness = self._sharp()
        self._steps = {column.removeprefix("any "): i for i, column in enumerate(learnt)}
        if not self._steps.keys() & set(schema.texts):
            raise ConfigError(
                "the planner knows no relation of this graph", "learn one on questions about it"
            )

    def topic(self, mention: Mention, share: float) -> float:
        """What a candidate of a mention is worth as the topic, nats.

        Args:
            mention: The mention.
            share: The candidate's share of it, 0 to 1.
        """
        return float(topic_features(mention, share, self._words) @ self.weights.topic)

    def __call__(self, openings: Sequence[Opening]) -> list[Candidate]:
        """Paths that the schema allows, the 64 most probable of them first.

        Args:
            openings: Where they may begin.
        """
        parts: list[tuple[int, Int64, Float32]] = []
        for number, opening in enumerate(openings):
            for paths, scores in self.levels(opening):
                parts.append((number, paths, scores + np.float32(opening.worth)))
        return _ranked(parts)

    def weigh(self, said: Sequence[str]) -> Float32:
        """(K + 1,) what a masked question says for each feature of paths; the last is 0."""
        rows = [self.weights.rows.get(feature) for feature in question_features(said)]
        known = [row for row in rows if row is not None]
        return np.append(self.weights.weight[known].sum(axis=0), np.float32(0))

    def signs(self, said: Sequence[str], path: Sequence[int]) -> Signs:
        """How far a question and a path account for each other.

        A word asks for the steps that it is associated with more than with others; a word that was
        never learnt, and is no word of grammar, asks for something that no step is.

        Args:
            said: A masked question.
            path: Numbers of the schema.
        """
        places = [self._steps.get(self.schema.texts[step], -1) for step in path]
        asked, covered, weighed, missed = np.zeros(len(path)), 0.0, 0.0, 0.0
        for word in said:
            share, alike = self._associated(word), self._likeness.of(word)[list(path)]
            weight, credit = float(word not in FUNCTION_WORDS), alike
            if share is not None:
                known = np.array([share[place] if place >= 0 else 0.0 for place in places])
                weight, credit = _peak(share), np.maximum(alike, known / share.max())
            asked = np.maximum(asked, credit * (weight > PLAIN))
            covered, weighed = covered + weight * credit.max(), weighed + weight
            missed = max(missed, weight * (1 - float(credit.max())))
        # Words of grammar weigh next to nothing; where there are no others, nothing is asked.
        coverage = float(covered / weighed) if weighed > PLAIN else 0.0
        return Signs(coverage, float(asked.mean()), missed)

    def _associated(self, word: str) -> Float32 | None:
        """(T,) share of each step that was learnt of; None for words that were not."""
        weights = self.weights
        # 'thanks' is no form of 'than'.
        keys = (word,) if word[:STEM] in FUNCTION_WORDS else (word, f"{word[:STEM]}-")
        known = [weights.rows[key] for key in keys if key in weights.rows]
        grammar = word in FUNCTION_WORDS and word not in ASKING
        if word == MASK or grammar or (not known and word in FUNCTION_WORDS):
            return np.full(len(self._steps), 1 / len(self._steps), dtype=np.float32)
        if not known:
            return None
        scores = self._sharpness * weights.weight[known][:, self._any].sum(axis=0)
        shares = np.exp(scores - scores.max())
        return np.asarray(shares / shares.sum())

    def _sharp(self) -> float:
        """What makes weights as decided as `DECIDED`, however long a planner has learnt."""
        rows = [row for name, row in self.weights.rows.items() if name in self._words]
        scores = self.weights.weight[rows][:, self._any]
        if not scores.size:
            return 1.0
        spread = np.quantile(scores.max(axis=1) - scores.mean(axis=1), 0.9)
        return DECIDED / max(1e-6, float(spread))

    def levels(self, opening: Opening) -> list[tuple[Int64, Float32]]:
        """Paths of each length with their scores.

        Args:
            opening: Where they may begin.

        Returns:
            For each length (N, k) paths and (N,) scores; of more than 512 only the best by what is
            settled are made longer.
        """
        u, alike = self.weigh(opening.said), like_steps(self._likeness, opening.said)
        paths = opening.first.reshape(-1, 1)
        settled = self._columns.lasting(paths, u)
        found = [(paths, settled + self._ending(paths, u, alike))]
        for _ in range(1, self.hops):
            if len(paths) > WIDTH:
                best = np.argsort(-settled, kind="stable")[:WIDTH]
                paths, settled = paths[best], settled[best]
            which, paths = self.schema.longer(paths)
            settled = settled[which] + self._columns.lasting(paths, u)
            found.append((paths, settled + self._ending(paths, u, alike)))
        return found

    def _ending(self, paths: Int64, u: Float32, alike: Float32) -> Float32:
        like = like_paths(alike, paths) @ self.weights.likeness
        return np.asarray(self._columns.ending(paths, u) + like)


def _peak(share: Float32) -> float:
    """How much a word says: 0 where it goes with all steps alike, 1 where with one only."""
    if len(share) < 2:
        return 1.0
    entropy = -float((share * np.log(share + 1e-12)).sum())
    return 1 - entropy / float(np.log(len(share)))


def _ranked(parts: Sequence[tuple[int, Int64, Float32]]) -> list[Candidate]:
    if not any(len(scores) for *_, scores in parts):
        return []
    scores = np.concatenate([scores for *_, scores in parts])
    logprobs = scores - (scores.max() + np.log(np.exp(scores - scores.max()).sum()))
    ends = np.cumsum([len(mine) for *_, mine in parts])
    found = []
    for n in np.argsort(-scores, kind="stable")[:SHOWN].tolist():
        i = int(np.searchsorted(ends, n, side="right"))
        opening, paths, mine = parts[i]
        row = paths[n - int(ends[i]) + len(mine)]
        found.append(Candidate(opening, tuple(row.tolist()), float(logprobs[n])))
    return found
