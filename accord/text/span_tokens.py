"""Where the mentions of a text lie in its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.text.collate import tokens
from accord.text.examples import LabelledSpan, Segment, Sequence, length

BETWEEN = "\n"


class SpanTokens(NamedTuple):
    """A text as it is read, and the tokens of its spans."""

    sequence: Sequence
    places: npt.NDArray[np.int64]
    """(S, 2) the first and the last token of each span."""


def span_tokens(
    tokenizer: Any, text: str, spans: Iterable[LabelledSpan], twice: bool
) -> SpanTokens:
    """Tokens of a text and of its spans.

    Args:
        tokenizer: A fast tokenizer of transformers.
        text: The text; it is not cut.
        spans: Where the mentions are, in characters.
        twice: The text is read twice and its spans in the second reading, so that a causal
            model's states there know what follows them.

    Returns:
        The sequence and where the spans' tokens are in it.

    Source: Springer et al. 2024 (arXiv 2402.15449), echo embeddings. Differs from it: no
    instruction stands around the two readings.
    """
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = tuple(read["input_ids"])
    offsets = np.array(read["offset_mapping"], dtype=np.int64).reshape(-1, 2)
    between = tokens(tokenizer, BETWEEN) if twice else ()
    shift = len(ids) + len(between) if twice else 0
    places = [_place(offsets, span) for span in spans]
    sequence: Sequence = (ids, between + ids) if twice else (ids,)
    return SpanTokens(sequence, np.array(places, dtype=np.int64).reshape(-1, 2) + shift)


def _place(offsets: npt.NDArray[np.int64], span: LabelledSpan) -> tuple[int, int]:
    """First and last token that share a character with a span.

    Tokens of one character, and a token of space before a word, overlap or touch their
    neighbours; so the first is sought by ends and the last by starts.
    """
    last = int(np.searchsorted(offsets[:, 0], span.end, side="left")) - 1
    first = int(np.searchsorted(offsets[:, 1], span.start, side="right"))
    first = min(first, len(offsets) - 1)
    return first, max(first, last)


def windows(read: SpanTokens, limit: int) -> list[tuple[slice, SpanTokens]]:
    """A text in windows, where a model reads fewer tokens than it has.

    Args:
        read: The text; its spans stand in order and do not overlap.
        limit: Tokens of a window at most, both readings counted; 0 is no limit.

    Returns:
        The spans of each window and the window; every span is in one of them, whole where it is
        not longer than a window.
    """
    if not limit or length(read.sequence) <= limit:
        return [(slice(0, len(read.places)), read)] if len(read.places) else []
    places, size = _once(read), _room(read, limit)
    found, start = [], 0
    while start < len(places):
        low = int(places[start, 0])
        stop = max(start + 1, int(np.searchsorted(places[:, 1], low + size, side="left")))
        found.append((slice(start, stop), _window(read, places[start:stop], low, size)))
        start = stop
    return found


def windows_of_text(read: SpanTokens, size: int) -> list[SpanTokens]:
    """A text in windows that hold all its tokens once.

    Args:
        read: The text, read once.
        size: Tokens of a window at most.

    Returns:
        The windows, each with the spans that lie in it; a span that crosses a cut is in none.
    """
    ids, places = read.sequence[0], read.places
    found = []
    for low in range(0, len(ids), size):
        inside = (places[:, 0] >= low) & (places[:, 1] < low + size)
        found.append(SpanTokens((ids[low : low + size],), places[inside] - low))
    return found


def around(read: SpanTokens, number: int, limit: int) -> SpanTokens:
    """One span with as much of the text around it as a model reads.

    Args:
        read: The text.
        number: Which of its spans.
        limit: Tokens at most, both readings counted; 0 is no limit.
    """
    if not limit or length(read.sequence) <= limit:
        return SpanTokens(read.sequence, read.places[number : number + 1])
    place, size = _once(read)[number : number + 1], _room(read, limit)
    middle = int(place[0].sum()) // 2
    low = max(0, min(middle - size // 2, len(read.sequence[0]) - size))
    return _window(read, place, low, size)


def _between(read: SpanTokens) -> Segment:
    """What stands between the two readings."""
    return read.sequence[1][: len(read.sequence[1]) - len(read.sequence[0])]


def _once(read: SpanTokens) -> npt.NDArray[np.int64]:
    """(S, 2) places in the first reading."""
    return read.places - (length(read.sequence) - len(read.sequence[0]))


def _room(read: SpanTokens, limit: int) -> int:
    return limit if len(read.sequence) == 1 else (limit - len(_between(read))) // 2


def _window(read: SpanTokens, places: npt.NDArray[np.int64], low: int, size: int) -> SpanTokens:
    part = read.sequence[0][low : low + size]
    own = np.clip(places - low, 0, len(part) - 1)
    if len(read.sequence) == 1:
        return SpanTokens((part,), own)
    between = _between(read)
    return SpanTokens((part, between + part), own + len(part) + len(between))
