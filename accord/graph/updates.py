"""Entries of the log and changes as the text of one SPARQL update."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from pyoxigraph import Literal, NamedNode, Quad

from accord.graph import iris
from accord.graph.patches import TRAIN, LogEntry

LOG = NamedNode(iris.LOG)


def read_log(quads: Iterable[Quad]) -> list[LogEntry]:
    """The entries of the log, oldest first, from its quads."""
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for subject, predicate, value, _ in quads:
        rows[subject.value][predicate.value.removeprefix(iris.TERM)] = value.value
    undone = {row["undoes"] for row in rows.values()}
    entries = [_entry(iri.removeprefix(iris.PATCH), row, undone) for iri, row in rows.items()]
    return sorted(entries, key=lambda entry: entry.order)


def _entry(identifier: str, row: dict[str, str], undone: set[str]) -> LogEntry:
    numbers = {key: int(row[key]) for key in ("order", "added", "removed")}
    texts = {key: row.get(key, "") for key in ("time", "note", "undoes", "patch", "who")}
    return LogEntry(id=identifier, undone=identifier in undone, **numbers, **texts)  # type: ignore[arg-type]  # by name


def log_quads(entry: LogEntry) -> Iterator[Quad]:
    """The quads by which the log keeps an entry."""
    subject = NamedNode(iris.PATCH + entry.id)
    for key in ("order", "time", "note", "added", "removed", "undoes", "patch", "who"):
        yield Quad(subject, NamedNode(iris.TERM + key), Literal(getattr(entry, key)), LOG)


def in_delta(patch_id: str, mark: str, quads: list[Quad]) -> Iterator[Quad]:
    """Quads as a patch's delta keeps them: in a graph that names the one where they were."""
    for subject, predicate, value, graph in quads:
        place = "" if graph == TRAIN else quote(graph.value, safe="")
        name = f"{iris.PATCH}{patch_id}:{mark}:{place}"
        yield Quad(subject, predicate, value, NamedNode(name))


def drops(graphs: Sequence[str]) -> str:
    """Operations that drop named graphs, each followed by `;`."""
    return " ".join(f"DROP SILENT GRAPH {NamedNode(name)} ;" for name in graphs)


def block(quads: Sequence[Quad]) -> str:
    """Quads as the inside of INSERT DATA; terms write and escape themselves."""
    by_graph: dict[str, list[str]] = defaultdict(list)
    for subject, predicate, value, graph in quads:
        by_graph["" if graph == TRAIN else f"GRAPH {graph}"].append(
            f"{subject} {predicate} {value} ."
        )
    return "\n".join(
        f"{graph} {{ {' '.join(rows)} }}" if graph else " ".join(rows)
        for graph, rows in by_graph.items()
    )
