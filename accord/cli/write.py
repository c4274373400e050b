"""`accord write`: a paragraph about an entity, every statement cited."""

from __future__ import annotations

from typing import Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph


def write(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name with --graph.")],
    entity: Annotated[str, typer.Argument(help="Id, name or alias of an entity.")],
    graph: GraphOption = None,
    facts: Annotated[int, typer.Option(help="Facts told at most.")] = 8,
    unguided: Annotated[
        bool,
        typer.Option("--unguided", help="Let the model write what it likes, for comparison."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Writes a paragraph about an entity from its triples and attributes, every statement cited."""
    from accord.decode.facts import FactConfig
    from accord.graph.lookup import find_entity

    known = open_graph(run, graph)
    FactConfig(count=facts)
    find_entity(known, entity)  # before a model is read
    from accord.applications import write as write_paragraph
    from accord.model.saving import load_model

    written = write_paragraph(load_model(run), known, entity, unguided, facts)
    emit(written.to_dict(), as_json, written.to_text)
