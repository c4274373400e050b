"""The queue of flags and proposals: kept in the graph's own record, decided by people.

One named graph holds one item: the statement itself, and with PROV-O which run found it, when, on
what evidence, and who decided what. Its name begins with the item's state, so that
`urn:accord:rejected:...` are what was turned down. An item's id follows from its statement: what
was decided once is not proposed again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accord.errors import ConfigError, DataError, GraphError
from accord.graph.formats import refuse_foreign, write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import ACCEPTED, PROPOSED
from accord.graph.patches import Patch, Statement
from accord.graph.store import Closing, catch_up
from accord.refine.entry import (
    STATES,
    Decision,
    Entry,
    State,
    changes,
    entry_quads,
    item_id,
    now,
    read_entry,
    reopened,
)
from accord.refine.items import Item
from accord.refine.naming import names_for
from accord.refine.patch import (
    REVIEWER,
    Applied,
    check_ids,
    check_rest,
    introducing,
    open_store,
    pending,
    record_folder,
)


@dataclass(frozen=True)
class Added:
    """What `add` did."""

    new: int
    again: int
    """Proposed before and still open: score, reason and evidence are the newest."""
    decided: int
    """Accepted or rejected before, or the contrary of what was accepted: not proposed again."""


def add(out: str | Path, items: Iterable[Item], run: str, graph: KnowledgeGraph) -> Added:
    """Puts items into the queue of a graph folder.

    Args:
        out: A graph folder; where there is none, one is made of `graph`.
        items: Flags and proposals about `graph`.
        run: Who proposes them: a run folder, a model's name.
        graph: The snapshot that was scanned.

    Returns:
        How many are new, open already, or decided before.

    Raises:
        GraphError: `out` holds another graph, or is open elsewhere.
    """
    folder = Path(out)
    if not (folder / "store").is_dir():
        write_graph(graph, folder)
    with Queue(folder) as queue:
        return queue.add(items, run, graph)


def check_queue(out: str | Path, graph: KnowledgeGraph) -> None:
    """Makes sure, before a scan takes its minutes, that its items may go into a queue.

    Args:
        out: As of `add`.
        graph: The snapshot that will be scanned.

    Raises:
        DataError: Something that is not a graph is there, or it may not be written.
        GraphError: `out` holds another graph, or a graph without a record.
        Occupied: A reviewer has it open.
    """
    store = Path(out) / "store"
    if store.is_dir() and not os.access(store, os.W_OK):
        raise DataError(
            "may not be written (permission denied)", store, hint="choose another --out"
        )
    if store.is_dir():
        _check_related(KnowledgeGraph.load(out), graph)
        Queue(out).close()  # whoever has it open is named
    else:
        refuse_foreign(Path(out))


def _check_related(queued: KnowledgeGraph, graph: KnowledgeGraph) -> None:
    if not (queued.descends_from(graph.hash) or graph.descends_from(queued.hash)):
        raise GraphError(
            f"the items are about the graph {graph.name} ({graph.hash[:12]}), the queue is of "
            f"{queued.name} ({queued.hash[:12]})",
            "choose another --out",
        )


def rollback_patch(graph: str | Path, patch_id: str, who: str = "") -> Applied:
    """Undoes a patch exactly: what it added goes, what it removed comes back where it was.

    The items of the queue that it came from are open again.

    Args:
        graph: A folder that `accord graph import` made.
        patch_id: As in `accord.refine.patch.patch_log`.
        who: Who undoes it, for the log.

    Returns:
        The log entry of the rollback and the new snapshot.

    Raises:
        GraphError: No such patch in force, or a later one changed the same statements.
    """
    with Queue(graph, who) as queue:
        return queue.rollback(patch_id)


class Queue(Closing):
    """The queue of a graph folder, open for one reviewer at a time.

    Args:
        folder: A graph folder.
        who: Who reviews; kept with each decision.

    Raises:
        GraphError: No record.
        Occupied: Somebody else has it open (the message says who).
    """

    def __init__(self, folder: str | Path, who: str = "") -> None:
        self.folder = record_folder(folder)
        self.who = who
        self.store = open_store(self.folder)
        self.graph = catch_up(self.folder, self.store)
        self._note = self.folder / REVIEWER
        self._note.write_text(json.dumps({"who": who, "since": now(), "process": os.getpid()}))

    def close(self) -> None:
        """Lets the next reviewer in."""
        self._note.unlink(missing_ok=True)
        self.store.close()

    def add(self, items: Iterable[Item], run: str, graph: KnowledgeGraph) -> Added:
        """As the function `add`.

        Args:
            items: Flags and proposals about `graph`.
            run: Who proposes them.
            graph: The snapshot that was scanned.
        """
        _check_related(self.graph, graph)
        states, time = self._states(), now()
        fresh = {item_id(item): item for item in items}
        decided = [changes(entry.item) for entry in self.entries("accepted")]
        come, go = ({s for sides in decided for s in sides[at]} for at in (0, 1))
        # Nor is it asked whether what was taken out should come back, or what came should go.
        kept = [
            key
            for key, item in fresh.items()
            if states.get(key, "proposed") == "proposed"
            and go.isdisjoint(changes(item)[0])
            and come.isdisjoint(changes(item)[1])
        ]
        self._put(
            [Entry(key, "proposed", fresh[key], run, graph.hash, time) for key in kept],
            [PROPOSED + key for key in kept if key in states],
        )
        again = sum(key in states for key in kept)
        return Added(len(kept) - again, again, len(fresh) - len(kept))

    def entries(self, state: State | None = "proposed") -> list[Entry]:
        """The items of one state, or all: likeliest first, then by score.

        Args:
            state: "proposed", "accepted", "rejected", or None for all.
        """
        found = [
            read_entry(name, self.store.graph(name))
            for kind, prefix in STATES.items()
            if state in (None, kind)
            for name in self.store.graphs(prefix)
        ]
        return sorted(found, key=lambda e: (-(e.item.probability or 0.0), -e.item.score, e.id))

    def entry(self, identifier: str) -> Entry:
        """One item by its id.

        Raises:
            GraphError: The queue has none.
        """
        return self._named([identifier])[0]

    def _named(self, identifiers: Iterable[str]) -> list[Entry]:
        """Items by their ids; what the queue has is listed once for all of them."""
        states, found = self._states(), []
        for identifier in identifiers:
            if identifier not in states:
                raise GraphError(f"the queue has no item {identifier!r}", "ids are in its export")
            name = STATES[states[identifier]] + identifier
            found.append(read_entry(name, self.store.graph(name)))
        return found

    def decide(self, decisions: Sequence[Decision], new: Sequence[Entry] = ()) -> list[Entry]:
        """Keeps decisions, all of them or none; an earlier one about the same item gives way.

        Args:
            decisions: Verdicts; `skip` leaves an item as it is.
            new: Entries of another queue to take in, in the same update.

        Returns:
            The entries that were decided, as they are now.

        Raises:
            GraphError: An unknown id, of an item or of what an edit names.
            ConfigError: An edit that says nothing.
        """
        told = {d.id: d for d in decisions if d.verdict != "skip"}
        before = self._named(told)
        after = [self._decided(entry, told[entry.id]) for entry in before]
        brought = [e.item for e in new if self._is_foreign(e)]
        edited = [e.item for e in after if told[e.id].statement is not None]
        self._check_edits([*edited, *brought])
        self._put([*new, *after], [STATES[entry.state] + entry.id for entry in before])
        return after

    def restore(self, entry: Entry) -> None:
        """Takes back what was decided about an item since it was read.

        Args:
            entry: The item as it was; its state now is forgotten.

        Raises:
            GraphError: The queue has no such item.
        """
        current = self.entry(entry.id)
        self._put([entry], [STATES[current.state] + current.id])

    def accepts(self, decision: Decision) -> bool:
        """Whether `decide` would take a decision; all that can be wrong is what it refers to."""
        try:
            after = self._decided(self.entry(decision.id), decision)
            self._check_edits([after.item] if decision.statement is not None else [])
        except (GraphError, ConfigError):
            return False
        return True

    def _is_foreign(self, entry: Entry) -> bool:
        """Whether an entry of another queue says what no scan of this graph has said."""
        return entry.original is not None or not self.graph.descends_from(entry.graph)

    def _check_edits(self, items: Sequence[Item]) -> None:
        """Makes sure that edits speak of what the graph knows or an item of the queue names."""
        if items:
            offered = [s for entry in self.entries(None) for s in changes(entry.item)[0]]
            said = [changes(item) for item in items]
            add, remove = ([s for sides in said for s in sides[at]] for at in (0, 1))
            check_ids(self.graph, Patch((*add, *introducing(self.graph, offered)), tuple(remove)))

    def _decided(self, entry: Entry, decision: Decision) -> Entry:
        state: State = "rejected" if decision.verdict == "reject" else "accepted"
        after = replace(entry, state=state, who=self.who, decided=now())
        if decision.statement is None:
            return after
        original = entry.original or entry.item.triple
        return replace(after, item=entry.item.edited(*decision.statement), original=original)

    def above(self, precision: float, entries: Sequence[Entry] | None = None) -> list[Decision]:
        """Accepts for what is at least that likely to be right; unknown ones stay open.

        Args:
            precision: Lowest probability, 0 to 1.
            entries: Which open ones; None: all.

        Raises:
            ConfigError: Out of range.
        """
        if not 0 < precision <= 1:
            raise ConfigError(f"--above {precision} is not in 0 to 1", "e.g. --above 0.95")
        return [
            Decision(entry.id, "accept")
            for entry in (self.entries() if entries is None else entries)
            if (entry.item.probability or 0.0) >= precision
        ]

    def patch(self, note: str = "") -> Patch:
        """What the accepted items change that is not so already.

        Args:
            note: For the log.

        Returns:
            A patch for this graph, which names what is new to it; empty where nothing is left.
        """
        add: dict[Statement, None] = {}
        remove: dict[Statement, None] = {}
        for entry in self.entries("accepted"):
            come, go = changes(entry.item)
            add.update(dict.fromkeys(come))
            remove.update(dict.fromkeys(go))
        # Where two items disagree about a statement, it stays as it is.
        both = add.keys() & remove.keys()
        new = [s for s in add if s not in both and not self.store.asserts(s)]
        gone = (s for s in remove if s not in both and self.store.asserts(s))
        return Patch((*names_for(self.graph, new), *new), tuple(gone), note, self.graph.hash)

    def waiting(self) -> list[Entry]:
        """The accepted items that no patch has brought into the graph yet."""
        asserts = self.store.asserts
        rows = ((entry, *changes(entry.item)) for entry in self.entries("accepted"))
        return [
            entry
            for entry, come, go in rows
            if not all(map(asserts, come)) or any(map(asserts, go))
        ]

    def rollback(self, patch_id: str) -> Applied:
        """Undoes a patch; the items that it came from are open again, in the same update.

        Args:
            patch_id: As in the log.

        Returns:
            The log entry of the rollback and the new snapshot.

        Raises:
            GraphError: No such patch in force, or a later one changed the same statements.
        """
        delta = self.store.delta(patch_id)
        check_rest(self.store, self.graph, Patch(delta.remove, delta.add))
        undone = {*delta.add, *delta.remove}
        back = [
            e
            for e in self.entries("accepted")
            if undone & {*changes(e.item)[0], *changes(e.item)[1]}
        ]
        quads = [q for e in back for q in entry_quads(reopened(e))]
        with pending(self.folder):
            dropped = [ACCEPTED + e.id for e in back]
            entry = self.store.rollback(patch_id, (dropped, quads), self.who)
        self.graph = catch_up(self.folder, self.store)
        return Applied(entry, False, self.graph)

    def _states(self) -> dict[str, State]:
        return {
            name.removeprefix(prefix): state
            for state, prefix in STATES.items()
            for name in self.store.graphs(prefix)
        }

    def _put(self, entries: Sequence[Entry], drop: Sequence[str]) -> None:
        if entries:
            self.store.change(drop, [quad for entry in entries for quad in entry_quads(entry)])
