"""Charts as inline SVG, drawn with the page's own colours so that they read on light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 38
WIDE, WIDE_LEFT, STEP, LETTERS = 860, 250, 24, 34
"""Of charts with a name a row: width, where the axis begins, a row's height, letters of a name."""
ROOM = 110
"""Width of the words beside a ring."""
LEGIBLE = 34
"""Width of a part that has room for its figure."""
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
    span = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
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


@dataclass(frozen=True)
class Mark:
    """A ring around one place of a line chart, with words beside it."""

    x: float
    y: float
    label: str
    colour: int = 1


def line_chart(
    series: Sequence[Series],
    x_label: str,
    title: str,
    dots: bool = False,
    marks: Sequence[Mark] = (),
) -> str:
    """A line chart.

    Args:
        series: The lines; points that are not finite must have been left out.
        x_label: Under the x axis.
        title: What is drawn, for screen readers.
        dots: Whether to mark each point; a mark shows its value when pointed at.
        marks: Places that stand out.

    Returns:
        An svg element; empty where there is no point.
    """
    points = [point for one in series for point in one.points] + [(m.x, m.y) for m in marks]
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
    body += [_ring(mark, _x(mark.x, xs), _y(mark.y, ys)) for mark in marks]
    return svg("".join(body), WIDTH, HEIGHT, title)


def _ring(mark: Mark, x: float, y: float) -> str:
    """Its words stand where a falling line is not: below, at the left where there is room."""
    place = f'x="{x - 10:.1f}" class="end name"' if x > LEFT + ROOM else f'x="{x:.1f}" class="name"'
    ring = f'<circle class="ring s{mark.colour}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
    return f'{ring}<text {place} y="{y + 20:.1f}">{escape(mark.label)}</text>'


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
    mark: float | None = None
    """What needs no model, as a stroke."""


def dot_chart(
    rows: Sequence[Row], series: Sequence[str], title: str, top: float = 1.0, first: int = 0
) -> str:
    """Before and after as dots on a line, one line a row.

    Args:
        rows: The rows, top to bottom; each value between 0 and `top`.
        series: What the values are.
        title: What is drawn, for screen readers.
        top: The right end of the axis.
        first: Colour of the first series; 0 draws it as 'before'.

    Returns:
        An svg element; empty where there is no row.
    """
    if not rows:
        return ""
    height = len(rows) * STEP + 34
    body = [_axis(height, top)]
    for index, row in enumerate(rows):
        y = index * STEP + 14
        places = [None if v is None else _place(v, top) for v in row.values]
        seen = [place for place in places if place is not None]
        body.append(_named(row, y))
        if seen:
            ends = f'x1="{min(seen):.1f}" x2="{max(seen):.1f}" y1="{y}" y2="{y}"'
            body.append(f'<line class="bar" {ends}/>')
        if row.mark is not None:
            x = f"{_place(row.mark, top):.1f}"
            body.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{y - 8}" y2="{y + 8}"/>')
        for i, (place, value) in enumerate(zip(places, row.values, strict=True)):
            if place is not None:
                tip = escape(f"{row.label}, {series[i]}: {value:.3f}")
                dot = f'<circle class="dot s{first + i}" cx="{place:.1f}" cy="{y}" r="5">'
                body.append(f"{dot}<title>{tip}</title></circle>")
    return svg("".join(body), WIDE, height, title)


def stack_chart(rows: Sequence[Row], parts: Sequence[str], colours: Sequence[int]) -> str:
    """Shares of a whole as bars of several parts, one bar a row.

    Args:
        rows: The bars, top to bottom; the values of each are its parts' sizes, in any unit.
        parts: What the parts are.
        colours: Their colours.

    Returns:
        An svg element; empty where there is no bar.
    """
    known = [(row, [value or 0.0 for value in row.values]) for row in rows if any(row.values)]
    if not known:
        return ""
    height = len(known) * STEP + 34
    body = [_axis(height, 1.0)]
    for index, (row, sizes) in enumerate(known):
        y, done = index * STEP + 14, 0.0
        body.append(_named(row, y))
        for size, part, colour in zip(sizes, parts, colours, strict=True):
            share = size / sum(sizes)
            start, end = _place(done, 1.0), _place(done + share, 1.0)
            at = f'x="{start:.1f}" y="{y - 9}" width="{end - start:.1f}" height="18"'
            tip = escape(f"{row.label}, {part}: {share:.1%}")
            body.append(f'<rect class="dot s{colour}" {at}><title>{tip}</title></rect>')
            if end - start > LEGIBLE:
                middle = f'x="{(start + end) / 2:.1f}" y="{y + 4}"'
                body.append(f'<text class="mid in" {middle}>{share:.0%}</text>')
            done += share
    return svg("".join(body), WIDE, height, ", ".join(parts))


def _place(value: float, top: float) -> float:
    return WIDE_LEFT + value / top * (WIDE - WIDE_LEFT - 70)


def _named(row: Row, y: int) -> str:
    """A row's label at the left and its note at the right."""
    label = row.label if len(row.label) <= LETTERS else row.label[: LETTERS - 1] + "…"
    return (
        f'<text x="{WIDE_LEFT - 14}" y="{y + 4}" class="end name">{escape(label)}'
        f"<title>{escape(row.label)}</title></text>"
        f'<text x="{WIDE - 4}" y="{y + 4}" class="end">{escape(row.note)}</text>'
    )


def _axis(height: int, top: float) -> str:
    parts = []
    for value in ticks(0, top):
        x = f"{_place(value, top):.1f}"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="2" y2="{height - 26}"/>')
        parts.append(f'<text x="{x}" y="{height - 10}" class="mid">{number(value)}</text>')
    return "".join(parts)


def legend(labels: Sequence[str], first: int = 0, colours: Sequence[int] = ()) -> str:
    """The colours with their names: from `first` on, or those that are given."""
    chosen = colours or range(first, first + len(labels))
    items = [
        f'<span><i class="k{colour}"></i>{escape(label)}</span>'
        for label, colour in zip(labels, chosen, strict=True)
    ]
    return f'<div class="legend">{"".join(items)}</div>'


def svg(body: str, width: int, height: int, title: str) -> str:
    """A drawing that scales with the page; `title` is for screen readers."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{body}</svg>"
    )
