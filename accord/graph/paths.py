"""Bounded search for paths between sets of entities, over all or the best few.

Numba, and the code that it compiles, load when the first `PathSearch` is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, overload

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, GraphError
from accord.graph.graph import SPLITS, Int32, Int64, KnowledgeGraph
from accord.graph.paths_follow import Followed, follow

if TYPE_CHECKING:
    from accord.graph.paths_emit import Batch, Limits

__all__ = [
    "Followed",
    "HopIds",
    "Path",
    "PathConfig",
    "PathResult",
    "PathResults",
    "PathSearch",
    "Step",
    "follow",
    "hops",
]

Repeat = Literal["none", "entity"]
Engine = Literal["bidirectional", "astar", "bfs"]
MOST_HOPS = 8


@dataclass(frozen=True)
class PathConfig:
    """Which paths are wanted, and how much may be spent on a pair."""

    max_hops: int = 3
    """Longest path, 1 to 8 steps."""
    max_paths: int | None = 10
    """How many at most, the shortest first; None for all."""
    repeat: Repeat = "none"
    """none: no entity twice. entity: entities may recur, but no triple in the same direction."""
    allow: tuple[str, ...] = ()
    """Ids of the relations that may be walked; empty for all."""
    deny: tuple[str, ...] = ()
    """Ids of relations that may not be walked."""
    inverse: bool = True
    """Whether triples may also be walked from tail to head."""
    hub_limit: int = 0
    """Entities with more walkable steps than this may begin or end a path but not lie within it;
    0 for no limit."""
    max_expanded: int = 10_000_000
    """Budget of a pair: entities whose steps are gone through."""
    seconds: float = 60.0
    """Budget of a pair: time."""
    engine: Engine = "bidirectional"
    """How it is searched; the answers are the same."""
    splits: tuple[str, ...] = SPLITS
    """Whose triples may be walked."""

    def __post_init__(self) -> None:
        if not 1 <= self.max_hops <= MOST_HOPS:
            raise ConfigError(f"max_hops is {self.max_hops}", f"choose 1 to {MOST_HOPS}")
        if self.max_paths is not None and self.max_paths < 1:
            raise ConfigError(f"max_paths is {self.max_paths}", "choose 1 or more, or None for all")
        if self.hub_limit < 0:
            raise ConfigError(f"hub_limit is {self.hub_limit}", "choose 0 (none) or more")
        if self.max_expanded < 0 or not self.seconds >= 0:
            raise ConfigError(
                f"the budget is {self.max_expanded} entities and {self.seconds} seconds",
                "neither may be below zero",
            )
        _one_of("repeat", self.repeat, get_args(Repeat))
        _one_of("engine", self.engine, get_args(Engine))
        for split in self.splits:
            _one_of("split", split, SPLITS)


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ConfigError(f"{name} is {value!r}", f"choose {' or '.join(known)}")


class Step(NamedTuple):
    """One triple of a path."""

    row: int
    """Row of the graph's `triples`."""
    inverse: bool
    """True where it is walked from tail to head."""


Path = tuple[Step, ...]


class HopIds(NamedTuple):
    """A step by ids; head and tail are always the stored triple's own."""

    head: str
    relation: str
    tail: str
    inverse: bool


def hops(graph: KnowledgeGraph, path: Path) -> list[HopIds]:
    """A path by ids."""
    found = []
    for row, inverse in path:
        head, relation, tail = graph.triples[row].tolist()
        ids = graph.entity_ids[head], graph.relation_ids[relation], graph.entity_ids[tail]
        found.append(HopIds(*ids, inverse))
    return found


@dataclass(frozen=True, eq=False)
class PathResult:
    """The paths of one pair of sets, the shortest first.

    Paths of one length are in the order of their heads' idx, then of the idx of the entities that
    they pass, then forward before inverse steps, then of relation idx.
    """

    codes: Int32
    """Steps of all paths, one after the other, each as row * 2 + inverse."""
    counts: tuple[int, ...]
    """How many paths there are of each length, from 0 on."""
    complete: bool
    """False where a budget ended the search: what is here is right, but more may exist."""
    limited: bool
    """True where the search ended because `max_paths` were found."""
    expanded: int
    """Entities whose steps were gone through."""

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def paths(self) -> list[Path]:
        """The paths; made from `codes` at each call."""
        return list(self)

    def __iter__(self) -> Iterator[Path]:
        start = 0
        for length, count in enumerate(self.counts):
            end = start + length * count
            for row in self.codes[start:end].reshape(count, length).tolist():
                yield tuple([Step(code >> 1, bool(code & 1)) for code in row])
            start = end


@dataclass(frozen=True, eq=False)
class PathResults(Sequence[PathResult]):
    """Results of a batch, in its order. One costs nothing until it is taken out."""

    chunks: list[Int32]
    """Where the steps of all pairs lie."""
    chunk: Int64
    """(P,) which of the chunks holds a pair's steps."""
    starts: Int64
    """(P,) where they begin there."""
    counts: Int64
    """(P, max_hops + 1) int64: how many paths of each length each pair has."""
    expanded: Int64
    """(P,) int64."""
    complete: npt.NDArray[np.bool_]
    """(P,) bool."""
    limited: npt.NDArray[np.bool_]
    """(P,) bool."""

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> PathResult: ...
    @overload
    def __getitem__(self, index: slice) -> list[PathResult]: ...
    def __getitem__(self, index: int | slice) -> PathResult | list[PathResult]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        counts = tuple(self.counts[index].tolist())
        start = int(self.starts[index])
        end = start + sum(length * count for length, count in enumerate(counts))
        return PathResult(
            self.chunks[int(self.chunk[index])][start:end],
            counts,
            bool(self.complete[index]),
            bool(self.limited[index]),
            int(self.expanded[index]),
        )


Pairs = Sequence[tuple[Sequence[int], Sequence[int]]] | npt.NDArray[np.integer[Any]]


class PathSearch:
    """Finds paths in one graph; what may be walked is gathered once.

    Args:
        graph: The graph.
        config: Which paths are wanted.

    Raises:
        GraphError: No such relation, with the nearest names.
    """

    def __init__(self, graph: KnowledgeGraph, config: PathConfig | None = None) -> None:
        from accord.graph.paths_run import prepare

        self.graph = graph
        self.config = config or PathConfig()
        self.adjacency, self.engine = prepare(graph, self.config, _walkable(graph, self.config))

    def find(self, heads: Sequence[int], tails: Sequence[int]) -> PathResult:
        """Paths from any of some entities to any of others.

        Args:
            heads: Entity idx where a path may begin.
            tails: Entity idx where it may end. A path has at least one step, so with `repeat`
                none there is none from an entity to itself.

        Returns:
            The paths; none where a set is empty or nothing joins them.

        Raises:
            GraphError: An idx that the graph does not have.
        """
        return self.find_pairs([(heads, tails)], threads=1)[0]

    def find_pairs(self, pairs: Pairs, threads: int = 0) -> PathResults:
        """As `find`, for many pairs of sets.

        Args:
            pairs: (heads, tails) for each; or (P, 2) integers where each set is one entity.
            threads: How many search at once; 0 for one a core. The results do not depend on it.

        Returns:
            A result for each pair. Budgets are each pair's own.

        Raises:
            GraphError: An idx that the graph does not have.
        """
        from accord.graph.paths_run import run

        batch = _batch(pairs, self.graph.num_entities)
        count = threads or len(os.sched_getaffinity(0))
        return PathResults(*run(self.engine, self.adjacency, batch, self._limits(), count))

    def _limits(self) -> Limits:
        from accord.graph.paths_emit import Limits

        config = self.config
        return Limits(
            config.max_hops,
            2**62 if config.max_paths is None else config.max_paths,
            config.repeat == "entity",
            config.max_expanded,
            int(min(config.seconds, 1e9) * 1e9),
        )


def _walkable(graph: KnowledgeGraph, config: PathConfig) -> npt.NDArray[np.bool_]:
    """(R,) bool: which relations may be walked."""
    found = np.full(graph.num_relations, not config.allow, dtype=np.bool_)
    found[[graph.relation(name) for name in config.allow]] = True
    found[[graph.relation(name) for name in config.deny]] = False
    return found


def _batch(pairs: Pairs, entities: int) -> Batch:
    """The pairs as flat arrays, checked."""
    from accord.graph.paths_emit import Batch

    if isinstance(pairs, np.ndarray):
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise GraphError(f"pairs have the shape {pairs.shape}", "give (P, 2) entity idx")
        ends = np.arange(len(pairs) + 1, dtype=np.int64)
        batch = Batch(_checked(pairs[:, 0], entities), ends, _checked(pairs[:, 1], entities), ends)
    else:
        heads = _flat([pair[0] for pair in pairs], entities)
        batch = Batch(*heads, *_flat([pair[1] for pair in pairs], entities))
    return batch


def _flat(sets: list[Sequence[int]], entities: int) -> tuple[Int32, Int64]:
    distinct = [sorted({int(i) for i in given}) for given in sets]
    offsets = np.zeros(len(sets) + 1, dtype=np.int64)
    np.cumsum([len(given) for given in distinct], out=offsets[1:])
    flat = np.array([i for given in distinct for i in given], dtype=np.int64)
    return _checked(flat, entities), offsets


def _checked(idx: npt.NDArray[np.integer[Any]], entities: int) -> Int32:
    if len(idx) and not 0 <= int(idx.min()) <= int(idx.max()) < entities:
        wrong = int(idx.min()) if idx.min() < 0 else int(idx.max())
        raise GraphError(f"no entity {wrong}: the graph has {entities}", "give idx, not ids")
    return np.ascontiguousarray(idx, dtype=np.int32)
