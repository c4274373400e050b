"""Train, valid and test: how to draw them, and whether test leaks into train."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.errors import GraphError
from accord.graph.graph import TABLES, KnowledgeGraph, content_hash

Triples = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
TRAIN, VALID, TEST = 0, 1, 2


def split_triples(
    triples: Triples,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    groups: npt.NDArray[np.integer[Any]] | None = None,
) -> Codes:
    """Draws valid and test within each relation; what they mention also occurs in train.

    One triple of each entity and relation, drawn at random, is kept in train; valid and test are
    drawn from the rest. A relation gives less than its share where too few are left.

    Args:
        triples: (T, 3) int idx of head, relation, tail.
        valid: Share of each relation's triples for valid.
        test: Share of each relation's triples for test.
        seed: Of the draw.
        groups: (T,) int; triples of one group go to one split. A group counts as its first
            triple's relation. None: each triple for itself.

    Returns:
        (T,) uint8: 0 train, 1 valid, 2 test.

    Raises:
        GraphError: A share below 0, or valid and test leave nothing.
    """
    _check_shares(valid, test)
    count = len(triples)
    if groups is None:
        group = np.arange(count)
    else:
        group = np.unique(groups, return_inverse=True)[1].reshape(-1)
    order = np.random.default_rng(seed).permutation(count)
    _, first, size = np.unique(group, return_index=True, return_counts=True)
    free = np.ones(len(first), dtype=np.bool_)
    free[group[_covering(triples, order)]] = False
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    candidates = np.flatnonzero(free)
    candidates = candidates[np.argsort(rank[first[candidates]])]
    stratum = triples[first, 1] if count else np.empty(0, dtype=np.int32)
    return _deal(candidates, stratum, size, valid, test)[group]


def _check_shares(valid: float, test: float) -> None:
    if min(valid, test) < 0 or valid + test >= 1:
        raise GraphError(
            f"shares valid={valid} and test={test} leave nothing to train on",
            "both must be 0 or more and their sum below 1",
        )


def _covering(triples: Triples, order: Index) -> Index:
    """Rows that together mention every entity and relation: the first of each in the order."""
    drawn = triples[order]
    ends = drawn[:, [0, 2]].reshape(-1)
    entity_rows = np.unique(ends, return_index=True)[1] // 2
    relation_rows = np.unique(drawn[:, 1], return_index=True)[1]
    rows: Index = order[np.concatenate([entity_rows, relation_rows])]
    return rows


def _deal(candidates: Index, stratum: Triples, size: Index, valid: float, test: float) -> Codes:
    """(groups,) uint8: within each stratum the first candidates to test, the next to valid."""
    codes = np.zeros(len(stratum), dtype=np.uint8)
    total = np.bincount(stratum, weights=size)
    by_stratum = candidates[np.argsort(stratum[candidates], kind="stable")]
    kind = stratum[by_stratum]
    before = np.cumsum(size[by_stratum]) - size[by_stratum]
    starts = np.searchsorted(kind, kind)
    before = before - before[starts] if len(kind) else before
    wanted_test, wanted_valid = np.rint(total * test), np.rint(total * valid)
    in_test = before < wanted_test[kind]
    in_valid = ~in_test & (before < (wanted_test + wanted_valid)[kind])
    codes[by_stratum[in_test]] = TEST
    codes[by_stratum[in_valid]] = VALID
    return codes


def inductive_split(
    triples: Triples, valid: float = 0.1, test: float = 0.1, seed: int = 0
) -> Codes:
    """Holds entities out: train mentions no entity of the test set, and valid none either.

    Args:
        triples: (T, 3) int idx of head, relation, tail.
        valid: Share of entities unseen until valid.
        test: Share of entities unseen until test.
        seed: Of the draw.

    Returns:
        (T,) uint8: 2 where an end is held out for test, else 1 where one is held out for valid,
        else 0. Every relation keeps at least one triple in train.

    Raises:
        GraphError: A share below 0, or valid and test leave nothing.
    """
    _check_shares(valid, test)
    rng = np.random.default_rng(seed)
    entities = np.unique(triples[:, [0, 2]])
    order = rng.permutation(len(triples))
    kept_rows = order[np.unique(triples[order, 1], return_index=True)[1]]
    movable = rng.permutation(np.setdiff1d(entities, triples[kept_rows][:, [0, 2]]))
    in_test, in_valid = round(test * len(entities)), round(valid * len(entities))
    codes = np.zeros(len(triples), dtype=np.uint8)
    for code, chosen in (
        (VALID, movable[in_test : in_test + in_valid]),
        (TEST, movable[:in_test]),
    ):
        codes[np.isin(triples[:, [0, 2]], chosen).any(axis=1)] = code
    return codes


def with_split(graph: KnowledgeGraph, split: Codes) -> KnowledgeGraph:
    """The same graph with other splits.

    Args:
        graph: The graph.
        split: (T,) uint8, one code a triple.

    Returns:
        A new snapshot with its own hash; idx are the same.

    Raises:
        GraphError: Not one code a triple.
    """
    if len(split) != graph.num_triples:
        raise GraphError(f"{len(split)} split codes for {graph.num_triples} triples")
    names = (*TABLES, "alias_offsets", "triples", "attributes")
    content = {name: getattr(graph, name) for name in names}
    codes = split.astype(np.uint8)
    return replace(graph, split=codes, hash=content_hash({**content, "split": codes}))


class Leak(NamedTuple):
    """A relation whose test triples can be read off train."""

    relation: int
    """Of the test triples, idx."""
    train_relation: int
    """Of the train triples between the same two entities, idx."""
    inverse: bool
    """True: train holds (tail, train_relation, head); False: (head, train_relation, tail)."""
    triples: int
    """How many test triples of the relation have such a train triple."""
    share: float
    """Of all test triples of the relation."""


def leakage(graph: KnowledgeGraph, split: str = "test") -> list[Leak]:
    """Which relations of a split repeat or invert train triples.

    Args:
        graph: The graph.
        split: "test" or "valid".

    Returns:
        One entry for each relation of the split, train relation and direction that occurs, most
        triples first. A loop counts as both directions. The same triple in train and in
        the split is the entry with two equal relations and `inverse` False.
    """
    train, held = graph.triples_of("train"), graph.triples_of(split)
    relations, entities = graph.num_relations, graph.num_entities
    totals = np.bincount(held[:, 1], minlength=relations)
    leaks = []
    for inverse in (False, True):
        ends = held[:, [2, 0]] if inverse else held[:, [0, 2]]
        pairs = _between(train, _pair(ends, entities), entities)
        # one count a test triple, however often train repeats the pair
        codes = np.unique(pairs[:, 0] * relations + pairs[:, 1])
        row, other = codes // relations, codes % relations
        kinds, counts = np.unique(held[row, 1] * relations + other, return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            relation, train_relation = divmod(kind, relations)
            share = count / int(totals[relation])
            leaks.append(Leak(relation, train_relation, inverse, count, share))
    return sorted(leaks, key=lambda leak: (-leak.triples, leak[:3]))


def _pair(ends: npt.NDArray[np.integer[Any]], entities: int) -> Index:
    """(N,) int64: one number for two entities."""
    wide = ends.astype(np.int64)
    codes: Index = wide[:, 0] * entities + wide[:, 1]
    return codes


def _between(train: Triples, wanted: Index, entities: int) -> Index:
    """(M, 2) int64: row of `wanted` and relation, for every train triple between that pair."""
    keys = _pair(train[:, [0, 2]], entities)
    order = np.argsort(keys, kind="stable")
    low = np.searchsorted(keys[order], wanted, side="left")
    count = np.searchsorted(keys[order], wanted, side="right") - low
    rows = np.repeat(np.arange(len(wanted)), count)
    # position within the run of equal keys: 0, 1, ... for each wanted pair
    step = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    found = order[np.repeat(low, count) + step]
    return np.stack([rows, train[found, 1].astype(np.int64)], axis=1)
