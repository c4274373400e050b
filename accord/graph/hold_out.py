"""Holding triples out of a graph that came without valid and test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import GraphError
from accord.graph.builder import adjacency
from accord.graph.graph import SPLITS, KnowledgeGraph, content_hash, content_of
from accord.graph.labels import ImportOptions
from accord.graph.split import split_triples
from accord.progress import say


def hold_out(graph: KnowledgeGraph, options: ImportOptions) -> KnowledgeGraph:
    """Draws valid and test from a graph that is all train.

    Both are drawn within each relation; every entity and relation stays in train too, and what is
    stated of the same two entities goes together, so that no test triple can be read off train the
    other way round.

    Args:
        graph: The graph.
        options: Shares and seed; where both shares are 0, the graph comes back as it is.

    Returns:
        The graph with splits, in memory; idx are the same.

    Raises:
        GraphError: It has valid or test triples already.
    """
    if not (options.valid or options.test):
        return graph
    if (graph.split > 0).any():
        raise GraphError(
            f"graph {graph.name!r} has valid or test triples already",
            "leave --valid and --test out",
        )
    ends = np.sort(graph.triples[:, ::2], axis=1).astype(np.int64)
    pairs = ends[:, 0] * graph.num_entities + ends[:, 1]
    codes = split_triples(graph.triples, options.valid, options.test, options.seed, pairs)
    order = np.argsort(codes, kind="stable")
    triples, split = graph.triples[order], codes[order]
    content = {**content_of(graph), "triples": triples, "split": split}
    _tell(graph, split)
    index: dict[str, Any] = adjacency(triples, graph.num_entities)
    return replace(
        graph,
        triples=triples,
        split=split,
        **index,
        hash=content_hash(content),
        meta={
            **graph.meta,
            "held_out": {"valid": options.valid, "test": options.test, "seed": options.seed},
        },
    )


def _tell(graph: KnowledgeGraph, split: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    valid, test = int((split == 1).sum()), int((split == 2).sum())
    if valid or test:
        say(f"{graph.name}: held out {valid:,} valid and {test:,} test triples")
    else:
        say(
            f"{graph.name}: nothing could be held out: each triple is the only one of an entity or "
            "a relation"
        )


def move_held_out(store: Path, graph: KnowledgeGraph) -> None:
    """Moves the held-out triples of a new store from what is asserted to graphs of their own.

    Args:
        store: The store's folder; it asserts all of the graph's triples.
        graph: The graph with splits.
    """
    from pyoxigraph import NamedNode, Quad, Store

    from accord.graph.iris import HELD_OUT, to_iri
    from accord.graph.store import asserted_graphs

    entities = [NamedNode(to_iri(key)) for key in graph.entity_ids]
    relations = [NamedNode(to_iri(key)) for key in graph.relation_ids]
    opened = Store(str(store))
    asserted = asserted_graphs(opened)
    for name in SPLITS[1:]:
        held = NamedNode(HELD_OUT[name])
        rows = graph.triples_of(name).tolist()
        found = [(entities[h], relations[r], entities[t]) for h, r, t in rows]
        for triple in found:
            for place in asserted:
                opened.remove(Quad(*triple, place))
        opened.extend(Quad(*triple, held) for triple in found)
