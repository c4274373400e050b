"""Texts cut into sentences, with their offsets; nothing is left out and nothing is read twice."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from accord.text.mentions import MentionIndex

LONGEST = 600
AHEAD = 2
"""So many of the longest sentences must follow before a cut is sure."""
# A full stop ends a sentence before a space and a letter that is not small; it does not after one
# capital alone (J. Smith) or within a word of stops (U.S.). Wide stops need no space. A line that
# goes on with a small letter is a line of a paragraph.
END = re.compile(
    r"\n[^\S\n]*(?=\n)\s*|\n\s*+(?![a-zß-ÿ])|(?<=[。！？])"
    r"|(?<![\s.]\S)(?<!\b[A-ZÀ-Þ])[.!?…؟۔।]+[\"'”»)\]]*\s+(?=[^\sa-zß-ÿ])"
)
TITLE = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Mme|Prof|St|Ste|Mt|Ft|Gen|Col|Maj|Capt|Lt|Sgt|Rev|Gov|Sen|Rep|Pres)$"
)
"""Short forms that a name follows: their full stop ends no sentence."""
NUMBERED = re.compile(
    r"\b(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[Nn]os?|[Vv]ols?|pp?|[Ff]igs?|approx|ca)$"
)
"""Short forms whose full stop ends no sentence where a number follows, as in "Nov. 7"."""
SHORT = 8
"""Characters of a short form at most, and the one before it."""
Names = Callable[[str], Iterable[tuple[int, int]]]
"""Where names stand in a text, from left to right; they do not overlap."""


class Sentence(NamedTuple):
    """A piece of a text."""

    start: int
    """Offset of its first character."""
    text: str


def sentences(
    pieces: Iterable[str], longest: int = LONGEST, names: Names | None = None
) -> Iterator[Sentence]:
    """The sentences of a text that comes in pieces, cut anywhere.

    Args:
        pieces: The text's pieces in order; where they are cut makes no difference.
        longest: Characters of a sentence at most; a longer one is cut, at a space where it has one.
        names: Finds names that no cut may divide, such as "St. Louis" or one that goes on in the
            next line; one that is longer than `longest` is divided all the same.

    Yields:
        Sentences in order without the white space around them; empty ones are left out.

    Example:
        >>> [tuple(s) for s in sentences(["Osaka is big. It lies ", "in Japan."])]
        [(0, 'Osaka is big.'), (14, 'It lies in Japan.')]
    """
    rest, base, first = "", 0, 0
    for piece in pieces:
        rest += piece
        if len(rest) < 4 * AHEAD * longest:
            continue  # looked at in larger parts, so that tiny pieces cost no more
        sure, done = len(rest) - AHEAD * longest, first
        for start, end in _places(rest, first, longest, names):
            if end > sure:
                break
            yield from _trimmed(rest, start, end, base)
            done = end
        if done:  # the character before a sentence tells how it begins
            rest, base, first = rest[done - 1 :], base + done - 1, 1
    for start, end in _places(rest, first, longest, names):
        yield from _trimmed(rest, start, end, base)


def names_of(index: MentionIndex | None) -> Names | None:
    """What finds the names of a graph for `sentences`; None without a graph."""
    if index is None:
        return None
    return lambda text: ((mention.start, mention.end) for mention in index.find(text))


def _places(text: str, start: int, longest: int, names: Names | None) -> Iterator[tuple[int, int]]:
    """Where sentences begin and end from a place on, the white space behind them included."""
    whole = [] if names is None else list(names(text))
    for end in [*(end for end in _ends(text, whole) if end > start), len(text)]:
        while end - start > longest:
            middle = start + _space(text[start : start + longest], longest)
            name = _around(middle, whole)
            middle = name[0] if name is not None and name[0] > start else middle
            yield start, middle
            start = middle
        if end > start:
            yield start, end
            start = end


def _ends(text: str, whole: list[tuple[int, int]]) -> Iterator[int]:
    """Ends of sentences; none behind a short form or within a name."""
    for match in END.finditer(text):
        is_short = match[0][:1] == "." and _is_short(text, match.start(), match.end())
        if not is_short and _around(match.end(), whole) is None:
            yield match.end()


def _is_short(text: str, stop: int, follows: int) -> bool:
    """Whether a full stop is that of a short form, by what follows it."""
    forms = (TITLE, NUMBERED) if text[follows].isdigit() else (TITLE,)
    return any(form.search(text, max(0, stop - SHORT), stop) for form in forms)


def _around(cut: int, whole: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The name that a cut would divide."""
    at = bisect_left(whole, (cut, 0)) - 1
    return whole[at] if at >= 0 and whole[at][1] > cut else None


def _space(text: str, limit: int) -> int:
    """Where to cut at or before a limit: behind the last space, else at the limit."""
    at = max(text.rfind(" ", limit // 2, limit), text.rfind("\t", limit // 2, limit))
    return at + 1 if at >= 0 else limit


def _trimmed(text: str, start: int, end: int, base: int) -> Iterator[Sentence]:
    piece = text[start:end]
    found = piece.strip()
    if found:
        yield Sentence(base + start + len(piece) - len(piece.lstrip()), found)
