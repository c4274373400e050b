"""The report's section on rounds: how the graph and the model changed from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.evaluate.report_charts import Series, legend, line_chart
from accord.evaluate.report_loop import changes
from accord.evaluate.report_page import details, figure, grid, paragraph, results, section
from accord.evaluate.report_runs import Group
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
    valid = (found.get("metrics") or {}).get("valid")
    cells = [name, f"{found['steps']:,}", clock(found["seconds"])]
    cells.append("–" if valid is None else f"{valid:.3f}")
    cells += [f"{found[key]:,}" if key in found else "–" for key in ("added", "removed")]
    truth = found.get("truth") or {}
    rates = [f"{100 * truth[key]:.1f} %" if key in truth else "–" for key in RATES]
    return [*cells, *(rates if held else ())]


def _chart(found: list[Mapping[str, Any]]) -> str:
    held = [result for result in found if "truth" in result]
    if len(held) < 2:
        return ""
    lines = [
        Series(label, tuple((r["round"], 100 * r["truth"][key]) for r in held), colour)
        for colour, (key, label) in enumerate(RATES.items(), 1)
    ]
    drawn = line_chart(lines, "round", "the graph after each round", dots=True)
    return figure(legend(list(RATES.values()), 1) + drawn, "Percent, after each round.")


def _changes(name: str, found: Mapping[str, Any]) -> str:
    told = changes(found["changes"])
    return details(f"Changes of {name} ({len(found['changes']):,})", told) if told else ""
