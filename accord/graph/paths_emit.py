"""What the engines of path search share: limits, results, and steps along known entities.

Everything lies in few arrays, because compilation takes longer the more there are.
"""

from __future__ import annotations

from typing import NamedTuple

from accord.graph.graph import Int32, Int64
from accord.graph.paths_adjacency import inner

# Places in `Result.tally`.
EXPANDED, FOUND, WRITTEN, STATUS, DEADLINE = range(5)
# Values of the status.
WHOLE, LIMITED, STOPPED, NO_ROOM = range(4)
# Columns of `Result.summary`; the number of paths of length 1 is in the one after COUNTS.
PAIR_START, PAIR_EXPANDED, PAIR_STATUS, COUNTS = range(4)
# Rows of a stack: along the walk, where the steps to the next entity begin and end, which of them
# is chosen, the entity, and the place among marked entities.
LOW, HIGH, CHOICE, NODE, MARK = range(5)


class Batch(NamedTuple):
    """Pairs of entity sets, one after the other, each set sorted and without repeats."""

    heads: Int32
    head_offsets: Int64
    tails: Int32
    tail_offsets: Int64


class Limits(NamedTuple):
    """What bounds the search of each pair."""

    max_hops: int
    max_paths: int
    repeat: bool
    """Whether entities may recur."""
    max_expanded: int
    nanoseconds: int


class Result(NamedTuple):
    """Where an engine writes."""

    codes: Int32
    """Steps of all paths, pair by pair, shortest first."""
    summary: Int64
    """(P, 4 + max_hops) a row for each pair."""
    tally: Int64
    """(5,) the running numbers of the pair being searched."""
    clock: Int64
    """(1,) nanoseconds now, kept up to date by the caller."""


@inner
def begin_pair(result: Result, limits: Limits, pair: int) -> bool:
    """Starts the numbers of one pair afresh; False where nothing may be spent on it."""
    tally = result.tally
    tally[EXPANDED] = 0
    tally[FOUND] = 0
    tally[DEADLINE] = result.clock[0] + limits.nanoseconds
    result.summary[pair, :] = 0
    result.summary[pair, PAIR_START] = tally[WRITTEN]
    idle = limits.max_expanded <= 0 or limits.nanoseconds <= 0
    tally[STATUS] = STOPPED if idle else WHOLE
    return not idle


@inner
def end_pair(result: Result, pair: int) -> bool:
    """Notes how a pair's search went; False, and nothing written, where room ran out."""
    tally = result.tally
    if tally[STATUS] == NO_ROOM:
        tally[WRITTEN] = result.summary[pair, PAIR_START]
        return False
    result.summary[pair, PAIR_EXPANDED] = tally[EXPANDED]
    result.summary[pair, PAIR_STATUS] = tally[STATUS]
    return True


@inner
def may_expand(result: Result, limits: Limits) -> bool:
    """Counts one more expanded entity; False where a budget is used up."""
    tally = result.tally
    if tally[EXPANDED] >= limits.max_expanded or result.clock[0] > tally[DEADLINE]:
        tally[STATUS] = STOPPED
        return False
    tally[EXPANDED] += 1
    return True


@inner
def emit(codes: Int32, stack: Int64, length: int, limits: Limits, result: Result) -> bool:
    """Writes every choice of steps along one sequence of entities.

    Args:
        codes: Of the adjacency.
        stack: (5, at least length) rows LOW and HIGH: where in `codes` the steps from each entity
            to the next lie. Row CHOICE is scratch.
        length: Hops.
        limits: The search's limits.
        result: Where to.

    Returns:
        False where the search is to stop.
    """
    tally = result.tally
    for depth in range(length):
        stack[CHOICE, depth] = stack[LOW, depth]
    while True:
        if not limits.repeat or _distinct(codes, stack, length):
            end = tally[WRITTEN]
            if end + length > len(result.codes):
                tally[STATUS] = NO_ROOM
                return False
            for depth in range(length):
                result.codes[end + depth] = codes[stack[CHOICE, depth]]
            tally[WRITTEN] = end + length
            tally[FOUND] += 1
            if tally[FOUND] >= limits.max_paths:
                tally[STATUS] = LIMITED
                return False
        depth = length - 1
        while depth >= 0:
            stack[CHOICE, depth] += 1
            if stack[CHOICE, depth] < stack[HIGH, depth]:
                break
            stack[CHOICE, depth] = stack[LOW, depth]
            depth -= 1
        if depth < 0:
            return True


@inner
def _distinct(codes: Int32, stack: Int64, length: int) -> bool:
    """Whether no triple is walked twice in the same direction."""
    for one in range(length):
        for other in range(one):
            if codes[stack[CHOICE, one]] == codes[stack[CHOICE, other]]:
                return False
    return True
