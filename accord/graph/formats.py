"""Any source to a graph, and a graph to any format: `import_graph`, `export_graph`."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from accord.errors import DataError
from accord.graph.builder import GraphBuilder
from accord.graph.export import TABLES, export_graph, graph_quads
from accord.graph.formats_table import read_folder, read_triples
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.hold_out import hold_out, move_held_out
from accord.graph.labels import ImportOptions
from accord.graph.reading import open_source, position, stem_of, suffix_of
from accord.graph.writing import new_folder
from accord.progress import say, track

if TYPE_CHECKING:
    from pyoxigraph import Quad

    from accord.graph.formats_rdf import QuadReader

__all__ = ["ImportOptions", "export_graph", "import_graph", "write_graph"]

RDF_SUFFIXES = (".nt", ".ttl", ".nq", ".trig", ".jsonld", ".rdf", ".owl")
STORE, SNAPSHOT = "store", "snapshot"
SHOWN = 2**24
"""Bytes of a file from which on it is shown how much is read."""


def import_graph(
    source: str | Path, out: Path | None = None, options: ImportOptions | None = None
) -> KnowledgeGraph:
    """Reads a graph from where it is.

    Args:
        source: A file (its suffix tells the format, `.gz` may follow), a folder of tables, the
            address of a SPARQL endpoint (`https://...`) or of Neo4j (`bolt://...`).
        out: Where to make a graph folder (the store of record and the snapshot); None: nothing
            is written. A graph that is there is replaced once the new one is complete.
        options: How to read; the default suits most sources.

    Returns:
        The graph: memory-mapped from `out` if that was given.

    Raises:
        DataError: The source cannot be read (with file and line), or no space is left.
        GraphError: The source holds no triple and no attribute, or shares are to be held out of
            one that has splits.
    """
    options = options or ImportOptions()
    if out is None:
        with _no_collection():
            return hold_out(_read(source, None, options), options)
    refuse_foreign(out)
    with _no_collection(), new_folder(out) as folder:
        graph = hold_out(_read(source, folder / STORE, options), options)
        if options.valid or options.test:
            move_held_out(folder / STORE, graph)
        graph.save(folder / SNAPSHOT)
    return KnowledgeGraph.load(out)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Lets Python's collector of cycles rest: millions of new strings would wake it for nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def write_graph(graph: KnowledgeGraph, out: Path) -> KnowledgeGraph:
    """Makes a graph folder (store and snapshot) of a graph that is in memory.

    Args:
        graph: Any graph, e.g. a named data set.
        out: The folder; a graph that is there is replaced once the new one is complete.

    Returns:
        The graph, memory-mapped from the folder.

    Raises:
        DataError: The folder holds something else, or no space is left.
    """
    refuse_foreign(out)
    with new_folder(out) as folder:
        _store(graph_quads(graph), folder / STORE)
        graph.save(folder / SNAPSHOT)
    return KnowledgeGraph.load(out)


def refuse_foreign(out: Path) -> None:
    """Makes sure, before anything is read, that a graph may be written to a folder.

    Raises:
        DataError: Something that is not a graph is there.
    """
    if not out.exists() or (out / SNAPSHOT / "graph.json").is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise DataError(
            "something that is not a graph is there", out, hint="choose another place for --out"
        )


def _read(source: str | Path, store: Path | None, options: ImportOptions) -> KnowledgeGraph:
    """Reads a source; fills a store at `store` if that is given."""
    address = str(source)
    if address.startswith(("http://", "https://")):
        from accord.graph.sparql import endpoint_quads

        return _from_quads(endpoint_quads(address, options), address, store, options)
    if "://" in address:
        from accord.graph.neo4j import read_neo4j

        graph = read_neo4j(address, options)
    elif suffix_of(address) in RDF_SUFFIXES and not Path(address).is_dir():
        return _read_rdf(Path(address), store, options)
    else:
        graph = _read_tables(Path(address), options)
    if store is not None:
        _store(graph_quads(graph), store)
    return graph


def _read_tables(path: Path, options: ImportOptions) -> KnowledgeGraph:
    if (path / SNAPSHOT / "graph.json").is_file():
        raise DataError(
            "this is a graph folder already",
            path,
            hint="use it as it is, or write it elsewhere with `accord graph export`",
        )
    builder = GraphBuilder(options.name or stem_of(path.absolute()))
    header = {}
    if path.is_dir():
        header = read_folder(builder, path)
        builder.name = options.name or header.get("name") or path.absolute().name
    elif suffix_of(path) in TABLES:
        read_triples(builder, path)
    else:
        with open_source(path):
            known = [*RDF_SUFFIXES, *TABLES]
            raise DataError(
                f"no format has the suffix {suffix_of(path)!r}",
                path,
                hint="known: " + " ".join(known),
            )
    return _finished(builder, {"source": path.name, **header.get("meta", {})})


def _finished(builder: GraphBuilder, meta: dict[str, object]) -> KnowledgeGraph:
    graph = builder.build(meta)
    unseen = unseen_triples(graph)
    for split, count in unseen.items():
        say(
            f"{graph.name}: {split} triples with an entity that no train triple has: {count:,}; "
            "kept, but a model can know it only by its text"
        )
    left_out: dict[str, int] = builder.meta.get("left_out", {})
    for what, count in left_out.items():
        say(f"{graph.name}: left out of the snapshot: {count:,} {what}")
    return graph


def unseen_triples(graph: KnowledgeGraph) -> dict[str, int]:
    """How many valid and test triples have an entity that is in no train triple.

    Returns:
        Split -> count; splits without any are left out.
    """
    seen = np.zeros(graph.num_entities, dtype=np.bool_)
    seen[graph.triples_of("train")[:, ::2]] = True
    counts = {
        split: int((~seen[graph.triples_of(split)[:, ::2]]).any(axis=1).sum())
        for split in SPLITS[1:]
    }
    return {split: count for split, count in counts.items() if count}


def _from_quads(
    quads: Iterable[Quad], source: str, store: Path | None, options: ImportOptions
) -> KnowledgeGraph:
    from accord.graph.formats_rdf import QuadReader

    reader = QuadReader(options)
    _read_through(reader, quads, store)
    return _from_reader(reader, source, source, options)


def _read_rdf(path: Path, store: Path | None, options: ImportOptions) -> KnowledgeGraph:
    """Reads a file, and loads it into the store: at the same time where both can read it."""
    from accord.graph import formats_lines as lines

    if suffix_of(path) in lines.LINE_FORMATS:
        try:
            return _read_lines(path, store, options)
        except lines.Irregular:
            if store is not None:
                shutil.rmtree(store, ignore_errors=True)
    return _read_parsed(path, store, options)


def _read_lines(path: Path, store: Path | None, options: ImportOptions) -> KnowledgeGraph:
    """Reads N-Triples or N-Quads by columns; the store loads what was read while more is."""
    from accord.graph import bulk
    from accord.graph.formats_lines import LINE_FORMATS, LineReader
    from accord.graph.formats_rdf import QuadReader, blank_prefix

    suffix = suffix_of(path)
    reader = QuadReader(options, blank_prefix(path))
    with ExitStack() as stack:
        stream = stack.enter_context(open_source(path))
        loader = None
        if store is not None:
            part = bulk.part_size(path.stat().st_size)
            loader = stack.enter_context(bulk.bulk_loader(store, LINE_FORMATS[suffix], part))
        for piece in _shown(LineReader(reader, suffix).read(stream), stream, path):
            if loader:
                loader.add(piece)
        if loader:
            loader.send()
        return _from_reader(reader, path.name, stem_of(path), options)


def _shown(pieces: Iterable[bytes], stream: IO[bytes], path: Path) -> Iterator[bytes]:
    """Shows how much of a large file is read."""
    size, done = path.stat().st_size, 0
    if size < SHOWN:
        yield from pieces
        return
    with track(f"reading {path.name}", size, "bytes") as advance:
        for piece in pieces:
            advance(position(stream) - done)
            done = position(stream)
            yield piece


def _read_parsed(path: Path, store: Path | None, options: ImportOptions) -> KnowledgeGraph:
    """As `_read_rdf`, with the parser's own objects."""
    from accord.graph import formats_rdf as rdf

    reader = rdf.QuadReader(options, rdf.blank_prefix(path))
    plain = path.suffix.lower() in (".nt", ".nq", ".ttl", ".trig")
    with ExitStack() as stack:
        if store is not None and plain and not rdf.may_hold_blank_nodes(path):
            # The load does not hold the interpreter, so the rest goes on beside it.
            stack.callback(_in_thread(partial(rdf.bulk_load, path, store)))
            reader.consume(rdf.rdf_quads(path))
        else:
            _read_through(reader, rdf.rdf_quads(path), store)
        return _from_reader(reader, path.name, stem_of(path), options)


def _from_reader(
    reader: QuadReader, source: str, name: str, options: ImportOptions
) -> KnowledgeGraph:
    builder = reader.finish(options.name or name)
    reading = _reading(options)
    return _finished(builder, {"source": source, **({"reading": reading} if reading else {})})


def _reading(options: ImportOptions) -> dict[str, object]:
    """What differs from the default and a later snapshot of the same record must read alike."""
    usual = ImportOptions()
    keys = ("language", "labels", "descriptions", "aliases")
    chosen = {k: getattr(options, k) for k in keys if getattr(options, k) != getattr(usual, k)}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in chosen.items()}


def _read_through(reader: QuadReader, quads: Iterable[Quad], store: Path | None) -> None:
    """One pass: the reader sees each quad on its way into the store."""
    if store is None:
        reader.consume(quads)
    else:
        _store(reader.walk(quads, keep=True), store)


def _store(quads: Iterable[Quad], folder: Path) -> None:
    from pyoxigraph import Store

    Store(str(folder)).bulk_extend(quads)


def _in_thread(work: Callable[[], None]) -> Callable[[], None]:
    """Starts work in a thread.

    Returns:
        A function that waits for it and raises what it raised.
    """
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()

    def wait() -> None:
        thread.join()
        if errors:
            raise errors[0]

    return wait
