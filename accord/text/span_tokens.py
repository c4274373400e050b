"""Where the mentions of a text lie in its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.text.collate import tokens
from accord.text.examples import LabelledSpan, Sequence

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
