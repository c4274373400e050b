"""`accord demo`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import JsonFlag, emit


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the graph, the runs and the report.")
    ] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="Of training and of every draw.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """The whole story on the embedded default, in acts, with one report.

    First the model learns a graph, then it learns to use what it knows in questions of two hops;
    both are measured before and after. Last, a damaged copy of the graph is cleaned. Called again
    with the same --out it goes on where it was stopped.
    """
    from accord.demo import run_demo
    from accord.progress import say

    try:
        result = run_demo(out, seed)
    except KeyboardInterrupt:
        say(f"stopped; go on with: accord demo --out {shlex.quote(str(out))} --seed {seed}")
        raise
    emit(result.to_dict(), as_json, result.to_text)
