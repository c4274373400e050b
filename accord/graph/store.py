"""The graph of record: an embedded Oxigraph store with patches, a log and exact rollback.

The default graph, and any named graph of the source's own, are what is asserted (train). What is
held out stays apart in `urn:accord:graph:valid` and `...:test`; `urn:accord:proposed:ID` and
`urn:accord:rejected:ID` hold one proposal each. `urn:accord:patch:ID:...` keeps what a patch really
changed, and `urn:accord:graph:log` when and why.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad, Store

from accord.errors import DataError, GraphError
from accord.graph import iris
from accord.graph.builder import LANG_STRING, XSD_STRING
from accord.graph.formats_rdf import QuadReader
from accord.graph.graph import KnowledgeGraph
from accord.graph.labels import ImportOptions
from accord.graph.writing import disk

LOG = NamedNode(iris.LOG)
TRAIN = DefaultGraph()
HELD_OUT = tuple(iris.HELD_OUT.values())
GraphName = NamedNode | DefaultGraph
INTERNAL = (iris.PATCH, iris.PROPOSED, iris.REJECTED, iris.LOG)


@dataclass(frozen=True)
class Statement:
    """One triple or one attribute, by ids."""

    subject: str
    predicate: str
    value: str
    """The tail's id, or a literal's value."""
    literal: bool = False
    datatype: str = XSD_STRING
    language: str = ""

    def __post_init__(self) -> None:
        if self.language:
            object.__setattr__(self, "datatype", LANG_STRING)

    def quad(self, graph: GraphName) -> Quad:
        """This statement as RDF in a graph."""
        subject, predicate = (NamedNode(iris.to_iri(i)) for i in (self.subject, self.predicate))
        if not self.literal:
            return Quad(subject, predicate, NamedNode(iris.to_iri(self.value)), graph)
        if self.language:
            return Quad(subject, predicate, Literal(self.value, language=self.language), graph)
        datatype = NamedNode(iris.to_iri(self.datatype))
        return Quad(subject, predicate, Literal(self.value, datatype=datatype), graph)

    @classmethod
    def of(cls, quad: Quad) -> Statement:
        """The statement that a quad makes."""
        subject, predicate, term = quad.subject, quad.predicate, quad.object
        assert isinstance(subject, NamedNode)
        ids = iris.from_iri(subject.value), iris.from_iri(predicate.value)
        if isinstance(term, Literal):
            datatype = iris.from_iri(term.datatype.value)
            return cls(*ids, term.value, True, datatype, term.language or "")
        assert isinstance(term, NamedNode)
        return cls(*ids, iris.from_iri(term.value))


@dataclass(frozen=True)
class Patch:
    """A change to what is asserted."""

    add: tuple[Statement, ...] = ()
    remove: tuple[Statement, ...] = ()
    note: str = ""
    """Why, for the log."""


@dataclass(frozen=True)
class LogEntry:
    """One line of the log."""

    id: str
    order: int
    """1 for the first; never changes."""
    time: str
    """UTC, ISO 8601."""
    note: str
    added: int
    """Statements that were not there before."""
    removed: int
    """Statements that were there before."""
    undoes: str = ""
    """The patch that this entry rolled back; empty for a patch."""
    undone: bool = False
    """Whether a later entry rolled this patch back."""


class GraphStore:
    """A graph of record, open for reading and writing; only one process can have it open.

    Args:
        folder: A store's folder (`GRAPH/store`); made if it does not exist.

    Raises:
        GraphError: Another process has it open.
        DataError: The folder is damaged, or the disk is full.

    Example:
        >>> store = GraphStore("graph/store")  # doctest: +SKIP
        >>> entry = store.apply(Patch(add=(Statement("a", "likes", "b"),)))  # doctest: +SKIP
        >>> store.rollback(entry.id)  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._lock = threading.RLock()
        self._store = _open(self.folder)

    def __enter__(self) -> GraphStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Writes everything out and lets other processes in."""
        if hasattr(self, "_store"):
            self._store.flush()
            del self._store

    def asserted_graphs(self) -> list[GraphName]:
        """The graphs whose statements count as known: the default one and the source's own."""
        return asserted_graphs(self._store)

    def quads(self, held_out: bool = True) -> Iterator[Quad]:
        """What the record states.

        Args:
            held_out: Whether to give valid and test too.

        Yields:
            Quads of the asserted graphs, then of valid and test.
        """
        return record_quads(self._store, held_out)

    def apply(self, patch: Patch) -> LogEntry:
        """Applies a patch: all of it and its log entry, or nothing.

        Only what it really changes is kept as its delta: a statement that was there already is
        not added, and rollback will not remove it.

        Args:
            patch: Statements to add (to train) and to remove (from every asserted graph; valid
                and test are never touched).

        Returns:
            The log entry, with how many statements really changed.

        Raises:
            GraphError: The patch adds and removes the same statement.
            DataError: No space left; nothing was changed.
        """
        both = set(patch.add) & set(patch.remove)
        if both:
            raise GraphError(f"the patch adds and removes the same statement: {both.pop()}")
        with self._lock:
            wanted = dict.fromkeys(statement.quad(TRAIN) for statement in patch.add)
            add = [quad for quad in wanted if quad not in self._store]
            graphs = self.asserted_graphs()
            gone = dict.fromkeys(s.quad(graph) for s in patch.remove for graph in graphs)
            return self._write(add, [q for q in gone if q in self._store], patch.note, "")

    def rollback(self, patch_id: str) -> LogEntry:
        """Undoes a patch exactly: what it added goes, what it removed comes back where it was.

        Args:
            patch_id: As in the log.

        Returns:
            The new log entry.

        Raises:
            GraphError: No such patch, it is undone already, or a later patch changed the same
                statements and has to be undone first.
        """
        with self._lock:
            log = {entry.id: entry for entry in self.log()}
            entry = log.get(patch_id)
            if entry is None or entry.undoes or entry.undone:
                raise GraphError(
                    f"there is no patch {patch_id!r} to undo",
                    "to undo: " + (", ".join(e.id for e in log.values() if _active(e)) or "none"),
                )
            later = [e.id for e in log.values() if _active(e) and e.order > entry.order]
            blocking = self._touching_same(patch_id, later)
            if blocking:
                raise GraphError(
                    f"patch {patch_id} cannot be undone before {', '.join(blocking)}: they "
                    "changed the same statements",
                    f"roll back {blocking[-1]} first",
                )
            add, remove = self._delta(patch_id)
            return self._write(remove, add, f"rollback of {patch_id}", patch_id)

    def log(self) -> list[LogEntry]:
        """All that was done to the store, oldest first."""
        rows: dict[str, dict[str, str]] = defaultdict(dict)
        for subject, predicate, value, _ in self._store.quads_for_pattern(None, None, None, LOG):
            rows[subject.value][predicate.value.removeprefix(iris.TERM)] = value.value
        undone = {row["undoes"] for row in rows.values()}
        entries = [_entry(iri.removeprefix(iris.PATCH), row, undone) for iri, row in rows.items()]
        return sorted(entries, key=lambda entry: entry.order)

    def delta(self, patch_id: str) -> Patch:
        """What a patch really changed; empty for an unknown id."""
        add, remove = self._delta(patch_id)
        return Patch(tuple(map(Statement.of, add)), tuple(map(Statement.of, remove)))

    def snapshot(self, parent: KnowledgeGraph) -> KnowledgeGraph:
        """Reads the record into a snapshot that descends from an earlier one.

        Args:
            parent: A snapshot of this record: its idx stay, new ones are appended.

        Returns:
            The graph, in memory, with the patches since `parent` in its lineage; `parent` itself
            where nothing was done since.

        Raises:
            GraphError: Nothing is left in the graph.
        """
        log = self.log()
        done = int(parent.meta.get("log", 0))
        if len(log) == done:
            return parent
        reader = QuadReader(_reading(parent))
        reader.consume(self.quads())
        builder = reader.finish(parent.name, parent)
        meta = {**parent.meta, **builder.meta, "log": len(log)}
        return builder.build(meta, tuple(entry.id for entry in log[done:]))

    def _touching_same(self, patch_id: str, later: list[str]) -> list[str]:
        own = {quad[:3] for side in self._delta(patch_id) for quad in map(tuple, side)}
        return [
            other
            for other in later
            if any(tuple(q)[:3] in own for side in self._delta(other) for q in side)
        ]

    def _delta(self, patch_id: str) -> tuple[list[Quad], list[Quad]]:
        """(added, removed) quads, in the graphs where they were or are."""
        sides: tuple[list[Quad], list[Quad]] = ([], [])
        for side, mark in zip(sides, ("added", "removed"), strict=True):
            prefix = f"{iris.PATCH}{patch_id}:{mark}:"
            for graph in list(self._store.named_graphs()):
                if graph.value.startswith(prefix):
                    name = unquote(graph.value[len(prefix) :])
                    place = NamedNode(name) if name else TRAIN
                    found = self._store.quads_for_pattern(None, None, None, graph)
                    side.extend(Quad(s, p, o, place) for s, p, o, _ in found)
        return sides

    def _write(self, add: list[Quad], remove: list[Quad], note: str, undoes: str) -> LogEntry:
        """One update: the change, its delta and its log entry."""
        order = len(self.log()) + 1
        time = datetime.now(UTC).isoformat(timespec="seconds")
        entry = LogEntry(f"p{order}", order, time, note, len(add), len(remove), undoes)
        logged = [
            *_in_delta(entry.id, "added", add),
            *_in_delta(entry.id, "removed", remove),
            *_log_quads(entry),
        ]
        update = f"DELETE DATA {{ {_block(remove)} }} ;\nINSERT DATA {{ {_block(add + logged)} }}"
        with disk(self.folder):
            self._store.update(update)
        return entry


def _active(entry: LogEntry) -> bool:
    return not entry.undoes and not entry.undone


def _reading(parent: KnowledgeGraph) -> ImportOptions:
    """The options that the graph was imported with, as far as they decide what is a text."""
    stated: dict[str, Any] = parent.meta.get("reading", {})
    usual = ImportOptions()
    return ImportOptions(
        language=stated.get("language", usual.language),
        labels=tuple(stated.get("labels", usual.labels)),
        descriptions=tuple(stated.get("descriptions", usual.descriptions)),
        aliases=tuple(stated.get("aliases", usual.aliases)),
    )


def _entry(identifier: str, row: dict[str, str], undone: set[str]) -> LogEntry:
    numbers = {key: int(row[key]) for key in ("order", "added", "removed")}
    texts = {key: row[key] for key in ("time", "note", "undoes")}
    return LogEntry(id=identifier, undone=identifier in undone, **numbers, **texts)  # type: ignore[arg-type]


def _log_quads(entry: LogEntry) -> Iterator[Quad]:
    subject = NamedNode(iris.PATCH + entry.id)
    for key in ("order", "time", "note", "added", "removed", "undoes"):
        yield Quad(subject, NamedNode(iris.TERM + key), Literal(getattr(entry, key)), LOG)


def _in_delta(patch_id: str, mark: str, quads: list[Quad]) -> Iterator[Quad]:
    for subject, predicate, value, graph in quads:
        place = "" if graph == TRAIN else quote(graph.value, safe="")
        name = f"{iris.PATCH}{patch_id}:{mark}:{place}"
        yield Quad(subject, predicate, value, NamedNode(name))


def _block(quads: list[Quad]) -> str:
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


def _open(folder: Path) -> Store:
    try:
        with disk(folder):
            return Store(str(folder))
    except OSError as error:
        if "lock" in str(error).lower():
            raise GraphError(
                f"the graph in {folder.parent} is open in another process",
                "wait for it to end, or stop it",
            ) from error
        raise DataError(f"cannot open the store ({error})", folder, hint="import again") from error


def asserted_graphs(store: Store) -> list[GraphName]:
    """The graphs of a store whose statements count as known, the default graph first."""
    names = sorted(graph.value for graph in store.named_graphs())
    skipped = (*INTERNAL, *HELD_OUT)
    return [TRAIN, *(NamedNode(name) for name in names if not name.startswith(skipped))]


def record_quads(store: Store, held_out: bool = True) -> Iterator[Quad]:
    """The quads of the asserted graphs, then those of valid and test."""
    graphs = [*asserted_graphs(store), *(NamedNode(name) for name in HELD_OUT if held_out)]
    for graph in graphs:
        yield from store.quads_for_pattern(None, None, None, graph)


def refresh(graph: Path) -> KnowledgeGraph:
    """Brings a graph folder's snapshot up to date with its store.

    Args:
        graph: A folder that `accord graph import` made.

    Returns:
        The new snapshot, memory-mapped; it descends from the old one.

    Raises:
        GraphError: The store is open elsewhere.
        DataError: Not a graph folder, or no space; the old snapshot is untouched.
    """
    parent = KnowledgeGraph.load(graph)
    with GraphStore(graph / "store") as store:
        child = store.snapshot(parent)
    if child is not parent:
        child.save(graph / "snapshot")
    return KnowledgeGraph.load(graph)
