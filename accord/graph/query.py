"""Asking and exporting the graph of record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyoxigraph import (
    BlankNode,
    DefaultGraph,
    NamedNode,
    QueryBoolean,
    QueryResultsFormat,
    QuerySolutions,
    QueryTriples,
    Store,
)

from accord.errors import DataError, GraphError
from accord.graph import iris
from accord.graph.export import export_graph, graph_quads, warn_splits, write_quads
from accord.graph.formats import RDF_SUFFIXES
from accord.graph.formats_rdf import FORMATS
from accord.graph.load import load_graph
from accord.graph.reading import suffix_of
from accord.graph.store import HELD_OUT, asserted_graphs, record_quads

PREFIXES = {
    "": iris.PREFIX,
    "rdf": iris.RDF,
    "rdfs": iris.RDFS,
    "skos": iris.SKOS,
    "xsd": iris.XSD,
    "schema": "http://schema.org/",
}
"""Ready in every query; `:tokyo` is the entity whose id is `tokyo`."""


def open_record(graph: str | Path) -> Store:
    """A graph's record for reading: its store, or one in memory made of its snapshot.

    Args:
        graph: Graph folder, file or data set name.

    Returns:
        The store; it must not be written to.
    """
    folder = Path(graph) / "store"
    if folder.is_dir():
        try:
            return Store.read_only(str(folder))
        except OSError as error:
            raise DataError(f"cannot open the store ({error})", folder) from error
    store = Store()
    store.bulk_extend(graph_quads(load_graph(graph)))
    return store


def query_graph(graph: str | Path, sparql: str) -> dict[str, Any]:
    """Asks a graph. Train, valid and test are one default graph; GRAPH tells them apart.

    Args:
        graph: Graph folder, file or data set name.
        sparql: A SPARQL 1.1 query, or the path of a file that holds one.

    Returns:
        The SPARQL 1.1 results JSON (`head` and `results`, or `boolean`); for CONSTRUCT and
        DESCRIBE {"triples": [[subject, predicate, object], ...]} with terms as in N-Triples.

    Raises:
        GraphError: The query is not valid, or is an update.
    """
    if len(sparql) < 1000 and "{" not in sparql and Path(sparql).is_file():
        sparql = Path(sparql).read_text(encoding="utf-8")
    store = open_record(graph)
    default: list[NamedNode | BlankNode | DefaultGraph] = [*asserted_graphs(store)]
    default += [NamedNode(name) for name in HELD_OUT]
    try:
        result = store.query(sparql, prefixes=PREFIXES, default_graph=default)
    except SyntaxError as error:
        raise GraphError(
            f"not a valid SPARQL query: {_brief(str(error.msg))}",
            "only SELECT, ASK, CONSTRUCT and DESCRIBE are possible here",
        ) from error
    if isinstance(result, QueryTriples):
        return {"triples": [[str(s), str(p), str(o)] for s, p, o in result]}
    assert isinstance(result, QuerySolutions | QueryBoolean)
    content = result.serialize(format=QueryResultsFormat.JSON) or b"{}"
    answer: dict[str, Any] = json.loads(content)
    return answer


def _brief(message: str) -> str:
    """A parser's complaint without its list of everything that could have stood there."""
    first = " ".join(message.split())
    return first if len(first) <= 160 else first[:159] + "…"


def as_lines(result: dict[str, Any]) -> str:
    """A query's answer for people: tab-separated, ids as the source gives them."""
    if "boolean" in result:
        return "yes" if result["boolean"] else "no"
    if "triples" in result:
        return "\n".join(f"{s} {p} {o} ." for s, p, o in result["triples"])
    names: list[str] = result["head"]["vars"]
    lines = ["\t".join(names)]
    for row in result["results"]["bindings"]:
        lines.append("\t".join(_cell(row.get(name)) for name in names))
    return "\n".join(lines)


def _cell(term: dict[str, str] | None) -> str:
    if term is None:
        return ""
    value = iris.from_iri(term["value"]) if term["type"] == "uri" else term["value"]
    return value.replace("\t", " ").replace("\n", " ")


def export_record(graph: str | Path, to: str) -> Path:
    """Writes a graph; RDF comes from the record itself, so every literal is as the source had it.

    Args:
        graph: Graph folder, file or data set name.
        to: As in `accord.graph.formats.export_graph`.

    Returns:
        The path written.

    Raises:
        DataError: An unknown suffix, or no space on the disk.
    """
    target = Path(to)
    if suffix_of(to) not in RDF_SUFFIXES or not (Path(graph) / "store").is_dir():
        return export_graph(load_graph(graph), to)
    if not FORMATS[suffix_of(to)].supports_datasets:
        warn_splits(load_graph(graph), target)
    write_quads(record_quads(open_record(graph)), target)
    return target
