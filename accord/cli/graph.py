"""`accord graph`: import, inspect, export and query graphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.build import build
from accord.cli.common import JsonFlag, emit
from accord.cli.paths import paths

if TYPE_CHECKING:
    from accord.graph.graph import KnowledgeGraph
    from accord.graph.labels import ImportOptions

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Import, inspect, export and query graphs."
)
Graph = Annotated[str, typer.Argument(help="Graph folder, file or data set name.")]
Source = Annotated[
    str,
    typer.Argument(
        help="A file (.nt .ttl .nq .trig .jsonld .tsv .csv, also .gz), a folder of tables, a "
        "SPARQL endpoint (https://...), Neo4j (bolt://host:7687), or a data set's name."
    ),
]


@app.command("import")
def import_(
    source: Source,
    out: Annotated[Path, typer.Option("--out", help="Graph folder to make.")],
    name: Annotated[str, typer.Option(help="The graph's name; default: the source's.")] = "",
    language: Annotated[str, typer.Option(help="Preferred language of names.")] = "en",
    label: Annotated[
        list[str] | None,
        typer.Option(help="IRI of a property whose literals are names, best first; repeatable."),
    ] = None,
    description: Annotated[
        list[str] | None, typer.Option(help="As --label, for descriptions.")
    ] = None,
    alias: Annotated[list[str] | None, typer.Option(help="As --label, for other names.")] = None,
    query: Annotated[
        str, typer.Option(help="SPARQL endpoint: your own SELECT ?s ?p ?o or CONSTRUCT.")
    ] = "",
    page: Annotated[int, typer.Option(min=1, help="Endpoint and Neo4j: rows at a time.")] = 10_000,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Endpoint and Neo4j: seconds to wait.")
    ] = 60.0,
    id_property: Annotated[
        str, typer.Option(help="Neo4j: property that is a node's id; default: uri, iri or id.")
    ] = "",
    valid: Annotated[
        float, typer.Option(help="Share of triples to hold out; for a source without splits.")
    ] = 0.0,
    test: Annotated[float, typer.Option(help="As --valid, for test.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of what is held out.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Reads a graph and makes a graph folder of it: the store of record and a snapshot."""
    from accord.graph import labels
    from accord.graph.info import describe, summary

    options = labels.ImportOptions(
        name=name,
        language=language,
        labels=tuple(label or labels.LABELS),
        descriptions=tuple(description or labels.DESCRIPTIONS),
        aliases=tuple(alias or labels.ALIASES),
        query=query,
        page=page,
        timeout=timeout,
        id_property=id_property,
        valid=valid,
        test=test,
        seed=seed,
    )
    graph = _import(source, out, options)
    info = describe(graph)
    emit({"graph": str(out), **info}, as_json, lambda: f"{summary(info)}\nwritten to {out}")


def _import(source: str, out: Path, options: ImportOptions) -> KnowledgeGraph:
    """A data set by its name, anything else by its path or address."""
    from accord.graph.formats import import_graph, write_graph
    from accord.graph.hold_out import hold_out

    if not Path(source).exists() and "/" not in source and "." not in source:
        from accord.graph.load import load_graph

        return write_graph(hold_out(load_graph(source), options), out)
    return import_graph(source, out, options)


@app.command()
def info(
    graph: Graph,
    plot: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Also draw it: .png, .svg or .pdf.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Counts, degrees, relations and their cardinality, texts, leaks."""
    from accord.graph.info import describe, summary
    from accord.graph.load import load_graph

    if plot is not None:
        from accord.graph.info_plot import check_suffix

        check_suffix(plot)
    loaded = load_graph(graph)
    found = describe(loaded)
    if plot is not None:
        from accord.graph.info_plot import save

        save(loaded, found, plot)
        found["plot"] = str(plot)
    emit(found, as_json, lambda: summary(found))


@app.command()
def export(
    graph: Graph,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="File (.nt .ttl .nq .trig .jsonld .tsv .csv, also .gz) or folder (ends with /).",
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Writes a graph in another format; IRIs and literals as they came."""
    from accord.graph.query import export_record

    written = export_record(graph, to)
    emit({"written": str(written)}, as_json, lambda: f"written to {written}")


@app.command()
def query(
    graph: Graph,
    sparql: Annotated[str, typer.Argument(help="A SPARQL 1.1 query, or a file that holds one.")],
    as_json: JsonFlag = False,
) -> None:
    """Asks the graph of record: SELECT, ASK or CONSTRUCT, never an update."""
    from accord.graph.query import as_lines, query_graph

    result = query_graph(graph, sparql)
    emit(result, as_json, lambda: as_lines(result))


app.command()(paths)
app.command()(build)
