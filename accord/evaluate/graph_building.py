"""A graph out of texts: entities, relations and attributes, merged, each with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accord.errors import DataError
from accord.evaluate.extraction import Extracted, TextReader, merge
from accord.evaluate.extraction_files import write_triples
from accord.evaluate.extractor import Extractor
from accord.graph.builder import GraphBuilder
from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph
from accord.text.new_entities import NewEntities
from accord.text.pieces import read_pieces

EVIDENCE = ("evidence.jsonl", "evidence.nq")
"""Files in the graph's folder: sentence and offsets of all that it holds, for people and as RDF."""


@dataclass(frozen=True)
class BuiltGraph:
    """A graph that was made of texts."""

    graph: KnowledgeGraph
    new_entities: int
    """How many of its entities no schema graph has."""
    evidence: Path


def build_graph(
    extractor: Extractor,
    texts: Sequence[Path],
    out: Path,
    schema: KnowledgeGraph | None = None,
    threshold: float = 0.5,
    advance: Callable[[int], None] | None = None,
) -> BuiltGraph:
    """Makes a graph of texts.

    Args:
        extractor: A run that has learnt relations, and to recognise mentions where entities are to
            come out that the schema graph lacks.
        texts: UTF-8 files; each is read piece by piece.
        out: The graph folder to make.
        schema: Its relations and properties are looked for and its entities linked; None takes all
            relations that the run has learnt, and no attributes but types.
        threshold: Least probability of a triple.
        advance: Is told the bytes just read.

    Returns:
        The graph, with what the texts state and nothing else of the schema.

    Raises:
        ConfigError: The run has not learnt what is needed, or nothing of the schema.
        DataError: A text cannot be read, something else lies at `out`, or nothing was found.
    """
    if schema is None:
        extractor.needs("spans")
    reader = TextReader(extractor, schema, threshold)
    found = merge(_read(reader, texts, advance))
    if not found:
        raise DataError(
            "the texts name nothing that the run recognises",
            ", ".join(map(str, texts)),
            hint="lower --threshold, or train the run on texts like these",
        )
    builder = _builder(out.name, found, schema, reader.names.new)
    sources = {"texts": [path.name for path in texts], "threshold": threshold}
    graph = write_graph(builder.build(meta={"source": "text", **sources}), out)
    for name in EVIDENCE:
        write_triples(out / name, found)
    return BuiltGraph(graph, len(reader.names.new.found), out / EVIDENCE[0])


def _read(
    reader: TextReader, texts: Iterable[Path], advance: Callable[[int], None] | None
) -> Iterator[Extracted]:
    for path in texts:
        for item in reader.read(read_pieces(path, advance)):
            yield replace(item, source=path.name)


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
