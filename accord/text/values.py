"""Dates and numbers in a text, as typed values."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, NamedTuple

Kind = Literal["date", "gYearMonth", "gYear", "integer", "decimal"]
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = "|".join(f"{name}|{name[:3]}\\.?" for name in MONTHS)
_YEAR = r"(?:1\d|20)\d\d"
DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})(?!\w),? ({_YEAR})\b", re.I
)
MONTH_FIRST = re.compile(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?,? ({_YEAR})\b", re.I)
ISO = re.compile(rf"(?<![\w-])({_YEAR})-(\d\d)-(\d\d)(?![\w-])")
MONTH_YEAR = re.compile(rf"\b({_MONTH}),? ({_YEAR})\b", re.I)
SCALES = {
    **{"thousand": 3, "million": 6, "billion": 9, "trillion": 12},
    **{"k": 3, "m": 6, "mn": 6, "bn": 9},
}
"""Zeros; the short ones are read behind an amount of money only."""
UNITS = {
    "km²": ("km²", "km2", "square kilometre", "square kilometer", "sq km"),
    "mi²": ("square mile", "sq mi"),
    "ha": ("hectare", "ha"),
    "m²": ("m²", "m2", "square metre", "square meter"),
    "km": ("km", "kilometre", "kilometer"),
    "mi": ("mile", "mi"),
    "m": ("m", "metre", "meter"),
    "cm": ("cm", "centimetre", "centimeter"),
    "ft": ("ft", "feet", "foot"),
    "kg": ("kg", "kilogram"),
    "t": ("tonne",),
    "people": ("people", "inhabitant", "resident", "person"),
    "years": ("year",),
    "%": ("%", "percent", "per cent"),
    "USD": ("dollar", "us dollar"),
    "EUR": ("euro",),
}
"""How units are written, in the singular."""
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
_WRITTEN = {form: unit for unit, forms in UNITS.items() for form in forms}
_FORMS = "|".join(re.escape(form) for form in sorted(_WRITTEN, key=len, reverse=True))
# Not a value: part of a word (1990s, 21st), a range (3–5), a time or fraction (12:30, 3/4), a rate
# (20 people per km²). What may follow is taken whole or not at all (?+), so none of these gets by.
NUMBER = re.compile(
    r"(?<![\w.,$€£−–-])(?<!\d[:/])([$€£])?"
    r"([-−]?(?:\d{1,3}(?:[, \u00a0\u202f]\d{3})+|\d+)(?:\.\d+)?)(?![\d.,−–-]*\d)(?![:/]\d)"
    r"(?:[ \u00a0](thousand|million|billion|trillion)\b|(?(1)[ \u00a0]?(k|m|mn|bn)\b|(?!)))?+"
    rf"(?:[ \u00a0-]?({_FORMS})s?(?!\w))?+(?!\w|[ \u00a0]?(?:/|per\b))",
    re.I,
)


class Value(NamedTuple):
    """A typed value in a text."""

    start: int
    """Offset of its first character, the unit included."""
    end: int
    kind: Kind
    text: str
    """Its lexical form as XML Schema writes it."""
    unit: str = ""
    """The unit it is stated in; the value is not converted."""


def values(text: str) -> list[Value]:
    """The dates and numbers of a text, from left to right; they do not overlap.

    Dates are read as English writes them, or as 2026-11-21. Commas and spaces divide thousands, a
    full stop the decimals. A bare number of four digits from 1000 to 2099 is taken for a year.
    Ranges, rates, fractions and times of day are left out.

    Args:
        text: A sentence.

    Example:
        >>> [tuple(v)[2:] for v in values("On 12 March 1990 1.5 million people, 40 km² wide")]
        [('date', '1990-03-12', ''), ('integer', '1500000', 'people'), ('integer', '40', 'km²')]
    """
    found: list[Value] = []
    for value in (*_dates(text), *_numbers(text)):
        if all(value.end <= other.start or value.start >= other.end for other in found):
            found.append(value)
    return sorted(found)


def _dates(text: str) -> Iterator[Value]:
    for match in DAY_FIRST.finditer(text):
        yield from _date(match, match[3], _month(match[2]), match[1])
    for match in MONTH_FIRST.finditer(text):
        yield from _date(match, match[3], _month(match[1]), match[2])
    for match in ISO.finditer(text):
        yield from _date(match, match[1], int(match[2]), match[3])
    for match in MONTH_YEAR.finditer(text):
        yield Value(*match.span(), "gYearMonth", f"{match[2]}-{_month(match[1]):02d}")


def _date(match: re.Match[str], year: str, month: int, day: str) -> Iterator[Value]:
    try:
        date = datetime.date(int(year), month, int(day))
    except ValueError:  # such as 31 February
        return
    yield Value(*match.span(), "date", date.isoformat())


def _month(name: str) -> int:
    short = name.lower().rstrip(".")[:3]
    return next(i for i, month in enumerate(MONTHS, 1) if month.startswith(short))


def _numbers(text: str) -> Iterator[Value]:
    for match in NUMBER.finditer(text):
        currency, digits, long, short, written = match.groups()
        scale = long or short
        unit = CURRENCIES.get(currency or "", "") or _WRITTEN.get((written or "").lower(), "")
        plain = re.sub(r"[, \u00a0\u202f]", "", digits).replace("−", "-")
        bare = plain == digits and not (unit or scale)
        if bare and re.fullmatch(_YEAR, digits):
            yield Value(*match.span(), "gYear", digits)
            continue
        number = Decimal(plain).scaleb(SCALES[scale.lower()] if scale else 0)
        whole = number == number.to_integral_value()
        form = f"{number.to_integral_value() if whole else number.normalize():f}"
        yield Value(*match.span(), "integer" if whole else "decimal", form, unit)
