"""Words of a text, and mentions as tags of words: O, then begin and inside of each type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accord.text.examples import LabelledSpan, MentionExample
from accord.text.folding import fold, token_spans
from accord.text.sentences import LONGEST, Sentence, sentences

OUTSIDE = 0
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


class FoundSpan(NamedTuple):
    """A mention that was recognised."""

    start: int
    """Offset of its first character."""
    end: int
    """Offset behind its last character."""
    kind: str
    probability: float
    """That of its least sure word."""


def words_of(text: str) -> list[LabelledSpan]:
    """The words of a text, as names are compared (`text.folding`), where they stand in it.

    Example:
        >>> text = "Ōsaka (大阪)!"
        >>> [text[w.start : w.end] for w in words_of(text)]
        ['Ōsaka', '(', '大', '阪', ')', '!']
    """
    folded = fold(text)
    found: list[LabelledSpan] = []
    for start, end in token_spans(folded.text):
        word = LabelledSpan(int(folded.starts[start]), int(folded.ends[end - 1]))
        # One character, such as a circled number, may fold to several words.
        if not found or word.start >= found[-1].end:
            found.append(word)
    return found


def span_tags(
    words: Sequence[LabelledSpan], spans: Iterable[LabelledSpan], kinds: Sequence[str]
) -> Int64:
    """Tags of words from mentions.

    Args:
        words: In their order.
        spans: Mentions; of overlapping ones the longest counts. Those of other types are left out.
        kinds: K types.

    Returns:
        (W,) 0 outside, 1 + 2 k where a mention of type k begins, 2 + 2 k inside of one. A word
        that a mention covers in part counts as covered.
    """
    tags = np.zeros(len(words), dtype=np.int64)
    number = {kind: i for i, kind in enumerate(kinds)}
    starts = np.array([word.start for word in words], dtype=np.int64)
    ends = np.array([word.end for word in words], dtype=np.int64)
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start)):
        if span.kind not in number:
            continue
        first = int(np.searchsorted(ends, span.start, side="right"))
        last = int(np.searchsorted(starts, span.end, side="left"))
        if first < last and not tags[first:last].any():
            tags[first:last] = 2 + 2 * number[span.kind]
            tags[first] -= 1
    return tags


def best_tags(scores: Float32) -> Int64:
    """The most probable tags of a text of which none is inside without a beginning (Viterbi).

    Args:
        scores: (W, 1 + 2 K) log-probabilities.

    Returns:
        (W,) tags.
    """
    count, width = scores.shape
    if not count:
        return np.zeros(0, dtype=np.int64)
    may_follow = np.ones((width, width), dtype=np.bool_)  # (before, after)
    for inside in range(2, width, 2):
        may_follow[:, inside] = False
        may_follow[[inside - 1, inside], inside] = True
    total = np.where(may_follow[OUTSIDE], scores[0], -np.inf)
    before = np.zeros((count, width), dtype=np.int64)
    for word in range(1, count):
        ways = np.where(may_follow, total[:, None], -np.inf)
        before[word] = ways.argmax(0)
        total = ways.max(0) + scores[word]
    tags = np.zeros(count, dtype=np.int64)
    tags[-1] = int(total.argmax())
    for word in range(count - 1, 0, -1):
        tags[word - 1] = before[word, tags[word]]
    return tags


def found_spans(
    words: Sequence[LabelledSpan], scores: Float32, kinds: Sequence[str]
) -> list[FoundSpan]:
    """The mentions of a text from the log-probabilities of its words' tags.

    Args:
        words: W words.
        scores: (W, 1 + 2 K).
        kinds: K types.
    """
    tags = best_tags(scores)
    found: list[FoundSpan] = []
    for i, tag in enumerate(tags.tolist()):
        if tag == OUTSIDE:
            continue
        sure = float(np.exp(scores[i, tag]))
        if tag % 2 == 0:
            whole = found[-1]
            sure = min(sure, whole.probability)
            found[-1] = whole._replace(end=words[i].end, probability=sure)
        else:
            kind = kinds[(tag - 1) // 2]
            found.append(FoundSpan(words[i].start, words[i].end, kind, sure))
    return found


def readable(example: MentionExample) -> list[tuple[int, MentionExample]]:
    """A text as it is read for its mentions: whole, or sentence by sentence where it is long.

    Args:
        example: A text with its mentions.

    Returns:
        (offset, piece) in order; a mention that crosses a cut is in no piece.
    """
    text = example.text
    pieces = [Sentence(0, text)] if len(text) <= LONGEST else list(sentences([text]))
    found = []
    for start, part in pieces:
        end = start + len(part)
        spans = tuple(
            LabelledSpan(s.start - start, s.end - start, s.kind, s.entity)
            for s in example.spans
            if start <= s.start and s.end <= end
        )
        found.append((start, MentionExample(part, spans, example.split, example.kinds)))
    return found
