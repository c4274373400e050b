"""Language modelling of texts with mentions: masked for encoders, causal for language models.

With fusion the texts are read with what the memory knows of the entities they mention, so a word is
told from its neighbours in the text and in the graph. A hidden mention is not looked up.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Seq
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from accord.errors import ConfigError
from accord.model.encoder import MaskedHead
from accord.objectives.base import Loss, Outputs, Points, Requests, Score, Stateless, States
from accord.objectives.triples import epoch_rows
from accord.text.examples import Segment, Sequence
from accord.text.span_tokens import SpanTokens

Int64 = npt.NDArray[np.int64]
MASKED, SWAPPED = 0.8, 0.1
WHOLE_POINTS = 8


@dataclass(frozen=True)
class ModellingConfig:
    """Settings of the modelling objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 8
    """Texts a step."""
    points: int = 128
    """Tokens a step that are asked for at most."""
    share: float = 0.15
    """Encoders: share of the tokens outside of mentions that are hidden."""
    mentions: float = 0.3
    """Encoders: share of the mentions that are hidden, each whole."""
    tokens: int = 128
    """Tokens of a text; longer ones are read in windows."""
    texts: int = 8000
    """Texts that are learnt from at most, drawn once, seeded."""

    def __post_init__(self) -> None:
        if min(self.rows, self.points, self.texts) < 1 or self.tokens < 2 or self.weight < 0:
            raise ConfigError(
                f"modelling: rows={self.rows}, points={self.points}, texts={self.texts}, "
                f"tokens={self.tokens}, weight={self.weight}",
                "use rows, points and texts of 1 or more, tokens of 2 or more, weight >= 0",
            )
        if not (0 <= self.share < 1 and 0 <= self.mentions <= 1 and self.share + self.mentions):
            raise ConfigError(
                f"modelling: share={self.share}, mentions={self.mentions}",
                "use 0 to 1, and not 0 for both",
            )


class MaskRules(NamedTuple):
    """What an encoder's tokenizer hides tokens with."""

    mask: int
    """Token id that stands for a hidden token."""
    vocabulary: int
    """V, how many token ids there are."""


@dataclass(frozen=True)
class ModellingBatch:
    """Texts as they are read, and what is asked of them."""

    sequences: list[Sequence]
    points: Points
    """For encoders the hidden tokens, else the tokens before those that are asked for."""
    targets: torch.Tensor
    """(M,) token ids."""


class Modelling(Stateless):
    """Mean cross-entropy of tokens, given what stands around or before them.

    Args:
        texts: Token sequences of one segment, and where their mentions lie.
        config: Settings.
        seed: Of the order and of what is asked for.
        head: An encoder's head, new and trained here; None for a causal model, which has its own.
        rules: An encoder's.

    Raises:
        ConfigError: No text of two tokens or more.
    """

    name = "modelling"

    def __init__(
        self,
        texts: Seq[SpanTokens],
        config: ModellingConfig,
        seed: int,
        head: MaskedHead | None = None,
        rules: MaskRules | None = None,
    ) -> None:
        super().__init__()
        self.texts = [text for text in texts if len(text.sequence[0]) > 1]
        if not self.texts:
            raise ConfigError(
                "the modelling objective has no text of two tokens or more",
                "give text with --text or --data, or a graph with descriptions",
            )
        self.config = config
        self.seed = seed
        self.rules = rules
        self.head = head
        own = {} if head is None else dict(head.named_parameters())
        self.parameters = nn.ParameterDict({k.replace(".", "_"): p for k, p in own.items()})

    def over(self, texts: Seq[SpanTokens]) -> Modelling:
        """The same head over other texts, all in each step; one has two tokens or more.

        At most `WHOLE_POINTS` times as many tokens are asked for as in a step of training.
        """
        found = copy(self)
        found.texts = [text for text in texts if len(text.sequence[0]) > 1]
        count, rows = len(found.texts), self.config.rows
        points = self.config.points * min(WHOLE_POINTS, -(-count // rows))
        found.config = replace(self.config, rows=count, points=points)
        return found

    def batch(self, step: int) -> ModellingBatch:
        """The step's texts with what is asked of them."""
        rows = epoch_rows(len(self.texts), self.config.rows, step, self.seed)
        rng = np.random.default_rng([self.seed, 8, step])
        texts = [self.texts[i] for i in dict.fromkeys(rows.tolist())]
        if self.rules is None:
            return self._batch([t.sequence[0] for t in texts], [_after_first(t) for t in texts],
                               rng, -1)  # fmt: skip
        hidden = [self._hidden(text, rng) for text in texts]
        return self._batch([t.sequence[0] for t in texts], hidden, rng, 0)

    def _hidden(self, text: SpanTokens, rng: np.random.Generator) -> Int64:
        """Tokens that are asked for: mentions as a whole, others one by one; at least one."""
        count = len(text.sequence[0])
        asked = rng.random(count) < self.config.share
        for first, last in text.places.tolist():
            asked[first : last + 1] = rng.random() < self.config.mentions
        if not asked.any():
            asked[rng.integers(count)] = True
        return np.flatnonzero(asked)

    def _batch(
        self, texts: list[Segment], asked: list[Int64], rng: np.random.Generator, shift: int
    ) -> ModellingBatch:
        """At most so many of the tokens asked for, read `shift` tokens from where they stand."""
        rows = np.repeat(np.arange(len(texts), dtype=np.int64), [len(a) for a in asked])
        places = np.concatenate(asked)
        count = min(self.config.points, len(rows))
        kept = np.sort(rng.choice(len(rows), size=count, replace=False))
        rows, places = rows[kept], places[kept]
        targets = [texts[r][p] for r, p in zip(rows.tolist(), places.tolist(), strict=True)]
        shown = [self._shown(t, places[rows == i], rng) for i, t in enumerate(texts)]
        points = Points(rows, places + shift)
        return ModellingBatch([(t,) for t in shown], points, torch.tensor(targets))

    def _shown(self, text: Segment, hidden: Int64, rng: np.random.Generator) -> Segment:
        """The text as it is read: most hidden tokens are masks, some others, some themselves."""
        if self.rules is None:
            return text
        ids = np.array(text, dtype=np.int64)
        kind = rng.random(len(hidden))
        ids[hidden[kind < MASKED]] = self.rules.mask
        swapped = hidden[kind >= 1 - SWAPPED]
        ids[swapped] = rng.integers(self.rules.vocabulary, size=len(swapped))
        return tuple(ids.tolist())

    def requests(self, batch: ModellingBatch) -> Requests:
        """States at hidden tokens, or log-probabilities of next tokens."""
        if self.head is not None:
            return {"hidden": States(batch.sequences, batch.points)}
        return {"next": Score(batch.sequences, batch.points, batch.targets[:, None])}

    def loss(self, outputs: Outputs, batch: ModellingBatch) -> Loss:
        """Mean cross-entropy a token, nats."""
        if self.head is None:
            return Loss(-outputs["next"].mean())
        logits = self.head(outputs["hidden"])
        targets = batch.targets.to(logits.device)
        right = (logits.argmax(-1) == targets).float().mean()
        return Loss(functional.cross_entropy(logits, targets), {"right": float(right)})

    def size(self, batch: ModellingBatch) -> int:
        """Tokens that are asked for."""
        return len(batch.targets)

    def sequences(self) -> Iterable[Sequence]:
        """All texts of a causal model; what an encoder reads has other hidden tokens each time."""
        return (text.sequence for text in self.texts) if self.rules is None else ()


def _after_first(text: SpanTokens) -> Int64:
    return np.arange(1, len(text.sequence[0]), dtype=np.int64)
