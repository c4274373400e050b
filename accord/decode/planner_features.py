"""What a planner sees: the words of a question without its topic, and the steps of paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from accord.decode.likeness import Likeness
from accord.graph.graph import Int64
from accord.text.function_words import FUNCTION_WORDS
from accord.text.mentions import Mention

MASK = "_"
"""Stands for the topic."""
STEM = 4
"""Letters by which forms of a word are recognised."""
PRONOUNS = frozenset(
    re.findall(
        r"\w+",
        "it its itself he him his she her hers they them their theirs this these those",
    )
)
LIKE = 4
"""Columns of `like_paths`."""
TOPIC = ("share", "one word", "two words", "longer", "capital", "marked", "ordinary")
"""What is seen of a mention."""
Float32 = npt.NDArray[np.float32]


def masked(question: str, start: int, end: int) -> list[str]:
    """The words of a question with one word in place of its topic.

    Args:
        question: The question.
        start: Offset of the topic's first character.
        end: Offset behind its last.

    Example:
        >>> masked("Who directed [Alien]?", 13, 20)
        ['who', 'directed', '_']
    """
    # "..., other than X" names the topic once more and asks for nothing.
    name = question[start:end]
    before, after = (part.replace(name, " ") for part in (question[:start], question[end:]))
    return [*words(before), MASK, *words(after)]


def pointed(question: str) -> list[str]:
    """The words of a question that names no topic: pronouns stand for it.

    Example:
        >>> pointed("Who directed it?")
        ['who', 'directed', '_']
    """
    return [MASK if word in PRONOUNS else word for word in words(question)]


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return [w.strip(MASK) for w in re.findall(r"\w+", text.casefold()) if w.strip(MASK)]


def question_features(said: Sequence[str]) -> list[str]:
    """Words, pairs and triples of words, beginnings of words, and content words by their place.

    Args:
        said: As `masked` gives them.

    Returns:
        Different features.
    """
    ends = ["^", *said, "$"]
    pairs = [f"{a} {b}" for a, b in pairwise(ends)]
    triples = [" ".join(three) for three in zip(ends, ends[1:], ends[2:], strict=False)]
    stems = [f"{word[:STEM]}-" for word in said if word != MASK]
    inner = outwards(said)
    places = [f"#{i} {word}" for i, word in enumerate(inner)] + [f"#{len(inner)} $"]
    return list(dict.fromkeys([*said, *stems, *pairs, *triples, *places]))


def outwards(said: Sequence[str]) -> list[str]:
    """The content words in the order in which English puts steps around a topic.

    First those behind it ("X's mother's town"), then those before it, from it outwards ("the town
    of the mother of X").

    Example:
        >>> outwards(["who", "is", "the", "wife", "of", "_", "s", "son"])
        ['son', 'wife']
    """
    at = said.index(MASK) if MASK in said else len(said)
    around = [*said[at + 1 :], *reversed(said[:at])]
    return [word for word in around if word not in FUNCTION_WORDS]


def trust(feature: str) -> float:
    """How much a feature of questions is trusted: a word more than a run of words around it."""
    return 1.0 if feature.startswith("#") else (1.0, 0.5, 0.3)[min(2, feature.count(" "))]


def like_steps(likeness: Likeness, said: Sequence[str]) -> Float32:
    """(W, S) how like words of a question, outwards, are to each step; those like none left out."""
    rows = [row for word in outwards(said) if (row := likeness.of(word)).any()]
    return np.stack(rows or [likeness.of("")])


def like_paths(alike: Float32, paths: Int64) -> Float32:
    """How far the words of a question and each path are like each other.

    Args:
        alike: (W, S) as `like_steps` gives it.
        paths: (N, k) paths.

    Returns:
        (N, 4) the mean over words of the likest step, the mean over steps of the likest word, the
        least of the latter, and the mean over steps of the word of the same place.
    """
    words = alike[:, paths].max(axis=2).mean(axis=0)
    steps = alike.max(axis=0)[paths]
    count = min(len(alike), paths.shape[1])
    places = alike[np.arange(count), paths[:, :count]].sum(axis=1) / paths.shape[1]
    return np.stack([words, steps.mean(axis=1), steps.min(axis=1), places], axis=1)


def topic_features(mention: Mention, share: float, known: frozenset[str]) -> Float32:
    """(7,) what is seen of a mention, in the order of `TOPIC`.

    Args:
        mention: The mention.
        share: Its candidate's share of it, 0 to 1.
        known: Words of questions, which make a name ordinary.
    """
    said = words(mention.text)
    count = len(said)
    ordinary = sum(word in known for word in said) / max(1, count)
    capital = mention.text != mention.text.lower()
    seen = (np.log(max(share, 1e-6)), count == 1, count == 2, count > 2)
    return np.array([*seen, capital, mention.marked, ordinary], dtype=np.float32)


def path_features(texts: Sequence[str]) -> list[str]:
    """What is seen of a path.

    Args:
        texts: Its steps in words.

    Returns:
        Each step, each step by its place from either end, each pair, and how many there are.
    """
    count = len(texts)
    found = [f"hops {count}"]
    for i, text in enumerate(texts):
        found += [f"any {text}", f"at{i} {text}", f"end{count - 1 - i} {text}"]
    found += [f"pair {a} > {b}" for a, b in pairwise(texts)]
    return found


class Columns:
    """Where a planner's weights of a graph's paths stand.

    Args:
        texts: (S,) the graph's steps in words.
        columns: Feature of paths -> its column; others have none.
        hops: Steps of a path at most.
    """

    def __init__(self, texts: Sequence[str], columns: dict[str, int], hops: int) -> None:
        none = len(columns)
        self._hops = [columns.get(f"hops {n}", none) for n in range(hops + 1)]

        def of(form: str) -> Int64:
            return np.array([columns.get(form.format(text), none) for text in texts], np.int64)

        self._any = of("any {}")
        self._at = [of(f"at{i} {{}}") for i in range(hops)]
        self._end = [of(f"end{i} {{}}") for i in range(hops)]
        self._pair = np.full((len(texts), len(texts)), none, dtype=np.int64)
        place: dict[str, list[int]] = {}
        for i, text in enumerate(texts):
            place.setdefault(text, []).append(i)
        for feature, column in columns.items():
            kind, _, said = feature.partition(" ")
            first, _, second = said.partition(" > ")
            if kind == "pair":
                for i in place.get(first, ()):
                    self._pair[i, place.get(second, [])] = column

    def lasting(self, paths: Int64, u: Float32) -> Float32:
        """(N,) what the last step of each path adds for good.

        Args:
            paths: (N, k) paths.
            u: (K + 1,) weight of each column; the last is 0.
        """
        last, k = paths[:, -1], paths.shape[1]
        found = u[self._any[last]] + u[self._at[k - 1][last]]
        if k > 1:
            found = found + u[self._pair[paths[:, -2], last]]
        return np.asarray(found)

    def ending(self, paths: Int64, u: Float32) -> Float32:
        """(N,) what is added where paths end as they are."""
        k = paths.shape[1]
        found = np.full(len(paths), u[self._hops[k]], dtype=np.float32)
        for i in range(k):
            found += u[self._end[k - 1 - i][paths[:, i]]]
        return found
