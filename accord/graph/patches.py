"""What a graph of record takes in and gives back: statements, patches, entries of the log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad

from accord.graph import iris
from accord.graph.builder import LANG_STRING, XSD_STRING

TRAIN = DefaultGraph()
GraphName = NamedNode | DefaultGraph


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

    @cached_property
    def _terms(self) -> tuple[NamedNode, NamedNode, NamedNode | Literal]:
        subject, predicate = (NamedNode(iris.to_iri(i)) for i in (self.subject, self.predicate))
        if not self.literal:
            return subject, predicate, NamedNode(iris.to_iri(self.value))
        if self.language:
            return subject, predicate, Literal(self.value, language=self.language)
        datatype = NamedNode(iris.to_iri(self.datatype))
        return subject, predicate, Literal(self.value, datatype=datatype)

    def quad(self, graph: GraphName) -> Quad:
        """This statement as RDF in a graph."""
        return Quad(*self._terms, graph)

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

    def line(self) -> str:
        """As one line of N-Triples, without its end of line."""
        subject, predicate, value = self._terms
        return f"{subject} {predicate} {value} ."


@dataclass(frozen=True)
class Patch:
    """A change to what is asserted. An edit is one removal and one addition."""

    add: tuple[Statement, ...] = ()
    remove: tuple[Statement, ...] = ()
    note: str = ""
    """Why, for the log."""
    graph: str = ""
    """Hash of the snapshot that it was made for; empty: for any."""

    @cached_property
    def digest(self) -> str:
        """sha256 of what it does and for which graph, whatever the order and the note."""
        added, removed = (sorted(s.line() for s in side) for side in (self.add, self.remove))
        text = "\n".join([self.graph, *(f"A {line}" for line in added)])
        return hashlib.sha256("\n".join([text, *(f"D {x}" for x in removed)]).encode()).hexdigest()


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
    patch: str = ""
    """The patch's digest; empty for a rollback."""
    who: str = ""
    """Who applied or undid it; empty where nobody said so."""

    @property
    def active(self) -> bool:
        """Whether this is a patch that is in force."""
        return not self.undoes and not self.undone
