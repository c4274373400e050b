"""Charts as inline SVG, drawn with the page's own colours so that they read on light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 38
COLOURS = 6
"""The page defines --c0 (before) and --c1 to --c6 (runs)."""


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: int = 1


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that cover a range.

    Args:
        low: The smallest value.
        high: The largest value.
        wanted: About how many.

    Returns:
        Evenly spaced values; the first is at most `low`, the last at least `high`.
    """
    # A range too narrow for its numbers to differ in print is widened.
    span = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-9)
    raw = span / max(1, wanted - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def number(value: float) -> str:
    """A tick's label."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.0e}" if abs(value) < 1e-3 else f"{value:g}"


def smooth(
    points: Sequence[tuple[float, float]], most: int = 160
) -> tuple[tuple[float, float], ...]:
    """At most `most` points, each the mean of its neighbours' values and places."""
    size = max(1, math.ceil(len(points) / most))
    chunks = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple((sum(x for x, _ in c) / len(c), sum(y for _, y in c) / len(c)) for c in chunks)


def line_chart(series: Sequence[Series], x_label: str, title: str, dots: bool = False) -> str:
    """A line chart.

    Args:
        series: The lines; points that are not finite must have been left out.
        x_label: Under the x axis.
        title: What is drawn, for screen readers.
        dots: Whether to mark each point; a mark shows its value when pointed at.

    Returns:
        An svg element; empty where there is no point.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    xs = ticks(min(x for x, _ in points), max(x for x, _ in points))
    ys = ticks(min(y for _, y in points), max(y for _, y in points))
    body = [_grid(xs, ys, x_label)]
    for one in series:
        places = [(_x(x, xs), _y(y, ys)) for x, y in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline class="line s{one.colour}" points="{path}"/>')
        for (x, y), (_, value) in zip(places, one.points, strict=True) if dots else ():
            tip = escape(f"{one.label}: {value:.4g}")
            mark = f'<circle class="dot s{one.colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            body.append(f"{mark}<title>{tip}</title></circle>")
    return svg("".join(body), WIDTH, HEIGHT, title)


def _x(value: float, xs: list[float]) -> float:
    return LEFT + (value - xs[0]) / (xs[-1] - xs[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, ys: list[float]) -> float:
    return HEIGHT - BOTTOM - (value - ys[0]) / (ys[-1] - ys[0]) * (HEIGHT - TOP - BOTTOM)


def _grid(xs: list[float], ys: list[float], x_label: str) -> str:
    parts = []
    for value in ys:
        y = _y(value, ys)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" class="end">{number(value)}</text>')
    for value in xs:
        place = f'x="{_x(value, xs)}" y="{HEIGHT - BOTTOM + 17}"'
        parts.append(f'<text {place} class="mid">{number(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" class="mid">{escape(x_label)}</text>')
    return "".join(parts)


@dataclass(frozen=True)
class Row:
    """One line of a dot chart: a label and a value for each series, None where there is none."""

    label: str
    note: str
    values: tuple[float | None, ...]


def dot_chart(rows: Sequence[Row], series: Sequence[str], title: str, top: float = 1.0) -> str:
    """Before and after as dots on a line, one line a row.

    Args:
        rows: The rows, top to bottom; each value between 0 and `top`.
        series: What the values are; the first is drawn as 'before'.
        title: What is drawn, for screen readers.
        top: The right end of the axis.

    Returns:
        An svg element; empty where there is no row.
    """
    if not rows:
        return ""
    width, left, step = 860, 250, 24
    height = len(rows) * step + 34
    body = [_dot_axis(width, left, height, top)]
    for index, row in enumerate(rows):
        y = index * step + 14
        places = [None if v is None else left + v / top * (width - left - 70) for v in row.values]
        seen = [place for place in places if place is not None]
        label = row.label if len(row.label) <= 34 else row.label[:33] + "…"
        body.append(f'<text x="{left - 14}" y="{y + 4}" class="end name">{escape(label)}')
        body.append(f"<title>{escape(row.label)}</title></text>")
        if seen:
            ends = f'x1="{min(seen):.1f}" x2="{max(seen):.1f}" y1="{y}" y2="{y}"'
            body.append(f'<line class="bar" {ends}/>')
        for colour, (place, value) in enumerate(zip(places, row.values, strict=True)):
            if place is not None:
                tip = escape(f"{row.label}, {series[colour]}: {value:.3f}")
                dot = f'<circle class="dot s{colour}" cx="{place:.1f}" cy="{y}" r="5">'
                body.append(f"{dot}<title>{tip}</title></circle>")
        body.append(f'<text x="{width - 4}" y="{y + 4}" class="end">{escape(row.note)}</text>')
    return svg("".join(body), width, height, title)


def _dot_axis(width: int, left: int, height: int, top: float) -> str:
    parts = []
    for value in ticks(0, top):
        x = left + value / top * (width - left - 70)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="2" y2="{height - 26}"/>')
        parts.append(f'<text x="{x}" y="{height - 10}" class="mid">{number(value)}</text>')
    return "".join(parts)


def legend(labels: Sequence[str], first: int = 0) -> str:
    """The colours with their names."""
    items = [
        f'<span><i class="k{first + i}"></i>{escape(label)}</span>'
        for i, label in enumerate(labels)
    ]
    return f'<div class="legend">{"".join(items)}</div>'


def svg(body: str, width: int, height: int, title: str) -> str:
    """A drawing that scales with the page; `title` is for screen readers."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{body}</svg>"
    )
