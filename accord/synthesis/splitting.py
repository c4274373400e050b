"""Splits questions into train, valid and test by the entities of their paths, not by wording."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from accord.errors import ConfigError
from accord.graph.graph import SPLITS
from accord.text.questions import Question

SplitMode = Literal["paths", "disjoint"]


def split_by_entities(
    questions: Sequence[Question],
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    mode: SplitMode = "paths",
    seed: int = 0,
) -> list[Question]:
    """Gives each question a split, so that no path is known from another split.

    Questions whose paths pass through the same set of entities go together, however they are
    worded and in whichever direction the path is walked; with `mode` disjoint, questions that
    share a topic do too. Where this ties more questions together than train may hold, those are
    parted at random by topic (by path in mode paths), and what then crosses is left out.

    Args:
        questions: The questions. Those without paths are told apart by topics and answers.
        shares: Of train, valid and test.
        mode: paths: no two splits share a path's set of entities. disjoint: nor a topic.
        seed: Of the draw.

    Returns:
        The questions with their splits, in their order, without those that cross.

    Raises:
        ConfigError: Shares that are negative or do not sum to 1, or an unknown mode.
    """
    check_split(shares, mode)
    keys = [_keys(question, mode) for question in questions]
    groups = _tied(keys)
    rng = np.random.default_rng(seed)
    found: list[int | None] = [None] * len(questions)
    placed = np.zeros(len(SPLITS))
    wanted = np.array(shares) * len(questions)
    for group in (groups[i] for i in _order(groups, rng)):
        if len(group) > wanted.max():
            parted = _parted([keys[i] for i in group], shares, rng)
        else:
            parted = [_emptiest(placed, wanted)] * len(group)
        for i, split in zip(group, parted, strict=True):
            found[i] = split
            if split is not None:
                placed[split] += 1
    pairs = zip(questions, found, strict=True)
    return [replace(question, split=SPLITS[i]) for question, i in pairs if i is not None]


def check_split(shares: tuple[float, ...], mode: str) -> None:
    """Refuses what `split_by_entities` cannot do, before there are questions.

    Raises:
        ConfigError: Shares that are negative or do not sum to 1, or an unknown mode.
    """
    whole = len(shares) == len(SPLITS) and abs(sum(shares) - 1) <= 1e-6
    if not whole or min(shares) < 0:
        raise ConfigError(f"shares are {shares}", "give three that sum to 1, such as 0.8,0.1,0.1")
    if mode not in ("paths", "disjoint"):
        raise ConfigError(f"split mode is {mode!r}", "choose paths or disjoint")


def path_entities(question: Question) -> list[frozenset[str]]:
    """The set of entities that each path of a question passes through.

    Literals at a path's end count too: what must not be known beforehand is the whole path.
    """
    sets = (frozenset(e for hop in path for e in (hop.head, hop.tail)) for path in question.paths)
    return list(dict.fromkeys(sets)) or [frozenset((*question.topics, *question.answers))]


def _keys(question: Question, mode: SplitMode) -> list[Hashable]:
    """What ties a question to others; the first ones are what large groups are parted by."""
    paths: list[Hashable] = list(path_entities(question))
    if mode == "paths" or not question.topics:
        return [paths[0], *paths]
    topics = [("topic", topic) for topic in question.topics]
    return [tuple(topics), *topics, *paths]


def _tied(keys: Sequence[Sequence[Hashable]]) -> list[list[int]]:
    """Connected components of questions over shared keys, each in order."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    for own in keys:
        for key in own[1:]:
            parent[root(key)] = root(own[1])
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, own in enumerate(keys):
        groups[root(own[1])].append(i)
    return list(groups.values())


def _order(groups: Sequence[Sequence[int]], rng: np.random.Generator) -> list[int]:
    """Large groups first, so that small ones can even the shares out; equals at random."""
    mixed = rng.permutation(len(groups)).tolist()
    return sorted(mixed, key=lambda i: -len(groups[i]))


def _emptiest(placed: np.ndarray, wanted: np.ndarray) -> int:
    return int(np.argmin(np.where(wanted > 0, (placed + 0.5) / np.maximum(wanted, 1e-9), np.inf)))


def _parted(
    keys: Sequence[Sequence[Hashable]], shares: Sequence[float], rng: np.random.Generator
) -> list[int | None]:
    """Parts one group: each topic is drawn a split, and what then crosses gets None."""
    drawn: dict[Hashable, int] = {}
    found: list[int | None] = []
    for own in keys:
        parts = own[0] if isinstance(own[0], tuple) else (own[0],)
        for part in parts:
            drawn.setdefault(part, int(rng.choice(len(shares), p=np.array(shares))))
        splits = {drawn[part] for part in parts}
        found.append(splits.pop() if len(splits) == 1 else None)
    votes: dict[Hashable, Counter[int]] = defaultdict(Counter)
    for own, split in zip(keys, found, strict=True):
        for key in own[1:]:
            if split is not None:
                votes[key][split] += 1
    chosen = {key: min(counts, key=lambda s: (-counts[s], s)) for key, counts in votes.items()}
    return [
        split if split is not None and all(chosen[key] == split for key in own[1:]) else None
        for own, split in zip(keys, found, strict=True)
    ]
