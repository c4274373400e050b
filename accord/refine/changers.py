"""Who changes a graph between rounds: the run's own scan, and the controls beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.evaluate.refinement import Planted
from accord.graph.graph import KnowledgeGraph
from accord.refine.corrupt import corrupt
from accord.refine.items import Item, Kind
from accord.refine.scan import ScanConfig, scan_graph, scan_model
from accord.train.recipe import RoundsConfig

CHANCE, TRUTH = "chance: a control", "the planted truth: a control"
"""What the queue says of where a control's items come from."""
DRAWS = 20


@dataclass(frozen=True)
class Suggested:
    """What somebody wants to change."""

    items: list[Item]
    who: str
    """For the queue: the run, or which control."""
    decided: bool
    """Whether all of it is accepted without review, as a control's changes are."""
    scan: dict[str, Any]
    """What the run's scan says of itself; empty where nothing was scanned."""


def suggest(
    run: Path, graph: KnowledgeGraph, config: RoundsConfig, seed: int, number: int
) -> Suggested:
    """What is to change in a graph after a round; the graph is not changed.

    Args:
        run: The round's run.
        graph: The graph as it is.
        config: Settings; `refinement` says who suggests.
        seed: Of every draw.
        number: Of the round.

    Returns:
        Items for the queue.

    Raises:
        GraphError: Too few triples to learn from.
        DataError: `truth` cannot be read.
    """
    if config.refinement == "oracle":
        assert config.truth is not None
        found = true_changes(graph, Planted.load(config.truth), config.most)
        return Suggested(found, TRUTH, True, {})
    settings = ScanConfig(
        least=config.least,
        most=config.most,
        structure=config.vectors,
        text_share=config.text_share,
        seed=seed,
    )
    model = scan_model(str(run), graph) if config.text_share else None
    scan = scan_graph(graph, model, settings)
    if config.refinement == "model":
        return Suggested(scan.items, str(run), False, scan.to_dict())
    sure = [i for i in scan.items if (i.probability or 0.0) >= (config.above or config.least)]
    kinds = [sum(i.kind == kind and not i.attribute for i in sure) for kind in ("flag", "proposal")]
    rng = np.random.default_rng([seed, number, 23])
    return Suggested(random_changes(graph, kinds[0], kinds[1], rng), CHANCE, True, scan.to_dict())


def random_changes(
    graph: KnowledgeGraph, removals: int, additions: int, rng: np.random.Generator
) -> list[Item]:
    """Triples of train to take out, and new ones with one end exchanged, drawn blindly.

    Args:
        graph: The graph.
        removals: How many to take out.
        additions: How many to put in; fewer where most draws happen to be known.
        rng: Of the draws.
    """
    train = graph.triples_of("train").astype(np.int64)
    out = train[np.sort(rng.choice(len(train), min(removals, len(train)), replace=False))]
    rows = rng.integers(len(train), size=DRAWS * additions)
    made = corrupt(graph, rows, int(rng.integers(2**31))).triples
    new = list(dict.fromkeys(map(tuple, made.tolist())))[:additions]
    reason = "drawn by chance"
    return [
        *(_item("flag", ids, reason) for ids in id_triples(graph, out)),
        *(_item("proposal", ids, reason) for ids in id_triples(graph, new)),
    ]


def true_changes(graph: KnowledgeGraph, truth: Planted, most: int) -> list[Item]:
    """The planted errors that are still there, and what was removed and is still missing.

    Args:
        graph: The graph.
        truth: What was planted and removed.
        most: Of each at most, in the order of their ids.
    """
    known = set(id_triples(graph, graph.triples_of("train")))
    wrong, gone = sorted(truth.planted & known), sorted(truth.removed - known)
    return [
        *(_item("flag", ids, "planted") for ids in wrong[:most]),
        *(_item("proposal", ids, "removed") for ids in gone[:most]),
    ]


def id_triples(
    graph: KnowledgeGraph, triples: Iterable[Sequence[int]]
) -> list[tuple[str, str, str]]:
    """(head, relation, tail) ids of triples by idx, in their order."""
    entities, relations = list(graph.entity_ids), list(graph.relation_ids)
    return [(entities[h], relations[r], entities[t]) for h, r, t in triples]


def _item(kind: Kind, triple: tuple[str, str, str], reason: str) -> Item:
    return Item(kind, *triple, score=0.0, reason=reason)
