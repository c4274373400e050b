"""Stay near the start's language: KL to it on its own continuations or on given texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from accord.errors import ConfigError
from accord.objectives.base import Loss, Outputs, Points, Requests, Score, Stateless, Teacher
from accord.objectives.triples import epoch_rows
from accord.text.examples import Sequence, length


@dataclass(frozen=True)
class LanguageConfig:
    """Settings of the language objective."""

    weight: float = 1.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 4
    """Texts a step."""
    points: int = 64
    """Tokens a step at which the two models are compared."""
    top_k: int = 64
    """The start's most probable tokens that are compared one by one; the rest as one."""
    texts: int = 64
    """Texts in all: the start's own seeded continuations, where no folder is given."""
    tokens: int = 64
    """Tokens of each text."""

    def __post_init__(self) -> None:
        if min(self.rows, self.points, self.top_k, self.texts) < 1 or self.tokens < 2:
            raise ConfigError(
                "language: rows, points, top_k and texts must be 1 or more, tokens 2 or more"
            )


@dataclass(frozen=True)
class LanguageBatch:
    """Texts and the places in them to compare."""

    sequences: list[Sequence]
    points: Points
    top_k: int


class Language(Stateless):
    """KL(start || model) of next-token distributions.

    The start is the model as the run began: the base model, or the run it goes on from.

    Args:
        texts: Token sequences of plain text, each one segment.
        config: Settings.
        seed: Of the order and of the places.

    Raises:
        ConfigError: No text of two tokens or more.
    """

    name = "language"

    def __init__(self, texts: list[Sequence], config: LanguageConfig, seed: int) -> None:
        super().__init__()
        self.all = [text for text in texts if length(text) > 1]
        if not self.all:
            raise ConfigError("the language objective has no text of two tokens or more")
        self.config = config
        self.seed = seed

    def batch(self, step: int) -> LanguageBatch:
        """The step's texts with places drawn from them."""
        rows = epoch_rows(len(self.all), self.config.rows, step, self.seed)
        sequences = list(dict.fromkeys(self.all[i] for i in rows))
        spans = [length(sequence) - 1 for sequence in sequences]
        row = np.repeat(np.arange(len(spans)), spans)
        position = np.concatenate([np.arange(span) for span in spans])
        rng = np.random.default_rng([self.seed, 2, step])
        count = min(self.config.points, len(row))
        chosen = np.sort(rng.choice(len(row), size=count, replace=False))
        return LanguageBatch(sequences, Points(row[chosen], position[chosen]), self.config.top_k)

    def requests(self, batch: LanguageBatch) -> Requests:
        """The start's top tokens, and the model's log-probabilities of them."""
        return {
            "base": Teacher(batch.sequences, batch.points, batch.top_k),
            "model": Score(batch.sequences, batch.points, "base"),
        }

    def loss(self, outputs: Outputs, batch: LanguageBatch) -> Loss:
        """Mean KL a token, nats."""
        value = coarse_kl(outputs["base"].logprobs, outputs["model"])
        return Loss(value, {"kl": float(value.detach())})

    def size(self, batch: LanguageBatch) -> int:
        """Places compared."""
        return len(batch.points.rows)

    def sequences(self) -> Iterable[Sequence]:
        """All texts."""
        return self.all


def coarse_kl(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """KL(teacher || student), mean over the M places; see `divergence`."""
    return divergence(teacher, student).mean()


def divergence(teacher: torch.Tensor, student: torch.Tensor, reverse: bool = False) -> torch.Tensor:
    """KL with all tokens outside the teacher's top k as one event.

    It is 0 for equal distributions and never above the full KL (data-processing inequality).

    Args:
        teacher: (M, k) log-probabilities of its top k tokens.
        student: (M, k) log-probabilities of the same tokens.
        reverse: KL(student || teacher) instead of KL(teacher || student).

    Returns:
        (M,) nats.
    """
    first, second = (student, teacher) if reverse else (teacher, student)
    inside = (first.exp() * (first - second)).sum(-1)
    rest_first = (1 - first.exp().sum(-1)).clamp_min(1e-6)
    rest_second = (1 - second.exp().sum(-1)).clamp_min(1e-6)
    return inside + rest_first * (rest_first.log() - rest_second.log())
