"""Planted errors and gaps, for measuring what finds them; the truth is written beside.

Errors are false triples put into train; gaps are true train triples taken out. Neither kind of
error is a triple of any split, and no gap takes an entity's or a relation's last train triple.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, GraphError
from accord.graph.builder import adjacency, triple_keys
from accord.graph.graph import KnowledgeGraph, Lineage, content_hash, content_of
from accord.graph.writing import write_file

ErrorKind = Literal["random", "same-type", "near"]
TRUTH_COLUMNS = ("what", "head", "relation", "tail", "instead_of")
ROUNDS = 50
"""How often a draw that hit a true triple, or one already planted, is repeated."""
NEAREST = 10
"""How many nearest entities a `near` error is drawn from."""


@dataclass(frozen=True)
class Noise:
    """How much is planted."""

    errors: float = 0.1
    """Planted errors as a share of the train triples that stay."""
    kind: ErrorKind = "random"
    """random: any entity. same-type: one that stands on that side of the relation elsewhere.
    near: one of the nearest by vectors."""
    gaps: float = 0.0
    """Share of the train triples that is removed."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(ErrorKind):
            raise ConfigError(
                f"unknown kind of error {self.kind!r}", "choose " + ", ".join(get_args(ErrorKind))
            )
        for name in ("errors", "gaps"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} is not in 0 to below 1")


@dataclass(frozen=True)
class Planted:
    """A graph with errors and gaps, and what they are."""

    graph: KnowledgeGraph
    errors: npt.NDArray[np.int32]
    """(N, 3) triples that were put into train and are in no split of the original."""
    sources: npt.NDArray[np.int32]
    """(N, 3) the true train triple that each error was made from; it stays."""
    gaps: npt.NDArray[np.int32]
    """(M, 3) true train triples that were taken out."""


def plant(
    graph: KnowledgeGraph, noise: Noise, vectors: npt.NDArray[np.floating[Any]] | None = None
) -> Planted:
    """Plants errors and gaps in train; valid, test, texts, attributes and all idx stay.

    Args:
        graph: The true graph.
        noise: How much, of what kind.
        vectors: (E, D) for `near`: what is near by cosine.

    Returns:
        The new graph (in memory, unrelated by lineage: a model of one is none of the other) and
        the truth, by idx that both graphs share.

    Raises:
        GraphError: The graph has no room for that many errors or gaps.
        ConfigError: `near` without vectors of the graph's entities.
    """
    if noise.kind == "near" and (vectors is None or len(vectors) != graph.num_entities):
        raise ConfigError("errors of the kind near need one vector for each entity")
    rng = np.random.default_rng(noise.seed)
    train = np.flatnonzero(graph.split == 0)
    gone = _gaps(graph.triples[train], round(noise.gaps * len(train)), rng)
    kept = np.delete(train, gone)
    count = round(noise.errors * len(kept))
    draw = _drawing(graph, noise.kind, vectors, rng)
    errors, rows = _errors(graph, kept, count, draw, rng)
    planted = _with(graph, kept, errors, noise)
    return Planted(planted, errors, graph.triples[rows], graph.triples[train[gone]])


def _gaps(
    triples: npt.NDArray[np.int32], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """(count,) rows to remove, none of them an entity's or a relation's last."""
    entities = np.bincount(triples[:, ::2].ravel()) if len(triples) else np.zeros(0, np.int64)
    relations = np.bincount(triples[:, 1]) if len(triples) else np.zeros(0, np.int64)
    gone: list[int] = []
    for row in rng.permutation(len(triples)).tolist():
        if len(gone) == count:
            break
        head, relation, tail = triples[row].tolist()
        # A loop counts twice for its entity.
        least = 2 + (head == tail)
        if min(entities[head], entities[tail]) >= least and relations[relation] > 1:
            gone.append(row)
            relations[relation] -= 1
            entities[head] -= 1
            entities[tail] -= 1
    if len(gone) < count:
        raise GraphError(
            f"only {len(gone)} of {count} triples can go without an entity or relation losing its "
            "last",
            "choose a smaller share of gaps",
        )
    return np.array(sorted(gone), dtype=np.int64)


Draw = Callable[[npt.NDArray[np.int32], npt.NDArray[np.bool_]], npt.NDArray[np.int32]]
"""(triples, which lose their head) -> the entities that come instead."""


def _drawing(
    graph: KnowledgeGraph,
    kind: ErrorKind,
    vectors: npt.NDArray[np.floating[Any]] | None,
    rng: np.random.Generator,
) -> Draw:
    if kind == "random":
        return lambda triples, _: rng.integers(0, graph.num_entities, len(triples), dtype=np.int32)
    if kind == "near":
        assert vectors is not None
        unit = np.asarray(vectors, dtype=np.float32)
        unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
        return lambda triples, heads: _near(
            unit, np.where(heads, triples[:, 0], triples[:, 2]), rng
        )
    pools = _pools(graph)
    return lambda triples, heads: np.array(
        [
            rng.choice(pools[int(r), bool(h)])
            for r, h in zip(triples[:, 1].tolist(), heads.tolist(), strict=True)
        ],
        dtype=np.int32,
    )


def _pools(graph: KnowledgeGraph) -> Mapping[tuple[int, bool], npt.NDArray[np.int32]]:
    """(relation, head side) -> entities that stand there in any split."""
    pools = {}
    order = np.argsort(graph.triples[:, 1], kind="stable")
    bounds = np.searchsorted(graph.triples[order, 1], np.arange(graph.num_relations + 1))
    for relation in range(graph.num_relations):
        rows = graph.triples[order[bounds[relation] : bounds[relation + 1]]]
        pools[relation, True] = np.unique(rows[:, 0])
        pools[relation, False] = np.unique(rows[:, 2])
    return pools


def _near(
    unit: npt.NDArray[np.float32], entities: npt.NDArray[np.int32], rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    """One of the `NEAREST` of each entity, never itself."""
    found = np.empty(len(entities), dtype=np.int32)
    count = min(NEAREST, len(unit) - 1)
    for start in range(0, len(entities), 256):  # (256, E) similarities at a time
        part = entities[start : start + 256]
        scores = unit[part] @ unit.T
        scores[np.arange(len(part)), part] = -np.inf
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        found[start : start + 256] = best[np.arange(len(part)), rng.integers(0, count, len(part))]
    return found


def _errors(
    graph: KnowledgeGraph,
    kept: npt.NDArray[np.int64],
    count: int,
    draw: Draw,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """(count, 3) errors, different from each other and from every true triple; their rows."""
    sizes = graph.num_relations, graph.num_entities
    taken = np.unique(triple_keys(graph.triples, *sizes))
    errors, rows = np.zeros((0, 3), dtype=np.int32), np.zeros(0, dtype=np.int64)
    sources = rng.permutation(kept)[:count] if count else np.zeros(0, dtype=np.int64)
    for _ in range(ROUNDS):
        if len(errors) == count:
            break
        made = graph.triples[sources].copy()
        heads = rng.random(len(made)) < 0.5
        instead = draw(made, heads)
        made[heads, 0], made[~heads, 2] = instead[heads], instead[~heads]
        keys = triple_keys(made, *sizes)
        first = np.zeros(len(keys), dtype=np.bool_)
        first[np.unique(keys, return_index=True)[1]] = True
        good = first & ~np.isin(keys, taken)
        errors, rows = np.concatenate([errors, made[good]]), np.concatenate([rows, sources[good]])
        taken = np.union1d(taken, keys[good])
        sources = rng.choice(kept, count - len(errors))
    if len(errors) < count:
        raise GraphError(
            f"only {len(errors)} of {count} errors could be made: nearly all that is possible is "
            "true",
            "choose a smaller share of errors, or the kind random",
        )
    return errors, rows


def _with(
    graph: KnowledgeGraph,
    kept: npt.NDArray[np.int64],
    errors: npt.NDArray[np.int32],
    noise: Noise,
) -> KnowledgeGraph:
    """The graph with other train triples: errors lie among the true ones, in random order."""
    held_out = np.flatnonzero(graph.split > 0)
    train = np.concatenate([graph.triples[kept], errors])
    # By its own generator: where an error lies must not depend on how many draws it took.
    train = train[np.random.default_rng([noise.seed, 1]).permutation(len(train))]
    triples = np.concatenate([train, graph.triples[held_out]]).astype(np.int32)
    split = np.concatenate([np.zeros(len(train), np.uint8), graph.split[held_out]])
    index: dict[str, Any] = adjacency(triples, graph.num_entities)
    changed = replace(
        graph,
        triples=triples,
        split=split.astype(np.uint8),
        lineage=Lineage(),
        meta={**graph.meta, "noise": {k: getattr(noise, k) for k in noise.__dataclass_fields__}},
        **index,
    )
    return replace(changed, hash=content_hash(content_of(changed)))


def write_truth(planted: Planted, path: str | Path) -> Path:
    """Writes what was planted, by ids, as CSV: `what` is error or gap.

    Args:
        planted: What `plant` gave.
        path: Where to.

    Returns:
        The path.
    """
    graph, target = planted.graph, Path(path)
    with write_file(target) as stream:
        text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(TRUTH_COLUMNS)
        for triple, source in zip(planted.errors.tolist(), planted.sources.tolist(), strict=True):
            old = source[0] if source[0] != triple[0] else source[2]
            writer.writerow(("error", *_ids(graph, triple), graph.entity_ids[old]))
        writer.writerows(("gap", *_ids(graph, triple), "") for triple in planted.gaps.tolist())
        text.detach()
    return target


def _ids(graph: KnowledgeGraph, triple: list[int]) -> tuple[str, str, str]:
    head, relation, tail = triple
    return graph.entity_ids[head], graph.relation_ids[relation], graph.entity_ids[tail]


def read_truth(graph: KnowledgeGraph, path: str | Path) -> dict[str, npt.NDArray[np.int64]]:
    """Reads what `write_truth` wrote.

    Args:
        graph: The planted graph, or the true one.
        path: The file.

    Returns:
        "error" and "gap": (N, 3) int64 triples by idx.
    """
    rows: dict[str, list[tuple[int, int, int]]] = {"error": [], "gap": []}
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            ends = graph.entity(row["head"]), graph.entity(row["tail"])
            rows[row["what"]].append((ends[0], graph.relation(row["relation"]), ends[1]))
    return {what: np.array(found, np.int64).reshape(-1, 3) for what, found in rows.items()}
