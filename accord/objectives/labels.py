"""One label for a place in a text or for a whole text: types of mentions, labels of pairs."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Seq
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from accord.errors import ConfigError
from accord.model.span_heads import label_logits, label_parameters, text_features
from accord.objectives.base import Loss, Outputs, Points, Requests, Stateless, States
from accord.objectives.triples import epoch_rows
from accord.text.examples import Sequence

Int64 = npt.NDArray[np.int64]
UNKNOWN = -1
"""Label of an item whose own is none of those that are told apart."""


@dataclass(frozen=True)
class PairsConfig:
    """Settings of the pairs objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 16
    """Items a step."""
    width: int = 256
    """Width of the layer between states and labels."""
    texts: int = 8000
    """Texts that are learnt from at most, drawn once, seeded."""

    def __post_init__(self) -> None:
        if min(self.rows, self.width, self.texts) < 1 or self.weight < 0:
            raise ConfigError(
                f"rows={self.rows}, width={self.width}, texts={self.texts}, weight={self.weight}",
                "use rows, width and texts of 1 or more, and a weight of 0 or more",
            )


@dataclass(frozen=True)
class TypingConfig(PairsConfig):
    """Settings of the typing objective."""

    twice: bool = True
    """Read each text twice, so that a causal model knows what follows a mention."""


@dataclass(frozen=True)
class LabelledItem:
    """A text with the places that its label is told from."""

    sequence: Sequence
    places: tuple[int, ...]
    """As many for every item: tokens, or what stands for the whole text."""
    label: int
    """Its number, or UNKNOWN."""
    allowed: tuple[bool, ...]
    """(K,) labels that it may have; a corpus knows its own only."""


@dataclass(frozen=True)
class LabelsBatch:
    """Items that are read together."""

    sequences: list[Sequence]
    points: Points
    labels: torch.Tensor
    """(N,) int64."""
    allowed: torch.Tensor
    """(N, K) bool."""


class Labels(Stateless):
    """Cross-entropy of the label of each item among those that it may have.

    Args:
        name: typing or pairs.
        items: Train items with a label.
        labels: K names, numbered.
        hidden: Width of the model's states.
        config: Settings.
        seed: Of weights and order.

    Raises:
        ConfigError: No item, or fewer than two labels.
    """

    def __init__(
        self,
        name: str,
        items: Seq[LabelledItem],
        labels: Seq[str],
        hidden: int,
        config: PairsConfig,
        seed: int,
    ) -> None:
        super().__init__()
        if not items or len(labels) < 2:
            raise ConfigError(
                f"the {name} objective has {len(items)} items with {len(labels)} labels",
                "give labelled data with --data, of two labels or more",
            )
        self.name = name
        self.items = list(items)
        self.labels = tuple(labels)
        self.config = config
        self.seed = seed
        wide = hidden * len(self.items[0].places)
        self.parameters: nn.ParameterDict = label_parameters(wide, config.width, len(labels), seed)

    def over(self, items: Seq[LabelledItem]) -> Labels:
        """The same head over other items, all in each step; at least one."""
        found = copy(self)
        found.items = list(items)
        found.config = replace(self.config, rows=len(found.items))
        return found

    def batch(self, step: int) -> LabelsBatch:
        """The step's items."""
        rows = epoch_rows(len(self.items), self.config.rows, step, self.seed)
        return join_labelled([self.items[i] for i in dict.fromkeys(rows.tolist())])

    def requests(self, batch: LabelsBatch) -> Requests:
        """States at the places."""
        return {"states": States(batch.sequences, batch.points)}

    def loss(self, outputs: Outputs, batch: LabelsBatch) -> Loss:
        """Mean cross-entropy an item, nats."""
        logits = score_labels(self.parameters, outputs["states"], batch)
        labels = batch.labels.to(logits.device)
        right = (logits.argmax(-1) == labels).float().mean()
        return Loss(functional.cross_entropy(logits, labels), {"right": float(right)})

    def size(self, batch: LabelsBatch) -> int:
        """Items."""
        return len(batch.labels)

    def sequences(self) -> Iterable[Sequence]:
        """All texts."""
        return (item.sequence for item in self.items)


def join_labelled(items: Seq[LabelledItem]) -> LabelsBatch:
    """One batch of several items."""
    places = np.array([item.places for item in items], dtype=np.int64)  # (N, P)
    rows = np.repeat(np.arange(len(items), dtype=np.int64), places.shape[1])
    return LabelsBatch(
        [item.sequence for item in items],
        Points(rows, places.reshape(-1)),
        torch.tensor([item.label for item in items]),
        torch.tensor([item.allowed for item in items]),
    )


def score_labels(
    parameters: nn.ParameterDict, states: torch.Tensor, batch: LabelsBatch
) -> torch.Tensor:
    """(N, K) logits of the labels; -inf for those that an item cannot have.

    Args:
        parameters: Of `label_parameters`.
        states: (N P, D) states at the items' places, item by item.
        batch: What was read.
    """
    logits = label_logits(parameters, text_features(states, len(batch.sequences)))
    return logits.masked_fill(~batch.allowed.to(logits.device), -torch.inf)
