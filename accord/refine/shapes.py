"""Which statements of a graph break SHACL shapes that the user gives; needs the extra `shacl`.

A result that names a value blames that statement. One that counts (too many values) blames each of
them in part. One that misses something, or is about an entity as a whole, blames no statement: it
is counted, and that is all.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import ConfigError, DataError
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import to_iri
from accord.progress import say
from accord.refine.items import Item
from accord.refine.steps import Float64, Int64
from accord.text.render import entity_name, humanise

SH = "http://www.w3.org/ns/shacl#"
COUNTED = frozenset(
    f"{SH}{name}ConstraintComponent" for name in ("MaxCount", "UniqueLang", "QualifiedMaxCount")
)
"""Of these no single value is the wrong one."""
LACKING = frozenset(
    f"{SH}{name}ConstraintComponent" for name in ("MinCount", "HasValue", "QualifiedMinCount")
)
"""Of these nothing that is there is wrong."""
REMOTE = re.compile(r"\bservice\b", re.I)
Statement = tuple[str, str, str, bool]
"""Subject, predicate, object as IRIs or a literal's value, and whether it is a literal."""


@dataclass(frozen=True)
class Breaches:
    """What breaks shapes."""

    weights: Float64
    """(T + N,) of each train triple and each added one: 0 keeps all shapes, 1 breaks one by
    itself, 1/n is one of n of which some are too many."""
    messages: dict[int, str]
    """Row -> what the shape says."""
    attributes: list[Item]
    """Flags of attributes that break shapes."""
    elsewhere: int
    """Results that no single statement is to blame for."""

    def to_dict(self) -> dict[str, int]:
        """For JSON: how many triples and attributes break shapes, and results beside those."""
        triples = int((self.weights > 0).sum())
        return {
            "triples": triples,
            "attributes": len(self.attributes),
            "elsewhere": self.elsewhere,
        }


@dataclass(frozen=True)
class Shapes:
    """Shapes as they were read."""

    path: Path
    graph: Any
    """rdflib.Graph."""

    @classmethod
    def load(cls, path: str | Path) -> Shapes:
        """Reads a file of shapes.

        Args:
            path: RDF in any syntax that a graph can have.

        Raises:
            ConfigError: The extra is not installed.
            DataError: Missing, cut, no RDF, no SHACL, or it asks other servers.
        """
        _package()
        from accord.graph.formats_rdf import FORMATS, rdf_quads
        from accord.graph.reading import suffix_of

        file = Path(path)
        if suffix_of(file) not in FORMATS:
            raise DataError("no RDF by its suffix", file, hint="known: " + " ".join(FORMATS))
        quads = list(rdf_quads(file))
        if not any(quad.predicate.value.startswith(SH) for quad in quads):
            raise DataError(
                "this RDF holds no SHACL shape",
                file,
                hint="give shapes with sh:targetClass, sh:property and the like",
            )
        if any(
            quad.predicate.value in (SH + "select", SH + "ask", SH + "construct")
            and REMOTE.search(str(quad.object))
            for quad in quads
        ):
            raise DataError("a shape asks another server (SERVICE)", file, hint="take it out")
        return cls(file, _parsed((q.subject, q.predicate, q.object) for q in quads))

    def check(self, graph: KnowledgeGraph, added: Int64 | None = None) -> Breaches:
        """Validates a graph's train triples and attributes.

        Args:
            graph: The graph.
            added: (N, 3) further triples that stand in it for the while; None: none.

        Raises:
            DataError: The shapes contradict SHACL's own.
        """
        more = np.zeros((0, 3), dtype=np.int64) if added is None else added
        triples = np.concatenate([graph.triples_of("train").astype(np.int64), more])
        say(f"validating {len(triples):,} triples against {self.path}")
        blame = _Blame(graph, triples)
        for focus, path, value, component, message in self._results(_data(graph, more)):
            blame.add(focus, path, value, component, message)
        return blame.breaches()

    def _results(self, data: Any) -> Iterator[tuple[Any, ...]]:
        """Focus node, path, value, component and message of every result."""
        package = _package()
        try:
            _, report, text = package.validate(
                data, shacl_graph=self.graph, meta_shacl=True, allow_infos=True
            )
        except RuntimeError as error:  # what pySHACL raises where shapes cannot be used
            raise DataError(
                f"no valid shapes ({error})", self.path, hint="correct the shapes"
            ) from error
        if not hasattr(report, "subjects"):
            raise DataError(f"no valid shapes ({text})", self.path, hint="correct the shapes")
        from rdflib import URIRef

        names = ("focusNode", "resultPath", "value", "sourceConstraintComponent", "resultMessage")
        for result in report.subjects(URIRef(SH + "resultSeverity")):
            if report.value(result, URIRef(SH + "resultSeverity")) != URIRef(SH + "Info"):
                found = [report.value(result, URIRef(SH + name)) for name in names]
                found[1] = _path(report, found[1])
                yield tuple(found)


def _package() -> Any:
    try:
        import pyshacl
    except ImportError as error:
        raise ConfigError("pySHACL is not installed", "pip install 'accord-kg[shacl]'") from error
    return pyshacl


def _parsed(triples: Iterable[tuple[Any, Any, Any]]) -> Any:
    """An rdflib graph of pyoxigraph's terms."""
    from pyoxigraph import RdfFormat, Triple, serialize
    from rdflib import Graph

    lines = serialize((Triple(*row) for row in triples), format=RdfFormat.N_TRIPLES)
    return Graph().parse(io.BytesIO(lines or b""), format="nt")


def _data(graph: KnowledgeGraph, added: Int64) -> Any:
    """What training sees: the default graph, and what is added."""
    from pyoxigraph import DefaultGraph, NamedNode

    from accord.graph.export import graph_quads

    ids, relations = graph.entity_ids, graph.relation_ids
    more: Iterator[tuple[Any, Any, Any]] = (
        (NamedNode(to_iri(ids[h])), NamedNode(to_iri(relations[r])), NamedNode(to_iri(ids[t])))
        for h, r, t in added.tolist()
    )
    train = (q for q in graph_quads(graph) if q.graph_name == DefaultGraph())
    rows = [(q.subject, q.predicate, q.object) for q in train]
    return _parsed([*rows, *more])


def _path(report: Any, path: Any) -> tuple[str, bool] | None:
    """A path of one step: its predicate, and whether it is walked back."""
    from rdflib import URIRef

    if isinstance(path, URIRef):
        return str(path), False
    inverse = None if path is None else report.value(path, URIRef(SH + "inversePath"))
    return (str(inverse), True) if isinstance(inverse, URIRef) else None


class _Blame:
    """Finds the statements that results are about.

    Args:
        graph: The graph.
        triples: (T, 3) that can be to blame, beside the graph's attributes.
    """

    def __init__(self, graph: KnowledgeGraph, triples: Int64) -> None:
        self.graph, self.count = graph, len(triples)
        entities = [to_iri(key) for key in graph.entity_ids]
        relations = [to_iri(key) for key in graph.relation_ids]
        self.rows: dict[Statement, int] = {}
        self.both: dict[tuple[str, str, bool], list[int]] = {}
        for row, (h, r, t) in enumerate(triples.tolist()):
            self._put(row, (entities[h], relations[r], entities[t], False))
        for row, entity in enumerate(graph.attributes[:, 0].tolist()):
            found = graph.attribute(row)
            statement = entities[entity], to_iri(found.property), found.value, True
            self._put(self.count + row, statement)
        self.weight: dict[int, float] = {}
        self.messages: dict[int, str] = {}
        self.elsewhere = 0

    def _put(self, row: int, statement: Statement) -> None:
        self.rows[statement] = row
        subject, predicate, value, literal = statement
        self.both.setdefault((subject, predicate, False), []).append(row)
        if not literal:
            self.both.setdefault((value, predicate, True), []).append(row)

    def add(
        self, focus: Any, path: tuple[str, bool] | None, value: Any, component: Any, message: Any
    ) -> None:
        """One result of the report."""
        rows = self._rows(str(focus), path, value, str(component))
        self.elsewhere += not rows
        for row in rows:
            self.weight[row] = max(self.weight.get(row, 0.0), 1 / len(rows))
            self.messages.setdefault(row, f"it breaks a shape: {_short(str(message))}")

    def _rows(
        self, focus: str, path: tuple[str, bool] | None, value: Any, component: str
    ) -> list[int]:
        if path is None or component in LACKING:
            return []
        predicate, back = path
        if component in COUNTED:
            return self.both.get((focus, predicate, back), [])
        if value is None:
            return []
        ends = (str(value), focus) if back else (focus, str(value))
        literal = type(value).__name__ == "Literal"
        row = self.rows.get((ends[0], predicate, ends[1], literal))
        return [] if row is None else [row]

    def breaches(self) -> Breaches:
        """All that was blamed."""
        weights = np.zeros(self.count)
        own = {row: weight for row, weight in self.weight.items() if row < self.count}
        weights[list(own)] = list(own.values())
        attributes = [self._flag(row) for row in sorted(self.weight) if row >= self.count]
        messages = {row: text for row, text in self.messages.items() if row < self.count}
        return Breaches(weights, messages, attributes, self.elsewhere)

    def _flag(self, row: int) -> Item:
        graph, message = self.graph, self.messages[row]
        found = graph.attribute(row - self.count)
        entity = int(graph.attributes[row - self.count, 0])
        reason = f"{humanise(found.property)} of {entity_name(graph, entity)}: {message}"
        return Item(
            "flag", graph.entity_ids[entity], found.property, found.value, self.weight[row], None,
            reason, (message,), True, found.datatype, found.language,
        )  # fmt: skip


def _short(message: str) -> str:
    """A message on one line."""
    line = " ".join(message.split())
    return line if len(line) <= 200 else line[:199] + "…"
