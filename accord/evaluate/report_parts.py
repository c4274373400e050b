"""Figures of the report as dots and tables: of several measures, or of each part of a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from accord.evaluate.report_charts import COLOURS, Row, dot_chart, legend, ticks
from accord.evaluate.report_page import Column, figure, grid
from accord.evaluate.report_runs import mean, numbers

NAMELESS = "(none)"
SHOWN = 24
"""Parts that are drawn at most; the table has all."""


@dataclass(frozen=True)
class Dot:
    """One line of dots: a measure, with a dot for each model."""

    label: str
    path: tuple[str, ...]
    """Where the number is in a result."""
    note: str = ""
    trivial: tuple[str, ...] = ()
    """Where the figure of what needs no model is; a stroke marks it."""


def dots(rows: Sequence[Dot], models: Sequence[Column], caption: str, top: float = 1.0) -> str:
    """Measures as dots, each model in its colour.

    Args:
        rows: The measures, top to bottom, each between 0 and `top`; those without a number are
            left out.
        models: The models; those without results are left out.
        caption: What is drawn.
        top: The right end of the axis at least.

    Returns:
        A figure; nothing where there is no number, or more models than colours.
    """
    shown = [column for column in models if column.results]
    every = [_row(one, shown) for one in rows]
    drawn = [row for row in every if any(value is not None for value in row.values)]
    first = 0 if shown and shown[0].base else 1
    if not drawn or first + len(shown) > COLOURS + 1:
        return ""
    labels = [column.label for column in shown]
    if any(row.mark is not None for row in drawn):
        caption += "; a stroke marks what needs no model"
    chart = dot_chart(drawn, labels, caption, ticks(0, top)[-1], first)
    return figure(legend(labels, first) + chart, caption)


def _row(one: Dot, shown: Sequence[Column]) -> Row:
    values = tuple(mean(numbers(column.results, one.path)) for column in shown)
    trivial = [v for c in shown for v in numbers(c.results, one.trivial)] if one.trivial else []
    return Row(one.label, one.note, values, mean(trivial))


@dataclass(frozen=True)
class Parts:
    """Where results have each of their parts alone: relations, types, hops, paths."""

    key: str
    measure: tuple[str, ...]
    """Where a part has its figure."""
    count: str = "n"
    """Where it has its number of items."""

    def sizes(self, models: Sequence[Column]) -> dict[str, int]:
        """Name -> number of items, the most frequent first."""
        found: dict[str, int] = {}
        for result in (result for column in models for result in column.results):
            parts = result.get(self.key)
            for name in parts if isinstance(parts, Mapping) else ():
                items = numbers([result], (self.key, name, self.count))
                found[name] = max(found.get(name, 0), int(items[0]) if items else 0)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def dots(
        self, models: Sequence[Column], called: Callable[[str], str] = lambda name: name or NAMELESS
    ) -> list[Dot]:
        """The most frequent ones as lines of dots; `called` gives the label of a name."""
        shown = list(self.sizes(models).items())[:SHOWN]
        return [
            Dot(called(name), (self.key, name, *self.measure), f"{size:,}") for name, size in shown
        ]

    def table(self, models: Sequence[Column], items: str = "items") -> str:
        """All of them; `items` heads their numbers."""
        shown = [column for column in models if column.results]
        rows = []
        for name, size in self.sizes(shown).items():
            path = (self.key, name, *self.measure)
            values = [mean(numbers(column.results, path)) for column in shown]
            rows.append(
                [name or NAMELESS, f"{size:,}", *("–" if v is None else f"{v:.3f}" for v in values)]
            )
        return grid(["", items, *(column.label for column in shown)], rows)
