"""RDF in: quads, once through, become a graph (and flow on into the store)."""

from __future__ import annotations

import hashlib
import mmap
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyoxigraph import (
    BlankNode,
    DefaultGraph,
    Literal,
    NamedNode,
    Quad,
    RdfFormat,
    Store,
    parse,
)

from accord.errors import DataError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.iris import BLANK, INVERSE, KIND, PHRASE, SPLIT_GRAPHS, from_iri
from accord.graph.labels import DESCRIPTION, NAME, ImportOptions
from accord.graph.reading import open_source, suffix_of

FORMATS = {
    ".nt": RdfFormat.N_TRIPLES,
    ".ttl": RdfFormat.TURTLE,
    ".nq": RdfFormat.N_QUADS,
    ".trig": RdfFormat.TRIG,
    ".jsonld": RdfFormat.JSON_LD,
    ".rdf": RdfFormat.RDF_XML,
    ".owl": RdfFormat.RDF_XML,
}
TRAIN = NamedNode(SPLIT_GRAPHS["train"])
LITERAL_LIMIT = "16 MB"
"""The parser's own limit for one token."""


class QuadReader:
    """Collects quads and turns them into a graph.

    Args:
        options: Which literals are texts, in which language.
        blank: Prefix that makes this source's blank nodes unlike any other's.
    """

    def __init__(self, options: ImportOptions, blank: str = "") -> None:
        self.options = options
        self.blank = BLANK + blank
        self.nodes: dict[str, int] = {}
        self.relations: dict[str, int] = {}
        self.properties: dict[str, int] = {}
        self.datatypes: dict[str, int] = {}
        self.languages: dict[str | None, int] = {None: 0}
        self.triples = array("i")
        self.splits = array("B")
        self.literals = array("i")
        self.values: list[str] = []
        self.blanks: dict[str, NamedNode] = {}
        self.nested = 0

    def consume(self, quads: Iterable[Quad]) -> None:
        """Reads quads into the graph."""
        deque(self.walk(quads, keep=False), maxlen=0)

    def walk(self, quads: Iterable[Quad], keep: bool) -> Iterator[Quad]:
        """Reads quads into the graph and, where wanted, gives them on for the store.

        One loop for both and no calls in its common path: this is where an import spends its time.

        Args:
            quads: From a parser or a store.
            keep: Whether to give quads on, with blank nodes named and the default graph as `TRAIN`.

        Yields:
            The quads to store; none unless `keep`.
        """
        nodes, relations, properties = self.nodes, self.relations, self.properties
        datatypes, languages = self.datatypes, self.languages
        triples, splits, literals, values = (
            self.triples.extend,
            self.splits.append,
            self.literals.extend,
            self.values.append,
        )
        split_of = {SPLIT_GRAPHS[name]: number for number, name in enumerate(SPLITS)}
        for subject, predicate, value, graph in quads:
            if type(subject) is not NamedNode or type(value) not in (NamedNode, Literal):
                subject, value = self._name(subject), self._name(value)
                if subject is None or value is None:
                    self.nested += 1
                    continue
            split = 0
            if type(graph) is not DefaultGraph:
                graph = graph if type(graph) is NamedNode else self._blank(graph)
                split = split_of.get(graph.value, 0)
            elif keep:
                graph = TRAIN
            head, name = nodes.setdefault(subject.value, len(nodes)), predicate.value
            if type(value) is Literal:
                datatype = value.datatype.value
                literals(
                    (
                        head,
                        properties.setdefault(name, len(properties)),
                        datatypes.setdefault(datatype, len(datatypes)),
                        languages.setdefault(value.language, len(languages)),
                    )
                )
                values(value.value)
            else:
                relation = relations.setdefault(name, len(relations))
                triples((head, relation, nodes.setdefault(value.value, len(nodes))))
                splits(split)
            if keep:
                yield Quad(subject, predicate, value, graph)

    def _name(self, term: object) -> NamedNode | Literal | None:
        """A term with blank nodes named; None for a statement about a statement."""
        if isinstance(term, BlankNode):
            return self._blank(term)
        return term if isinstance(term, NamedNode | Literal) else None

    def _blank(self, term: BlankNode) -> NamedNode:
        known = self.blanks.get(term.value)
        if known is None:
            known = self.blanks[term.value] = NamedNode(f"{self.blank}{len(self.blanks) + 1}")
        return known

    def finish(self, name: str, parent: KnowledgeGraph | None = None) -> GraphBuilder:
        """Decides what is an entity, a relation, a text or an attribute.

        Args:
            name: The graph's name.
            parent: A graph to descend from.

        Returns:
            A builder with everything in it.
        """
        return _Assembly(self, name, parent).run()


class _Assembly:
    """The end of an import: numbers of nodes become numbers of entities."""

    def __init__(self, reader: QuadReader, name: str, parent: KnowledgeGraph | None) -> None:
        self.reader = reader
        self.builder = GraphBuilder(name, parent)
        self.iris = list(reader.nodes)
        self.properties = list(reader.properties)
        self.datatypes = list(reader.datatypes)
        self.languages = [language or "" for language in reader.languages]
        self.triples = np.array(reader.triples, dtype=np.int32).reshape(-1, 3)
        self.rows = np.array(reader.literals, dtype=np.int32).reshape(-1, 4)
        self.kinds = reader.options.kinds()

    def run(self) -> GraphBuilder:
        for row in self._rows_of(KIND):
            if self.reader.values[row] == "relation":
                iri = self.iris[self.rows[row, 0]]
                self.reader.relations.setdefault(iri, len(self.reader.relations))
        self.number = self._numbers()
        relations = [self.builder.relation(from_iri(iri)) for iri in self.reader.relations]
        self.relation = np.array(relations, dtype=np.int32)
        self._triples()
        self._texts()
        self._attributes()
        self._meta()
        return self.builder

    def _rows_of(self, prop: str) -> npt.NDArray[np.int64]:
        number = self.reader.properties.get(prop, -1)
        return np.flatnonzero(self.rows[:, 1] == number)

    def _numbers(self) -> npt.NDArray[np.int32]:
        """(nodes,) int32 entity number of each node; -1 for what is only a relation."""
        reader = self.reader
        entity = np.ones(len(self.iris), dtype=np.bool_)
        entity[[reader.nodes[iri] for iri in reader.relations if iri in reader.nodes]] = False
        entity[self.triples[:, 0]] = entity[self.triples[:, 2]] = True
        for row in self._rows_of(KIND):
            if reader.values[row] == "entity":
                entity[self.rows[row, 0]] = True
        numbers = np.full(len(self.iris), -1, dtype=np.int32)
        number = self.builder.entities.number
        for node in np.flatnonzero(entity).tolist():
            numbers[node] = number(from_iri(self.iris[node]))
        return numbers

    def _triples(self) -> None:
        rows = self.triples
        columns = (self.number[rows[:, 0]], self.relation[rows[:, 1]], self.number[rows[:, 2]])
        splits = np.array(self.reader.splits, dtype=np.uint8)
        self.builder.add_triples(np.stack(columns, axis=1), splits)

    def _texts(self) -> None:
        """Names, descriptions, aliases and phrases; `kept` marks rows that stay attributes."""
        self.kept = np.ones(len(self.rows), dtype=np.bool_)
        for prop in (KIND, PHRASE, INVERSE):
            self.kept[self._rows_of(prop)] = False
        self._own_phrases()
        codes = np.full(len(self.properties) + 1, -1, dtype=np.int32)
        for number, prop in enumerate(self.properties):
            codes[number] = self.kinds.get(prop, (-1, 0))[0]
        self.chosen: dict[tuple[int, int], tuple[tuple[int, int], int]] = {}
        rows = np.flatnonzero(codes[self.rows[:, 1]] >= 0).tolist()
        for row in rows:
            self._consider(row)
        for (node, kind), (_, row) in self.chosen.items():
            self._choose(node, kind, row)
        for row in rows:
            if self.kept[row]:
                self._leftover(row)

    def _own_phrases(self) -> None:
        """Phrases stated by Accord's own properties; an empty one says that there is none."""
        self.stated: set[int] = set()
        for prop in (PHRASE, INVERSE):
            for row in self._rows_of(prop).tolist():
                node, text = int(self.rows[row, 0]), self.reader.values[row]
                relation = from_iri(self.iris[node])
                if prop == PHRASE:
                    self.builder.relation(relation, phrase=text)
                    self.stated.add(node)
                else:
                    self.builder.relation(relation, inverse=text)

    def _consider(self, row: int) -> None:
        node, prop, _, language = (int(x) for x in self.rows[row])
        kind, place = self.kinds[self.properties[prop]]
        if kind not in (NAME, DESCRIPTION) or not (self.reader.values[row] or place < 0):
            return
        preferred = self.reader.options.language_rank(self.languages[language])
        rank = (-1 if place < 0 else preferred, place)
        best = self.chosen.get((node, kind))
        if best is None or rank < best[0]:
            self.chosen[node, kind] = (rank, row)

    def _choose(self, node: int, kind: int, row: int) -> None:
        iri, text = self.iris[node], self.reader.values[row]
        self.kept[row] = False
        if self.number[node] >= 0:
            texts = {"name": text} if kind == NAME else {"description": text}
            self.builder.entity(from_iri(iri), texts.get("name", ""), texts.get("description", ""))
        if kind == NAME and iri in self.reader.relations and node not in self.stated:
            self.builder.relation(from_iri(iri), phrase=text)

    def _leftover(self, row: int) -> None:
        """A text that was not chosen: the chosen one again, an alias, or an attribute."""
        node, prop, _, language = (int(x) for x in self.rows[row])
        kind, text = self.kinds[self.properties[prop]][0], self.reader.values[row]
        best = self.chosen.get((node, kind))
        if best is not None and self.reader.values[best[1]] == text:
            self.kept[row] = False
            return
        near = self.reader.options.language_rank(self.languages[language]) < 2
        if near and kind != DESCRIPTION and text and self.number[node] >= 0:
            self.kept[row] = False
            self.builder.entity(from_iri(self.iris[node]), aliases=[text])

    def _attributes(self) -> None:
        """What is left: literals of entities; those of mere relations stay in the store only."""
        owned = self.number[self.rows[:, 0]] >= 0
        self.lost = int((self.kept & ~owned).sum())
        properties = [from_iri(prop) for prop in self.properties]
        datatypes = [from_iri(datatype) for datatype in self.datatypes]
        rows = np.flatnonzero(self.kept & owned)
        entities = self.number[self.rows[rows, 0]].tolist()
        columns = (rows.tolist(), entities, *self.rows[rows, 1:].T.tolist())
        for row, entity, prop, datatype, language in zip(*columns, strict=True):
            self.builder.attribute_of(
                entity,
                properties[prop],
                self.reader.values[row],
                datatypes[datatype],
                self.languages[language],
            )

    def _meta(self) -> None:
        left_out = {
            "statements about statements": self.reader.nested,
            "literals of relations": self.lost,
        }
        if any(left_out.values()):
            self.builder.meta["left_out"] = {what: n for what, n in left_out.items() if n}
        if self.reader.blanks:
            self.builder.meta["blank_nodes"] = len(self.reader.blanks)


def rdf_quads(path: Path) -> Iterator[Quad]:
    """The quads of an RDF file, perhaps gzipped.

    Args:
        path: A file whose suffix is one of `FORMATS`.

    Yields:
        Quads in the file's order.

    Raises:
        DataError: Missing, empty, cut, not valid (with the line), or one term is too long.
    """
    with open_source(path) as stream:
        try:
            yield from parse(stream, format=FORMATS[suffix_of(path)])
        except SyntaxError as error:
            raise syntax_error(error, path) from error
        except MemoryError as error:
            raise DataError(
                f"one line or literal is longer than {LITERAL_LIMIT}",
                path,
                hint="is this the right file? shorten or remove that literal",
            ) from error


def syntax_error(error: SyntaxError, path: Path | str) -> DataError:
    """A parser's complaint as an error that names the line and what to do."""
    text = str(error.msg)
    hint = "the file must be valid RDF; mend the line or remove it"
    if "UTF-8" in text:
        hint = "convert the file to UTF-8, e.g. with iconv"
    elif "LoadDocumentCallback" in text:
        text, hint = "the JSON-LD context is remote", "write the context into the file itself"
    elif "No scheme" in text:
        hint = "relative IRIs need a base: add one with @base"
    return DataError(text, path, error.lineno, hint)


def may_hold_blank_nodes(path: Path) -> bool:
    """Whether a plain N-Triples or Turtle file has a mark that may be a blank node's."""
    marks = (b"_:",) if suffix_of(path) == ".nt" else (b"_:", b"[", b"(")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(mark) >= 0 for mark in marks)


def blank_prefix(path: Path) -> str:
    """Eight hex digits from a file's beginning and a dash: names its blank nodes."""
    with open_source(path) as stream:
        return hashlib.sha256(stream.read(2**16)).hexdigest()[:8] + "-"


def bulk_load(path: Path, store: Path) -> None:
    """Loads a plain file of triples without blank nodes into a new store, as asserted."""
    try:
        Store(str(store)).bulk_load(path=str(path), format=FORMATS[suffix_of(path)], to_graph=TRAIN)
    except SyntaxError as error:
        raise syntax_error(error, path) from error
