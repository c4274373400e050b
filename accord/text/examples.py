"""What objectives learn from, as frozen dataclasses; token sequences are tuples of segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Segment = tuple[int, ...]
"""Token ids of a piece of text that frozen layers may read alone."""
Sequence = tuple[Segment, ...]
"""A text as segments; the first one holds the opening token."""


View = Literal["query", "head", "relation", "tail"]
"""What an embedding stands for: a whole query, its head or relation alone, or an answer."""
QueryForm = Literal["text", "product", "both"]
"""Whether a query's embedding is read from its text, composed of two, or their sum."""


def length(sequence: Sequence) -> int:
    """Tokens of a sequence."""
    return sum(len(segment) for segment in sequence)


@dataclass(frozen=True)
class TripleExample:
    """Triples to learn from, both directions told apart by the relation number."""

    heads: npt.NDArray[np.int64]
    """(B,) entity idx that the query starts from."""
    relations: npt.NDArray[np.int64]
    """(B,) relation number: r, or r + R for the inverse."""
    tails: npt.NDArray[np.int64]
    """(B,) entity idx that answers the query."""
    rows: npt.NDArray[np.int64]
    """(B,) which train triple each one is, both directions counted."""

    def __len__(self) -> int:
        return len(self.heads)


@dataclass(frozen=True)
class TextExample:
    """A text to stay fluent in."""

    text: str
