"""`accord report`: one HTML file that shows before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import JsonFlag, emit


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or rounds.")],
    out: Annotated[Path, typer.Option("--out", dir_okay=False, help="The HTML file.")] = Path(
        "report.html"
    ),
    as_json: JsonFlag = False,
) -> None:
    """One HTML file, readable without a network, that shows before and after.

    Runs that differ in their seed only are shown as mean and deviation, others side by side.
    """
    from accord.evaluate.report import write_report

    result = write_report(runs, out)
    emit(result, as_json, lambda: f"{result['report']}: {result['runs']} run(s)")
