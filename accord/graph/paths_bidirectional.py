"""The default engine: walks from the heads through what is known to reach the tails.

From the tails, the entities that reach them in exactly 1, 2, ... steps are marked; how far depends
on which side has fewer steps. The walk from a head follows marked entities only, and where an
entity has many more steps than there are marked ones, it looks the marked ones up instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accord.graph.graph import Int32, Int64
from accord.graph.paths_adjacency import Adjacency, compiled, lower_bound
from accord.graph.paths_emit import (
    FOUND,
    STATUS,
    WHOLE,
    Batch,
    Limits,
    Result,
    begin_pair,
    emit,
    end_pair,
    may_expand,
)

SMALL = 8
"""Below so many steps, going through them is faster than looking anything up."""


class Scratch(NamedTuple):
    """Working memory of one thread; pages that are not touched cost nothing."""

    reach: npt.NDArray[np.uint16]
    """(E,) bit k: a tail is reached in exactly k steps. All zero between pairs."""
    levels: Int32
    """(max_hops, E) the entities with bit k."""
    sizes: Int64
    """(max_hops,) how many they are; -1 where level k is not known."""
    volumes: Int64
    """(max_hops,) how many steps lead to them."""
    sorted: npt.NDArray[np.uint8]
    """(max_hops,) 1 where level k is in order."""
    low: Int64
    high: Int64
    choice: Int64
    nodes: Int64
    marks: Int64
    """(max_hops + 1,) place in the level that is looked up; -1 where steps are gone through."""


def scratch(entities: int, max_hops: int) -> Scratch:
    """Fresh working memory."""
    stacks = [np.zeros(max_hops + 1, dtype=np.int64) for _ in range(5)]
    return Scratch(
        np.zeros(entities, dtype=np.uint16),
        np.empty((max_hops, entities), dtype=np.int32),
        np.full(max_hops, -1, dtype=np.int64),
        np.zeros(max_hops, dtype=np.int64),
        np.zeros(max_hops, dtype=np.uint8),
        *stacks,
    )


@compiled
def search(
    adjacency: Adjacency, batch: Batch, limits: Limits, work: Scratch, first: int, result: Result
) -> int:
    """Searches the pairs from `first` on; gives the first one that was not finished for room."""
    for pair in range(first, len(batch.head_offsets) - 1):
        begin_pair(result, limits, pair)
        heads = batch.heads[batch.head_offsets[pair] : batch.head_offsets[pair + 1]]
        tails = batch.tails[batch.tail_offsets[pair] : batch.tail_offsets[pair + 1]]
        if len(heads) and len(tails) and result.tally[STATUS] == WHOLE:
            _seed(adjacency, tails, work)
            _lengths(adjacency, heads, tails, limits, work, pair, result)
            _clear(work)
        if not end_pair(result, pair):
            return pair
    return len(batch.head_offsets) - 1


@compiled
def _seed(adjacency: Adjacency, tails: Int32, work: Scratch) -> None:
    """Level 0: the tails."""
    volume = 0
    for place in range(len(tails)):
        tail = tails[place]
        work.reach[tail] = 1
        work.levels[0, place] = tail
        volume += adjacency.back_offsets[tail + 1] - adjacency.back_offsets[tail]
    work.sizes[0] = len(tails)
    work.volumes[0] = volume
    work.sorted[0] = 1


@compiled
def _clear(work: Scratch) -> None:
    for level in range(len(work.sizes)):
        for place in range(work.sizes[level]):
            work.reach[work.levels[level, place]] = 0
        work.sizes[level] = -1


@compiled
def _lengths(
    adjacency: Adjacency,
    heads: Int32,
    tails: Int32,
    limits: Limits,
    work: Scratch,
    pair: int,
    result: Result,
) -> None:
    """Paths of one length after the other, so that the first ones are the shortest."""
    known = 0
    volumes = np.zeros(2)
    for length in range(1, limits.max_hops + 1):
        known = _deepen(adjacency, heads, length, known, volumes, limits, work, result)
        if result.tally[STATUS] != WHOLE or work.sizes[known] == 0:
            return
        before = result.tally[FOUND]
        for head in heads:
            if limits.repeat or len(tails) > 1 or head != tails[0]:
                _walk(adjacency, head, length, known, limits, work, result)
            if result.tally[STATUS] != WHOLE:
                break
        result.counts[pair, length] = result.tally[FOUND] - before
        if result.tally[STATUS] != WHOLE:
            return


@compiled
def _deepen(
    adjacency: Adjacency,
    heads: Int32,
    length: int,
    known: int,
    volumes: npt.NDArray[np.float64],
    limits: Limits,
    work: Scratch,
    result: Result,
) -> int:
    """Marks levels: half of the way always, more where the heads' side has more steps."""
    while known < length - 1 and work.sizes[known] > 0:
        if known >= length // 2:
            if volumes[0] == 0:
                _forward_volumes(adjacency, heads, volumes)
            ahead = volumes[1] * (volumes[1] / max(volumes[0], 1.0)) ** (length - known - 2)
            if work.volumes[known] >= ahead:
                break
        if not _mark(adjacency, known, limits, work, result):
            break
        known += 1
    return known


@compiled
def _forward_volumes(adjacency: Adjacency, heads: Int32, volumes: npt.NDArray[np.float64]) -> None:
    """How many steps there are from the heads, and how many from where those lead."""
    offsets = adjacency.offsets
    for head in heads:
        volumes[0] += offsets[head + 1] - offsets[head]
        for place in range(offsets[head], offsets[head + 1]):
            node = adjacency.neighbours[place]
            volumes[1] += offsets[node + 1] - offsets[node]


@compiled
def _mark(adjacency: Adjacency, known: int, limits: Limits, work: Scratch, result: Result) -> bool:
    """Marks the level after `known`; False where a budget is used up."""
    bit = np.uint16(1 << (known + 1))
    size, volume = 0, 0
    complete = True
    for place in range(work.sizes[known]):
        if not may_expand(result, limits):
            complete = False
            break
        node = work.levels[known, place]
        for step in range(adjacency.back_offsets[node], adjacency.back_offsets[node + 1]):
            before = adjacency.back_neighbours[step]
            if work.reach[before] & bit or adjacency.blocked[before]:
                continue
            work.reach[before] |= bit
            work.levels[known + 1, size] = before
            size += 1
            volume += adjacency.back_offsets[before + 1] - adjacency.back_offsets[before]
    work.sizes[known + 1] = size
    work.volumes[known + 1] = volume
    work.sorted[known + 1] = work.sizes[known] == 1
    return complete


@compiled
def _walk(
    adjacency: Adjacency,
    head: int,
    length: int,
    known: int,
    limits: Limits,
    work: Scratch,
    result: Result,
) -> None:
    """Depth first along marked entities: all paths of one length from one head, in order."""
    neighbours, offsets = adjacency.neighbours, adjacency.offsets
    low, high, nodes, marks = work.low, work.high, work.nodes, work.marks
    only_tail = work.levels[0, 0] if work.sizes[0] == 1 and not limits.repeat else -1
    depth = 0
    nodes[0] = head
    if not _open(adjacency, depth, length, known, limits, work, result):
        return
    while depth >= 0:
        level = length - depth - 1
        place, end = high[depth], offsets[nodes[depth] + 1]
        found = -1
        if marks[depth] >= 0:
            mark = marks[depth]
            while mark < work.sizes[level] and place < end:
                wanted = work.levels[level, mark]
                mark += 1
                place = lower_bound(neighbours, place, end, wanted)
                if place < end and neighbours[place] == wanted:
                    found = wanted
                    break
            marks[depth] = mark
        elif level <= known:
            while place < end:
                if (work.reach[neighbours[place]] >> level) & 1:
                    found = neighbours[place]
                    break
                place += 1
        else:
            while place < end:
                if not adjacency.blocked[neighbours[place]]:
                    found = neighbours[place]
                    break
                place += 1
        if found < 0:
            depth -= 1
            continue
        low[depth] = place
        while place < end and neighbours[place] == found:
            place += 1
        high[depth] = place
        if not limits.repeat and (
            (level > 0 and found == only_tail) or _visited(nodes, depth, found)
        ):
            continue
        if level == 0:
            if not emit(adjacency.codes, low, high, work.choice, length, limits, result):
                return
            continue
        depth += 1
        nodes[depth] = found
        if not _open(adjacency, depth, length, known, limits, work, result):
            return


@compiled
def _open(
    adjacency: Adjacency,
    depth: int,
    length: int,
    known: int,
    limits: Limits,
    work: Scratch,
    result: Result,
) -> bool:
    """Begins the steps of the entity at `depth` and decides how they are gone through."""
    if not may_expand(result, limits):
        return False
    node = work.nodes[depth]
    start = adjacency.offsets[node]
    steps = adjacency.offsets[node + 1] - start
    level = length - depth - 1
    work.high[depth] = start
    work.marks[depth] = -1
    if level > known or steps <= SMALL or work.sizes[level] > steps:
        return True
    cost, halves = work.sizes[level], steps
    while halves > 0 and cost < steps:
        cost += work.sizes[level]
        halves >>= 1
    if cost < steps:
        if not work.sorted[level]:
            work.levels[level, : work.sizes[level]].sort()
            work.sorted[level] = 1
        work.marks[depth] = 0
    return True


@compiled
def _visited(nodes: Int64, depth: int, found: int) -> bool:
    for place in range(depth + 1):
        if nodes[place] == found:
            return True
    return False
