"""An entry of the queue: an item, its provenance, its state; and as the quads that keep it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args
from urllib.parse import quote

import pyoxigraph as rdf

from accord.errors import ConfigError, DataError, nearest
from accord.graph.builder import XSD_STRING
from accord.graph.iris import ACCEPTED, PREFIX, PROPOSED, RDF, REJECTED, TERM, XSD
from accord.graph.patches import Statement
from accord.refine.items import Item

State = Literal["proposed", "accepted", "rejected"]
Verdict = Literal["accept", "reject", "edit", "skip"]
STATES: dict[State, str] = {"proposed": PROPOSED, "accepted": ACCEPTED, "rejected": REJECTED}
PROV = "http://www.w3.org/ns/prov#"
RECORD = TERM + "entry"
"""Holds the whole entry as JSON, beside what SPARQL can ask."""


@dataclass(frozen=True)
class Entry:
    """One item of the queue and what became of it."""

    id: str
    state: State
    item: Item
    """As it stands now: after an edit, the edited one."""
    run: str
    """Who proposed it: a run folder, a model's name."""
    graph: str
    """Hash of the snapshot that was scanned."""
    time: str
    """When it was proposed; UTC, ISO 8601."""
    who: str = ""
    """Who decided; empty while it is proposed."""
    decided: str = ""
    """When."""
    original: tuple[str, str, str] | None = None
    """What the item said before it was edited; None: it was not."""

    @property
    def verdict(self) -> str:
        """What was decided, as a file of decisions says it; empty while it is open."""
        return {"proposed": "", "accepted": "accept", "rejected": "reject"}[self.state]

    def check_id(self) -> bool:
        """Whether the id is the one that follows from the statement."""
        head, relation, tail = self.original or self.item.triple
        item = replace(self.item, head=head, relation=relation, tail=tail)
        return self.id in (item_id(item), item_id(replace(item, replaces=None)))


@dataclass(frozen=True)
class Decision:
    """A verdict about an entry."""

    id: str
    verdict: Verdict
    statement: tuple[str, str, str] | None = None
    """Of an edit: (head, relation, tail) that is to stand there."""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise ConfigError(
                f"unknown verdict {self.verdict!r}",
                nearest(self.verdict, get_args(Verdict)) or "accept, reject, edit or skip",
            )
        if (self.verdict == "edit") != (self.statement is not None):
            raise ConfigError(f"only and every edit gives a new statement: {self.id}")


def item_id(item: Item) -> str:
    """16 hex digits that follow from what an item says, not from how sure it is."""
    key = [item.kind, *item.triple, item.attribute, item.datatype, item.language]
    text = json.dumps([*key, *(item.replaces or ())], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def now() -> str:
    """The time as the queue keeps it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def reopened(entry: Entry) -> Entry:
    """The entry as it was before anybody decided; an edit stays."""
    return replace(entry, state="proposed", who="", decided="")


def changes(item: Item) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """(additions, removals) that accepting an item means."""
    this = _statement(item, *item.triple)
    if item.replaces is not None:
        return (this,), (_statement(item, *item.replaces),)
    return ((this,), ()) if item.kind == "proposal" else ((), (this,))


def _statement(item: Item, head: str, relation: str, tail: str) -> Statement:
    if not item.attribute:
        return Statement(head, relation, tail)
    return Statement(head, relation, tail, True, item.datatype or XSD_STRING, item.language)


def entry_quads(entry: Entry) -> Iterator[rdf.Quad]:
    """An entry as quads of its own named graph: the statement, and PROV-O about it."""
    graph = rdf.NamedNode(STATES[entry.state] + entry.id)
    yield _statement(entry.item, *entry.item.triple).quad(graph)
    this = rdf.NamedNode(f"{PREFIX}item:{entry.id}")
    for predicate, value in _facts(entry):
        yield rdf.Quad(this, rdf.NamedNode(predicate), value, graph)
    for subject, predicate, value in _activities(entry, this):
        yield rdf.Quad(subject, rdf.NamedNode(predicate), value, graph)


def _facts(entry: Entry) -> Iterator[tuple[str, rdf.NamedNode | rdf.Literal]]:
    item = entry.item
    row = {key: value for key, value in asdict(entry).items() if key not in ("id", "state")}
    yield RECORD, rdf.Literal(json.dumps({**row, "item": item.to_dict()}, ensure_ascii=True))
    yield RDF + "type", rdf.NamedNode(PROV + "Entity")
    yield PROV + "wasGeneratedBy", _scan(entry)
    yield PROV + "generatedAtTime", _time(entry.time)
    yield TERM + "kind", rdf.Literal(item.kind)
    yield TERM + "score", rdf.Literal(item.score)
    if item.probability is not None:
        yield TERM + "probability", rdf.Literal(item.probability)
    yield TERM + "reason", rdf.Literal(item.reason)
    yield from ((TERM + "evidence", rdf.Literal(text)) for text in item.evidence)


def _activities(
    entry: Entry, this: rdf.NamedNode
) -> Iterator[tuple[rdf.NamedNode, str, rdf.NamedNode | rdf.Literal]]:
    scan = _scan(entry)
    yield scan, RDF + "type", rdf.NamedNode(PROV + "Activity")
    yield scan, PROV + "used", rdf.NamedNode(f"{PREFIX}snapshot:{entry.graph}")
    yield scan, TERM + "run", rdf.Literal(entry.run)
    if entry.decided:
        review = rdf.NamedNode(f"{PREFIX}review:{entry.id}")
        who = rdf.NamedNode(f"{PREFIX}reviewer:{quote(entry.who, safe='')}")
        yield review, RDF + "type", rdf.NamedNode(PROV + "Activity")
        yield review, PROV + "used", this
        yield review, PROV + "endedAtTime", _time(entry.decided)
        yield review, PROV + "wasAssociatedWith", who
        yield who, RDF + "type", rdf.NamedNode(PROV + "Agent")


def _scan(entry: Entry) -> rdf.NamedNode:
    text = f"{entry.run}\n{entry.graph}\n{entry.time}"
    return rdf.NamedNode(f"{PREFIX}scan:{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def _time(text: str) -> rdf.Literal:
    return rdf.Literal(text, datatype=rdf.NamedNode(XSD + "dateTime"))


def read_entry(name: str, quads: list[rdf.Quad]) -> Entry:
    """What `entry_quads` wrote.

    Args:
        name: The named graph's IRI.
        quads: What it holds.

    Raises:
        DataError: The graph holds no entry.
    """
    state = next(state for state, prefix in STATES.items() if name.startswith(prefix))
    record = next((q.object for q in quads if q.predicate.value == RECORD), None)
    if not isinstance(record, rdf.Literal):
        raise DataError(f"the named graph {name} holds no item of a queue")
    row = json.loads(record.value)
    item = Item.from_dict(row.pop("item"))
    row["original"] = row["original"] and tuple(row["original"])
    return Entry(id=name.removeprefix(STATES[state]), state=state, item=item, **row)
