"""Builds a snapshot from triples, texts and attributes given one at a time or in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import DataError, GraphError
from accord.graph.graph import SPLITS, KnowledgeGraph, Lineage, content_hash
from accord.graph.strings import StringTable

XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"


@dataclass
class _Names:
    """Strings numbered in order of first appearance."""

    index: dict[str, int] = field(default_factory=dict)

    def number(self, key: str) -> int:
        return self.index.setdefault(key, len(self.index))

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
        self.heads: list[int] = []
        self.middles: list[int] = []
        self.tails: list[int] = []
        self.splits: list[int] = []
        self.attribute_rows: list[tuple[int, int, int, int]] = []
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
        if name:
            self.names.setdefault(idx, name)
        if description:
            self.descriptions.setdefault(idx, description)
        known = self.aliases.setdefault(idx, []) if aliases else []
        known.extend(a for a in aliases if a and a not in known)
        return idx

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
        self.heads.append(self.entities.number(head))
        self.middles.append(self.relations.number(relation))
        self.tails.append(self.entities.number(tail))
        self.splits.append(SPLITS.index(split))

    def attribute(
        self,
        entity_id: str,
        prop: str,
        value: str,
        datatype: str = XSD_STRING,
        language: str = "",
    ) -> None:
        """Adds one literal of an entity, kept exactly as given."""
        self.attribute_rows.append(
            (
                self.entities.number(entity_id),
                self.properties.number(prop),
                self.datatypes.number(datatype),
                self.languages.number(language) if language else -1,
            )
        )
        self.attribute_values.append(value)

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
        return KnowledgeGraph(
            name=self.name,
            **content,
            **_orders(content),
            **adjacency(triples, len(self.entities.index)),
            lineage=self._lineage(patches),
            hash=content_hash(content),
            meta={**self.meta, **(meta or {}), "duplicates": dropped},
        )

    def _triples(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], int]:
        columns = [np.array(x, dtype=np.int32) for x in (self.heads, self.middles, self.tails)]
        triples = np.stack(columns, axis=1)
        split = np.array(self.splits, dtype=np.uint8)
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
    head, relation, tail = (triples[:, i] for i in range(3))
    out = np.lexsort((tail, relation, head)).astype(np.int32)
    into = np.lexsort((head, relation, tail)).astype(np.int32)
    bounds = np.arange(entities + 1)
    return {
        "out_edges": out,
        "out_offsets": np.searchsorted(head[out], bounds).astype(np.int64),
        "in_edges": into,
        "in_offsets": np.searchsorted(tail[into], bounds).astype(np.int64),
    }


def _orders(content: Mapping[str, Any]) -> dict[str, npt.NDArray[np.int32]]:
    return {
        "entity_order": content["entity_ids"].sorted_order().astype(np.int32),
        "relation_order": content["relation_ids"].sorted_order().astype(np.int32),
    }
