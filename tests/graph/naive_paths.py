"""Paths as their definition says, without a thought for time: what the search is held against."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.paths import Path, PathConfig, Step


def naive_paths(
    graph: KnowledgeGraph, heads: Collection[int], tails: Collection[int], config: PathConfig
) -> list[Path]:
    """All paths within the hop limit, in the promised order."""
    steps = list(walkable(graph, config))
    degree = [0] * graph.num_entities
    for start, step, end in steps:
        degree[start] += 1
        if not config.inverse and not (start == end and step.inverse):
            degree[end] += 1
    hubs = {i for i, n in enumerate(degree) if config.hub_limit and n > config.hub_limit}
    found: list[tuple[list[int], Path]] = []
    stack: list[tuple[list[int], Path]] = [([head], ()) for head in set(heads)]
    while stack:
        nodes, path = stack.pop()
        if path and nodes[-1] in tails:
            found.append((nodes, path))
        if len(path) == config.max_hops or (path and nodes[-1] in hubs):
            continue
        for start, step, end in steps:
            fresh = step not in path if config.repeat == "entity" else end not in nodes
            if start == nodes[-1] and fresh:
                stack.append(([*nodes, end], (*path, step)))
    found.sort(key=lambda item: (len(item[1]), item[0], [_rank(graph, s) for s in item[1]]))
    return [path for _, path in found]


def walkable(graph: KnowledgeGraph, config: PathConfig) -> Iterator[tuple[int, Step, int]]:
    """(from, step, to) of every step that may be taken; a triple of two splits once."""
    seen: set[tuple[int, ...]] = set()
    for row, triple in enumerate(graph.triples.tolist()):
        head, relation, tail = triple
        name = graph.relation_ids[relation]
        if SPLITS[graph.split[row]] not in config.splits or name in config.deny:
            continue
        if (config.allow and name not in config.allow) or tuple(triple) in seen:
            continue
        seen.add(tuple(triple))
        yield head, Step(row, False), tail
        if config.inverse and head != tail:
            yield tail, Step(row, True), head


def _rank(graph: KnowledgeGraph, step: Step) -> tuple[bool, int]:
    return step.inverse, int(graph.triples[step.row, 1])
