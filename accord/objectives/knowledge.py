"""A knowledge-aware loss: tokens that the selected statements support are rewarded, names and
numbers that they do not support are penalised.

A text tells statements that stand in its prompt. Where one of their names or numbers begins, the
probability of beginning others of the same kind instead (another capital, another population) is
made small; the supported tokens themselves are learnt by cross-entropy, the words between at a
weight of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from accord.errors import ConfigError
from accord.objectives.base import Loss, Outputs, Points, Requests, Score, Stateless, points_after
from accord.objectives.triples import epoch_rows
from accord.text.examples import Sequence

PARTS = ("supported", "unsupported", "words")


@dataclass(frozen=True)
class KnowledgeConfig:
    """Settings of the knowledge objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 8
    """Texts a step."""
    supported: float = 1.0
    """Weight of the cross-entropy on tokens of names and numbers that the statements have."""
    unsupported: float = 1.0
    """Weight of the penalty on beginning a name or number that they do not have."""
    words: float = 0.1
    """Weight of the cross-entropy on the words between."""
    rivals: int = 8
    """Unsupported names or numbers at each place, at most."""
    facts: int = 4
    """Statements of a text, at most."""
    texts: int = 5000
    """Texts in all at most, each about another entity."""
    tokens: int = 256
    """Texts that are longer with their prompt are left out."""

    def __post_init__(self) -> None:
        counts = (self.rows, self.rivals, self.facts, self.texts)
        if min(self.weight, *(getattr(self, part) for part in PARTS)) < 0 or min(counts) < 1:
            raise ConfigError(
                "knowledge: weights cannot be negative; rows, rivals, facts and texts must be 1 "
                "or more"
            )
        if self.tokens < 8:
            raise ConfigError(f"knowledge.tokens is {self.tokens}", "use 8 or more")
        if self.weight and not any(getattr(self, part) for part in PARTS):
            raise ConfigError("knowledge: the weight of every part is 0", f"set one of {PARTS}")


class Begin(NamedTuple):
    """Where a supported name or number begins, and with what others would."""

    position: int
    """Token of the text, counted from 0, that it begins with."""
    rivals: tuple[int, ...]
    """Token ids with which unsupported ones begin; none is its own."""


class KnownText(NamedTuple):
    """A text that tells the statements of its prompt."""

    sequence: Sequence
    """One segment."""
    given: int
    """Tokens of the prompt."""
    supported: tuple[bool, ...]
    """For each token behind the prompt, whether it belongs to a supported name or number."""
    begins: tuple[Begin, ...]


@dataclass(frozen=True)
class KnowledgeBatch:
    """The texts of a step and the places that are asked for."""

    sequences: list[Sequence]
    points: Points
    """Of every token behind the prompts."""
    targets: torch.Tensor
    """(M,) token ids."""
    supported: torch.Tensor
    """(M,) bool."""
    begins: Points
    """Where names and numbers begin."""
    rivals: torch.Tensor
    """(N, k) token ids; padded with any."""
    real: torch.Tensor
    """(N, k) bool: which of them are rivals."""


class Knowledge(Stateless):
    """Cross-entropy on what is supported, unlikelihood of what is not.

    Args:
        texts: What to learn, at least one.
        config: Settings.
        seed: Of the order.

    Raises:
        ConfigError: No text.
    """

    name = "knowledge"

    def __init__(self, texts: list[KnownText], config: KnowledgeConfig, seed: int) -> None:
        super().__init__()
        if not texts:
            raise ConfigError(
                "the knowledge objective has no text", "raise knowledge.tokens, or set weight=0"
            )
        self.texts = texts
        self.config = config
        self.seed = seed

    def batch(self, step: int) -> KnowledgeBatch:
        """The step's texts; equal ones are read once."""
        rows = epoch_rows(len(self.texts), self.config.rows, step, self.seed)
        texts = list(dict.fromkeys(self.texts[i] for i in rows))
        sequences = [text.sequence for text in texts]
        points, targets = points_after(sequences, [text.given for text in texts])
        supported = [mark for text in texts for mark in text.supported]
        begins = [(i, b) for i, text in enumerate(texts) for b in text.begins if b.rivals]
        width = max((len(b.rivals) for _, b in begins), default=1)
        rivals = np.zeros((len(begins), width), dtype=np.int64)
        real = np.zeros((len(begins), width), dtype=np.bool_)
        for row, (_, begin) in enumerate(begins):
            rivals[row, : len(begin.rivals)] = begin.rivals
            real[row, : len(begin.rivals)] = True
        places = Points(
            np.array([i for i, _ in begins], dtype=np.int64),
            np.array([b.position - 1 for _, b in begins], dtype=np.int64),
        )
        return KnowledgeBatch(
            sequences, points, torch.from_numpy(targets), torch.tensor(supported), places,
            torch.from_numpy(rivals), torch.from_numpy(real),
        )  # fmt: skip

    def requests(self, batch: KnowledgeBatch) -> Requests:
        """Log-probabilities of the texts' tokens, and of the rivals where names begin."""
        asked: dict[str, Score] = {
            "text": Score(batch.sequences, batch.points, batch.targets[:, None])
        }
        if len(batch.rivals) and self.config.unsupported:
            asked["rivals"] = Score(batch.sequences, batch.begins, batch.rivals)
        return asked

    def loss(self, outputs: Outputs, batch: KnowledgeBatch) -> Loss:
        """The weighted sum of three means over places, nats."""
        said = -outputs["text"][:, 0]
        supported = batch.supported.to(said.device)
        parts = {"supported": _mean(said, supported), "words": _mean(said, ~supported)}
        if "rivals" in outputs:
            parts["unsupported"] = unlikelihood(outputs["rivals"], batch.real)
        total = sum(
            (getattr(self.config, name) * value for name, value in parts.items()),
            start=said.new_zeros(()),
        )
        return Loss(total, {name: float(value.detach()) for name, value in parts.items()})

    def size(self, batch: KnowledgeBatch) -> int:
        """Texts of the step."""
        return len(batch.sequences)

    def sequences(self) -> Iterable[Sequence]:
        """All texts."""
        return [text.sequence for text in self.texts]


def unlikelihood(logprobs: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """How much probability goes to what is unsupported.

    Args:
        logprobs: (N, k) log-probabilities of distinct tokens at N places, nats.
        real: (N, k) bool, which of them count.

    Returns:
        Mean over the places of -log(1 - sum of their probabilities); 0 where there is no mass.
    """
    mass = (logprobs.exp() * real.to(logprobs.device)).sum(-1)
    return -torch.log1p(-mass.clamp_max(1 - 1e-6)).mean()


def _mean(values: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    return (values * keep).sum() / keep.sum().clamp_min(1)
