"""Results as plain aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lays cells out in columns: the first to the left, numbers to the right.

    Args:
        header: Column names.
        rows: Cells; floats are shown with four digits, or one from 100 on.

    Returns:
        Lines without a final newline.
    """
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = (value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)


def metric_rows(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table of labelled rows with the same metrics."""
    names = list(next(iter(rows.values()))) if rows else []
    return table(
        ["", *names], [[label, *(row[name] for name in names)] for label, row in rows.items()]
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
