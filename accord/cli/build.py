"""`accord graph build`: a graph out of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import JsonFlag, emit


def build(
    text: Annotated[list[Path], typer.Argument(help="UTF-8 text files (.gz too) or folders.")],
    out: Annotated[Path, typer.Option("--out", help="Graph folder to make.")],
    run: Annotated[str, typer.Option("--run", help="Run that has learnt mentions and relations.")],
    schema: Annotated[
        str | None,
        typer.Option(help="Graph whose relations and properties are looked for; its entities too."),
    ] = None,
    threshold: Annotated[float, typer.Option(help="Least probability of a triple.")] = 0.5,
    as_json: JsonFlag = False,
) -> None:
    """Makes a graph of texts: entities, relations, attributes, each with its evidence."""
    from accord.evaluate.graph_building import build_graph
    from accord.graph.info import describe, summary

    made = build_graph(text, out, run, schema, threshold)
    info = describe(made.graph)
    result = {
        "graph": str(out),
        **info,
        "new_entities": made.new_entities,
        "evidence": str(made.evidence),
        "unread": made.unread,
    }
    emit(result, as_json, lambda: f"{summary(info)}\nwritten to {out}, evidence beside it")
