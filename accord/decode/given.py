"""Facts that hold for one question only: a case, an assumption."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accord.errors import DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.lookup import find_relation, known_entity
from accord.graph.reading import read_lines

MOST_FACTS = 10_000


def with_facts(graph: KnowledgeGraph, path: str | Path) -> tuple[KnowledgeGraph, tuple[int, ...]]:
    """A graph with the facts of a file added; the graph itself stays as it is.

    Args:
        graph: The graph.
        path: Lines of head, relation and tail with tabs between: ids, names or aliases; a
            relation by id, phrase or inverse phrase. Names that the graph does not have become new
            entities. Blank lines and lines that begin with # are left out.

    Returns:
        The new graph, a descendant, and the idx of the heads of the facts, each once.

    Raises:
        DataError: A line without three columns, an unknown relation, a name of several entities,
            no facts, or too many.
    """
    facts = [_read(graph, Path(path), number, line) for number, line in _lines(Path(path))]
    if not facts:
        raise DataError("no fact", path, hint="one a line: head, relation, tail, tabs between")
    builder = copied(graph)
    for head, relation, tail in facts:
        builder.triple(head, relation, tail)
    found = builder.build()
    return found, tuple(dict.fromkeys(found.entity(head) for head, _, _ in facts))


def _lines(path: Path) -> list[tuple[int, str]]:
    found = [(n, line) for n, line in read_lines(path) if line.strip() and line[0] != "#"]
    if len(found) > MOST_FACTS:
        raise DataError(f"{len(found):,} facts", path, hint=f"give {MOST_FACTS:,} at most")
    return found


def _read(graph: KnowledgeGraph, path: Path, number: int, line: str) -> tuple[str, str, str]:
    """(head, relation, tail) as ids, turned where the relation is read from the tail."""
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) != 3 or not all(columns):
        raise DataError(
            f"{len(columns)} columns: {line[:80]!r}", path, number, "head, relation, tail; tabs"
        )
    try:
        relation = find_relation(graph, columns[1])
        head, tail = _entity(graph, columns[0]), _entity(graph, columns[2])
    except GraphError as error:
        raise DataError(error.message, path, number, error.hint) from error
    if relation >= graph.num_relations:
        head, tail = tail, head
    return head, graph.relation_ids[relation % graph.num_relations], tail


def _entity(graph: KnowledgeGraph, text: str) -> str:
    known = known_entity(graph, text)
    return text if known is None else str(graph.entity_ids[known])


def copied(
    graph: KnowledgeGraph,
    keep: npt.NDArray[np.bool_] | None = None,
    without: Collection[str] = (),
) -> GraphBuilder:
    """All of a graph, to go on from.

    Args:
        graph: The graph.
        keep: (T,) which triples are taken over; None for all.
        without: Properties whose values are not taken over.
    """
    builder = GraphBuilder(graph.name, parent=graph)
    for idx, key in enumerate(graph.entity_ids):
        aliases = graph.aliases_of(idx)
        builder.entity(key, graph.entity_names[idx], graph.entity_descriptions[idx], aliases)
    for idx, key in enumerate(graph.relation_ids):
        builder.relation(key, graph.relation_phrases[idx], graph.inverse_phrases[idx])
    rows = slice(None) if keep is None else keep
    builder.add_triples(graph.triples[rows], graph.split[rows])
    for row in range(len(graph.attributes)):
        literal = graph.attribute(row)
        entity = int(graph.attributes[row, 0])
        if literal.property not in without:
            builder.attribute_of(
                entity, literal.property, literal.value, literal.datatype, literal.language
            )
    return builder
