"""Following a relation path: every entity that it leads to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.errors import GraphError
from accord.graph.graph import SPLITS, Int64, KnowledgeGraph


@dataclass(frozen=True, eq=False)
class Followed:
    """Where a relation path leads."""

    answers: Int64
    """(N,) entity idx, sorted: all that the path leads to."""
    rows: tuple[Int64, ...]
    """For each step the rows of `triples` by which an answer is reached, in the graph's order."""


def follow(
    graph: KnowledgeGraph,
    starts: Collection[int],
    relations: Sequence[tuple[int, bool]],
    exclude: Mapping[int, Collection[int]] | None = None,
    splits: Collection[str] = SPLITS,
) -> Followed:
    """Follows a relation path from some entities.

    Args:
        graph: The graph.
        starts: Entity idx to start from, all at once.
        relations: (relation idx, whether it is walked from tail to head) for each step.
        exclude: Entity idx that are left out after a step, by the step's number from 1 on; such
            as ``{2: [topic]}``, by which films of the same director are not the film asked about.
        splits: Whose triples are walked.

    Returns:
        The complete answers and the rows that lead to them; nothing is cut off.

    Raises:
        GraphError: An idx that the graph does not have, or no relation.
    """
    _check(graph, starts, relations)
    wanted = np.isin(np.arange(len(SPLITS)), [SPLITS.index(name) for name in splits])
    here = np.unique(np.array(list(starts), dtype=np.int64))
    walked: list[tuple[Int64, Int64, Int64]] = []
    for number, (relation, inverse) in enumerate(relations, 1):
        rows = _rows(graph, here, relation, inverse)
        rows = rows[wanted[graph.split[rows]]]
        triples = graph.triples[rows].astype(np.int64)
        origin, goal = (triples[:, 2], triples[:, 0]) if inverse else (triples[:, 0], triples[:, 2])
        left_out = list((exclude or {}).get(number, ()))
        keep = ~np.isin(goal, left_out) & _first(origin, goal)
        walked.append((rows[keep], origin[keep], goal[keep]))
        here = np.unique(goal[keep])
    return Followed(here, _leading(walked, here))


def _check(
    graph: KnowledgeGraph, starts: Collection[int], relations: Sequence[tuple[int, bool]]
) -> None:
    for what, values, count in (
        ("entity", starts, graph.num_entities),
        ("relation", [relation for relation, _ in relations], graph.num_relations),
    ):
        wrong = [i for i in values if not 0 <= i < count]
        if wrong:
            raise GraphError(f"graph {graph.name!r} has no {what} {wrong[0]}: it has {count}")
    if not relations:
        raise GraphError("a relation path needs at least one step", "give (relation, inverse)")


def _rows(graph: KnowledgeGraph, entities: Int64, relation: int, inverse: bool) -> Int64:
    """The rows of a relation at some entities, by bisection in each one's sorted rows."""
    offsets, edges = (
        (graph.in_offsets, graph.in_edges) if inverse else (graph.out_offsets, graph.out_edges)
    )
    begin, end = offsets[entities], offsets[entities + 1]
    low = _bisect(graph, edges, begin, end, relation)
    high = _bisect(graph, edges, low, end, relation + 1)
    sizes = high - low
    total = int(sizes.sum())
    places = np.repeat(low - np.cumsum(sizes) + sizes, sizes) + np.arange(total)
    rows: Int64 = edges[places].astype(np.int64)
    return rows


def _bisect(
    graph: KnowledgeGraph, edges: npt.NDArray[np.int32], low: Int64, high: Int64, relation: int
) -> Int64:
    """(N,) in each range of `edges`, the first place whose relation is not below the given one."""
    low, high = low.astype(np.int64), high.astype(np.int64)
    open_ = np.flatnonzero(low < high)
    while len(open_):
        middle = (low[open_] + high[open_]) >> 1
        below = graph.triples[edges[middle], 1] < relation
        low[open_[below]] = middle[below] + 1
        high[open_[~below]] = middle[~below]
        open_ = open_[low[open_] < high[open_]]
    return low


def _first(origin: Int64, goal: Int64) -> npt.NDArray[np.bool_]:
    """True where a triple is not the one before it; a triple of two splits has two rows."""
    keep = np.ones(len(origin), dtype=np.bool_)
    keep[1:] = (origin[1:] != origin[:-1]) | (goal[1:] != goal[:-1])
    return keep


def _leading(walked: list[tuple[Int64, Int64, Int64]], answers: Int64) -> tuple[Int64, ...]:
    """Of the rows of each step, those from which an answer is reached."""
    found: list[Int64] = []
    here = answers
    for rows, origin, goal in reversed(walked):
        keep = np.isin(goal, here)
        found.append(rows[keep])
        here = np.unique(origin[keep])
    return tuple(reversed(found))
