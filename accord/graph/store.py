"""The graph of record: an embedded Oxigraph store with patches, a log and exact rollback.

The default graph, and any named graph of the source's own, are what is asserted (train). What is
held out stays apart in `urn:accord:graph:valid` and `...:test`; `urn:accord:proposed:ID` and
`urn:accord:rejected:ID` hold one proposal each. `urn:accord:patch:ID:...` keeps what a patch really
changed, and `urn:accord:graph:log` when and why.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from pyoxigraph import NamedNode, Quad, Store

from accord.errors import DataError, GraphError
from accord.graph import iris
from accord.graph.descend import descend, is_simple
from accord.graph.formats_rdf import QuadReader
from accord.graph.graph import PENDING, KnowledgeGraph, Lineage
from accord.graph.labels import reading_of
from accord.graph.patches import TRAIN, GraphName, LogEntry, Patch, Statement
from accord.graph.updates import LOG, block, drops, in_delta, log_quads, read_log
from accord.graph.writing import clear_leftovers, disk

__all__ = ["GraphStore", "LogEntry", "Patch", "Statement", "refresh"]

HELD_OUT = tuple(iris.HELD_OUT.values())
INTERNAL = (iris.PATCH, iris.PROPOSED, iris.ACCEPTED, iris.REJECTED, iris.LOG)
QuadChange = tuple[Sequence[str], Sequence[Quad]]
"""(named graphs to drop, quads to insert)."""


class Closing(ABC):
    """What `with` closes at its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Lets go of what is open."""


class GraphStore(Closing):
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
        # Nobody else writes while this store is open, so what was read once stays true: without
        # that, the ten-thousandth patch would read the log of all before it.
        self._entries: dict[str, LogEntry] | None = None
        self._asserted: list[GraphName] | None = None
        self._deltas: dict[str, list[str]] | None = None
        self._store = _open(self.folder)

    def close(self) -> None:
        """Writes everything out and lets other processes in."""
        if hasattr(self, "_store"):
            self._store.flush()
            del self._store

    def asserted_graphs(self) -> list[GraphName]:
        """The graphs whose statements count as known: the default one and the source's own."""
        if self._asserted is None:
            self._asserted = asserted_graphs(self._store)
        return list(self._asserted)

    def quads(self, held_out: bool = True) -> Iterator[Quad]:
        """What the record states.

        Args:
            held_out: Whether to give valid and test too.

        Yields:
            Quads of the asserted graphs, then of valid and test.
        """
        return record_quads(self._store, held_out)

    def apply(self, patch: Patch, who: str = "") -> LogEntry:
        """Applies a patch: all of it and its log entry, or nothing.

        Only what it really changes is kept as its delta: a statement that was there already is
        not added, and rollback will not remove it. A patch that is in force already is not
        applied again: nothing is written.

        Args:
            patch: Statements to add (to train) and to remove (from every asserted graph; valid
                and test are never touched).
            who: Who applies it, for the log.

        Returns:
            The log entry, with how many statements really changed; the earlier one for a patch
            that is in force.

        Raises:
            GraphError: The patch adds and removes the same statement.
            DataError: No space left; nothing was changed.
        """
        both = set(patch.add) & set(patch.remove)
        if both:
            raise GraphError(f"the patch adds and removes the same statement: {both.pop()}")
        with self._lock:
            known = self.applied(patch)
            if known is not None:
                return known
            wanted = dict.fromkeys(statement.quad(TRAIN) for statement in patch.add)
            add = [quad for quad in wanted if quad not in self._store]
            graphs = self.asserted_graphs()
            gone = dict.fromkeys(s.quad(graph) for s in patch.remove for graph in graphs)
            remove = [quad for quad in gone if quad in self._store]
            return self._write(add, remove, note=patch.note, patch=patch.digest, who=who)

    def applied(self, patch: Patch) -> LogEntry | None:
        """The entry by which a patch is in force; None where it is not."""
        same = (e for e in self._log().values() if e.active and e.patch == patch.digest)
        return next(same, None)

    def rollback(self, patch_id: str, also: QuadChange = ((), ()), who: str = "") -> LogEntry:
        """Undoes a patch exactly: what it added goes, what it removed comes back where it was.

        Args:
            patch_id: As in the log.
            also: Named graphs to drop and quads to insert in the same update, as in `change`.
            who: Who undoes it, for the log.

        Returns:
            The new log entry.

        Raises:
            GraphError: No such patch, it is undone already, or a later patch changed the same
                statements and has to be undone first.
        """
        with self._lock:
            log = self._log()
            entry = log.get(patch_id)
            if entry is None or not entry.active:
                active = [e.id for e in log.values() if e.active]
                raise GraphError(
                    f"there is no patch {patch_id!r} to undo",
                    "to undo: " + (", ".join(active[-20:]) or "none"),
                )
            add, remove = self._delta(patch_id)
            blocking = self._touching_same(entry, add + remove)
            if blocking:
                raise GraphError(
                    f"patch {patch_id} cannot be undone before {', '.join(blocking)}: they "
                    "changed the same statements",
                    f"roll back {blocking[-1]} first",
                )
            note = f"rollback of {patch_id}"
            return self._write(remove, add, also, note=note, undoes=patch_id, who=who)

    def change(self, drop: Sequence[str], insert: Sequence[Quad]) -> None:
        """Changes graphs beside what is asserted (proposals), in one update.

        Args:
            drop: IRIs of named graphs that go.
            insert: Quads that come, after the graphs went.

        Raises:
            GraphError: A graph that is asserted or held out is among them.
            DataError: No space left; nothing was changed.
        """
        names = [*drop, *(str(quad.graph_name).strip("<>") for quad in insert)]
        foreign = next((name for name in names if not name.startswith(INTERNAL)), None)
        if foreign is not None:
            raise GraphError(f"{foreign} is no graph of proposals; change it with a patch")
        with self._lock:
            self._update(f"{drops(drop)} INSERT DATA {{ {block(insert)} }}")

    def graphs(self, prefix: str) -> list[str]:
        """The IRIs of the named graphs that begin with a prefix, sorted."""
        names = (graph.value for graph in self._store.named_graphs())
        return sorted(name for name in names if name.startswith(prefix))

    def graph(self, name: str) -> list[Quad]:
        """The quads of one named graph."""
        return list(self._store.quads_for_pattern(None, None, None, NamedNode(name)))

    def asserts(self, statement: Statement) -> bool:
        """Whether a statement is in one of the asserted graphs."""
        return any(statement.quad(graph) in self._store for graph in self.asserted_graphs())

    def log(self) -> list[LogEntry]:
        """All that was done to the store, oldest first."""
        return list(self._log().values())

    def _log(self) -> dict[str, LogEntry]:
        """Entries by id, oldest first."""
        if self._entries is None:
            found = read_log(self._store.quads_for_pattern(None, None, None, LOG))
            self._entries = {entry.id: entry for entry in found}
        return self._entries

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
        options, since = reading_of(parent), log[done:]
        patches = tuple(entry.id for entry in since)
        deltas = [self.delta(entry.id) for entry in since]
        if self.asserted_graphs() == [TRAIN] and is_simple(parent, deltas, options):
            lineage = Lineage(parent.hash, (*parent.lineage.ancestors, parent.hash), patches)
            child = descend(parent, deltas, lineage)
            return replace(child, meta={**parent.meta, "log": len(log)})
        reader = QuadReader(options)
        reader.consume(self.quads())
        builder = reader.finish(parent.name, parent)
        return builder.build({**parent.meta, **builder.meta, "log": len(log)}, patches)

    def _touching_same(self, entry: LogEntry, own: list[Quad]) -> list[str]:
        """Patches in force, later than this one, that changed one of its statements."""
        later = {e.id: e for e in self._log().values() if e.active and e.order > entry.order}
        if not later:
            return []
        names = (
            str(quad.graph_name).removeprefix(f"<{iris.PATCH}")
            for subject, predicate, value, _ in own
            for quad in self._store.quads_for_pattern(subject, predicate, value, None)
        )
        found = later.keys() & {name.partition(":")[0] for name in names}
        return sorted(found, key=lambda other: later[other].order)

    def _delta(self, patch_id: str) -> tuple[list[Quad], list[Quad]]:
        """(added, removed) quads, in the graphs where they were or are."""
        sides: tuple[list[Quad], list[Quad]] = ([], [])
        for name in self._delta_graphs().get(patch_id, []):
            _, mark, place = name.removeprefix(iris.PATCH).split(":")
            home = NamedNode(unquote(place)) if place else TRAIN
            side = sides[("added", "removed").index(mark)]
            side.extend(Quad(s, p, o, home) for s, p, o, _ in self.graph(name))
        return sides

    def _delta_graphs(self) -> dict[str, list[str]]:
        """Names of the graphs that keep each patch's delta."""
        if self._deltas is None:
            self._deltas = {}
            for name in self.graphs(iris.PATCH):
                patch_id = name.removeprefix(iris.PATCH).partition(":")[0]
                self._deltas.setdefault(patch_id, []).append(name)
        return self._deltas

    def _write(
        self,
        add: list[Quad],
        remove: list[Quad],
        also: QuadChange = ((), ()),
        *,
        note: str,
        undoes: str = "",
        patch: str = "",
        who: str = "",
    ) -> LogEntry:
        """One update: the change, its delta and its log entry."""
        log, deltas = self._log(), self._delta_graphs()
        order = len(log) + 1
        time = datetime.now(UTC).isoformat(timespec="seconds")
        sizes = len(add), len(remove)
        entry = LogEntry(f"p{order}", order, time, note, *sizes, undoes, patch=patch, who=who)
        delta = [*in_delta(entry.id, "added", add), *in_delta(entry.id, "removed", remove)]
        added = [*add, *delta, *log_quads(entry), *also[1]]
        self._update(
            f"{drops(also[0])} DELETE DATA {{ {block(remove)} }} ;\n"
            f"INSERT DATA {{ {block(added)} }}"
        )
        log[entry.id] = entry
        deltas[entry.id] = sorted({str(quad.graph_name).strip("<>") for quad in delta})
        if undoes:
            log[undoes] = replace(log[undoes], undone=True)
            self._asserted = None
        return entry

    def _update(self, text: str) -> None:
        """Runs one update: all of it or nothing."""
        try:
            with disk(self.folder):
                self._store.update(text)
        except BaseException:  # also Ctrl-C: what is remembered may not be what is there
            self._entries = self._asserted = self._deltas = None
            raise


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
    with GraphStore(graph / "store") as store:
        return catch_up(graph, store)


def catch_up(graph: Path, store: GraphStore) -> KnowledgeGraph:
    """As `refresh`, with a store that is open."""
    parent = KnowledgeGraph.load(graph)
    clear_leftovers(graph / "snapshot")
    child = store.snapshot(parent)
    if child is not parent:
        child.save(graph / "snapshot")
        parent = KnowledgeGraph.load(graph)
    (graph / PENDING).unlink(missing_ok=True)
    return parent


def mend(graph: Path) -> None:
    """Brings a snapshot up to date where a patch was cut off before it could (`PENDING`).

    Where another process has the record open, or it may not be written, the snapshot stays as it
    was before the patch.
    """
    with suppress(GraphError, DataError, OSError):
        refresh(graph)
