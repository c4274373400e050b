"""Builds a snapshot from triples, texts and attributes given one at a time or in bulk."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import DataError, GraphError
from accord.graph.graph import SPLITS, KnowledgeGraph, Lineage, content_hash
from accord.graph.strings import StringTable

XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
LANG_STRING = "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"


@dataclass
class _Names:
    """Strings numbered in order of first appearance."""

    index: dict[str, int] = field(default_factory=dict)

    def number(self, key: str) -> int:
        return self.index.setdefault(key, len(self.index))

    def numbers(self, keys: Sequence[str]) -> list[int]:
        """As `number`, of many."""
        index = self.index
        for key in keys:
            index.setdefault(key, len(index))
        return list(map(index.__getitem__, keys))

    def table(self) -> StringTable:
        return StringTable.of(self.index)


class GraphBuilder:
    """Collects a graph and freezes it.

    Args:
        name: The graph's name.
        parent: A graph that the new one descends from: its idx stay, new ones are appended.
    """

    def __init__(self, name: str, parent: KnowledgeGraph | None = None) -> None:
        self.name = name
        self.parent = parent
        self.entities, self.relations = _Names(), _Names()
        self.properties, self.datatypes, self.languages = _Names(), _Names(), _Names()
        self.names: dict[int, str] = {}
        self.descriptions: dict[int, str] = {}
        self.aliases: dict[int, list[str]] = {}
        self.phrases: dict[int, str] = {}
        self.inverses: dict[int, str] = {}
        # Flat C arrays: a list of Python integers would take four times the memory.
        self.triple_rows = array("i")
        self.splits = array("B")
        self.attribute_rows = array("i")
        self.attribute_values: list[str] = []
        self.meta: dict[str, Any] = {}
        if parent is not None:
            for key in parent.entity_ids:
                self.entities.number(key)
            for key in parent.relation_ids:
                self.relations.number(key)

    def entity(
        self,
        entity_id: str,
        name: str = "",
        description: str = "",
        aliases: Iterable[str] = (),
    ) -> int:
        """Adds an entity or its texts; the first non-empty text of a kind stays.

        Returns:
            Its idx.
        """
        idx = self.entities.number(entity_id)
        self.texts_of(idx, name, description, aliases)
        return idx

    def texts_of(
        self, idx: int, name: str = "", description: str = "", aliases: Iterable[str] = ()
    ) -> None:
        """As `entity`, by the number that it gave."""
        if name:
            self.names.setdefault(idx, name)
        if description:
            self.descriptions.setdefault(idx, description)
        for alias in aliases:
            known = self.aliases.setdefault(idx, [])
            if alias and alias not in known:
                known.append(alias)

    def relation(self, relation_id: str, phrase: str = "", inverse: str = "") -> int:
        """Adds a relation or its phrases; the first non-empty one stays.

        Returns:
            Its idx.
        """
        idx = self.relations.number(relation_id)
        if phrase:
            self.phrases.setdefault(idx, phrase)
        if inverse:
            self.inverses.setdefault(idx, inverse)
        return idx

    def triple(self, head: str, relation: str, tail: str, split: str = "train") -> None:
        """Adds one triple by ids."""
        number = self.entities.number
        self.triple_rows.extend((number(head), self.relations.number(relation), number(tail)))
        self.splits.append(SPLITS.index(split))

    def add_triples(
        self, triples: npt.NDArray[np.integer[Any]], splits: npt.NDArray[np.uint8]
    ) -> None:
        """Adds many triples at once.

        Args:
            triples: (T, 3) integers: numbers that `entity` and `relation` gave.
            splits: (T,) uint8: 0 train, 1 valid, 2 test.
        """
        self.triple_rows.frombytes(np.ascontiguousarray(triples, dtype=np.int32).tobytes())
        self.splits.frombytes(splits.tobytes())

    def attribute(
        self,
        entity_id: str,
        prop: str,
        value: str,
        datatype: str = XSD_STRING,
        language: str = "",
    ) -> None:
        """Adds one literal of an entity, kept exactly as given.

        Args:
            entity_id: Whose.
            prop: The property's id.
            value: The literal, never changed.
            datatype: Its datatype; always `LANG_STRING` where there is a language, as in RDF.
            language: Its language tag; empty for none.
        """
        self.attribute_of(self.entities.number(entity_id), prop, value, datatype, language)

    def attribute_of(
        self, entity: int, prop: str, value: str, datatype: str, language: str
    ) -> None:
        """As `attribute`, by the number that `entity` gave."""
        self.attribute_rows.extend(
            (
                entity,
                self.properties.number(prop),
                self.datatypes.number(LANG_STRING if language else datatype or XSD_STRING),
                self.languages.number(language) if language else -1,
            )
        )
        self.attribute_values.append(value)

    def add_attributes(self, rows: npt.NDArray[np.int32], values: Iterable[str]) -> None:
        """Adds many literals at once.

        Args:
            rows: (A, 4) int32 numbers of entity, property, datatype and language that this builder
                gave; -1 for no language.
            values: A literals.
        """
        self.attribute_rows.frombytes(np.ascontiguousarray(rows, dtype=np.int32).tobytes())
        self.attribute_values.extend(values)

    def build(
        self, meta: Mapping[str, Any] | None = None, patches: tuple[str, ...] = ()
    ) -> KnowledgeGraph:
        """Freezes the graph.

        Args:
            meta: Source, licence and the like, kept with the snapshot.
            patches: Ids of the patches between `parent` and this graph.

        Returns:
            The snapshot; exact duplicates within a split are dropped (the first stays) and
            counted in `meta["duplicates"]`; a triple in two splits stays in both.

        Raises:
            GraphError: No triple at all.
        """
        triples, split, dropped = self._triples()
        if not len(triples) and not self.attribute_rows:
            raise GraphError(f"graph {self.name!r} is empty: no triple and no attribute was read")
        content = self._content(triples, split)
        index: dict[str, Any] = {
            **_orders(content),
            **adjacency(triples, len(self.entities.index)),
        }
        return KnowledgeGraph(
            name=self.name,
            **content,
            **index,
            lineage=self._lineage(patches),
            hash=content_hash(content),
            meta={**self.meta, **(meta or {}), "duplicates": dropped},
        )

    def _triples(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], int]:
        split = np.array(self.splits, dtype=np.uint8)
        order = np.argsort(split, kind="stable")
        triples = np.array(self.triple_rows, dtype=np.int32).reshape(-1, 3)[order]
        split = split[order]
        keep = first_occurrences(
            triples, split, len(self.relations.index), len(self.entities.index)
        )
        dropped = len(triples) - int(keep.sum())
        return triples[keep], split[keep], dropped

    def _content(
        self, triples: npt.NDArray[np.int32], split: npt.NDArray[np.uint8]
    ) -> dict[str, Any]:
        count, relations = len(self.entities.index), len(self.relations.index)
        alias_lists = [self.aliases.get(i, []) for i in range(count)]
        offsets = np.zeros(count + 1, dtype=np.int64)
        np.cumsum([len(a) for a in alias_lists], out=offsets[1:])
        rows = np.array(self.attribute_rows, dtype=np.int32).reshape(-1, 4)
        return {
            "entity_ids": self.entities.table(),
            "entity_names": StringTable.of(self.names.get(i, "") for i in range(count)),
            "entity_descriptions": StringTable.of(
                self.descriptions.get(i, "") for i in range(count)
            ),
            "alias_offsets": offsets,
            "aliases": StringTable.of(a for aliases in alias_lists for a in aliases),
            "relation_ids": self.relations.table(),
            "relation_phrases": StringTable.of(self.phrases.get(i, "") for i in range(relations)),
            "inverse_phrases": StringTable.of(self.inverses.get(i, "") for i in range(relations)),
            "triples": triples,
            "split": split,
            "attributes": rows,
            "attribute_values": StringTable.of(self.attribute_values),
            "properties": self.properties.table(),
            "datatypes": self.datatypes.table(),
            "languages": self.languages.table(),
        }

    def _lineage(self, patches: tuple[str, ...]) -> Lineage:
        if self.parent is None:
            return Lineage()
        ancestors = (*self.parent.lineage.ancestors, self.parent.hash)
        return Lineage(self.parent.hash, ancestors, patches)


def triple_keys(
    triples: npt.NDArray[np.integer[Any]], relations: int, entities: int
) -> npt.NDArray[np.int64]:
    """(T,) int64: one number a triple, equal exactly for equal triples.

    Raises:
        DataError: The product of sizes does not fit 63 bits.
    """
    if relations * entities * entities >= 2**63:
        raise DataError(f"{entities} entities x {relations} relations are too many for one index")
    wide = triples.astype(np.int64)
    return (wide[:, 0] * relations + wide[:, 1]) * entities + wide[:, 2]


def first_occurrences(
    triples: npt.NDArray[np.int32], split: npt.NDArray[np.uint8], relations: int, entities: int
) -> npt.NDArray[np.bool_]:
    """(T,) bool: True where no earlier row of the same split is equal."""
    keep = np.zeros(len(triples), dtype=np.bool_)
    keys = triple_keys(triples, relations, entities)
    for number in range(len(SPLITS)):
        rows = np.flatnonzero(split == number)
        _, first = np.unique(keys[rows], return_index=True)
        keep[rows[first]] = True
    return keep


def adjacency(triples: npt.NDArray[np.int32], entities: int) -> dict[str, npt.NDArray[Any]]:
    """CSR both ways: rows of `triples` sorted by head and by tail."""
    relations = int(triples[:, 1].max(initial=-1)) + 1
    keys = triple_keys(triples, relations, entities)
    back = triple_keys(triples[:, ::-1], relations, entities)
    return {
        "out_edges": np.argsort(keys, kind="stable").astype(np.int32),
        "out_offsets": _offsets(triples[:, 0], entities),
        "in_edges": np.argsort(back, kind="stable").astype(np.int32),
        "in_offsets": _offsets(triples[:, 2], entities),
    }


def _offsets(column: npt.NDArray[np.int32], entities: int) -> npt.NDArray[np.int64]:
    offsets = np.zeros(entities + 1, dtype=np.int64)
    np.cumsum(np.bincount(column, minlength=entities), out=offsets[1:])
    return offsets


def _orders(content: Mapping[str, Any]) -> dict[str, npt.NDArray[np.int32]]:
    return {
        "entity_order": content["entity_ids"].sorted_order().astype(np.int32),
        "relation_order": content["relation_ids"].sorted_order().astype(np.int32),
    }
