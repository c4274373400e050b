"""`accord decide`: options weighed by what the graph says for and against each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph


def decide(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name with --graph.")],
    question: Annotated[str, typer.Argument(help="A question that names an entity.")],
    option: Annotated[
        list[str] | None, typer.Option("--option", help="One of the options; give two or more.")
    ] = None,
    facts: Annotated[
        Path | None,
        typer.Option(help="Facts of this case: lines of head, relation, tail, tabs between."),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="TOML with [[rule]]: name, path, weight; default: learnt from the graph."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="What `accord eval decisions --out` wrote; default: the run's own."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Decide nothing below this probability; default 0.5.")
    ] = None,
    graph: GraphOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ranks options with evidence for and against, or says that the graph knows too little."""
    from accord.applications import decide as weigh

    known = open_graph(run, graph)
    decision = weigh(run, known, question, option or [], facts, rules, calibration, threshold)
    emit(decision.to_dict(), as_json, decision.to_text)
