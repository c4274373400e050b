"""Values that say how much or when: numbers, numbers with a unit, dates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from accord.refine.steps import Float64

USUAL = 0.95
"""Share of a property's values that are read in one way, for that to be what they are."""
_NUMBER = r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?"
_UNIT = re.compile(rf"({_NUMBER})\s*([^\W\d_].*|[%°$€£].*)")
_DATE = re.compile(r"(-?\d{4,})-(\d\d)(?:-(\d\d))?(?:T.*|Z|[-+]\d\d:\d\d)?")
_CODE = re.compile(r"0\d")
"""How codes begin and amounts do not."""


@dataclass(frozen=True)
class Amounts:
    """A property's values as points on a line."""

    numbers: Float64
    """(n,) NaN where a value is no such amount."""
    kind: str
    """number, date, or amount (a number with the unit that most have)."""


def amounts(values: Sequence[str]) -> Amounts | None:
    """Reads a property's values as numbers, as dates, or as numbers with a unit.

    Args:
        values: (n,) texts.

    Returns:
        What nearly all of them are; None where they are none of these.
    """
    unit = _unit(values)
    ways: dict[str, Callable[[str], float]] = {
        "number": _number,
        "date": _date,
        "amount": lambda value: _with_unit(value, unit),
    }
    for kind, way in ways.items():
        numbers = np.array([way(value.strip()) for value in values])
        if np.isfinite(numbers).mean() >= USUAL:
            coded = kind == "number" and any(map(_CODE.match, values))
            return None if coded else Amounts(numbers, kind)
    return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float(text.replace(",", "")) if re.fullmatch(_NUMBER, text) else float("nan")


def _date(text: str) -> float:
    found = _DATE.fullmatch(text)
    if found is None:
        return float("nan")
    year, month, day = int(found[1]), int(found[2]), int(found[3] or 1)
    fits = 1 <= month <= 12 and 1 <= day <= 31
    return year + (month - 1) / 12 + (day - 1) / 372 if fits else float("nan")


def _unit(values: Sequence[str]) -> str:
    """The unit that most values have; empty for none."""
    found = Counter(match[2] for value in values if (match := _UNIT.fullmatch(value.strip())))
    return found.most_common(1)[0][0] if found else ""


def _with_unit(text: str, unit: str) -> float:
    found = _UNIT.fullmatch(text)
    return _number(found[1]) if found and found[2] == unit else float("nan")
