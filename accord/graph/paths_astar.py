"""Best-first engines: KALE's multi-path A* with an anchor heuristic, and plain breadth-first.

f(e) = g(e) + h(e), with g the edges walked and h(e) the largest over anchors a of
dist(a, tails) - dist(a, e): never more than the true distance, by the triangle inequality. Anchors
lie near the tails, so that both distances are known from bounded searches; an entity that an
anchor's search does not reach has no term of that anchor. Partial paths, not entities, are queued:
an entity is expanded again on every path to it, so that all paths are found and not only one.

Breadth-first is the same without anchors and without a bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accord.graph.graph import Int32, Int64
from accord.graph.paths_adjacency import Adjacency, entry, inner, lower_bound
from accord.graph.paths_emit import (
    COUNTS,
    FOUND,
    HIGH,
    LOW,
    NO_ROOM,
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

ANCHORS = 8
ANCHOR_HOPS = 3
"""The paper's k and m are not published; these are guesses, no others were measured."""
UNKNOWN = 255
ENTITY, PARENT, NEXT, WALKED = range(4)
"""Columns of the pool of partial paths: where it ends, the path it extends, the next of the same
f, and its length."""


class Scratch(NamedTuple):
    """Working memory of one thread."""

    bound: npt.NDArray[np.uint8]
    """(E,) h. All zero between pairs, as `tail`."""
    tail: npt.NDArray[np.uint8]
    """(E,) 1 for tails."""
    distance: npt.NDArray[np.uint8]
    """(E,) of the bounded search that is running; UNKNOWN where it has not been."""
    queue: Int32
    """(E,) entities in the order in which that search reached them."""
    raised: Int32
    """(E,) entities whose bound is not zero."""
    stack: Int64
    """(5, max_hops + 1) the path being written."""
    anchors: Int64
    """(ANCHORS or 0,) entity idx."""


def scratch(entities: int, max_hops: int) -> Scratch:
    """Fresh working memory of A*."""
    return _scratch(entities, max_hops, ANCHORS)


def plain_scratch(entities: int, max_hops: int) -> Scratch:
    """Fresh working memory of breadth-first search: no anchors."""
    return _scratch(entities, max_hops, 0)


def _scratch(entities: int, max_hops: int, anchors: int) -> Scratch:
    return Scratch(
        np.zeros(entities, dtype=np.uint8),
        np.zeros(entities, dtype=np.uint8),
        np.full(entities, UNKNOWN, dtype=np.uint8),
        np.empty(entities, dtype=np.int32),
        np.empty(entities, dtype=np.int32),
        np.zeros((5, max_hops + 1), dtype=np.int64),
        np.zeros(anchors, dtype=np.int64),
    )


@entry
def search(
    adjacency: Adjacency, batch: Batch, limits: Limits, work: Scratch, first: int, result: Result
) -> int:
    """Searches the pairs from `first` on; gives the first one that was not finished for room."""
    for pair in range(first, len(batch.head_offsets) - 1):
        heads = batch.heads[batch.head_offsets[pair] : batch.head_offsets[pair + 1]]
        tails = batch.tails[batch.tail_offsets[pair] : batch.tail_offsets[pair + 1]]
        if begin_pair(result, limits, pair) and len(heads) and len(tails):
            for tail in tails:
                work.tail[tail] = 1
            raised = _bounds(adjacency, tails, limits, work, result)
            if result.tally[STATUS] == WHOLE:
                _best_first(adjacency, heads, limits, work, pair, result)
            for place in range(raised):
                work.bound[work.raised[place]] = 0
            for tail in tails:
                work.tail[tail] = 0
        if not end_pair(result, pair):
            return pair
    return len(batch.head_offsets) - 1


@inner
def _bounds(
    adjacency: Adjacency, tails: Int32, limits: Limits, work: Scratch, result: Result
) -> int:
    """Sets h around the anchors; gives how many entities have one."""
    radius = min(ANCHOR_HOPS, limits.max_hops - 1)
    if len(work.anchors) == 0 or radius == 0:
        return 0
    for place in range(len(tails)):
        work.queue[place] = tails[place]
    offsets, neighbours = adjacency.back_offsets, adjacency.back_neighbours
    size = _ball(offsets, neighbours, len(tails), radius, limits, work, result)
    count = min(len(work.anchors), size - len(tails))
    aways = np.zeros(len(work.anchors), dtype=np.int64)
    for number in range(count):
        # Spread over the ball, the farthest among them: those say most.
        anchor = work.queue[size - 1 - number * (size - len(tails)) // count]
        work.anchors[number] = anchor
        aways[number] = work.distance[anchor]
    _forget(work, size)
    raised = 0
    for number in range(count):
        work.queue[0] = work.anchors[number]
        away = aways[number]
        offsets, neighbours = adjacency.offsets, adjacency.neighbours
        size = _ball(offsets, neighbours, 1, away - 1, limits, work, result)
        for place in range(size):
            entity = work.queue[place]
            bound = away - work.distance[entity]
            if bound > work.bound[entity]:
                if work.bound[entity] == 0:
                    work.raised[raised] = entity
                    raised += 1
                work.bound[entity] = bound
        _forget(work, size)
    return raised


@inner
def _ball(
    offsets: Int32,
    neighbours: Int32,
    seeds: int,
    radius: int,
    limits: Limits,
    work: Scratch,
    result: Result,
) -> int:
    """Distances from the first `seeds` of the queue up to a radius; gives how many are known.

    Where a budget ends it, the distances that it leaves are true ones, and the status says so.
    """
    for place in range(seeds):
        work.distance[work.queue[place]] = 0
    size, place = seeds, 0
    while place < size and work.distance[work.queue[place]] < radius:
        entity = work.queue[place]
        if not may_expand(result, limits):
            break
        for step in range(offsets[entity], offsets[entity + 1]):
            other = neighbours[step]
            if work.distance[other] == UNKNOWN:
                work.distance[other] = work.distance[entity] + 1
                work.queue[size] = other
                size += 1
        place += 1
    return size


@inner
def _forget(work: Scratch, size: int) -> None:
    for place in range(size):
        work.distance[work.queue[place]] = UNKNOWN


@inner
def _best_first(
    adjacency: Adjacency, heads: Int32, limits: Limits, work: Scratch, pair: int, result: Result
) -> None:
    """Takes partial paths by f; those of one f that end at a tail are written in order."""
    pool = np.empty((1024, 4), dtype=np.int64)
    first = np.full(limits.max_hops + 1, -1, dtype=np.int64)
    size = 0
    for head in heads:
        if size == len(pool):
            pool = _larger(pool)
        bound = max(1, work.bound[head])
        size = _push(pool, first, size, head, -1, 0, bound)
    for length in range(1, limits.max_hops + 1):
        goals = np.empty(64, dtype=np.int64)
        reached = 0
        while first[length] >= 0:
            item = first[length]
            first[length] = pool[item, NEXT]
            entity, walked = pool[item, ENTITY], pool[item, WALKED]
            if walked > 0 and work.tail[entity]:
                if reached == len(goals):
                    goals = np.concatenate((goals, goals))
                goals[reached] = item
                reached += 1
            if walked == limits.max_hops or (walked > 0 and adjacency.blocked[entity]):
                continue
            if not may_expand(result, limits):
                break
            start, end = adjacency.offsets[entity], adjacency.offsets[entity + 1]
            if size + end - start > len(pool):
                pool = _larger(pool, end - start)
            before = -1
            for step in range(start, end):
                other = adjacency.neighbours[step]
                if other == before:
                    continue
                before = other
                bound = work.bound[other]
                if len(work.anchors) and not work.tail[other]:
                    bound = max(bound, 1)
                total = max(length, walked + 1 + bound)
                last = walked + 1 == limits.max_hops and not work.tail[other]
                if total > limits.max_hops or last:
                    continue
                if limits.repeat or not _passed(pool, item, other):
                    size = _push(pool, first, size, other, item, walked + 1, total)
        _write(adjacency, pool, goals[:reached], length, limits, work, pair, result)
        if result.tally[STATUS] != WHOLE:
            return


@inner
def _larger(pool: Int64, more: int = 0) -> Int64:
    grown = np.empty((2 * len(pool) + more, 4), dtype=np.int64)
    grown[: len(pool)] = pool
    return grown


@inner
def _push(
    pool: Int64, first: Int64, size: int, entity: int, parent: int, walked: int, total: int
) -> int:
    """Queues a partial path under its f, where that is within the hop limit."""
    if total >= len(first):
        return size
    pool[size, ENTITY] = entity
    pool[size, PARENT] = parent
    pool[size, WALKED] = walked
    pool[size, NEXT] = first[total]
    first[total] = size
    return size + 1


@inner
def _passed(pool: Int64, item: int, entity: int) -> bool:
    """Whether a partial path contains an entity."""
    while item >= 0:
        if pool[item, ENTITY] == entity:
            return True
        item = pool[item, PARENT]
    return False


@inner
def _write(
    adjacency: Adjacency,
    pool: Int64,
    goals: Int64,
    length: int,
    limits: Limits,
    work: Scratch,
    pair: int,
    result: Result,
) -> None:
    """Writes the paths of one length in order. A budget that ended the search still lets it."""
    found = np.empty((len(goals), length + 1), dtype=np.int64)
    for number in range(len(goals)):
        item = goals[number]
        for depth in range(length, -1, -1):
            found[number, depth] = pool[item, ENTITY]
            item = pool[item, PARENT]
    order = _sorted(found)
    before, status = result.tally[FOUND], result.tally[STATUS]
    for number in order:
        for depth in range(length):
            start, other = found[number, depth], found[number, depth + 1]
            end = adjacency.offsets[start + 1]
            low = lower_bound(adjacency.neighbours, adjacency.offsets[start], end, other)
            high = low
            while high < end and adjacency.neighbours[high] == other:
                high += 1
            work.stack[LOW, depth], work.stack[HIGH, depth] = low, high
        if not emit(adjacency.codes, work.stack, length, limits, result):
            break
    if status != WHOLE and result.tally[STATUS] != NO_ROOM:
        result.tally[STATUS] = status
    result.summary[pair, COUNTS + length] = result.tally[FOUND] - before


@inner
def _sorted(rows: Int64) -> Int64:
    """The order of rows that compares their columns one after the other; by merging."""
    order = np.arange(len(rows))
    other = np.empty_like(order)
    width = 1
    while width < len(rows):
        for start in range(0, len(rows), 2 * width):
            middle, end = min(start + width, len(rows)), min(start + 2 * width, len(rows))
            left, right = start, middle
            for place in range(start, end):
                if left < middle and (right >= end or not _less(rows, order[right], order[left])):
                    other[place] = order[left]
                    left += 1
                else:
                    other[place] = order[right]
                    right += 1
        order, other = other, order
        width *= 2
    return order


@inner
def _less(rows: Int64, one: int, two: int) -> bool:
    for column in range(rows.shape[1]):
        if rows[one, column] != rows[two, column]:
            return bool(rows[one, column] < rows[two, column])
    return False
