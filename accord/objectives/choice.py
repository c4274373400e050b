"""Multiple choice: the right answer among an item's choices, as `accord eval choice` asks it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Seq
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from accord.errors import ConfigError
from accord.model.span_heads import label_logits, label_parameters, text_features
from accord.objectives.base import (
    Ends,
    Loss,
    Outputs,
    Points,
    Requests,
    Score,
    Stateless,
    States,
    points_after,
)
from accord.objectives.triples import epoch_rows
from accord.text.examples import Sequence, length


@dataclass(frozen=True)
class ChoosingConfig:
    """Settings of the choice objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 8
    """Items a step, each with all its choices."""
    width: int = 256
    """Encoders: width of the layer between a choice's state and its score."""
    texts: int = 8000
    """Items that are learnt from at most, drawn once, seeded."""

    def __post_init__(self) -> None:
        if min(self.rows, self.width, self.texts) < 1 or self.weight < 0:
            raise ConfigError(
                f"choice: rows={self.rows}, width={self.width}, texts={self.texts}, "
                f"weight={self.weight}",
                "use rows, width and texts of 1 or more, and a weight of 0 or more",
            )


@dataclass(frozen=True)
class ReadChoice:
    """An item as it is read."""

    sequences: tuple[Sequence, ...]
    """One for each choice: the prompt, then the choice."""
    given: int
    """Tokens of the prompt."""
    answer: int


@dataclass(frozen=True)
class ChoiceBatch:
    """All choices of a step's items, item by item."""

    sequences: list[Sequence]
    points: Points
    """A causal model's: before every token of a choice; an encoder's: the whole text."""
    targets: torch.Tensor
    """(M,) token ids of the choices; empty for an encoder."""
    counts: tuple[int, ...]
    """Choices of each item."""
    answers: torch.Tensor
    """(N,) int64."""


class Choice(Stateless):
    """Cross-entropy of the right choice among those of its item.

    A causal model's score of a choice is its log-likelihood after the prompt, so that what is
    trained is what `accord eval choice` compares; an encoder's comes from a head over the mean
    state of prompt and choice.

    Args:
        items: Train items.
        hidden: Width of the model's states.
        config: Settings.
        seed: Of weights and order.
        ends: For an encoder: the places that stand for a whole text; None for a causal model.

    Raises:
        ConfigError: No item.
    """

    name = "choice"

    def __init__(
        self,
        items: Seq[ReadChoice],
        hidden: int,
        config: ChoosingConfig,
        seed: int,
        ends: Ends | None = None,
    ) -> None:
        super().__init__()
        if not items:
            raise ConfigError(
                "the choice objective has no item", "give one with --data, such as commonsenseqa"
            )
        self.items = list(items)
        self.config = config
        self.seed = seed
        self.ends = ends
        if ends is not None:
            places = ends(np.ones(1, dtype=np.int64)).shape[1]
            self.parameters = label_parameters(hidden * places, config.width, 1, seed)

    def over(self, items: Seq[ReadChoice]) -> Choice:
        """The same head over other items, all in each step; at least one."""
        found = copy(self)
        found.items = list(items)
        found.config = replace(self.config, rows=len(found.items))
        return found

    def batch(self, step: int) -> ChoiceBatch:
        """The step's items."""
        rows = epoch_rows(len(self.items), self.config.rows, step, self.seed)
        return join_choices([self.items[i] for i in dict.fromkeys(rows.tolist())], self.ends)

    def requests(self, batch: ChoiceBatch) -> Requests:
        """States of whole texts, or log-probabilities of the choices' tokens."""
        if self.ends is not None:
            return {"texts": States(batch.sequences, batch.points)}
        return {"tokens": Score(batch.sequences, batch.points, batch.targets[:, None])}

    def loss(self, outputs: Outputs, batch: ChoiceBatch) -> Loss:
        """Mean cross-entropy an item, nats."""
        scores = score_choices(self.parameters, outputs, batch)
        answers = batch.answers.to(scores.device)
        right = (scores.argmax(-1) == answers).float().mean()
        return Loss(functional.cross_entropy(scores, answers), {"right": float(right)})

    def size(self, batch: ChoiceBatch) -> int:
        """Items."""
        return len(batch.counts)

    def sequences(self) -> Iterable[Sequence]:
        """All prompts with all choices."""
        return (sequence for item in self.items for sequence in item.sequences)


def join_choices(items: Seq[ReadChoice], ends: Ends | None) -> ChoiceBatch:
    """One batch of several items.

    Args:
        items: The items.
        ends: As for `Choice`.
    """
    sequences = [sequence for item in items for sequence in item.sequences]
    counts = tuple(len(item.sequences) for item in items)
    answers = torch.tensor([item.answer for item in items])
    if ends is None:
        given = [item.given for item in items for _ in item.sequences]
        points, targets = points_after(sequences, given)
        return ChoiceBatch(sequences, points, torch.from_numpy(targets), counts, answers)
    places = ends(np.array([length(s) for s in sequences], dtype=np.int64))  # (N, P)
    rows = np.repeat(np.arange(len(sequences), dtype=np.int64), places.shape[1])
    none = torch.zeros(0, dtype=torch.int64)
    return ChoiceBatch(sequences, Points(rows, places.reshape(-1)), none, counts, answers)


def score_choices(
    parameters: nn.ParameterDict, outputs: Outputs, batch: ChoiceBatch
) -> torch.Tensor:
    """(N, C) scores of the choices of each item; -inf where it has fewer.

    Args:
        parameters: An encoder's head; empty for a causal model.
        outputs: "texts" (S P, D) states, or "tokens" (M, 1) log-probabilities.
        batch: What was read.
    """
    if "texts" in outputs:
        features = text_features(outputs["texts"], len(batch.sequences))
        flat = label_logits(parameters, features)[:, 0]
    else:
        said = outputs["tokens"][:, 0]
        rows = torch.from_numpy(batch.points.rows).to(said.device)
        flat = said.new_zeros(len(batch.sequences)).index_add(0, rows, said)
    scores = flat.new_full((len(batch.counts), max(batch.counts)), -torch.inf)
    real = torch.arange(max(batch.counts))[None] < torch.tensor(batch.counts)[:, None]
    return scores.masked_scatter(real.to(flat.device), flat)
