"""How written answers are held against the right ones: exact match, F1, Hits@1, looser ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from accord.evaluate.qa_items import normalise
from accord.text.qa_prompts import answer_line
from accord.text.questions import Question


@dataclass(frozen=True)
class Score:
    """One question's answers, judged. All strict but the last two."""

    exact_match: float
    """The answers written are the right ones: all of them and no other."""
    f1: float
    """Harmonic mean of precision and recall of the set of answers."""
    hits_at_1: float
    """The answer written first is right."""
    any_right: float
    """Looser: one of the answers written is right."""
    contains: float
    """Looser: a right answer stands somewhere in the text, 'Niger' in 'Nigeria' too."""


METRICS = {
    "exact_match": "exact_match",
    "f1": "f1",
    "hits@1": "hits_at_1",
    "any_right": "any_right",
    "contains": "contains",
}
"""Name in results -> field of `Score`."""


def judge(written: Sequence[str], right: Iterable[str]) -> Score:
    """Judges answers.

    Args:
        written: Answers in the order in which they were written; repetitions count once.
        right: All right answers.

    Returns:
        Every measure, 0 to 1. Names are compared after `normalise`, never by parts but for
        `contains`.
    """
    found = [name for name in dict.fromkeys(map(normalise, written)) if name]
    gold = {name for name in map(normalise, right) if name}
    hits = sum(name in gold for name in found)
    text = normalise(answer_line(written))
    return Score(
        exact_match=float(bool(gold) and set(found) == gold),
        f1=2 * hits / (len(found) + len(gold)) if hits else 0.0,
        hits_at_1=float(bool(found) and found[0] in gold),
        any_right=float(hits > 0),
        contains=float(any(name in text for name in gold)),
    )


def means(scores: Sequence[Score]) -> dict[str, float]:
    """{"n", "exact_match", "f1", "hits@1", "any_right", "contains"} over questions."""
    rows = [asdict(score) for score in scores]
    total = max(1, len(rows))
    found = {name: sum(row[field] for row in rows) / total for name, field in METRICS.items()}
    return {"n": len(rows), **found}


class Majority:
    """Trivial baselines: the answer that is right most often in train.

    Args:
        train: Questions of train.

    Attributes:
        best: The most frequent answer of all; empty without train questions.
    """

    def __init__(self, train: Sequence[Question]) -> None:
        self.best = _most_frequent(train)
        patterns: dict[str, list[Question]] = {}
        for question in train:
            patterns.setdefault(question.pattern, []).append(question)
        self._by_pattern = {name: _most_frequent(part) for name, part in patterns.items()}

    def of_pattern(self, pattern: str) -> str:
        """The most frequent answer of a relation path; of all where train lacks the path."""
        return self._by_pattern.get(pattern, self.best)


def _most_frequent(questions: Sequence[Question]) -> str:
    """Of answers that are right equally often, the first by code points; the same each time."""
    counts = Counter(answer for question in questions for answer in question.answers)
    return min(counts, key=lambda answer: (-counts[answer], answer)) if counts else ""
