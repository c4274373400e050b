"""Tables in: TSV, CSV with headers, node and edge files, and folders of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from accord.errors import DataError
from accord.graph.builder import GraphBuilder
from accord.graph.export import FOLDER_FILE, FOLDER_FORMAT, TABLES, unescape
from accord.graph.graph import SPLITS
from accord.graph.reading import read_lines, stem_of, suffix_of
from accord.graph.table_columns import (
    ENTITY_COLUMNS,
    RELATION_COLUMNS,
    TRIPLE_COLUMNS,
    Column,
    columns_of,
)

Row = tuple[int, list[str]]
"""1-based line number and cells."""
DIVIDERS = {";": "semicolons", "\t": "tabs (name the file .tsv)"}
SPLIT_STEMS = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
}


def read_table(path: Path) -> Iterator[Row]:
    """The rows of a TSV or CSV file, perhaps gzipped; blank lines are skipped.

    Raises:
        DataError: As `read_lines`; a CSV field that never ends or is too long.
    """
    if suffix_of(path) != ".csv":
        for number, line in read_lines(path):
            if "\t" in line or line.strip():
                yield number, line.split("\t")
        return
    reader = csv.reader(line + "\n" for _, line in read_lines(path))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"not valid CSV ({error})", path, reader.line_num, "look for a quote that never closes"
        ) from error


def read_triples(
    builder: GraphBuilder, path: Path, split: str = "train", escaped: bool = False
) -> None:
    """Reads a file of triples: TSV with or without a header, CSV with one.

    Args:
        builder: Where the triples go.
        path: The file.
        split: The split of rows that have no column for it.
        escaped: Whether Accord wrote it, with `\\t` for a tab inside an id.

    Raises:
        DataError: No triple, a wrong number of columns, an empty id, an unknown split; with line.
    """
    plain: Callable[[str], str] = unescape if escaped else str
    rows = read_table(path)
    first = next(rows, None)
    if first is None:
        raise DataError("the file has no triple", path, hint="it needs one triple a line")
    places, width, is_header = _triple_places(first, path)
    if not is_header:
        _triple(builder, first, places, width, path, split, plain)
    for row in rows:
        _triple(builder, row, places, width, path, split, plain)


def _triple(
    builder: GraphBuilder,
    row: Row,
    places: tuple[int, ...],
    width: int,
    path: Path,
    split: str,
    plain: Callable[[str], str],
) -> None:
    number, cells = row
    if len(cells) != width:
        raise _wrong_width(path, row, width)
    head, relation, tail = (plain(cells[i]) for i in places[:3])
    if not (head and relation and tail):
        raise DataError(f"an empty id in {cells}", path, number, "fill it or remove the line")
    own = cells[places[3]] if len(places) > 3 else split
    if own not in SPLITS:
        raise DataError(f"no split {own!r}", path, number, "write train, valid or test")
    builder.triple(head, relation, tail, own)
    if width > len(places) and any(c for i, c in enumerate(cells) if i not in places):
        count_left_out(builder, "relations with properties of their own")


def count_left_out(builder: GraphBuilder, what: str) -> None:
    """Counts something that a graph cannot hold, in its `meta["left_out"]`."""
    counts: dict[str, int] = builder.meta.setdefault("left_out", {})
    counts[what] = counts.get(what, 0) + 1


def _triple_places(first: Row, path: Path) -> tuple[tuple[int, ...], int, bool]:
    """Where head, relation, tail (and split) stand, how wide rows are, whether this is a header."""
    number, cells = first
    meanings = [column.meaning for column in columns_of(cells, TRIPLE_COLUMNS)]
    if all(part in meanings for part in ("head", "relation", "tail")):
        wanted = [part for part in ("head", "relation", "tail", "split") if part in meanings]
        return tuple(meanings.index(part) for part in wanted), len(cells), True
    if suffix_of(path) == ".csv":
        raise DataError(
            f"no columns for head, relation and tail among {cells}",
            path,
            number,
            _other_divider(cells)
            or "the first line must name them: head,relation,tail (or source,type,target; "
            ":START_ID,:TYPE,:END_ID)",
        )
    if len(cells) != 3:
        raise _wrong_width(path, first, 3)
    return (0, 1, 2), 3, False


def _other_divider(cells: list[str]) -> str:
    """What to do about a CSV file whose columns are not divided by commas; empty if they are."""
    found = next((name for sign, name in DIVIDERS.items() if sign in cells[0]), "")
    if len(cells) > 1 or not found:
        return ""
    return f"columns must be divided by commas; these seem to be divided by {found}"


def _wrong_width(path: Path, row: Row, width: int) -> DataError:
    number, cells = row
    tabs = suffix_of(path) != ".csv"
    hint = f"every line needs {width} columns"
    if tabs and len(cells) == 1:
        hint = "columns are divided by tabs, not by spaces or commas"
    text = "\t".join(cells) if tabs else ",".join(cells)
    kind = "tab-separated columns" if tabs else "columns"
    return DataError(
        f"expected {width} {kind}, found {len(cells)}: {text[:80]!r}", path, number, hint
    )


def read_entities(
    builder: GraphBuilder,
    path: Path,
    escaped: bool = False,
    seen: dict[str, str] | None = None,
) -> None:
    """Reads a table of entities: id, name, description, aliases; further columns: attributes.

    Args:
        builder: Where they go.
        path: A TSV file with or without a header, or a CSV file with one.
        escaped: Whether Accord wrote it.
        seen: Ids of other files with where they stand; this file's are added.

    Raises:
        DataError: An id twice, a row wider than the header; with the line.
    """
    default = ("id", "name", "description", "aliases")
    columns, rows = _with_header(path, ENTITY_COLUMNS, default)
    seen = {} if seen is None else seen
    plain: Callable[[str], str] = unescape if escaped else str
    for number, cells in rows:
        values = _by_meaning(columns, number, cells, path)
        entity = plain(_identity(values, seen, path, number))
        aliases = values.get("aliases", "")
        builder.entity(
            entity,
            plain(values.get("name", "")),
            plain(values.get("description", "")),
            [plain(alias) for alias in aliases.split("|") if alias],
        )
        for column, cell in zip(columns, cells, strict=False):
            if column.meaning in ("", "labels") and cell:
                _cell_attributes(builder, entity, column, cell)


def _cell_attributes(builder: GraphBuilder, entity: str, column: Column, cell: str) -> None:
    many = column.many or column.meaning == "labels"
    for value in cell.split(";") if many else [cell]:
        builder.attribute(entity, column.name, value, column.datatype)


def read_relations(builder: GraphBuilder, path: Path, escaped: bool = False) -> None:
    """Reads a table of relations: id, phrase, inverse phrase; further columns are passed over.

    Raises:
        DataError: An id twice, a row wider than the header; with the line.
    """
    columns, rows = _with_header(path, RELATION_COLUMNS, ("id", "phrase", "inverse"))
    seen: dict[str, str] = {}
    plain: Callable[[str], str] = unescape if escaped else str
    for number, cells in rows:
        values = _by_meaning(columns, number, cells, path)
        relation = plain(_identity(values, seen, path, number))
        phrases = (plain(values.get(part, "")) for part in ("phrase", "inverse"))
        builder.relation(relation, *phrases)


def _with_header(
    path: Path, known: dict[str, str], default: tuple[str, ...]
) -> tuple[list[Column], Iterator[Row]]:
    """The columns, from the first row if it is a header, and the rows that follow."""
    rows = read_table(path)
    first = next(rows, None)
    if first is None:
        raise DataError("the file has no row", path)
    columns = columns_of(first[1], known)
    meanings = [column.meaning for column in columns]
    # One word could be an id by chance (UMLS has an entity named "entity"); two are a header. A CSV
    # file has one always.
    stated, is_csv = len(set(meanings) - {""}), suffix_of(path) == ".csv"
    if "id" in meanings and (is_csv or len(columns) == 1 or stated > 1):
        return columns, rows
    if is_csv:
        raise DataError(
            f"no column for the id among {first[1]}",
            path,
            first[0],
            _other_divider(first[1]) or "name it id or :ID",
        )
    return [Column(name, name) for name in default], _again(first, rows)


def _again(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _by_meaning(columns: list[Column], number: int, cells: list[str], path: Path) -> dict[str, str]:
    if len(cells) > len(columns):
        raise DataError(
            f"expected at most {len(columns)} columns, found {len(cells)}",
            path,
            number,
            "quote commas in CSV; tabs inside a text are not allowed in TSV",
        )
    pairs = zip(columns, cells, strict=False)
    return {column.meaning: cell for column, cell in pairs if column.meaning}


def _identity(values: dict[str, str], seen: dict[str, str], path: Path, number: int) -> str:
    identifier = values.get("id", "")
    if not identifier:
        raise DataError("the id is empty", path, number, "fill it or remove the line")
    if identifier in seen:
        raise DataError(
            f"id {identifier!r} is there twice (first at {seen[identifier]})",
            path,
            number,
            "make ids unique: remove one line or merge them",
        )
    seen[identifier] = f"{path.name}:{number}"
    return identifier


def read_attributes(builder: GraphBuilder, path: Path) -> None:
    """Reads `attributes.tsv` of an exported folder: entity, property, value, datatype, language.

    Raises:
        DataError: A row without five columns; with the line.
    """
    for row in read_table(path):
        if len(row[1]) != 5:
            raise _wrong_width(path, row, 5)
        if row[1] != ["entity", "property", "value", "datatype", "language"] or row[0] > 1:
            builder.attribute(*map(unescape, row[1]))


def read_folder(builder: GraphBuilder, folder: Path) -> dict[str, Any]:
    """Reads a folder: train/valid/test files, or node and edge files, and texts beside them.

    Args:
        builder: Where it goes.
        folder: With `entities.*` and `relations.*` beside the triples, if there are texts.

    Returns:
        What an exported folder says of itself (`name`, `meta`); empty for others.

    Raises:
        DataError: No table with triples, two files for one thing, or an error in a file.
    """
    files = _tables_in(folder)
    header = _folder_header(folder)
    escaped = bool(header)
    seen: dict[str, str] = {}
    splits = {stem: path for stem, path in files.items() if stem in SPLIT_STEMS}
    edges, nodes = ({}, {}) if splits else _node_and_edge_files(files)
    if not splits and not edges:
        raise DataError(
            "no table of triples is here",
            folder,
            hint="name it train.tsv, or give a CSV the columns head,relation,tail",
        )
    if "entities" in files:
        read_entities(builder, files["entities"], escaped, seen)
    if "relations" in files and files["relations"] not in edges.values():
        read_relations(builder, files["relations"], escaped)
    for path in nodes.values():
        read_entities(builder, path, False, seen)
    for stem, path in {**splits, **edges}.items():
        if not (escaped and path.stat().st_size == 0):
            read_triples(builder, path, SPLIT_STEMS.get(stem, "train"), escaped)
    if escaped and "attributes" in files:
        read_attributes(builder, files["attributes"])
    return header


def _tables_in(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = stem_of(path).lower()
        if path.name.startswith(".") or suffix_of(path) not in TABLES or stem == "readme":
            continue
        if stem in files:
            raise DataError(
                f"{files[stem].name} and {path.name} are both there",
                folder,
                hint="keep one of them in this folder",
            )
        files[stem] = path
    order = {"train": 0, "valid": 1, "validation": 1, "dev": 1, "test": 2}
    files = dict(sorted(files.items(), key=lambda item: order.get(item[0], 3)))
    if any(stem in SPLIT_STEMS for stem in files) and "train" not in files:
        raise DataError("there is a valid or test file but no train file", folder)
    return files


def _node_and_edge_files(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Tells tables with head, relation and tail from tables with an id."""
    edges: dict[str, Path] = {}
    nodes: dict[str, Path] = {}
    for stem, path in files.items():
        first = next(read_table(path), (1, []))[1]
        meanings = {column.meaning for column in columns_of(first, TRIPLE_COLUMNS)}
        if {"head", "relation", "tail"} <= meanings:
            edges[stem] = path
        elif stem not in ("entities", "relations", "attributes"):
            nodes[stem] = path
    return edges, nodes


def _folder_header(folder: Path) -> dict[str, Any]:
    path = folder / FOLDER_FILE
    if not path.is_file():
        return {}
    try:
        header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"not valid JSON ({error})", path) from error
    if header.get("format") != FOLDER_FORMAT:
        raise DataError(
            f"folder format {header.get('format')!r}, this version reads {FOLDER_FORMAT}", path
        )
    return header
