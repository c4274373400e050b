"""Progress on stderr with time left: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SILENT_SECONDS = 2.0
LINE_SECONDS = 10.0


@contextmanager
def track(label: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Shows how far something is.

    Nothing is shown for work shorter than two seconds.

    Args:
        label: What is being done.
        total: How many steps in all.
        unit: What a step is ("texts", "queries").

    Yields:
        A function to call with the number of steps just done.
    """
    if sys.stderr.isatty():
        yield from _rich(label, total, unit)
    else:
        yield from _plain(label, total, unit)


def _plain(label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    start = time.monotonic()
    state = {"done": 0, "next": start + SILENT_SECONDS}

    def advance(steps: int) -> None:
        state["done"] += steps
        now = time.monotonic()
        if now < state["next"] or not state["done"]:
            return
        state["next"] = now + LINE_SECONDS
        left = (now - start) / state["done"] * (total - state["done"])
        print(
            f"{label}: {state['done']:,.0f}/{total:,} {unit}, {clock(left)} left",
            file=sys.stderr,
            flush=True,
        )

    yield advance


def _rich(label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)


def clock(seconds: float) -> str:
    """Seconds as ``1:02:03``, ``2:03`` or ``4 s``."""
    whole = int(max(0, seconds) + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)
