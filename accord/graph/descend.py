"""A snapshot's descendant straight from what patches changed, without reading the record again.

Possible where they changed plain triples and attributes only: a text decides names, and a new
relation may turn an entity into a mere relation, which is the importer's to judge. What stays keeps
its order; what comes is appended to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from accord.graph import iris
from accord.graph.builder import adjacency, triple_keys
from accord.graph.graph import KnowledgeGraph, Lineage, content_hash, content_of
from accord.graph.labels import ImportOptions
from accord.graph.patches import Patch, Statement
from accord.graph.strings import StringTable


def is_simple(graph: KnowledgeGraph, deltas: Sequence[Patch], options: ImportOptions) -> bool:
    """Whether `descend` gives what reading the whole record would give, but for the order.

    Args:
        graph: The snapshot before.
        deltas: What really changed, in order.
        options: How the graph was read.
    """
    texts = {*options.kinds(), iris.KIND, iris.PHRASE, iris.INVERSE}
    relations = set(graph.relation_ids)

    def plain(statement: Statement) -> bool:
        if statement.subject in relations:
            return False
        if statement.literal:
            return statement.predicate not in texts
        return statement.predicate in relations and statement.value not in relations

    return all(plain(s) for delta in deltas for s in (*delta.add, *delta.remove))


def descend(graph: KnowledgeGraph, deltas: Sequence[Patch], lineage: Lineage) -> KnowledgeGraph:
    """The snapshot after some changes.

    Args:
        graph: The snapshot before.
        deltas: What really changed, in order; `is_simple`.
        lineage: The new snapshot's.

    Returns:
        The new snapshot, in memory, with the meta data of `graph`.
    """
    # Of several changes of one statement the last one counts.
    last: dict[Statement, bool] = {}
    for delta in deltas:
        last.update(dict.fromkeys(delta.remove, False))
        last.update(dict.fromkeys(delta.add, True))
    ends = [s.subject for s in last] + [s.value for s in last if not s.literal]
    changed = _with_entities(graph, list(dict.fromkeys(ends)))
    triples = {s: come for s, come in last.items() if not s.literal}
    literals = {s: come for s, come in last.items() if s.literal}
    if triples:
        changed = _with_triples(changed, triples)
    if literals:
        changed = _with_attributes(changed, literals)
    return replace(changed, lineage=lineage, hash=content_hash(content_of(changed)))


def _with_entities(graph: KnowledgeGraph, ids: list[str]) -> KnowledgeGraph:
    """The graph with the entities that it lacks, last and without texts."""
    new = [key for key, idx in zip(ids, graph.entities(ids).tolist(), strict=True) if idx < 0]
    if not new:
        return graph
    blank = [""] * len(new)
    table = StringTable.of([*graph.entity_ids, *new])
    index: dict[str, Any] = adjacency(graph.triples, len(table))
    return replace(
        graph,
        entity_ids=table,
        entity_names=StringTable.of([*graph.entity_names, *blank]),
        entity_descriptions=StringTable.of([*graph.entity_descriptions, *blank]),
        alias_offsets=np.append(
            graph.alias_offsets, np.full(len(new), graph.alias_offsets[-1], dtype=np.int64)
        ),
        entity_order=table.sorted_order().astype(np.int32),
        **index,
    )


def _with_triples(graph: KnowledgeGraph, last: dict[Statement, bool]) -> KnowledgeGraph:
    """The graph with triples of train taken out (False) and appended (True)."""
    heads = graph.entities([s.subject for s in last])
    tails = graph.entities([s.value for s in last])
    number = {key: idx for idx, key in enumerate(graph.relation_ids)}
    relations = np.array([number[s.predicate] for s in last], dtype=np.int64)
    rows = np.stack([heads, relations, tails], axis=1).astype(np.int32)
    come = np.array(list(last.values()), dtype=np.bool_)
    sizes = graph.num_relations, graph.num_entities
    train = graph.triples_of("train")
    keys, own = triple_keys(train, *sizes), triple_keys(rows, *sizes)
    kept = train[~np.isin(keys, own[~come])]
    added = rows[come & ~np.isin(own, keys)]
    held_out = graph.split > 0
    triples = np.concatenate([kept, added, graph.triples[held_out]])
    split = np.zeros(len(triples), dtype=np.uint8)
    split[len(kept) + len(added) :] = graph.split[held_out]
    index: dict[str, Any] = adjacency(triples, graph.num_entities)
    return replace(graph, triples=triples, split=split, **index)


def _with_attributes(graph: KnowledgeGraph, last: dict[Statement, bool]) -> KnowledgeGraph:
    """The graph with attributes taken out (False) and appended (True)."""
    owners = graph.entities([s.subject for s in last]).tolist()
    kept = np.ones(len(graph.attributes), dtype=np.bool_)
    tables = [list(t) for t in (graph.properties, graph.datatypes, graph.languages)]
    added: list[tuple[int, int, int, int]] = []
    values: list[str] = []
    for (statement, come), owner in zip(last.items(), owners, strict=True):
        said = (statement.predicate, statement.value, statement.datatype, statement.language)
        rows = [r for r in graph.attribute_rows(owner).tolist() if graph.attribute(r) == said]
        if not come:
            kept[rows] = False
        elif not rows:
            terms = (statement.predicate, statement.datatype, statement.language)
            added.append((owner, *_numbers(tables, terms)))
            values.append(statement.value)
    stay = [
        value for value, keep in zip(graph.attribute_values, kept.tolist(), strict=True) if keep
    ]
    extra = np.array(added, dtype=np.int32).reshape(-1, 4)
    return replace(
        graph,
        attributes=np.concatenate([graph.attributes[kept], extra]),
        attribute_values=StringTable.of([*stay, *values]),
        properties=StringTable.of(tables[0]),
        datatypes=StringTable.of(tables[1]),
        languages=StringTable.of(tables[2]),
    )


def _numbers(tables: list[list[str]], terms: Sequence[str]) -> tuple[int, int, int]:
    """Numbers of property, datatype and language; a new one is appended to its table."""
    numbers = []
    for table, term in zip(tables, terms, strict=True):
        if term and term not in table:
            table.append(term)
        numbers.append(table.index(term) if term else -1)
    prop, datatype, language = numbers
    return prop, datatype, language
