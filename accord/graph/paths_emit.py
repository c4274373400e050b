"""What the engines of path search share: limits, results, and steps along known entities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accord.graph.graph import Int32, Int64
from accord.graph.paths_adjacency import compiled

# Places in `Result.tally`.
EXPANDED, FOUND, WRITTEN, STATUS, DEADLINE = range(5)
# Values of the status.
WHOLE, LIMITED, STOPPED, NO_ROOM = range(4)


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
    """Where an engine writes; arrays with a row for each pair of the batch."""

    codes: Int32
    """Steps of all paths, pair by pair, shortest first."""
    counts: Int64
    """(P, max_hops + 1): how many paths of each length."""
    starts: Int64
    """(P,) where the pair's steps begin in `codes`."""
    expanded: Int64
    """(P,) entities whose steps were gone through."""
    status: npt.NDArray[np.uint8]
    tally: Int64
    """The running numbers of the pair being searched."""
    clock: Int64
    """(1,) nanoseconds now, kept up to date by the caller."""


@compiled
def begin_pair(result: Result, limits: Limits, pair: int) -> None:
    """Starts the numbers of one pair afresh."""
    tally = result.tally
    tally[EXPANDED] = 0
    tally[FOUND] = 0
    tally[STATUS] = WHOLE
    tally[DEADLINE] = result.clock[0] + limits.nanoseconds
    result.starts[pair] = tally[WRITTEN]
    result.counts[pair, :] = 0
    if limits.max_expanded <= 0 or limits.nanoseconds <= 0:
        tally[STATUS] = STOPPED


@compiled
def end_pair(result: Result, pair: int) -> bool:
    """Notes how a pair's search went; False, and nothing written, where room ran out."""
    tally = result.tally
    if tally[STATUS] == NO_ROOM:
        tally[WRITTEN] = result.starts[pair]
        return False
    result.expanded[pair] = tally[EXPANDED]
    result.status[pair] = tally[STATUS]
    return True


@compiled
def may_expand(result: Result, limits: Limits) -> bool:
    """Counts one more expanded entity; False where a budget is used up."""
    tally = result.tally
    if tally[EXPANDED] >= limits.max_expanded or result.clock[0] > tally[DEADLINE]:
        tally[STATUS] = STOPPED
        return False
    tally[EXPANDED] += 1
    return True


@compiled
def emit(
    codes: Int32,
    low: Int64,
    high: Int64,
    choice: Int64,
    length: int,
    limits: Limits,
    result: Result,
) -> bool:
    """Writes every choice of steps along one sequence of entities.

    Args:
        codes: Of the adjacency.
        low: (length,) where the steps from each entity to the next begin in `codes`.
        high: (length,) where they end.
        choice: (length,) scratch.
        length: Hops.
        limits: The search's limits.
        result: Where to.

    Returns:
        False where the search is to stop.
    """
    tally = result.tally
    for depth in range(length):
        choice[depth] = low[depth]
    while True:
        if not limits.repeat or _distinct(codes, choice, length):
            if tally[WRITTEN] + length > len(result.codes):
                tally[STATUS] = NO_ROOM
                return False
            for depth in range(length):
                result.codes[tally[WRITTEN] + depth] = codes[choice[depth]]
            tally[WRITTEN] += length
            tally[FOUND] += 1
            if tally[FOUND] >= limits.max_paths:
                tally[STATUS] = LIMITED
                return False
        depth = length - 1
        while depth >= 0:
            choice[depth] += 1
            if choice[depth] < high[depth]:
                break
            choice[depth] = low[depth]
            depth -= 1
        if depth < 0:
            return True


@compiled
def _distinct(codes: Int32, choice: Int64, length: int) -> bool:
    """Whether no triple is walked twice in the same direction."""
    for one in range(length):
        for other in range(one):
            if codes[choice[one]] == codes[choice[other]]:
                return False
    return True
