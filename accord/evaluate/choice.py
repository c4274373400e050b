"""Multiple choice by likelihood: which choice does the model hold for the most probable answer?

Raw likelihood favours short choices; so it stands beside likelihood divided by the choice's length
in bytes, which does not depend on the tokenizer.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, ModelError, nearest
from accord.evaluate.files import write_lines
from accord.evaluate.protocol import Float64
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.tables import table
from accord.text.choice_prompts import continuations_of, prompt_of
from accord.text.choice_sets import ChoiceItem, ChoiceSet

FORMS = ("text", "letters")


class ScoringModel(Protocol):
    """A model that says how probable one text is after another."""

    def score_continuations(self, prompts: list[str], continuations: list[str]) -> Float64:
        """(N,) log-probabilities of continuations, each after its prompt, nats."""
        ...


@dataclass(frozen=True)
class ChoiceConfig:
    """How items are put."""

    form: str = "text"
    """"text": the choice itself follows the question; "letters": the choices are listed in the
    prompt and their letters are compared."""
    limit: int | None = None
    """Items at most, drawn so that each subject keeps its share; None for all."""
    seed: int = 0
    """Of the sample."""

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ConfigError(f"no form {self.form!r}", nearest(self.form, FORMS))
        if self.limit is not None and self.limit < 1:
            raise ConfigError("limit must be 1 or more")


@dataclass(frozen=True)
class ChoiceResult:
    """Every item's log-likelihoods, and what follows from them."""

    data: ChoiceSet
    config: ChoiceConfig
    items: tuple[ChoiceItem, ...]
    scores: tuple[Float64, ...]
    """(choices,) log-likelihood of each choice of an item, nats."""
    seconds: float

    @property
    def correct(self) -> Float64:
        """(N,) 1 where the most likely choice is right; of n that tie, the right one counts 1/n."""
        pairs = zip(self.items, self.scores, strict=True)
        return np.array([credit(row, item.answer) for item, row in pairs])

    @property
    def correct_norm(self) -> Float64:
        """(N,) the same with likelihoods divided by the bytes of each choice."""
        pairs = zip(self.items, self.scores, strict=True)
        return np.array([credit(row / lengths(item), item.answer) for item, row in pairs])

    def to_dict(self) -> dict[str, Any]:
        """{"n", "accuracy", "accuracy_norm", "baseline", ...}."""
        return {
            "data": self.data.name,
            "split": self.data.split,
            "form": self.config.form,
            "n": len(self.items),
            "left_out": self.data.left_out,
            "accuracy": float(self.correct.mean()),
            "accuracy_norm": float(self.correct_norm.mean()),
            "norm": "log-likelihood / bytes of the choice",
            "baseline": baselines(self.items),
            "by_subject": self._by_subject(),
            "seconds": self.seconds,
            "items_per_second": len(self.items) / max(self.seconds, 1e-9),
        }

    def _by_subject(self) -> dict[str, dict[str, float]]:
        subjects = np.array([item.subject for item in self.items])
        raw, norm = self.correct, self.correct_norm
        return {
            str(name): {
                "n": int((subjects == name).sum()),
                "accuracy": float(raw[subjects == name].mean()),
                "accuracy_norm": float(norm[subjects == name].mean()),
            }
            for name in np.unique(subjects)
            if name
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [
            [self.data.name, found["accuracy"], found["accuracy_norm"]],
            *([f"baseline: {name}", value, value] for name, value in found["baseline"].items()),
        ]
        split = f" {self.data.split}" if self.data.split else ""
        title = f"multiple choice on {self.data.name}{split}: {len(self.items)} items"
        return f"{title}\n{table(['', 'accuracy', 'by bytes'], rows)}"

    def dump(self, path: str | Path) -> Path:
        """Writes one JSON line an item: question, choices, answer, scores, right or not."""
        rows = zip(self.items, self.scores, self.correct, self.correct_norm, strict=True)
        lines = (
            json.dumps(
                {
                    **vars(item),
                    "scores": scores.tolist(),
                    "correct": float(raw),
                    "correct_norm": float(norm),
                },
                ensure_ascii=False,
            )
            for item, scores, raw, norm in rows
        )
        return write_lines(path, lines)


def credit(scores: npt.NDArray[np.floating[Any]], answer: int) -> float:
    """1 if the answer alone has the highest score, 1/n if n choices tie there, else 0."""
    best = scores == scores.max()
    return float(best[answer]) / float(best.sum())


def lengths(item: ChoiceItem) -> Float64:
    """(choices,) bytes of each choice in UTF-8."""
    return np.array([len(choice.encode()) for choice in item.choices], dtype=np.float64)


def baselines(items: Sequence[ChoiceItem]) -> dict[str, float]:
    """Trivial answers.

    Args:
        items: The items that are measured.

    Returns:
        "random": mean of 1 / choices; "majority": the position that is right most often for the
        subject among these same items, so a little flattering; "longest": the longest choice.
    """
    positions: dict[str, Counter[int]] = {}
    for item in items:
        positions.setdefault(item.subject, Counter())[item.answer] += 1
    frequent = sum(max(counts.values()) for counts in positions.values())
    return {
        "random": float(np.mean([1 / len(item.choices) for item in items])),
        "majority": frequent / len(items),
        "longest": float(np.mean([credit(lengths(item), item.answer) for item in items])),
    }


def evaluate_choice(
    model: ScoringModel, data: ChoiceSet, config: ChoiceConfig | None = None
) -> ChoiceResult:
    """Compares the likelihoods of choices.

    Args:
        model: What scores. A prompt that all choices of an item follow is read once.
        data: The items.
        config: How they are put.

    Returns:
        Likelihoods of every choice.

    Raises:
        ModelError: A likelihood is not a number.
    """
    config = config or ChoiceConfig()
    subjects = np.unique([item.subject for item in data.items], return_inverse=True)[1]
    picks = stratified_sample(subjects.reshape(-1), config.limit, config.seed)
    items = tuple(data.items[i] for i in picks)
    start = time.perf_counter()
    prompts = [prompt_of(item, config.form) for item in items for _ in item.choices]
    after = [text for item in items for text in continuations_of(item, config.form)]
    flat = model.score_continuations(prompts, after)
    if not np.isfinite(flat).all():
        raise ModelError("a likelihood is not a number", "the model's weights are damaged")
    ends = np.cumsum([len(item.choices) for item in items])[:-1]
    scores = tuple(np.split(flat, ends))
    return ChoiceResult(data, config, items, scores, time.perf_counter() - start)
