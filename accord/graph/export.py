"""A graph out: RDF in any syntax, TSV or CSV, or a folder of tables that keeps everything."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from accord.errors import DataError
from accord.graph import iris
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.labels import DESCRIPTION, NAME, ImportOptions
from accord.graph.reading import suffix_of
from accord.graph.writing import new_folder, write_file
from accord.progress import say

if TYPE_CHECKING:
    from pyoxigraph import Literal, Quad

TABLES = {".tsv": "\t", ".txt": "\t", ".csv": ","}
FOLDER_FILE = "accord.json"
FOLDER_FORMAT = 1
ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "|": "\\p"}


def export_graph(graph: KnowledgeGraph, path: str | Path) -> Path:
    """Writes a graph; the format is told by the suffix, and `.gz` after it compresses.

    `.nq`, `.trig` and `.jsonld` keep splits, texts and attributes; `.nt` and `.ttl` all but the
    splits; `.tsv` and `.csv` only the triples. A path without a suffix, or one that ends with
    `/`, becomes a folder of tables from which the graph comes back equal.

    Args:
        graph: What to write.
        path: Where to; what is there is replaced once the new one is complete.

    Returns:
        The path.

    Raises:
        DataError: An unknown suffix, or no space on the disk.
    """
    target, suffix = Path(path), suffix_of(path)
    if str(path).endswith("/") or not suffix:
        return _write_folder(graph, target)
    if suffix in TABLES:
        warn_splits(graph, target)
        with write_file(target) as stream:
            _write_triples(graph, stream, suffix)
        return target
    from accord.graph.formats_rdf import FORMATS

    if suffix not in FORMATS:
        known = [*FORMATS, *TABLES]
        hint = "known: " + " ".join(known)
        raise DataError(f"no format has the suffix {suffix!r}", target, hint=hint)
    if not FORMATS[suffix].supports_datasets:
        warn_splits(graph, target)
    write_quads(graph_quads(graph), target)
    return target


def write_quads(quads: Iterable[Quad], target: Path) -> None:
    """Writes quads to an RDF file; a syntax for triples gets them without their graphs."""
    from pyoxigraph import RdfFormat, Triple, serialize

    from accord.graph.formats_rdf import FORMATS

    form: RdfFormat = FORMATS[suffix_of(target)]
    with write_file(target) as stream:
        if form.supports_datasets:
            serialize(quads, stream, form)
        else:
            serialize((Triple(s, p, o) for s, p, o, _ in quads), stream, form)


def warn_splits(graph: KnowledgeGraph, target: Path) -> None:
    """Says that a format mixes what is held out with the rest, where something is."""
    held_out = int((graph.split > 0).sum())
    if held_out:
        say(
            f"{target}: this format has no splits, so {held_out:,} valid and test triples are "
            "written among the others; .nq, .trig, .jsonld or a folder keeps them apart"
        )


def _write_triples(graph: KnowledgeGraph, stream: IO[bytes], suffix: str) -> None:
    """Triples of all splits: TSV without a header, CSV with one."""
    if suffix != ".csv":
        for row in _id_rows(graph, None):
            for text in row:
                if any(mark in text for mark in "\t\n\r"):
                    raise DataError(
                        f"the id {text!r} holds a tab or line break, which .tsv cannot",
                        hint="export to .csv, RDF or a folder",
                    )
            stream.write(("\t".join(row) + "\n").encode("utf-8", "surrogatepass"))
        return
    sink = _Sink(stream)
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("head", "relation", "tail"))
    writer.writerows(_id_rows(graph, None))


class _Sink:
    """What `csv.writer` writes to: encodes and passes on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(text.encode("utf-8", "surrogatepass"))


def _id_rows(graph: KnowledgeGraph, split: str | None) -> Iterator[tuple[str, str, str]]:
    entities, relations = list(graph.entity_ids), list(graph.relation_ids)
    for head, relation, tail in graph.triples_of(split).tolist():
        yield entities[head], relations[relation], entities[tail]


def escape(text: str, also: str = "") -> str:
    """A text on one line of a folder's table, without tabs.

    Args:
        text: Any text.
        also: "|" where a bar divides several texts.
    """
    for plain, coded in ESCAPES.items():
        if plain in text and plain in "\\\t\n\r" + also:
            text = text.replace(plain, coded)
    return text


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    if "\\" not in text:
        return text
    back = {coded[1]: plain for plain, coded in ESCAPES.items()}
    return re.sub(r"\\([\\tnrp])", lambda match: back[match[1]], text)


def _write_folder(graph: KnowledgeGraph, target: Path) -> Path:
    """Tables from which the graph comes back equal, idx and all."""
    if target.exists() and not (target / FOLDER_FILE).is_file() and any(target.iterdir()):
        raise DataError(
            "the folder holds something that is not an exported graph",
            target,
            hint="choose another folder, or empty this one",
        )
    with new_folder(target) as folder:
        for split in SPLITS:
            if split == "train" or len(graph.triples_of(split)):
                rows = _id_rows(graph, split)
                _table(folder / f"{split}.tsv", (map(escape, row) for row in rows))
        _table(folder / "entities.tsv", _entity_rows(graph))
        _table(folder / "relations.tsv", _relation_rows(graph))
        if len(graph.attributes):
            _table(folder / "attributes.tsv", _attribute_rows(graph))
        header = {"format": FOLDER_FORMAT, "name": graph.name, "meta": dict(graph.meta)}
        (folder / FOLDER_FILE).write_text(
            json.dumps(header, indent=2, ensure_ascii=False), encoding="utf-8"
        )
    return target


def _table(path: Path, rows: Iterable[Iterable[str]]) -> None:
    with path.open("wb") as stream:
        for row in rows:
            stream.write(("\t".join(row) + "\n").encode("utf-8", "surrogatepass"))


def _entity_rows(graph: KnowledgeGraph) -> Iterator[tuple[str, ...]]:
    yield "id", "name", "description", "aliases"
    columns = (graph.entity_ids, graph.entity_names, graph.entity_descriptions)
    for idx, texts in enumerate(zip(*columns, strict=True)):
        yield *map(escape, texts), "|".join(escape(a, "|") for a in graph.aliases_of(idx))


def _relation_rows(graph: KnowledgeGraph) -> Iterator[Iterable[str]]:
    yield "id", "phrase", "inverse"
    columns = (graph.relation_ids, graph.relation_phrases, graph.inverse_phrases)
    yield from (map(escape, row) for row in zip(*columns, strict=True))


def _attribute_rows(graph: KnowledgeGraph) -> Iterator[Iterable[str]]:
    yield "entity", "property", "value", "datatype", "language"
    for row, entity in enumerate(graph.attributes[:, 0].tolist()):
        yield map(escape, (graph.entity_ids[entity], *graph.attribute(row)))


def graph_quads(graph: KnowledgeGraph) -> Iterator[Quad]:
    """A graph as RDF: train, texts and attributes in the default graph, valid and test apart.

    Args:
        graph: Any graph; ids that are not IRIs are encoded (`accord.graph.iris.to_iri`).

    Yields:
        Quads from which the same graph can be read.
    """
    from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad

    entities = [NamedNode(iris.to_iri(key)) for key in graph.entity_ids]
    relations = [NamedNode(iris.to_iri(key)) for key in graph.relation_ids]
    train = DefaultGraph()
    graphs = [train, *(NamedNode(iris.HELD_OUT[split]) for split in SPLITS[1:])]
    predicates: dict[str, NamedNode] = {}

    def quad(subject: NamedNode, prop: str, literal: Literal) -> Quad:
        predicate = predicates.setdefault(prop, NamedNode(prop))
        return Quad(subject, predicate, literal, train)

    shared = set(entities) & set(relations)
    own = {NamedNode(iris.to_iri(prop)) for prop in graph.properties} | shared
    for idx, prop, text in _entity_texts(graph, {i for i, e in enumerate(entities) if e in own}):
        yield quad(entities[idx], prop, Literal(text))
    for idx, prop, text in _relation_texts(
        graph, {i for i, r in enumerate(relations) if r in shared}
    ):
        yield quad(relations[idx], prop, Literal(text))
    for (head, relation, tail), split in zip(
        graph.triples.tolist(), graph.split.tolist(), strict=True
    ):
        yield Quad(entities[head], relations[relation], entities[tail], graphs[split])
    for row, entity in enumerate(graph.attributes[:, 0].tolist()):
        prop, value, datatype, language = graph.attribute(row)
        kind = None if language or not datatype else NamedNode(iris.to_iri(datatype))
        literal = Literal(value, datatype=kind, language=language or None)
        yield quad(entities[entity], iris.to_iri(prop), literal)


def _entity_texts(graph: KnowledgeGraph, shared: set[int]) -> Iterator[tuple[int, str, str]]:
    """(idx, property, text) of every entity, in the order of idx.

    Args:
        graph: The graph.
        shared: Entities whose id is a relation's or a property's too.
    """
    lone = set(np.setdiff1d(np.arange(graph.num_entities), graph.triples[:, ::2]).tolist())
    lone -= set(graph.attributes[:, 0].tolist())
    rivals = {kind: _with_rivals(graph, kind) for kind in (NAME, DESCRIPTION)}
    names = zip(graph.entity_names, graph.entity_descriptions, strict=True)
    for idx, (name, description) in enumerate(names):
        if name:
            yield idx, iris.LABEL, name
        if description:
            yield idx, iris.COMMENT, description
        # Also where it is empty: then none of the rivals is the entity's own.
        if idx in rivals[NAME]:
            yield idx, iris.CHOSEN_NAME, name
        if idx in rivals[DESCRIPTION]:
            yield idx, iris.CHOSEN_DESCRIPTION, description
        for alias in graph.aliases_of(idx):
            yield idx, iris.ALIAS, alias
        if idx in shared or idx in lone:
            yield idx, iris.KIND, "entity"


def _with_rivals(graph: KnowledgeGraph, kind: int) -> set[int]:
    """Entities with an attribute that would compete for their name or description."""
    kinds = ImportOptions().kinds()
    rivals = [i for i, prop in enumerate(graph.properties) if kinds.get(prop, (-1,))[0] == kind]
    return set(graph.attributes[np.isin(graph.attributes[:, 1], rivals), 0].tolist())


def _relation_texts(graph: KnowledgeGraph, shared: set[int]) -> Iterator[tuple[int, str, str]]:
    """As `_entity_texts`, of relations."""
    used = set(graph.triples[:, 1].tolist())
    phrases = zip(graph.relation_phrases, graph.inverse_phrases, strict=True)
    for idx, (phrase, inverse) in enumerate(phrases):
        if idx in shared:
            # Also where it is empty: the entity's name must not become the phrase.
            yield idx, iris.PHRASE, phrase
        elif phrase:
            yield idx, iris.LABEL, phrase
        if inverse:
            yield idx, iris.INVERSE, inverse
        if idx not in used:
            yield idx, iris.KIND, "relation"
