"""Text folded for comparison (Unicode form, case, marks of punctuation), with its way back.

Folding changes lengths: ``ﬁ`` becomes two letters, ``e`` with a combining accent becomes one. So
text is folded in units that Unicode's composition cannot join across, and each folded character
knows the unit that it came from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

# Apostrophes, hyphens and quotation marks that keyboards and typesetters interchange.
_ALIKE = {
    **dict.fromkeys("‘’‚‛ʼ`´′＇", "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("_\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029", " "),
}
_ALIKE_TABLE = str.maketrans(_ALIKE)
_ASCII_TABLE = str.maketrans(
    {chr(code): _ALIKE.get(chr(code), chr(code).lower()) for code in range(128)}
)
_VARIATION = range(0xFE00, 0xFE10)
_JAMO = range(0x1160, 0x1200)
# Scripts written without spaces: each character is a token of its own, and so is each syllable of
# Korean, whose particles follow a noun without a space.
HANGUL = "\uac00-\ud7a3\u1100-\u11ff"
_SINGLE = (
    "\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e01-\u0edf\u1000-\u109f\u1780-\u17ff" + HANGUL
)
_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_SPACELESS = re.compile(f"[{_SINGLE}{_KATAKANA}]")
_ASCII_WORDS = re.compile("[a-z0-9]+|[^ ]")


@dataclass(frozen=True)
class Folded:
    """A folded text and where each of its characters came from."""

    text: str
    starts: Int64
    """(n,) where in the original the unit of each folded character begins."""
    ends: Int64
    """(n,) where it ends."""


def fold(text: str) -> Folded:
    """Folds a text: NFKC, case folded, NFKC again; underscores and line ends become spaces.

    Characters that show nothing (soft hyphen, zero-width joiner, variation selectors) are left
    out, and apostrophes, hyphens and quotation marks lose their typesetting.

    Args:
        text: Any text.

    Returns:
        The folded text with offsets into `text`.

    Example:
        >>> folded = fold("Straße")
        >>> folded.text, folded.starts.tolist()
        ('strasse', [0, 1, 2, 3, 4, 4, 5])
    """
    if text.isascii():
        starts = np.arange(len(text), dtype=np.int64)
        return Folded(text.translate(_ASCII_TABLE), starts, starts + 1)
    units = _units(text)
    table = {unit: _fold_unit(unit) for unit in set(units)}
    folded = [table[unit] for unit in units]
    before = np.fromiter(map(len, units), dtype=np.int64, count=len(units))
    after = np.fromiter(map(len, folded), dtype=np.int64, count=len(units))
    ends = np.cumsum(before)
    return Folded("".join(folded), np.repeat(ends - before, after), np.repeat(ends, after))


def token_spans(folded: str) -> list[tuple[int, int]]:
    """Where the words of a folded text begin and end; spaces are left out.

    Han, Hiragana, Thai, Lao, Khmer, Burmese and Hangul characters are words of their own with
    the marks that follow them; a run of Katakana is one word, and so is any other single
    character that is neither letter nor digit.

    Args:
        folded: The text of what `fold` gave.
    """
    return [match.span() for match in _token_pattern(folded).finditer(folded)]


def name_key(text: str) -> str:
    """The form under which names are compared: folded tokens with one space between.

    Example:
        >>> name_key("Frederica_of_Mecklenburg-Strelitz")
        'frederica of mecklenburg - strelitz'
    """
    folded = fold(text).text
    return " ".join(folded[start:end] for start, end in token_spans(folded))


def spaced(text: str) -> str:
    """A text with one space for each run of spaces and underscores, else as it is spelt."""
    return " ".join(text.replace("_", " ").split())


def _units(text: str) -> Sequence[str]:
    """The text cut where no character can compose with the one before."""
    joining = "".join(sorted(c for c in set(text) if c > "\x7f" and _joins(c)))
    return _unit_pattern(joining).findall(text) if joining else text


def _joins(character: str) -> bool:
    first = unicodedata.normalize("NFKD", character)[0]
    return _is_mark(first) or ord(first) in _JAMO


def _is_mark(character: str) -> bool:
    return character > "\x7f" and unicodedata.category(character)[0] == "M"


def _fold_unit(unit: str) -> str:
    # Before Unicode's own folding too, which makes of an acute accent a space with a mark.
    plain = unicodedata.normalize("NFKC", unit.translate(_ALIKE_TABLE)).casefold()
    folded = unicodedata.normalize("NFKC", plain)
    return "".join(
        " " if character.isspace() else character
        for character in folded.translate(_ALIKE_TABLE)
        if not _shows_nothing(character)
    )


def _shows_nothing(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or ord(character) in _VARIATION


@lru_cache(maxsize=64)
def _unit_pattern(joining: str) -> re.Pattern[str]:
    return re.compile(f".[{re.escape(joining)}]*", re.DOTALL)


def _token_pattern(folded: str) -> re.Pattern[str]:
    """The plainest pattern for the scripts of a text: classes of many ranges are slow."""
    if folded.isascii():
        return _ASCII_WORDS
    marks = "".join(sorted(c for c in set(folded) if _is_mark(c)))
    return _words(marks, _SPACELESS.search(folded) is not None)


@lru_cache(maxsize=64)
def _words(marks: str, spaceless: bool) -> re.Pattern[str]:
    """Words of letters and marks; regular expressions do not count marks among letters."""
    inner = f"[{re.escape(marks)}]" if marks else "(?!)"
    word = f"\\w(?:\\w|{inner})*"
    if not spaceless:
        return re.compile(f"{word}|[^ ]")
    letter = f"[^\\W{_SINGLE}{_KATAKANA}]"
    return re.compile(
        f"[a-z0-9]+(?!{letter}|{inner})|[{_SINGLE}]{inner}*|(?:[{_KATAKANA}]{inner}*)+|"
        f"{letter}(?:{letter}|{inner})*|[^ ]"
    )
