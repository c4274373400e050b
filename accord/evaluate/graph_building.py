"""A graph out of texts: entities, relations and attributes, merged, each with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accord.errors import ConfigError, DataError
from accord.evaluate.extraction import Extracted, TextReader, merge
from accord.evaluate.extraction_files import write_triples
from accord.evaluate.extractor import Extractor
from accord.graph.builder import GraphBuilder
from accord.graph.formats import refuse_foreign, write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.progress import track
from accord.text.new_entities import NewEntities
from accord.text.pieces import READ_BYTES, read_pieces
from accord.train.extraction import text_files

EVIDENCE = ("evidence.jsonl", "evidence.nq")
"""Files in the graph's folder: sentence and offsets of all that it holds, for people and as RDF."""


@dataclass(frozen=True)
class BuiltGraph:
    """A graph that was made of texts."""

    graph: KnowledgeGraph
    new_entities: int
    """How many of its entities no schema graph has."""
    evidence: Path
    unread: int
    """Sentences whose relations were not judged, since they are longer than the model reads."""


def build_graph(
    text: Iterable[str | Path],
    out: str | Path,
    run: str | Path,
    schema: str | Path | None = None,
    threshold: float = 0.5,
) -> BuiltGraph:
    """Makes a graph of texts.

    Args:
        text: UTF-8 files (.gz too) or folders of them; each file is read piece by piece.
        out: The graph folder to make.
        run: A run that has learnt relations, and to recognise mentions where entities are to come
            out that the schema graph lacks.
        schema: Graph folder, file or data set's name. Its relations and properties are looked for
            and its entities linked; None takes all relations that the run has learnt, and no
            attributes but types.
        threshold: Least probability of a triple.

    Returns:
        The graph, with what the texts state and nothing else of the schema.

    Raises:
        ConfigError: The run has not learnt what is needed, or nothing of the schema, or `out` is
            the schema graph.
        DataError: A text cannot be read, something else lies at `out`, or nothing was found.
    """
    files, folder = text_files(text), Path(out)
    refuse_foreign(folder)
    if schema is not None and Path(schema).resolve() == folder.resolve():
        raise ConfigError(
            f"--out {folder} is the schema graph itself, which would be replaced by what the texts "
            "state of it",
            "choose another place for --out",
        )
    for path in files:
        if not path.is_file():
            raise DataError("no such file", path, hint="give text files or folders of them")
    known = None if schema is None else load_graph(str(schema))
    extractor = Extractor.open(run)
    if known is None:
        extractor.needs("spans")
    reader = TextReader(extractor, known, threshold)
    found = merge(_read(reader, files))
    reader.tell_unread()
    if not found:
        raise DataError(
            "the texts name nothing that the run recognises",
            ", ".join(map(str, files)),
            hint="lower --threshold, or train the run on texts like these",
        )
    builder = _builder(folder.name, found, known, reader.names.new)
    sources = {"texts": source_names(files), "threshold": threshold}
    graph = write_graph(builder.build(meta={"source": "text", **sources}), folder)
    for name in EVIDENCE:
        write_triples(folder / name, found)
    return BuiltGraph(graph, len(reader.names.new.found), folder / EVIDENCE[0], reader.unread)


def _read(reader: TextReader, files: Sequence[Path]) -> Iterator[Extracted]:
    size = sum(path.stat().st_size for path in files)
    with track("reading texts", size, "bytes") as advance:
        for path, name in zip(files, source_names(files), strict=True):
            for item in reader.read(read_pieces(path, advance, READ_BYTES)):
                yield replace(item, source=name)


def source_names(files: Sequence[Path]) -> list[str]:
    """What evidence calls files: by their names, and by their paths where a name is there twice.

    Example:
        >>> source_names([Path("a/x.txt"), Path("b/x.txt"), Path("b/y.txt")])
        ['a/x.txt', 'b/x.txt', 'y.txt']
    """
    times = Counter(path.name for path in files)
    return [path.name if times[path.name] == 1 else path.as_posix() for path in files]


def _builder(
    name: str, found: Iterable[Extracted], schema: KnowledgeGraph | None, new: NewEntities
) -> GraphBuilder:
    builder = GraphBuilder(name)
    for item in found:
        _add_entity(builder, item.head, schema, new)
        if item.datatype:
            builder.attribute(*item.triple, item.datatype)
            continue
        _add_entity(builder, item.tail, schema, new)
        if schema is not None:
            number = schema.relation(item.relation)
            phrases = schema.relation_phrases[number], schema.inverse_phrases[number]
            builder.relation(item.relation, *phrases)
        builder.triple(*item.triple)
    return builder


def _add_entity(
    builder: GraphBuilder, entity: str, schema: KnowledgeGraph | None, new: NewEntities
) -> None:
    """An entity with its texts: of the schema graph, or as the texts spell it."""
    if entity in builder.entities.index:
        return
    if entity in new.found:
        builder.entity(entity, new.found[entity].name, "", new.found[entity].aliases)
    elif schema is not None:
        number = schema.entity(entity)
        texts = schema.entity_names[number], schema.entity_descriptions[number]
        builder.entity(entity, *texts, schema.aliases_of(number))
