"""Implicit alignment: the model writes the tail that completes a triple."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from accord.errors import ConfigError
from accord.objectives.base import Loss, Outputs, Points, Requests, Score, Stateless, points_after
from accord.objectives.triples import TripleSource
from accord.text.collate import GraphTexts
from accord.text.examples import Sequence, length


@dataclass(frozen=True)
class CompletionConfig:
    """Settings of the completion objective."""

    weight: float = 0.1
    """Weight in the joint loss; 0 is off. KaLM has 0.01."""
    rows: int = 32
    """Triples of the step whose tail is written."""
    share: float = 1.0
    """Share of the train triples that are ever written; fewer are less reading of frozen layers
    where those read whole texts."""

    def __post_init__(self) -> None:
        if self.rows < 1 or self.weight < 0 or not 0 < self.share <= 1:
            raise ConfigError(
                f"completion: rows={self.rows}, weight={self.weight}, share={self.share}",
                "use rows >= 1, weight >= 0 and a share above 0, at most 1",
            )


@dataclass(frozen=True)
class CompletionBatch:
    """Queries followed by the tail's name and the end token."""

    sequences: list[Sequence]
    points: Points
    targets: torch.Tensor
    """(M, 1) token ids of names and end tokens."""


class Completion(Stateless):
    """Triple-completion language modelling.

    Source: KaLM (arXiv 2412.04948), implicit alignment. Differs from it: the prompt is view 1
    itself, so that its closing bracket gives the embedding and starts the completion, and one
    reading serves both objectives; KaLM reads an instruction in a further forward pass.

    Args:
        source: Where triples come from, shared with the contrastive objective.
        texts: Their token sequences.
        config: Settings.
        batch_size: Triples that the source draws a step.
    """

    name = "completion"

    def __init__(
        self, source: TripleSource, texts: GraphTexts, config: CompletionConfig, batch_size: int
    ) -> None:
        super().__init__()
        self.source = source
        self.texts = texts
        self.config = config
        self.batch_size = batch_size
        rng = np.random.default_rng([source.seed, 4])
        self.written = rng.random(len(source)) < config.share

    def batch(self, step: int) -> CompletionBatch:
        """The first rows of the step's triples."""
        drawn = self.source.draw(step, self.batch_size)
        chosen = np.flatnonzero(self.written[drawn.rows])[: self.config.rows]
        if not len(chosen):  # a small batch without any: write its first triple all the same
            chosen = np.zeros(1, dtype=np.int64)
        triples = self.source.triples[drawn.rows[chosen]].tolist()
        sequences = [self.texts.completion(h, r, t) for h, r, t in triples]
        prefix = [length(sequence[:-1]) for sequence in sequences]
        points, targets = points_after(sequences, prefix)
        return CompletionBatch(sequences, points, torch.from_numpy(targets)[:, None])

    def requests(self, batch: CompletionBatch) -> Requests:
        """Log-probabilities of the tails' tokens."""
        return {"tails": Score(batch.sequences, batch.points, batch.targets)}

    def loss(self, outputs: Outputs, batch: CompletionBatch) -> Loss:
        """Mean negative log-likelihood a token, nats."""
        value = -outputs["tails"].mean()
        return Loss(value, {"nll": float(value.detach())})

    def size(self, batch: CompletionBatch) -> int:
        """Tokens to write."""
        return len(batch.targets)

    def sequences(self) -> Iterable[Sequence]:
        """All completions that may be asked for."""
        for head, relation, tail in self.source.triples[self.written].tolist():
            yield self.texts.completion(head, relation, tail)
