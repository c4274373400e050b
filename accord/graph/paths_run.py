"""Runs an engine over a batch of pairs: compilation, threads, the clock, room for results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.graph import paths_bidirectional
from accord.graph.graph import Int32, Int64, KnowledgeGraph
from accord.graph.paths import PathConfig
from accord.graph.paths_adjacency import Adjacency, build_adjacency
from accord.graph.paths_emit import (
    COUNTS,
    LIMITED,
    PAIR_EXPANDED,
    PAIR_START,
    PAIR_STATUS,
    STOPPED,
    WRITTEN,
    Batch,
    Limits,
    Result,
)
from accord.progress import SILENT_SECONDS, say

TICK_SECONDS = 0.005
ROOM = 1 << 18
"""Steps that a result has room for at first; it grows eightfold where one pair needs more."""
NEVER = np.iinfo(np.int64).max
Part = tuple[list[Int32], Int64, Int64]


class Found(NamedTuple):
    """The fields of `accord.graph.paths.PathResults`."""

    chunks: list[Int32]
    chunk: Int64
    starts: Int64
    counts: Int64
    expanded: Int64
    complete: npt.NDArray[np.bool_]
    limited: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Engine:
    """A way of searching: its kernel and its working memory."""

    search: Callable[[Adjacency, Batch, Limits, Any, int, Result], int]
    scratch: Callable[[int, int], Any]


def prepare(
    graph: KnowledgeGraph, config: PathConfig, relations: npt.NDArray[np.bool_]
) -> tuple[Adjacency, Engine]:
    """Gathers what may be walked, and compiles the engine where this was never done before."""
    engine = _engine(config.engine)
    with _announced("preparing path search (its first use compiles it, once)"):
        adjacency = build_adjacency(
            graph, relations, config.splits, config.inverse, config.hub_limit
        )
        nothing, ends = np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64)
        # Typed as all later calls: compiles, or loads what was compiled.
        _part(engine, adjacency, Batch(nothing, ends, nothing, ends), Limits(1, 1, False, 1, 1))
    return adjacency, engine


def _engine(name: str) -> Engine:
    if name == "bidirectional":
        return Engine(paths_bidirectional.search, paths_bidirectional.scratch)
    from accord.graph import paths_astar

    if name == "astar":
        return Engine(paths_astar.search, paths_astar.scratch)
    return Engine(paths_astar.search, paths_astar.plain_scratch)


@contextmanager
def _announced(what: str) -> Iterator[None]:
    """Says what is being done if it takes longer than a person waits in silence."""
    timer = threading.Timer(SILENT_SECONDS, say, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def run(
    engine: Engine, adjacency: Adjacency, batch: Batch, limits: Limits, threads: int
) -> tuple[list[Int32], Int64, Int64, Int64, Int64, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Searches all pairs.

    The calling thread only keeps the clock: so a time budget holds, and Ctrl-C ends the search.
    """
    pairs = len(batch.head_offsets) - 1
    clock = np.array([time.monotonic_ns()], dtype=np.int64)
    cuts = np.linspace(0, pairs, 1 + max(1, min(threads * 8 if threads > 1 else 1, pairs)))
    bounds = cuts.astype(np.int64).tolist()
    with ThreadPoolExecutor(max(1, threads), "accord-paths") as pool:
        parts = [
            pool.submit(_part, engine, adjacency, _cut(batch, a, b), limits, clock)
            for a, b in pairwise(bounds)
        ]
        try:
            while wait(parts, TICK_SECONDS).not_done:
                clock[0] = time.monotonic_ns()
        except BaseException:
            clock[0] = NEVER  # Every search stops at its next step.
            raise
        return _joined([part.result() for part in parts])


def _cut(batch: Batch, first: int, last: int) -> Batch:
    """Some of the pairs; offsets stay those of the whole."""
    return Batch(
        batch.heads,
        batch.head_offsets[first : last + 1],
        batch.tails,
        batch.tail_offsets[first : last + 1],
    )


def _part(
    engine: Engine,
    adjacency: Adjacency,
    batch: Batch,
    limits: Limits,
    clock: Int64 | None = None,
) -> Part:
    """One thread's pairs; new room is taken where the old is full."""
    pairs = len(batch.head_offsets) - 1
    now = clock if clock is not None else np.zeros(1, dtype=np.int64)
    work = engine.scratch(len(adjacency.blocked), limits.max_hops)
    chunks: list[Int32] = []
    chunk = np.zeros(pairs, dtype=np.int64)
    summary = np.zeros((pairs, COUNTS + 1 + limits.max_hops), dtype=np.int64)
    first, room = 0, ROOM
    while True:
        codes, tally = np.empty(room, dtype=np.int32), np.zeros(5, dtype=np.int64)
        result = Result(codes, summary, tally, now)
        done = engine.search(adjacency, batch, limits, work, first, result)
        chunk[first:done] = len(chunks)
        chunks.append(codes[: tally[WRITTEN]])
        if done == pairs:
            return chunks, chunk, summary
        room = room if done > first else room * 8
        first = done


def _joined(parts: list[Part]) -> Found:
    before = np.cumsum([0, *(len(part[0]) for part in parts)])
    chunks = [chunk for part in parts for chunk in part[0]]
    chunk = np.concatenate([part[1] + shift for part, shift in zip(parts, before, strict=False)])
    summary = np.concatenate([part[2] for part in parts])
    status = summary[:, PAIR_STATUS]
    return Found(
        chunks,
        chunk,
        summary[:, PAIR_START],
        summary[:, COUNTS:],
        summary[:, PAIR_EXPANDED],
        status != STOPPED,
        status == LIMITED,
    )
