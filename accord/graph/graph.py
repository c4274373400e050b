"""The knowledge graph as a snapshot: immutable, typed, memory-mapped.

An entity is its id (a string) outside and its idx (an integer) inside. Snapshots are folders of
`.npy` files and one `graph.json`; opening one reads the JSON and maps the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.errors import DataError, GraphError
from accord.graph.strings import StringTable
from accord.graph.writing import new_folder, recover_folder

SPLITS = ("train", "valid", "test")
SNAPSHOT_FORMAT = 1
PENDING = "pending"
"""File in a graph folder while its record may be ahead of its snapshot."""
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
TABLES = (
    "entity_ids",
    "entity_names",
    "entity_descriptions",
    "aliases",
    "relation_ids",
    "relation_phrases",
    "inverse_phrases",
    "properties",
    "attribute_values",
    "datatypes",
    "languages",
)
ARRAYS = (
    "triples",
    "split",
    "alias_offsets",
    "attributes",
    "entity_order",
    "relation_order",
    "out_offsets",
    "out_edges",
    "in_offsets",
    "in_edges",
)


class Attribute(NamedTuple):
    """One literal of an entity, as the source states it."""

    property: str
    value: str
    datatype: str
    language: str


@dataclass(frozen=True)
class Lineage:
    """Where a snapshot comes from.

    A snapshot descends from its parent by the patches listed; idx is append-only on the way.
    """

    parent: str | None = None
    """Content hash of the parent snapshot; None for a graph that was imported."""
    ancestors: tuple[str, ...] = ()
    """Content hashes of all ancestors, oldest first, the parent last."""
    patches: tuple[str, ...] = ()
    """Ids of the patches between the parent and this snapshot."""


@dataclass(frozen=True, eq=False)
class KnowledgeGraph:
    """An immutable typed multigraph with texts, attributes and splits.

    Parallel relations, loops and one-to-many relations are kept. Build one with
    `accord.graph.builder.GraphBuilder`, an importer of `accord.graph.formats`, or `load`.
    """

    name: str
    entity_ids: StringTable
    """(E,) ids as the source gives them."""
    entity_names: StringTable
    """(E,) preferred names; empty where the source has none."""
    entity_descriptions: StringTable
    """(E,) descriptions; empty where the source has none."""
    alias_offsets: Int64
    """(E + 1,) where each entity's aliases begin in `aliases`."""
    aliases: StringTable
    relation_ids: StringTable
    """(R,) ids."""
    relation_phrases: StringTable
    """(R,) text of the relation read from head to tail; empty where the source has none."""
    inverse_phrases: StringTable
    """(R,) text of the relation read from tail to head; empty where the source has none."""
    triples: Int32
    """(T, 3) int32 idx of head, relation, tail: train, valid, test, each in source order and
    without duplicates."""
    split: npt.NDArray[np.uint8]
    """(T,) uint8: 0 train, 1 valid, 2 test."""
    attributes: Int32
    """(A, 4) int32: entity idx, property idx, datatype idx, language idx; -1 for no language."""
    attribute_values: StringTable
    """(A,) literal values exactly as stated."""
    properties: StringTable
    datatypes: StringTable
    languages: StringTable
    entity_order: Int32
    """(E,) permutation that sorts `entity_ids`."""
    relation_order: Int32
    """(R,) permutation that sorts `relation_ids`."""
    out_offsets: Int64
    """(E + 1,) where each head's rows begin in `out_edges`."""
    out_edges: Int32
    """(T,) rows of `triples` sorted by head, relation, tail."""
    in_offsets: Int64
    """(E + 1,) where each tail's rows begin in `in_edges`."""
    in_edges: Int32
    """(T,) rows of `triples` sorted by tail, relation, head."""
    lineage: Lineage = Lineage()
    hash: str = ""
    """sha256 of the content (ids, texts, triples, splits, attributes)."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Source, licence, attribution, counts of what was left out."""

    @property
    def num_entities(self) -> int:
        """E."""
        return len(self.entity_ids)

    @property
    def num_relations(self) -> int:
        """R."""
        return len(self.relation_ids)

    @property
    def num_triples(self) -> int:
        """T, over all splits."""
        return len(self.triples)

    @cached_property
    def _entity_map(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self.entity_ids)}

    def entity(self, entity_id: str) -> int:
        """The idx of an entity id.

        Raises:
            GraphError: The graph has no such entity.
        """
        idx = self.entity_ids.find(entity_id, self.entity_order)
        if idx < 0:
            raise GraphError(
                f"graph {self.name!r} has no entity {entity_id!r}",
                "look it up by name with `accord complete`, or list ids with `accord graph query`",
            )
        return idx

    def relation(self, relation_id: str) -> int:
        """The idx of a relation id.

        Raises:
            GraphError: The graph has no such relation.
        """
        idx = self.relation_ids.find(relation_id, self.relation_order)
        if idx < 0:
            from accord.errors import nearest

            raise GraphError(
                f"graph {self.name!r} has no relation {relation_id!r}",
                nearest(relation_id, self.relation_ids),
            )
        return idx

    def entities(self, entity_ids: list[str]) -> Int64:
        """(N,) idx of many entity ids; -1 where the graph has none."""
        table = self._entity_map
        return np.array([table.get(key, -1) for key in entity_ids], dtype=np.int64)

    def triples_of(self, split: str | None = None) -> Int32:
        """The triples of one split, in source order.

        Args:
            split: "train", "valid", "test", or None for all.

        Returns:
            (T', 3) int32.
        """
        if split is None:
            return self.triples
        if split not in SPLITS:
            raise GraphError(f"no split {split!r}", "choose train, valid or test")
        rows: Int32 = self.triples[self.split == SPLITS.index(split)]
        return rows

    def aliases_of(self, entity: int) -> list[str]:
        """The other names of an entity."""
        start, end = int(self.alias_offsets[entity]), int(self.alias_offsets[entity + 1])
        return [self.aliases[i] for i in range(start, end)]

    @cached_property
    def _attribute_rows(self) -> tuple[Int64, Int64]:
        order = np.argsort(self.attributes[:, 0], kind="stable").astype(np.int64)
        keys = self.attributes[order, 0]
        return order, np.searchsorted(keys, np.arange(self.num_entities + 1)).astype(np.int64)

    def attributes_of(self, entity: int) -> list[Attribute]:
        """The literals of an entity, in source order."""
        return [self.attribute(int(row)) for row in self.attribute_rows(entity)]

    def attribute_rows(self, entity: int) -> Int64:
        """(n,) rows of `attributes` that are the entity's, in source order."""
        order, offsets = self._attribute_rows
        return order[offsets[entity] : offsets[entity + 1]]

    def attribute(self, row: int) -> Attribute:
        """One row of `attributes` as text."""
        _, prop, datatype, language = (int(x) for x in self.attributes[row])
        return Attribute(
            self.properties[prop],
            self.attribute_values[row],
            self.datatypes[datatype],
            "" if language < 0 else self.languages[language],
        )

    def outgoing(self, entity: int) -> Int32:
        """(n, 3) triples whose head is the entity, sorted by relation and tail."""
        rows = self.out_edges[self.out_offsets[entity] : self.out_offsets[entity + 1]]
        return self.triples[rows]

    def incoming(self, entity: int) -> Int32:
        """(n, 3) triples whose tail is the entity, sorted by relation and head."""
        rows = self.in_edges[self.in_offsets[entity] : self.in_offsets[entity + 1]]
        return self.triples[rows]

    def descends_from(self, graph_hash: str) -> bool:
        """Whether this is the graph with that hash or a descendant of it."""
        return graph_hash == self.hash or graph_hash in self.lineage.ancestors

    def save(self, folder: str | Path) -> Path:
        """Writes the snapshot: to a temporary folder first, then renamed.

        Args:
            folder: Where to; a snapshot that is there is replaced.

        Returns:
            The folder.

        Raises:
            DataError: No space left; what was there is untouched.
        """
        target = Path(folder)
        with new_folder(target) as work:
            self._write(work)
        return target

    def _write(self, folder: Path) -> None:
        for key in ARRAYS:
            np.save(folder / f"{key}.npy", getattr(self, key))
        for key in TABLES:
            table: StringTable = getattr(self, key)
            np.save(folder / f"{key}.data.npy", table.data)
            np.save(folder / f"{key}.offsets.npy", table.offsets)
        header = {
            "format": SNAPSHOT_FORMAT,
            "name": self.name,
            "hash": self.hash,
            "lineage": {
                "parent": self.lineage.parent,
                "ancestors": list(self.lineage.ancestors),
                "patches": list(self.lineage.patches),
            },
            "meta": dict(self.meta),
        }
        (folder / "graph.json").write_text(json.dumps(header, indent=2, ensure_ascii=False))

    @classmethod
    def load(cls, folder: str | Path) -> KnowledgeGraph:
        """Opens a snapshot without reading it all.

        Args:
            folder: A snapshot folder, or a graph folder that `accord graph import` made.

        Returns:
            The graph; its arrays are read-only memory maps.

        Raises:
            DataError: Not a snapshot, half-written, or of a newer format.
        """
        path = snapshot_folder(folder)
        header = _read_header(path)
        try:
            arrays: dict[str, Any] = {
                key: np.load(path / f"{key}.npy", mmap_mode="r") for key in ARRAYS
            }
            tables: dict[str, Any] = {key: _load_table(path, key) for key in TABLES}
        except (OSError, ValueError) as error:
            raise DataError(
                f"snapshot is incomplete ({error})", path, hint="import it again"
            ) from error
        line = header["lineage"]
        lineage = Lineage(line["parent"], tuple(line["ancestors"]), tuple(line["patches"]))
        return cls(
            name=header["name"],
            lineage=lineage,
            hash=header["hash"],
            meta=header["meta"],
            **arrays,
            **tables,
        )


def snapshot_folder(folder: str | Path) -> Path:
    """The snapshot inside a graph folder, or the folder itself if it is one.

    Raises:
        DataError: The folder holds neither.
    """
    path = Path(folder)
    if (path / "store").is_dir() and not (path / "snapshot").is_dir():
        recover_folder(path / "snapshot")
    for candidate in (path / "snapshot", path):
        if (candidate / "graph.json").is_file():
            return candidate
    raise DataError(
        "no graph here (graph.json is missing)",
        path,
        hint="make one with `accord graph import SOURCE --out " + str(folder) + "`",
    )


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads((path / "graph.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read graph.json ({error})", path, hint="import it again"
        ) from error
    if header.get("format") != SNAPSHOT_FORMAT:
        raise DataError(
            f"snapshot format {header.get('format')!r}, this version reads {SNAPSHOT_FORMAT}",
            path,
            hint="import it again with this version",
        )
    return header


def _load_table(path: Path, key: str) -> StringTable:
    data = np.load(path / f"{key}.data.npy", mmap_mode="r")
    return StringTable(data, np.load(path / f"{key}.offsets.npy", mmap_mode="r"))


def content_of(graph: KnowledgeGraph) -> dict[str, npt.NDArray[Any] | StringTable]:
    """What a graph's hash is made of: all but what follows from it."""
    content = (*TABLES, "triples", "split", "alias_offsets", "attributes")
    return {key: getattr(graph, key) for key in content}


def content_hash(arrays: Mapping[str, npt.NDArray[Any] | StringTable]) -> str:
    """sha256 over named arrays and tables, independent of where they lie."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        value = arrays[key]
        parts = (value.data, value.offsets) if isinstance(value, StringTable) else (value,)
        for part in parts:
            digest.update(f"{key}{part.shape}{part.dtype.str}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
