"""Simple paths of up to three steps between two entities whose surroundings are small.

Most pairs are such. The neighbours of one end are marked, and the steps of the other end's
neighbours are gone through once: no levels, no sorting, no walk. `paths_bidirectional` takes all
others; the answers and their order are the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accord.graph.graph import Int32, Int64
from accord.graph.paths_adjacency import Adjacency, inner, lower_bound
from accord.graph.paths_emit import (
    COUNTS,
    FOUND,
    HIGH,
    LOW,
    NODE,
    STATUS,
    WHOLE,
    Limits,
    Result,
    emit,
    may_expand,
)

MOST_STEPS = 1024
"""Beyond so many steps at the neighbours of both ends, looking up in long lists is faster."""
MOST_NEAR_HOPS = 3
# Rows of the list of what lies between the ends: as found, in order, and the next of equal ones.
OUTER, INNER, ONE, TWO, NEXT = range(5)
MARKED, LINKED = 1, 2
Marks = npt.NDArray[np.uint8]


@inner
def steps_beyond(offsets: Int32, neighbours: Int32, entity: int, most: int) -> int:
    """How many steps begin at the neighbours of an entity; more than `most` is as good as more."""
    start, end = offsets[entity], offsets[entity + 1]
    found: int = end - start
    if found <= most:
        found = 0
        for step in range(start, end):
            other = neighbours[step]
            found += offsets[other + 1] - offsets[other]
            if found > most:
                break
    return found


@inner
def near(
    adjacency: Adjacency,
    head: int,
    tail: int,
    ahead: bool,
    limits: Limits,
    marks: Marks,
    first: Int32,
    between: Int32,
    stack: Int64,
    pair: int,
    result: Result,
) -> None:
    """Finds the paths of one pair of different entities, one length after the other.

    Args:
        adjacency: The steps.
        head: Where paths begin.
        tail: Where they end.
        ahead: Whether the steps of the head's neighbours are gone through, or those of the tail's:
            at most `MOST_STEPS`.
        limits: Of at most three hops, no entity twice.
        marks: (E,) all zero, and so again afterwards.
        first: (E,) scratch.
        between: (5, MOST_STEPS) scratch.
        stack: Scratch of `emit`.
        pair: Number of the pair.
        result: Where to.
    """
    for length in range(1, limits.max_hops + 1):
        size, row = 1, OUTER
        if length < 3 and not may_expand(result, limits):
            break
        if length == 2:
            _mark(adjacency, head, tail, ahead, marks, MARKED)
        if length > 1:
            size = _gather(adjacency, head, tail, ahead, length, limits, marks, between, result)
        if length == 3 and not ahead:
            _put_in_order(adjacency, head, size, marks, first, between)
            row = ONE
        before = result.tally[FOUND]
        for place in range(size):
            # Those with the same first step stand together: it is looked up once.
            known = place > 0 and stack[NODE, 1] == between[row, place]
            stack[NODE, 0] = head
            stack[NODE, 1] = between[row, place]
            stack[NODE, 2] = between[row + 1, place]
            stack[NODE, length] = tail
            if _steps(adjacency, known, length, stack) and not emit(
                adjacency.codes, stack, length, limits, result
            ):
                break
        result.summary[pair, COUNTS + length] = result.tally[FOUND] - before
        if result.tally[STATUS] != WHOLE:
            break
    _mark(adjacency, head, tail, ahead, marks, 0)


@inner
def _mark(
    adjacency: Adjacency, head: int, tail: int, ahead: bool, marks: Marks, value: int
) -> None:
    """Marks what lies next to the end that is not gone on from; with 0 takes the marks away."""
    offsets = adjacency.back_offsets if ahead else adjacency.offsets
    neighbours = adjacency.back_neighbours if ahead else adjacency.neighbours
    end = tail if ahead else head
    for step in range(offsets[end], offsets[end + 1]):
        other = neighbours[step]
        if other != head and other != tail and not adjacency.blocked[other]:
            marks[other] = value


@inner
def _gather(
    adjacency: Adjacency,
    head: int,
    tail: int,
    ahead: bool,
    length: int,
    limits: Limits,
    marks: Marks,
    between: Int32,
    result: Result,
) -> int:
    """Lists what may lie between the ends, in the order of what is next to the end gone on from.

    Gives how many there are; none where a budget is used up.
    """
    offsets = adjacency.offsets if ahead else adjacency.back_offsets
    neighbours = adjacency.neighbours if ahead else adjacency.back_neighbours
    end = head if ahead else tail
    size, before = 0, -1
    for step in range(offsets[end], offsets[end + 1]):
        outer = neighbours[step]
        skipped = outer == before or adjacency.blocked[outer]
        if skipped or outer == head or outer == tail:  # noqa: SIM109 (compiled as it stands)
            continue
        before = outer
        if length == 2:
            between[OUTER, size] = outer
            size += marks[outer]
            continue
        if not may_expand(result, limits):
            return 0
        last = outer
        for place in range(offsets[outer], offsets[outer + 1]):
            other = neighbours[place]
            if marks[other] and other != last and other != outer:
                between[OUTER, size] = outer
                between[INNER, size] = other
                last = other
                size += 1
    return size


@inner
def _put_in_order(
    adjacency: Adjacency, head: int, size: int, marks: Marks, first: Int32, between: Int32
) -> None:
    """Lists what was found from the tail in the order of the head's neighbours.

    Those with one of them are linked, the last first.
    """
    for place in range(size - 1, -1, -1):
        one = between[INNER, place]
        between[NEXT, place] = first[one] if marks[one] == LINKED else -1
        first[one] = place
        marks[one] = LINKED
    done = 0
    for step in range(adjacency.offsets[head], adjacency.offsets[head + 1]):
        one = adjacency.neighbours[step]
        if marks[one] == LINKED:
            marks[one] = MARKED
            place = first[one]
            while place >= 0:
                between[ONE, done] = one
                between[TWO, done] = between[OUTER, place]
                done += 1
                place = between[NEXT, place]


@inner
def _steps(adjacency: Adjacency, known: int, length: int, stack: Int64) -> bool:
    """Looks up the steps along a sequence of entities but for `known`; False for no path."""
    low = high = 0
    for depth in range(known, length):
        end, wanted = adjacency.offsets[stack[NODE, depth] + 1], stack[NODE, depth + 1]
        low = lower_bound(adjacency.neighbours, adjacency.offsets[stack[NODE, depth]], end, wanted)
        high = low
        while high < end and adjacency.neighbours[high] == wanted:
            high += 1
        stack[LOW, depth], stack[HIGH, depth] = low, high
    return high > low
