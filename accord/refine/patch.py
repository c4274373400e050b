"""Patches of a graph folder: apply, roll back, list; the record and the snapshot together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accord.errors import AccordError, GraphError
from accord.graph.builder import triple_keys
from accord.graph.datasets import DATASETS
from accord.graph.graph import PENDING, KnowledgeGraph
from accord.graph.iris import INVERSE, KIND, PHRASE
from accord.graph.labels import reading_of
from accord.graph.lookup import near_names
from accord.graph.patches import LogEntry, Patch, Statement
from accord.graph.query import open_record
from accord.graph.store import GraphStore, catch_up
from accord.graph.updates import LOG, read_log
from accord.graph.writing import disk
from accord.progress import say
from accord.refine.patch_files import read_patch

__all__ = ["Applied", "Patch", "Statement", "apply_patch", "patch_log"]


REVIEWER = "reviewer.json"
"""File in a graph folder that says who has the queue open."""


@dataclass(frozen=True)
class Applied:
    """What applying or undoing a patch did."""

    entry: LogEntry
    """The entry of the log; for a patch that was in force already the earlier one."""
    already: bool
    """Whether nothing was done, because the patch was in force."""
    graph: KnowledgeGraph
    """The snapshot after it."""


class Occupied(GraphError):
    """A graph folder that somebody else has open."""


def open_store(folder: Path) -> GraphStore:
    """Opens the record of a graph folder.

    Raises:
        Occupied: Somebody else has it open; a reviewer is named.
    """
    try:
        return GraphStore(folder / "store")
    except GraphError as error:
        raise _occupied(folder, error) from error


def _occupied(folder: Path, error: GraphError) -> Occupied:
    try:
        note = json.loads((folder / REVIEWER).read_text())
        who, since, process = note["who"], note["since"], note["process"]
    except (OSError, ValueError, KeyError):
        return Occupied(error.message, error.hint)
    return Occupied(
        f"{who or 'somebody'} has the queue of {folder} open since {since} (process {process})",
        "wait until that review ends; decisions are kept one by one",
    )


def apply_patch(graph: str | Path, patch: Patch | str | Path, who: str = "") -> Applied:
    """Applies a patch to a graph folder: all of it or nothing, and once only.

    Args:
        graph: A folder that `accord graph import` made.
        patch: A patch, or a file that holds one.
        who: Who applies it, for the log.

    Returns:
        The log entry and the new snapshot, which descends from the old one.

    Raises:
        GraphError: The patch was made for another graph, names ids that the graph does not have,
            or the graph is open elsewhere; nothing was changed.
        DataError: The file cannot be read, or no space is left; nothing was changed.
    """
    folder = record_folder(graph)
    change = patch if isinstance(patch, Patch) else read_patch(patch)
    with open_store(folder) as store:
        # Only one process has a record open: a note of a reviewer was left by one that was killed.
        (folder / REVIEWER).unlink(missing_ok=True)
        known = catch_up(folder, store)
        check_graph(known, change)
        entry = store.applied(change)
        if entry is not None:
            return Applied(entry, True, known)
        check_ids(known, change)
        check_rest(store, known, change)
        _tell_held_out(known, change)
        with pending(folder):
            entry = store.apply(change, who)
        return Applied(entry, False, catch_up(folder, store))


def patch_log(graph: str | Path) -> list[LogEntry]:
    """All that was done to a graph folder, oldest first; also while another process changes it."""
    store = open_record(record_folder(graph))
    return read_log(store.quads_for_pattern(None, None, None, LOG))


def record_folder(graph: str | Path) -> Path:
    """The graph folder, if it has a record that can be changed.

    Raises:
        GraphError: There is no such folder, or it is a file, a data set's name, or a snapshot
            without its record.
    """
    folder = Path(graph)
    if not folder.exists() and str(graph) not in DATASETS:
        raise GraphError(f"there is no graph folder {str(graph)!r}", "check the path")
    if not (folder / "store").is_dir():
        raise GraphError(
            f"{graph} has no record that could be changed",
            f"make a graph folder of it: accord graph import {graph} --out GRAPH",
        )
    return folder


@contextmanager
def pending(folder: Path) -> Iterator[None]:
    """Marks that the record may run ahead of the snapshot, until `catch_up`."""
    with disk(folder):
        (folder / PENDING).touch()
    try:
        yield
    except AccordError:  # refused: nothing was changed
        (folder / PENDING).unlink(missing_ok=True)
        raise


def check_graph(graph: KnowledgeGraph, patch: Patch) -> None:
    """Makes sure that a patch was made for a graph or one that it descends from.

    Raises:
        GraphError: It was made for another.
    """
    if patch.graph and not graph.descends_from(patch.graph):
        raise GraphError(
            f"the patch was made for the graph {patch.graph[:12]}, this is {graph.hash[:12]} "
            f"({graph.name}), which does not descend from it; nothing was changed",
            "apply it to the graph that was scanned, or scan this one",
        )


def check_ids(graph: KnowledgeGraph, patch: Patch) -> None:
    """Makes sure that a patch speaks of what the graph knows.

    An addition may bring a new entity or relation if the patch also gives it a name
    (`rdfs:label` or another property for names) or says its kind (`urn:accord:term:kind`).

    Raises:
        GraphError: An id is unknown; the hint gives near ones.
    """
    new = {s.subject for s in introducing(graph, patch.add)}
    for side, brought in ((patch.remove, set[str]()), (patch.add, new)):
        unknown = next(_unknown_ids(graph, side, brought), None)
        if unknown is not None:
            raise _unknown(graph, unknown, side is patch.add)


def check_rest(store: GraphStore, graph: KnowledgeGraph, patch: Patch) -> None:
    """Makes sure that a patch leaves something: of an empty record no snapshot can be made.

    Raises:
        GraphError: It takes out all there is.
    """
    known = graph.num_triples + len(graph.attributes)
    texts = reading_of(graph).kinds()
    if len(patch.remove) < known or any(s.predicate not in texts for s in patch.add):
        return
    gone = {s for s in patch.remove if s.predicate not in texts and store.asserts(s)}
    if len(gone) >= known:
        raise GraphError(
            f"the patch takes out all that {graph.name} states; nothing was changed",
            "leave something in, or delete the graph's folder",
        )


def _tell_held_out(graph: KnowledgeGraph, patch: Patch) -> None:
    """Says so where what is added to train is asked for in valid or test."""
    held = graph.triples[graph.split > 0]
    rows = [(s.subject, s.predicate, s.value) for s in patch.add if not s.literal]
    if not (len(held) and rows):
        return
    number = {key: idx for idx, key in enumerate(graph.relation_ids)}
    heads, tails = (graph.entities([row[at] for row in rows]) for at in (0, 2))
    come = np.column_stack([heads, [number.get(row[1], -1) for row in rows], tails])
    sizes = graph.num_relations, graph.num_entities
    known = come[(come >= 0).all(axis=1)]
    count = int(np.isin(triple_keys(known, *sizes), triple_keys(held, *sizes)).sum())
    if count:
        say(
            f"{count:,} of the added triples are held out in valid or test: what is measured there "
            "counts for less from now on"
        )


def introducing(graph: KnowledgeGraph, statements: Iterable[Statement]) -> list[Statement]:
    """Those statements that name something or say its kind, so that it may be new."""
    texts = {*reading_of(graph).kinds(), KIND, PHRASE, INVERSE}
    return [s for s in statements if s.literal and s.predicate in texts]


def _unknown_ids(
    graph: KnowledgeGraph, statements: Iterable[Statement], brought: set[str]
) -> Iterator[str]:
    """Ids of entities and relations that neither the graph has nor the patch brings."""
    ids = [identifier for s in statements for identifier in _ids(s)]
    known = {*graph.relation_ids, *brought}
    rest = list(dict.fromkeys(identifier for identifier in ids if identifier not in known))
    yield from (i for i, idx in zip(rest, graph.entities(rest).tolist(), strict=True) if idx < 0)


def _ids(statement: Statement) -> tuple[str, ...]:
    if statement.literal:
        return (statement.subject,)
    return statement.subject, statement.predicate, statement.value


def _unknown(graph: KnowledgeGraph, identifier: str, added: bool) -> GraphError:
    near = near_names(identifier, [*graph.relation_ids, *graph.entity_ids])
    hint = "did you mean " + " or ".join(map(repr, near)) + "?" if near else ""
    if added:
        hint += ("; " if hint else "") + "to bring a new one, name it in the same patch"
    return GraphError(
        f"the graph {graph.name!r} has no entity or relation {identifier!r}; nothing was changed",
        hint,
    )
