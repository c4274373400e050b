"""The report's section on rounds: how the graph and the model changed from one to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from accord.evaluate.report_charts import Series, legend, line_chart
from accord.evaluate.report_loop import changes
from accord.evaluate.report_page import (
    details,
    figure,
    grid,
    paragraph,
    readable,
    results,
    section,
)
from accord.evaluate.report_runs import Group, numbers
from accord.progress import clock

KIND = "round"
RATES = {"error_rate": "triples that are wrong", "missing_rate": "true triples that are missing"}


def rounds(groups: list[Group]) -> str:
    """What each round of `accord train --rounds` did; nothing where there was none."""
    found = list(results(groups, KIND))
    if not found:
        return ""
    held = any("truth" in result for _, result in found)
    return section(
        "Rounds: the graph and the model",
        paragraph(
            "In each round the model was trained, the graph was looked through, and what was "
            "accepted was changed. "
            + ("What was planted is known, so what is wrong and missing could be counted." * held)
        ),
        grid(_header(held), [_row(name, result, held) for name, result in found]),
        _chart([result for _, result in found]),
        *(_changes(name, result) for name, result in found),
    )


def _header(held: bool) -> list[str]:
    figures = ["steps", "training", "valid", "put in", "taken out"]
    return ["", *figures, *(RATES.values() if held else ())]


def _row(name: str, found: Mapping[str, Any], held: bool) -> list[str]:
    cells = [name]
    for path, shown in (
        (("steps",), "{:,.0f}".format),
        (("seconds",), clock),
        (("metrics", "valid"), "{:.3f}".format),
        (("added",), "{:,.0f}".format),
        (("removed",), "{:,.0f}".format),
        *((("truth", key), _percent) for key in RATES if held),
    ):
        value = numbers([found], path)
        cells.append(shown(value[0]) if value else "–")
    return cells


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _chart(found: list[Mapping[str, Any]]) -> str:
    lines = [
        Series(label, tuple(_places(found, ("truth", key))), colour)
        for colour, (key, label) in enumerate(RATES.items(), 1)
    ]
    if max(len(line.points) for line in lines) < 2:
        return ""
    drawn = line_chart(lines, "round", "the graph after each round", dots=True)
    return figure(legend(list(RATES.values()), 1) + drawn, "Percent, after each round.")


def _places(found: list[Mapping[str, Any]], path: tuple[str, ...]) -> Iterator[tuple[float, float]]:
    for result in found:
        x, y = numbers([result], ("round",)), numbers([result], path)
        if x and y:
            yield x[0], 100 * y[0]


def _changes(name: str, found: Mapping[str, Any]) -> str:
    rows = found.get("changes")
    if not isinstance(rows, list) or not rows:
        return ""
    return details(f"Changes of {name} ({len(rows):,})", readable(found, lambda _: changes(rows)))
