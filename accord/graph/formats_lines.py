"""N-Triples and N-Quads in, many lines at a time.

A parser that makes objects of every term spends most of an import on them. Here one regular
expression cuts a megabyte of plain lines into columns, and columns become numbers. It takes only
lines of which nothing is in doubt; every other line (escapes, blank nodes, comments, odd spaces)
goes through the real parser, and so does the whole file as soon as anything is wrong with it:
the answer and the error are always the parser's own.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, count, repeat
from operator import not_
from typing import IO

import numpy as np
import numpy.typing as npt
from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad, RdfFormat, parse, serialize

from accord.graph.formats_rdf import QuadReader
from accord.graph.graph import SPLITS
from accord.graph.iris import HELD_OUT
from accord.graph.reading import LINE_LIMIT

LINE_FORMATS = {".nt": RdfFormat.N_TRIPLES, ".nq": RdfFormat.N_QUADS}
PIECE = 2**20
"""Bytes cut at a time: few enough that the columns stay in the processor's cache."""
# Loose where that is fast: IRIs and what follows a literal are checked once each, afterwards, and
# a match that ran over a line's end would leave fewer matches than lines.
LINE = b'^<([^>]+)> <([^>]+)> (?:<([^>]+)>|"([^"]*)"([^ ]*))%b \\.$'
GRAPH = b"(?: <([^>]+)>)?"
Row = tuple[bytes, ...]
"""Subject, predicate, object if it is an IRI, else value and what follows it; the graph."""


class Irregular(Exception):
    """Something in the file is not as it should be: the parser must read it and say what."""


class _Suffixes(dict[bytes, int]):
    """What follows a literal's closing quote -> a row of `numbers`."""

    def __init__(self, reader: QuadReader) -> None:
        super().__init__()
        self.reader = reader
        self.numbers: list[tuple[int, int]] = []
        """Numbers of datatype and language."""

    def __missing__(self, suffix: bytes) -> int:
        quad = _one(b'<a:a> <a:a> ""' + suffix + b" .\n")
        if quad is None or not isinstance(quad.object, Literal):
            raise Irregular
        literal = quad.object
        self[suffix] = len(self.numbers)
        datatype = self.reader.datatypes[literal.datatype.value]
        self.numbers.append((datatype, self.reader.languages[literal.language]))
        return self[suffix]


class LineReader:
    """Reads lines into a `QuadReader`, in the order and with the numbers that it would give.

    Args:
        reader: Gets everything.
        suffix: `.nt` or `.nq`.
    """

    def __init__(self, reader: QuadReader, suffix: str) -> None:
        self.reader = reader
        self.format = LINE_FORMATS[suffix]
        self.line = re.compile(LINE % (GRAPH if suffix == ".nq" else b""), re.MULTILINE)
        self.quads = suffix == ".nq"
        self.nodes: defaultdict[bytes, int] = defaultdict(count().__next__)
        self.relations: defaultdict[bytes, int] = defaultdict(count().__next__)
        self.properties: defaultdict[bytes, int] = defaultdict(count().__next__)
        self.suffixes = _Suffixes(reader)
        named = {HELD_OUT[name].encode(): SPLITS.index(name) for name in HELD_OUT}
        self.graphs: dict[bytes, int] = {b"": 0, **named}

    def read(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Reads a file to its end.

        Yields:
            Its lines, about a megabyte at a time, with blank nodes named: what a store can load.

        Raises:
            Irregular: The parser has to read this file; the reader is of no use any more.
        """
        try:
            for piece in _pieces(stream):
                plain = b"\\" not in piece and b"\r" not in piece
                rows = self.line.findall(piece) if plain else []
                if len(rows) != piece.count(b"\n"):
                    rows, piece = self._mixed(piece)
                if rows:
                    self._take(rows)
                yield piece
            self._finish()
        except (SyntaxError, ValueError, MemoryError) as error:
            raise Irregular from error

    def _mixed(self, piece: bytes) -> tuple[list[Row], bytes]:
        """Reads what is not plain with the parser."""
        lines = piece.split(b"\n")
        found = (
            None if b"\\" in line or b"\r" in line else self.line.match(line) for line in lines
        )
        rows = [match.groups(b"") if match else None for match in found]
        odd = [i for i, row in enumerate(rows) if row is None]
        quads = _parse_each([lines[i] for i in odd], self.format)
        for i, quad in zip(odd, quads, strict=True):
            named = self._named(quad) if quad is not None else None
            rows[i] = self._row(named) if named is not None else None
            if b"_:" in lines[i]:
                lines[i] = b"" if named is None else _line(named)
        return [row for row in rows if row is not None], b"\n".join(lines)

    def _named(self, quad: Quad) -> Quad | None:
        """A quad with its blank nodes named; None for a statement about a statement."""
        subject, value = self.reader.name(quad.subject), self.reader.name(quad.object)
        if not isinstance(subject, NamedNode) or value is None:
            self.reader.nested += 1
            return None
        graph = quad.graph_name
        named = graph if isinstance(graph, DefaultGraph) else self.reader.name(graph)
        assert isinstance(named, DefaultGraph | NamedNode)
        return Quad(subject, quad.predicate, value, named)

    def _row(self, quad: Quad) -> Row:
        """A parsed quad as the columns of a plain line."""
        start = (_iri(quad.subject), _iri(quad.predicate))
        graph = () if not self.quads else (_iri(quad.graph_name),)
        value = quad.object
        if isinstance(value, Literal):
            suffix = str(value).rpartition('"')[2].encode()
            return (*start, b"", value.value.encode(), suffix, *graph)
        return (*start, _iri(value), b"", b"", *graph)

    def _take(self, rows: Sequence[Row]) -> None:
        """Numbers everything in columns."""
        subjects, predicates, objects, values, suffixes, *graphs = zip(*rows, strict=True)
        # A literal's line numbers its subject twice, which changes nothing.
        both = [b""] * (2 * len(rows))
        both[::2] = subjects
        both[1::2] = [node or subject for node, subject in zip(objects, subjects, strict=True)]
        numbers = _numbers(self.nodes, both).reshape(-1, 2)
        linked, literal = list(map(bool, objects)), list(map(not_, objects))
        relations = _numbers(self.relations, compress(predicates, linked))
        ends = numbers[linked]
        _append(self.reader.triples, (ends[:, 0], relations, ends[:, 1]))
        splits = map(self._split, graphs[0]) if graphs else repeat(0)
        self.reader.splits.extend(compress(splits, linked))
        properties = _numbers(self.properties, compress(predicates, literal))
        kinds = _numbers(self.suffixes, compress(suffixes, literal))
        pairs = np.array(self.suffixes.numbers, dtype=np.int32).reshape(-1, 2)[kinds]
        _append(self.reader.literals, (numbers[literal, 0], properties, *pairs.T))
        self.reader.values += [value.decode() for value in compress(values, literal)]

    def _split(self, graph: bytes) -> int:
        return self.graphs.setdefault(graph, 0)

    def _finish(self) -> None:
        """Gives the reader its tables of strings, each checked as the parser checks it."""
        for graph in self.graphs:
            if graph:
                NamedNode(graph.decode())
        self.reader.nodes = _checked(self.nodes)
        self.reader.relations = _checked(self.relations)
        self.reader.properties = _checked(self.properties)


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, about `PIECE` bytes of them at a time, each with its end."""
    rest = b""
    while block := stream.read(PIECE):
        end = block.rfind(b"\n") + 1
        if end:
            yield (rest + block[:end]).replace(b"\r\n", b"\n")
            rest = block[end:]
        else:
            rest += block
            if len(rest) > LINE_LIMIT:
                raise Irregular
    if rest:
        yield rest + b"\n"


def _numbers(table: Mapping[bytes, int], terms: Iterable[bytes]) -> npt.NDArray[np.int32]:
    return np.fromiter(map(table.__getitem__, terms), dtype=np.int32)


def _append(target: array[int], columns: Sequence[npt.NDArray[np.int32]]) -> None:
    target.frombytes(np.stack(columns, axis=1).tobytes())


def _checked(table: defaultdict[bytes, int]) -> defaultdict[str, int]:
    """Numbers of IRIs in bytes as numbers of strings.

    Raises:
        ValueError: Not UTF-8, or not an absolute IRI.
    """
    strings = [term.decode() for term in table]
    for string in strings:
        NamedNode(string)
    return defaultdict(count(len(strings)).__next__, zip(strings, count(), strict=False))


def _parse_each(lines: Sequence[bytes], form: RdfFormat) -> list[Quad | None]:
    """One quad a line; None for blank lines and comments.

    Raises:
        SyntaxError: A line is not valid.
        Irregular: A line that is not one line (a carriage return divides lines too).
    """
    empty = [line.strip()[:1] in (b"", b"#") for line in lines]
    quads = list(parse(b"\n".join(lines), form))
    inner = any(b"\r" in line.removesuffix(b"\r") for line in lines)
    if inner or len(quads) != empty.count(False):
        raise Irregular
    rest = iter(quads)
    return [None if nothing else next(rest) for nothing in empty]


def _one(line: bytes) -> Quad | None:
    return _parse_each([line.removesuffix(b"\n")], RdfFormat.N_TRIPLES)[0]


def _iri(term: object) -> bytes:
    return term.value.encode() if isinstance(term, NamedNode) else b""


def _line(quad: Quad) -> bytes:
    text = serialize([quad], format=RdfFormat.N_QUADS)
    return (text or b"").rstrip(b"\n")
