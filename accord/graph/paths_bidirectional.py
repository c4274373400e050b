"""The default engine: walks from the heads through what is known to reach the tails.

From the tails, the entities that reach them in exactly 1, 2, ... steps are marked; how far depends
on which side has fewer steps. The walk from a head follows marked entities only, and where an
entity has many more steps than there are marked ones, it looks the marked ones up instead.
Pairs whose surroundings are small are left to `paths_near`.
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
    MARK,
    NODE,
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
from accord.graph.paths_near import MOST_NEAR_HOPS, MOST_STEPS, near, steps_beyond

FEW = 8
"""Below so many steps, going through them is faster than looking anything up."""
# Rows of `Scratch.extent`: entities of a level, steps that lead to them, whether they are in order.
SIZE, VOLUME, ORDERED = range(3)


class Scratch(NamedTuple):
    """Working memory of one thread; pages that are not touched cost nothing."""

    reach: npt.NDArray[np.uint8]
    """(E,) bit k: a tail is reached in exactly k steps. All zero between pairs."""
    levels: Int32
    """(max_hops, E) the entities with bit k."""
    extent: Int64
    """(3, max_hops) of each level; its size is -1 where it is not known."""
    stack: Int64
    """(5, max_hops + 1, or more) the walk."""
    between: Int32
    """(5, MOST_STEPS) what `near` finds between the ends."""


def scratch(entities: int, max_hops: int) -> Scratch:
    """Fresh working memory."""
    return Scratch(
        np.zeros(entities, dtype=np.uint8),
        np.empty((max_hops, entities), dtype=np.int32),
        np.full((3, max_hops), -1, dtype=np.int64),
        np.zeros((5, max(max_hops, MOST_NEAR_HOPS) + 1), dtype=np.int64),
        np.empty((5, MOST_STEPS), dtype=np.int32),
    )


@entry
def search(
    adjacency: Adjacency, batch: Batch, limits: Limits, work: Scratch, first: int, result: Result
) -> int:
    """Searches the pairs from `first` on; gives the first one that was not finished for room."""
    for pair in range(first, len(batch.head_offsets) - 1):
        heads = batch.heads[batch.head_offsets[pair] : batch.head_offsets[pair + 1]]
        tails = batch.tails[batch.tail_offsets[pair] : batch.tail_offsets[pair + 1]]
        searched = not begin_pair(result, limits, pair) or not len(heads) or not len(tails)
        if not searched and not _near(adjacency, heads, tails, limits, work, pair, result):
            _seed(adjacency, tails, work)
            _lengths(adjacency, heads, limits, work, pair, result)
            _clear(work)
        if not end_pair(result, pair):
            return pair
    return len(batch.head_offsets) - 1


@inner
def _near(
    adjacency: Adjacency,
    heads: Int32,
    tails: Int32,
    limits: Limits,
    work: Scratch,
    pair: int,
    result: Result,
) -> bool:
    """Searches a pair of entities with small surroundings; False where it is no such pair."""
    if len(heads) > 1 or len(tails) > 1 or limits.max_hops > MOST_NEAR_HOPS or limits.repeat:
        return False
    head, tail = heads[0], tails[0]
    if head == tail:
        return True  # No entity twice: nothing leads from one to itself.
    ahead = steps_beyond(adjacency.offsets, adjacency.neighbours, head, MOST_STEPS)
    most = min(ahead, MOST_STEPS)
    back = steps_beyond(adjacency.back_offsets, adjacency.back_neighbours, tail, most)
    if min(ahead, back) > MOST_STEPS:
        return False
    first, between, stack = work.levels[0], work.between, work.stack
    forth = ahead <= back
    near(adjacency, head, tail, forth, limits, work.reach, first, between, stack, pair, result)
    return True


@inner
def _seed(adjacency: Adjacency, tails: Int32, work: Scratch) -> None:
    """Level 0: the tails."""
    work.extent[VOLUME, 0] = 0
    for place in range(len(tails)):
        tail = tails[place]
        work.reach[tail] = 1
        work.levels[0, place] = tail
        steps = adjacency.back_offsets[tail + 1] - adjacency.back_offsets[tail]
        work.extent[VOLUME, 0] += steps
    work.extent[SIZE, 0] = len(tails)
    work.extent[ORDERED, 0] = 1


@inner
def _clear(work: Scratch) -> None:
    for level in range(work.extent.shape[1]):
        for place in range(work.extent[SIZE, level]):
            work.reach[work.levels[level, place]] = 0
        work.extent[SIZE, level] = -1


@inner
def _lengths(
    adjacency: Adjacency, heads: Int32, limits: Limits, work: Scratch, pair: int, result: Result
) -> None:
    """Paths of one length after the other, so that the first ones are the shortest."""
    known, ahead, next_ahead = 0, -1.0, 0.0
    for length in range(1, limits.max_hops + 1):
        while known < length - 1 and work.extent[SIZE, known] > 0:
            # Half of the way is marked always, more where the heads' side has more steps.
            if known >= length // 2:
                if ahead < 0:
                    ahead, next_ahead = _forward_volumes(adjacency, heads)
                growth = next_ahead / max(ahead, 1.0)
                if work.extent[VOLUME, known] >= next_ahead * growth ** (length - known - 2):
                    break
            if not _mark(adjacency, known, limits, work, result):
                return
            known += 1
        if work.extent[SIZE, known] == 0:
            return
        before = result.tally[FOUND]
        for head in heads:
            _walk(adjacency, head, length, known, limits, work, result)
            if result.tally[STATUS] != WHOLE:
                break
        result.summary[pair, COUNTS + length] = result.tally[FOUND] - before
        if result.tally[STATUS] != WHOLE:
            return


@inner
def _forward_volumes(adjacency: Adjacency, heads: Int32) -> tuple[float, float]:
    """How many steps there are from the heads, and how many from where those lead."""
    offsets = adjacency.offsets
    ahead, next_ahead = 0.0, 0.0
    for head in heads:
        ahead += offsets[head + 1] - offsets[head]
        for place in range(offsets[head], offsets[head + 1]):
            node = adjacency.neighbours[place]
            next_ahead += offsets[node + 1] - offsets[node]
    return ahead, next_ahead


@inner
def _mark(adjacency: Adjacency, known: int, limits: Limits, work: Scratch, result: Result) -> bool:
    """Marks the level after `known`; False where a budget is used up."""
    level = known + 1
    size, volume = 0, 0
    complete = True
    for place in range(work.extent[SIZE, known]):
        if not may_expand(result, limits):
            complete = False
            break
        node = work.levels[known, place]
        for step in range(adjacency.back_offsets[node], adjacency.back_offsets[node + 1]):
            before = adjacency.back_neighbours[step]
            if (work.reach[before] >> level) & 1 or adjacency.blocked[before]:
                continue
            work.reach[before] |= 1 << level
            work.levels[level, size] = before
            size += 1
            volume += adjacency.back_offsets[before + 1] - adjacency.back_offsets[before]
    work.extent[SIZE, level] = size
    work.extent[VOLUME, level] = volume
    work.extent[ORDERED, level] = work.extent[SIZE, known] == 1
    return complete


@inner
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
    stack = work.stack
    only_tail = work.levels[0, 0] if work.extent[SIZE, 0] == 1 and not limits.repeat else -1
    if head == only_tail:
        return
    stack[NODE, 0] = head
    depth, opened = 0, False
    while depth >= 0:
        level = length - depth - 1
        if not opened:
            if not may_expand(result, limits):
                return
            _open(adjacency, depth, level, known, work)
        opened = True
        found = _next(adjacency, depth, level, known, work)
        if found < 0:
            depth -= 1
            continue
        if not limits.repeat and (
            (level > 0 and found == only_tail) or _visited(stack, depth, found)
        ):
            continue
        if level > 0:
            depth += 1
            stack[NODE, depth] = found
            opened = False
        elif not emit(adjacency.codes, stack, length, limits, result):
            return


@inner
def _open(adjacency: Adjacency, depth: int, level: int, known: int, work: Scratch) -> None:
    """Begins the steps of the entity at `depth` and decides how they are gone through."""
    node = work.stack[NODE, depth]
    start = adjacency.offsets[node]
    steps = adjacency.offsets[node + 1] - start
    work.stack[HIGH, depth] = start
    work.stack[MARK, depth] = -1
    if level > known or steps <= FEW:
        return
    size = work.extent[SIZE, level]
    cost, halves = size, steps
    while halves > 0 and cost < steps:
        cost += size
        halves >>= 1
    if cost < steps:
        if not work.extent[ORDERED, level]:
            _sort(work.levels[level], size)
            work.extent[ORDERED, level] = 1
        work.stack[MARK, depth] = 0


@inner
def _next(adjacency: Adjacency, depth: int, level: int, known: int, work: Scratch) -> int:
    """The next entity that may follow the one at `depth`, its steps in LOW and HIGH; -1 for none.

    `level` is how many steps are left after it.
    """
    stack, neighbours = work.stack, adjacency.neighbours
    place, end = stack[HIGH, depth], adjacency.offsets[stack[NODE, depth] + 1]
    found = -1
    if stack[MARK, depth] >= 0:
        while found < 0 and place < end and stack[MARK, depth] < work.extent[SIZE, level]:
            wanted = work.levels[level, stack[MARK, depth]]
            stack[MARK, depth] += 1
            place = lower_bound(neighbours, place, end, wanted)
            if place < end and neighbours[place] == wanted:
                found = wanted
    elif level <= known:
        while place < end and not (work.reach[neighbours[place]] >> level) & 1:
            place += 1
    else:
        while place < end and adjacency.blocked[neighbours[place]]:
            place += 1
    if stack[MARK, depth] < 0 and place < end:
        found = neighbours[place]
    stack[LOW, depth] = place
    while place < end and neighbours[place] == found:
        place += 1
    stack[HIGH, depth] = place
    return found


@inner
def _visited(stack: Int64, depth: int, found: int) -> bool:
    for place in range(depth + 1):  # noqa: SIM110 (compiles faster than any())
        if stack[NODE, place] == found:
            return True
    return False


@inner
def _sort(values: Int32, size: int) -> None:
    """Heap sort of the first `size` values; compiles in a tenth of the library's time."""
    for end in range(2 * size - 1, 0, -1):
        # First a heap is made from the middle down, then its top goes behind its end.
        root = end - size if end >= size else 0
        last = size if end >= size else end
        if end < size:
            values[0], values[end] = values[end], values[0]
        while 2 * root + 1 < last:
            child = 2 * root + 1
            if child + 1 < last and values[child] < values[child + 1]:
                child += 1
            if values[root] >= values[child]:
                break
            values[root], values[child] = values[child], values[root]
            root = child
