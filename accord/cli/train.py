"""`accord train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import JsonFlag, emit


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name (kalm) or a TOML file.")],
    graph: Annotated[str, typer.Option("--graph", help="Graph folder, file or data set name.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Base model, or a finished run to go on from.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the recipe; repeatable.")
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="Plain text, file or folder; repeatable.")
    ] = None,
    qa: Annotated[
        Path | None, typer.Option("--qa", help="JSONL of questions with answers and rationales.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="Annotated corpus or JSONL file; repeatable."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on a graph with a recipe."""
    from accord.api import train_run
    from accord.progress import clock

    try:
        result = train_run(
            recipe, graph, out, model, settings or [], text or [], resume, device, qa, data or []
        )
    except KeyboardInterrupt:
        words = ["accord", "train", recipe, "--graph", graph, "--out", str(out), "--resume"]
        words += [word for path in text or [] for word in ("--text", str(path))]
        words += ["--device", device] if device else []
        typer.echo(f"stopped; go on with: {shlex.join(words)}", err=True)
        raise
    emit(
        result.to_dict(),
        as_json,
        lambda: "\n".join(
            [f"{result.run}: {result.steps} steps in {clock(result.seconds)}"]
            + [f"  {key} {value:,.4g}" for key, value in result.metrics.items()]
        ),
    )
