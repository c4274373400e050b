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
QueryForm = Literal["text", "product"]
"""Whether a query's embedding is read from its text or composed of two."""


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


@dataclass(frozen=True)
class LabelledSpan:
    """A mention whose place, type or entity is known."""

    start: int
    """Offset of its first character."""
    end: int
    """Offset behind its last character."""
    kind: str = ""
    """Type, such as PER; empty where it is not known."""
    entity: str | None = None
    """Id of the entity it stands for; "" where it is known to be none; None: not known."""


@dataclass(frozen=True)
class MentionExample:
    """A text and what is mentioned in it."""

    text: str
    spans: tuple[LabelledSpan, ...]
    """In any order; they may overlap."""
    split: str = ""
    """train, valid, test, or empty."""
    kinds: tuple[str, ...] = ()
    """Types of which every mention is marked; none where mentions may be unmarked."""


@dataclass(frozen=True)
class RelationExample:
    """A text, the things it speaks of, and the relations that it states between them."""

    mentions: MentionExample
    things: tuple[tuple[int, ...], ...]
    """For each thing the numbers of its spans."""
    facts: tuple[tuple[int, str, int], ...]
    """(head thing, relation, tail thing) of all that is stated."""
    asked: tuple[tuple[int, int], ...]
    """(head thing, tail thing) of the pairs that were judged; others may hold anything."""
    single: bool = False
    """At most one fact holds in the text."""

    @property
    def split(self) -> str:
        """train, valid, test, or empty."""
        return self.mentions.split
