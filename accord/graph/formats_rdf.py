"""RDF in: quads, once through, become a graph (and flow on into the store)."""

from __future__ import annotations

import hashlib
import mmap
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
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
from accord.graph.builder import LANG_STRING, GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.iris import BLANK, HELD_OUT, INVERSE, KIND, PHRASE, from_iri
from accord.graph.labels import DESCRIPTION, NAME, OTHER_NAME, ImportOptions
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
        # A missing key gets the next number: the fastest way that Python has to number strings.
        self.nodes: defaultdict[str, int] = defaultdict(count().__next__)
        self.relations: defaultdict[str, int] = defaultdict(count().__next__)
        self.properties: defaultdict[str, int] = defaultdict(count().__next__)
        self.datatypes: defaultdict[str, int] = defaultdict(count().__next__)
        self.languages: defaultdict[str | None, int] = defaultdict(count().__next__)
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
            keep: Whether to give quads on, with blank nodes named.

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
        split_of = {HELD_OUT[name]: SPLITS.index(name) for name in HELD_OUT}
        for subject, predicate, value, graph in quads:
            kind = type(value)
            if type(subject) is not NamedNode or (kind is not NamedNode and kind is not Literal):
                subject, value = self.name(subject), self.name(value)
                kind = type(value)
                if subject is None or value is None:
                    self.nested += 1
                    continue
            split = 0
            if type(graph) is not DefaultGraph:
                graph = graph if type(graph) is NamedNode else self._blank(graph)
                split = split_of.get(graph.value, 0)
            if kind is Literal:
                datatype, language = datatypes[value.datatype.value], languages[value.language]
                literals((nodes[subject.value], properties[predicate.value], datatype, language))
                values(value.value)
            else:
                triples((nodes[subject.value], relations[predicate.value], nodes[value.value]))
                splits(split)
            if keep:
                yield Quad(subject, predicate, value, graph)

    def name(self, term: object) -> NamedNode | Literal | None:
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
                _ = self.reader.relations[iri]
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
        """(nodes,) int32 entity number of each node; -1 for a mere relation or property."""
        reader = self.reader
        entity = np.ones(len(self.iris), dtype=np.bool_)
        for used in (reader.relations, reader.properties):
            entity[self._nodes_of(used)] = False
        entity[self.triples[:, 0]] = entity[self.triples[:, 2]] = True
        for row in self._rows_of(KIND):
            if reader.values[row] == "entity":
                entity[self.rows[row, 0]] = True
        numbers = np.full(len(self.iris), -1, dtype=np.int32)
        ids = [from_iri(self.iris[node]) for node in np.flatnonzero(entity).tolist()]
        numbers[entity] = self.builder.entities.numbers(ids)
        return numbers

    def _nodes_of(self, used: Iterable[str]) -> list[int]:
        """Those of some predicates that are a subject or object as well."""
        return [self.reader.nodes[iri] for iri in used if iri in self.reader.nodes]

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
        codes = [self.kinds.get(prop, (-1, 0)) for prop in self.properties]
        table = np.array([*codes, (-1, 0)], dtype=np.int32)  # the last row: no property at all
        self.kind, self.place = table[self.rows[:, 1]].T
        ranks = [self.reader.options.language_rank(language) for language in self.languages]
        self.rank = np.array(ranks, dtype=np.int32)[self.rows[:, 3]]
        self.rank[(self.kind >= 0) & (self.place < 0)] = -1
        for kind in (NAME, DESCRIPTION, OTHER_NAME):
            chosen = self._choose(kind) if kind != OTHER_NAME else {}
            rows = np.flatnonzero((self.kind == kind) & self.kept)
            self._leftovers(kind, rows, chosen)

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

    def _choose(self, kind: int) -> dict[int, str]:
        """Gives each node its best text of a kind: by language, then property, then order."""
        values = self.reader.values
        rows = np.flatnonzero(self.kind == kind)
        # A mere relation has no description and a mere property no name: these are left out.
        may_have = self.number >= 0
        if kind == NAME:
            may_have[self._nodes_of(self.reader.relations)] = True
        rows = rows[may_have[self.rows[rows, 0]]]
        # An empty text counts only where an earlier import says that there is none.
        full = np.array([bool(values[row]) for row in rows.tolist()], dtype=np.bool_)
        rows = rows[full | (self.place[rows] < 0)]
        order = np.lexsort((rows, self.place[rows], self.rank[rows], self.rows[rows, 0]))
        best = rows[order][np.unique(self.rows[rows[order], 0], return_index=True)[1]]
        self.kept[best] = False
        nodes = self.rows[best, 0].tolist()
        chosen = dict(zip(nodes, [values[row] for row in best.tolist()], strict=True))
        entities = self.number[self.rows[best, 0]].tolist()
        for entity, text in zip(entities, chosen.values(), strict=True):
            if entity >= 0:
                texts = (text, "") if kind == NAME else ("", text)
                self.builder.texts_of(entity, *texts)
        if kind == NAME:
            self._name_relations(chosen)
        return chosen

    def _name_relations(self, names: dict[int, str]) -> None:
        for iri in self.reader.relations:
            node = self.reader.nodes.get(iri, -1)
            if node in names and node not in self.stated:
                self.builder.relation(from_iri(iri), phrase=names[node])

    def _leftovers(self, kind: int, rows: npt.NDArray[np.int64], chosen: dict[int, str]) -> None:
        """Texts that were not chosen: the chosen one again, an alias, or an attribute."""
        nodes = self.rows[rows, 0]
        columns = (rows.tolist(), nodes.tolist(), self.number[nodes].tolist())
        for row, node, entity in zip(*columns, strict=True):
            text = self.reader.values[row]
            if chosen.get(node) == text:
                self.kept[row] = False
            elif kind != DESCRIPTION and text and entity >= 0 and self.rank[row] < 2:
                self.kept[row] = False
                self.builder.texts_of(entity, aliases=(text,))

    def _attributes(self) -> None:
        """What is left: literals of entities; those of mere relations stay in the store only."""
        owned = self.number[self.rows[:, 0]] >= 0
        self.lost = int((self.kept & ~owned).sum())
        rows = np.flatnonzero(self.kept & owned)
        entity, prop, datatype, language = self.rows[rows].T
        columns = (
            self.number[entity],
            _renumbered(prop, self._property),
            _renumbered(datatype * len(self.languages) + language, self._datatype),
            _renumbered(language, self._language),
        )
        values = map(self.reader.values.__getitem__, rows.tolist())
        self.builder.add_attributes(np.stack(columns, axis=1), values)

    def _property(self, code: int) -> int:
        return self.builder.properties.number(from_iri(self.properties[code]))

    def _datatype(self, code: int) -> int:
        datatype, language = divmod(code, len(self.languages))
        own = LANG_STRING if self.languages[language] else from_iri(self.datatypes[datatype])
        return self.builder.datatypes.number(own)

    def _language(self, code: int) -> int:
        language = self.languages[code]
        return self.builder.languages.number(language) if language else -1

    def _meta(self) -> None:
        left_out = {
            "statements about statements": self.reader.nested,
            "literals of relations and properties": self.lost,
        }
        if any(left_out.values()):
            self.builder.meta["left_out"] = {what: n for what, n in left_out.items() if n}
        if self.reader.blanks:
            self.builder.meta["blank_nodes"] = len(self.reader.blanks)


def _renumbered(
    codes: npt.NDArray[np.int32], number: Callable[[int], int]
) -> npt.NDArray[np.int32]:
    """(N,) int32: what `number` gives for each code, asked once a code in order of appearance."""
    known, first, places = np.unique(codes, return_index=True, return_inverse=True)
    table = np.zeros(len(known), dtype=np.int32)
    for place in np.argsort(first).tolist():
        table[place] = number(int(known[place]))
    return table[places]


def rdf_quads(path: Path) -> Iterator[Quad]:
    """The quads of an RDF file, perhaps gzipped.

    Args:
        path: A file whose suffix is one of `FORMATS`.

    Yields:
        Quads in the file's order.

    Raises:
        DataError: Missing, empty, cut, not valid (with the line), or one term is too long.
    """
    with open_source(path) as stream, _explained(path):
        yield from parse(stream, format=FORMATS[suffix_of(path)])


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns a parser's complaints into errors that name the file and the line."""
    try:
        yield
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
        if suffix_of(path) in (".nt", ".nq"):
            hint = "write whole IRIs such as <http://example.org/a>"
    return DataError(text, path, error.lineno, hint)


def may_hold_blank_nodes(path: Path) -> bool:
    """Whether a plain N-Triples, N-Quads, Turtle or TriG file has a mark of blank nodes."""
    lines = suffix_of(path) in (".nt", ".nq")
    marks = (b"_:",) if lines else (b"_:", b"[", b"(")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(mark) >= 0 for mark in marks)


def blank_prefix(path: Path) -> str:
    """Eight hex digits from a file's beginning and a dash: names its blank nodes."""
    with open_source(path) as stream:
        return hashlib.sha256(stream.read(2**16)).hexdigest()[:8] + "-"


def bulk_load(path: Path, store: Path) -> None:
    """Loads a plain file without blank nodes into a new store.

    Leniently, because `rdf_quads` reads the same file strictly at the same time.
    """
    with _explained(path):
        form = FORMATS[suffix_of(path)]
        Store(str(store)).bulk_load(path=str(path), format=form, lenient=True)
