"""Texts cut into sentences, with their offsets; nothing is left out and nothing is read twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 600
# A full stop ends a sentence before a space and a letter that is not small; it does not after one
# capital (J. Smith) or within a word of stops (U.S.). Wide stops need no space.
END = re.compile(
    r"\n\s*|(?<=[。！？])|(?<![\s.]\S)(?<![A-ZÀ-Þ])[.!?…]+[\"'”»)\]]*\s+(?=[^\sa-zß-ÿ])"
)


class Sentence(NamedTuple):
    """A piece of a text."""

    start: int
    """Offset of its first character."""
    text: str


def sentences(pieces: Iterable[str], longest: int = LONGEST) -> Iterator[Sentence]:
    """The sentences of a text that comes in pieces, cut anywhere.

    Args:
        pieces: The text's pieces in order.
        longest: Characters of a sentence at most; a longer one is cut, at a space where it has one.

    Yields:
        Sentences in order without the white space around them; empty ones are left out.

    Example:
        >>> [tuple(s) for s in sentences(["Osaka is big. It lies ", "in Japan."])]
        [(0, 'Osaka is big.'), (14, 'It lies in Japan.')]
    """
    rest, base = "", 0
    for piece in pieces:
        rest += piece
        # The last two sentences may still change: what follows tells whether a stop ends one.
        ends = [match.end() for match in END.finditer(rest)][:-1]
        settled = ends[-1] if ends else 0
        while len(rest) - settled > 2 * longest:
            settled += _space(rest[settled : settled + longest], longest)
        yield from _cut(rest[:settled], base, longest)
        rest, base = rest[settled:], base + settled
    yield from _cut(rest, base, longest)


def _cut(text: str, base: int, longest: int) -> Iterator[Sentence]:
    start = 0
    for end in [*(m.end() for m in END.finditer(text)), len(text)]:
        while end - start > longest:
            middle = start + _space(text[start : start + longest], longest)
            yield from _trimmed(text, start, middle, base)
            start = middle
        yield from _trimmed(text, start, end, base)
        start = end


def _space(text: str, limit: int) -> int:
    """Where to cut at or before a limit: behind the last space, else at the limit."""
    at = max(text.rfind(" ", limit // 2, limit), text.rfind("\t", limit // 2, limit))
    return at + 1 if at >= 0 else limit


def _trimmed(text: str, start: int, end: int, base: int) -> Iterator[Sentence]:
    piece = text[start:end]
    found = piece.strip()
    if found:
        yield Sentence(base + start + len(piece) - len(piece.lstrip()), found)
