"""`accord write`: a paragraph about an entity, every statement cited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph


def write(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name with --graph.")],
    entity: Annotated[str, typer.Argument(help="Id, name or alias of an entity.")],
    graph: GraphOption = None,
    facts: Annotated[int, typer.Option(min=1, help="Facts told at most.")] = 8,
    unguided: Annotated[
        bool,
        typer.Option("--unguided", help="Let the model write what it likes, for comparison."),
    ] = False,
    soft: Annotated[
        bool, typer.Option("--soft", help="With --unguided: mix the facts into what it likes.")
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(help="What `accord eval soft-fusion --out` wrote; default: the run's own."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Writes a paragraph about an entity from its triples and attributes, every statement cited."""
    from accord.decode.facts import FactConfig
    from accord.decode.soft import find_soft
    from accord.errors import ConfigError
    from accord.graph.lookup import find_entity

    if soft and not unguided:
        raise ConfigError("--soft is for the model's own words", "add --unguided")
    mixed = find_soft(run, weights) if soft else None
    known = open_graph(run, graph)
    FactConfig(count=facts)
    find_entity(known, entity)  # before a model is read
    from accord.applications import write as write_paragraph
    from accord.model.saving import load_model

    written = write_paragraph(load_model(run), known, entity, unguided, facts, mixed)
    emit(written.to_dict(), as_json, written.to_text)
