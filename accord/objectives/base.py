"""What objectives ask of a training step, and what they give back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.text.examples import Sequence, View, length

Int64 = npt.NDArray[np.int64]
Ends = Callable[[Int64], Int64]
"""(N,) lengths of texts -> (N, P) the places whose states stand for each text."""


@dataclass(frozen=True)
class Encode:
    """Asks for the embeddings of sequences, read at their last token: (N, P) unit vectors."""

    sequences: list[Sequence]
    view: View


@dataclass(frozen=True)
class Points:
    """Places in sequences whose hidden state predicts the next token."""

    rows: Int64
    """(M,) which sequence."""
    positions: Int64
    """(M,) which token of it."""


@dataclass(frozen=True)
class Teacher:
    """Asks for the most probable next tokens of a model that is not trained by them."""

    sequences: list[Sequence]
    points: Points
    top_k: int
    weights: Literal["start", "current"] = "start"
    """start: those at the beginning of the run; each text is read once in a run. current: those of
    this step; read with the step's texts, without gradient."""
    temperature: float = 1.0
    """Divides the logits."""
    given: tuple[int, ...] | None = None
    """(N,) tokens of each sequence; no step asks for a place that predicts one of them. None: any
    place may be asked for. Fewer places are kept in memory."""


@dataclass(frozen=True)
class Score:
    """Asks for log-probabilities of tokens: (M, k), nats."""

    sequences: list[Sequence]
    points: Points
    targets: torch.Tensor | str
    """(M, k) token ids, or the name of this objective's Teacher request that gives them."""
    temperature: float = 1.0
    """Divides the logits."""


@dataclass(frozen=True)
class States:
    """Asks for hidden states at places: (M, D), as the last layer gives them."""

    sequences: list[Sequence]
    points: Points


class TeacherOutput(NamedTuple):
    """The teacher's distribution at some points, cut to its most probable tokens."""

    tokens: torch.Tensor
    """(M, k) int64, the most probable first."""
    logprobs: torch.Tensor
    """(M, k) float32."""


Request = Encode | Score | Teacher | States
Requests = Mapping[str, Request]
Outputs = Mapping[str, Any]
"""Per request name: (N, P) for Encode, (M, k) for Score, (M, D) for States, TeacherOutput for
Teacher."""


@dataclass(frozen=True)
class Loss:
    """A loss and what it is made of."""

    value: torch.Tensor
    """Scalar with gradient."""
    parts: dict[str, float] = field(default_factory=dict)
    """Figures for the log."""


class Objective(Protocol):
    """One thing to train for. `batch` is a pure function of the step; `loss` of its arguments."""

    name: str
    parameters: nn.ParameterDict
    """Trained parameters of the objective itself, such as a temperature."""
    learning_rate: float | None
    """Highest learning rate of these, which are then not decayed; None: the loop's own."""

    def batch(self, step: int) -> Any:
        """The examples of a step."""
        ...

    def requests(self, batch: Any) -> Requests:
        """What must be read for a batch."""
        ...

    def loss(self, outputs: Outputs, batch: Any) -> Loss:
        """The loss from what was read."""
        ...

    def size(self, batch: Any) -> int:
        """How many items the loss is a mean over; batches that are accumulated count by it."""
        ...

    def observe(self, outputs: Outputs, batch: Any) -> None:
        """Told what was read once the step is done; for memories such as a queue."""
        ...

    def sequences(self) -> Iterable[Sequence]:
        """Every sequence that steps may ask for, for the cache of frozen layers."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Memory that a checkpoint must hold."""
        ...

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes memory back from a checkpoint."""
        ...


class Stateless:
    """The parts of an objective that has no memory and no parameters."""

    learning_rate: float | None = None

    def __init__(self) -> None:
        self.parameters = nn.ParameterDict()

    def observe(self, outputs: Outputs, batch: Any) -> None:
        """Nothing to remember."""

    def state(self) -> dict[str, torch.Tensor]:
        """Nothing to keep."""
        return {}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Nothing to take back."""


def points_after(sequences: list[Sequence], prefix_lengths: list[int]) -> tuple[Points, Int64]:
    """Points that predict every token after a prefix.

    Args:
        sequences: N sequences.
        prefix_lengths: Tokens of each that are given, at least 1.

    Returns:
        The points, and (M,) the token ids to predict there.
    """
    rows: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    for i, (sequence, start) in enumerate(zip(sequences, prefix_lengths, strict=True)):
        flat = [token for segment in sequence for token in segment]
        rows += [i] * (len(flat) - start)
        positions += range(start - 1, len(flat) - 1)
        targets += flat[start:]
    points = Points(np.array(rows, dtype=np.int64), np.array(positions, dtype=np.int64))
    return points, np.array(targets, dtype=np.int64)


def places_of(request: Request, ends: Ends) -> Points:
    """The places whose states a request needs.

    Args:
        request: What is asked.
        ends: Which places stand for a whole text; those of one text come one after the other.
    """
    if not isinstance(request, Encode):
        return request.points
    lengths = np.array([length(sequence) for sequence in request.sequences], dtype=np.int64)
    places = ends(lengths)
    return Points(np.repeat(np.arange(len(lengths)), places.shape[1]), places.reshape(-1))


def last_token(lengths: Int64) -> Int64:
    """(N, 1) the place that stands for a text where nothing else is said."""
    return lengths[:, None] - 1


def last_points(sequences: list[Sequence]) -> Points:
    """The last token of every sequence."""
    ends = np.array([length(sequence) - 1 for sequence in sequences], dtype=np.int64)
    return Points(np.arange(len(sequences), dtype=np.int64), ends)
