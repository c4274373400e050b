"""The walkable steps of a graph, contiguous by entity: what every path search reads.

Loads Numba; `accord.graph.paths` imports it when a search is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from accord.errors import GraphError
from accord.graph.graph import SPLITS, Int32, Int64, KnowledgeGraph

UInt8 = npt.NDArray[np.uint8]
MAX_ROWS = 2**30 - 1
"""A step's code, row * 2 + inverse, and its place are to fit int32."""
F = TypeVar("F", bound=Callable[..., object])


def inner(function: F) -> F:
    """Compiles a function for calls from compiled code only."""
    options = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(F, cast(Any, numba.njit)(nogil=True, **options)(function))


def entry(function: F) -> F:
    """Compiles a function that Python calls, without the GIL, and keeps the code on disk.

    Numba looks for stale code by the file of the entry alone; so the entry's name carries a digest
    of all files that it may be compiled from.
    """
    function.__qualname__ += "_" + _digest()
    return cast(F, numba.njit(cache=True, nogil=True)(function))


@cache
def _digest() -> str:
    files = sorted(Path(__file__).parent.glob("paths_*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


class Adjacency(NamedTuple):
    """Steps from every entity, sorted by neighbour, then forward before inverse, then relation.

    Equal triples of several splits are one step. A loop is walked forward only.
    """

    offsets: Int32
    """(E + 1,) where each entity's steps begin."""
    neighbours: Int32
    """(S,) entity idx that each step leads to."""
    codes: Int32
    """(S,) row * 2 + inverse: the row of `triples` that is walked, and in which direction."""
    back_offsets: Int32
    """(E + 1,) as `offsets`, for steps that lead to an entity; the same array where every triple
    may be walked both ways."""
    back_neighbours: Int32
    """Entity idx where each of those steps begins, sorted by it."""
    blocked: UInt8
    """(E,) 1 for hubs: entities that are no inner entity of any path."""

    @property
    def owned_bytes(self) -> int:
        """Bytes of memory that it takes beside the graph's own, memory-mapped arrays."""
        parts = {id(part): part.nbytes for part in self}
        return sum(parts.values())


def build_adjacency(
    graph: KnowledgeGraph,
    relations: npt.NDArray[np.bool_],
    splits: tuple[str, ...],
    inverse: bool,
    hub_limit: int,
) -> Adjacency:
    """Gathers the steps that a search may take; linear in the number of triples.

    Args:
        graph: The graph.
        relations: (R,) bool: True where a relation may be walked.
        splits: Whose triples may be walked.
        inverse: Whether triples may also be walked from tail to head.
        hub_limit: Entities with more steps than this are blocked; 0 for none.

    Returns:
        The adjacency: 16 bytes a triple and 5 an entity.

    Raises:
        GraphError: 2^30 triples or more.
    """
    if graph.num_triples > MAX_ROWS:
        raise GraphError(
            f"graph {graph.name!r} has {graph.num_triples} triples, path search takes {MAX_ROWS}"
        )
    allowed = np.zeros(len(SPLITS), dtype=np.uint8)
    allowed[[SPLITS.index(split) for split in splits]] = 1
    given = (*_stored(graph), allowed, relations.astype(np.uint8))
    forward = _side(graph.num_entities, given, True, inverse)
    back = forward if inverse else _side(graph.num_entities, given, False, True)
    steps = np.diff(forward[0]).astype(np.int64)
    if not inverse:
        steps = steps + np.diff(back[0])
    blocked = (steps > hub_limit) if hub_limit else np.zeros(len(steps), dtype=np.bool_)
    return Adjacency(*forward, back[0], back[1], blocked.astype(np.uint8))


def _stored(graph: KnowledgeGraph) -> tuple[Any, ...]:
    """The graph's arrays as plain read-only ones: one type, so one compilation."""
    names = ("triples", "split", "out_offsets", "out_edges", "in_offsets", "in_edges")
    views = []
    for name in names:
        view = np.ascontiguousarray(getattr(graph, name)).view(np.ndarray)
        view.flags.writeable = False
        views.append(view)
    return tuple(views)


def _side(
    entities: int, given: tuple[Any, ...], forward: bool, inverse: bool
) -> tuple[Int32, Int32, Int32]:
    """One direction's steps: counted, then placed."""
    offsets = np.zeros(entities + 1, dtype=np.int32)
    nothing = np.empty(0, dtype=np.int32)
    given = (*given, forward, inverse)
    _place(*(*given, offsets[1:], nothing, nothing))
    np.cumsum(offsets, out=offsets)
    neighbours = np.empty(int(offsets[-1]), dtype=np.int32)
    # Which triple it was matters only where a path goes, not where a target is reached from.
    codes = np.empty(len(neighbours) if forward else 0, dtype=np.int32)
    _place(*(*given, offsets[:-1].copy(), neighbours, codes))
    return offsets, neighbours, codes


@entry
def _place(
    triples: Int32,
    split: UInt8,
    out_offsets: Int64,
    out_edges: Int32,
    in_offsets: Int64,
    in_edges: Int32,
    allowed: UInt8,
    relations: UInt8,
    forward: bool,
    inverse: bool,
    cursor: Int32,
    neighbours: Int32,
    codes: Int32,
) -> None:
    """Gives each step to the entity where it begins; with no room in `neighbours`, only counts.

    Visiting entities in order, and handing each to its neighbours, sorts every list without
    comparing anything.
    """
    for entity in range(len(cursor)):
        for direction in range(2):
            if not (forward if direction == 0 else inverse):
                continue
            edges = in_edges if direction == 0 else out_edges
            offsets = in_offsets if direction == 0 else out_offsets
            before = -1
            for place in range(offsets[entity], offsets[entity + 1]):
                row = edges[place]
                relation = triples[row, 1]
                other = triples[row, 0] if direction == 0 else triples[row, 2]
                if not allowed[split[row]] or not relations[relation]:
                    continue
                if direction == 1 and forward and other == entity:
                    continue
                if (
                    before >= 0
                    and triples[before, 1] == relation
                    and triples[before, 0] == triples[row, 0]
                    and triples[before, 2] == triples[row, 2]
                ):
                    continue
                before = row
                if len(neighbours):
                    neighbours[cursor[other]] = entity
                    if len(codes):
                        codes[cursor[other]] = row * 2 + direction
                cursor[other] += 1


@inner
def lower_bound(values: Int32, low: int, high: int, wanted: int) -> int:
    """The first place from `low` on, and before `high`, whose value is not below `wanted`."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
