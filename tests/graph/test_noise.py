"""Planted errors and gaps against brute force: false in every split, of their kind, seeded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.noise import NEAREST, ErrorKind, Noise, Planted, plant, read_truth, write_truth


def graph_of(seed: int, entities: int = 30, triples: int = 200) -> KnowledgeGraph:
    rng = np.random.default_rng(seed)
    builder = GraphBuilder("random")
    for number in range(entities):
        builder.entity(f"e{number}", name=f"name {number}")
    for _ in range(triples):
        head, relation, tail = rng.integers(0, (entities // 2, 4, entities)).tolist()
        split = SPLITS[int(rng.choice(3, p=(0.8, 0.1, 0.1)))]
        builder.triple(f"e{head}", f"r{relation}", f"e{tail}", split)
    builder.attribute("e0", "age", "7")
    return builder.build()


def rows(array: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(row) for row in array.tolist()]


def vectors_of(graph: KnowledgeGraph) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(graph.num_entities, 4))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 9),
    errors=st.sampled_from([0.0, 0.05, 0.15, 0.4]),
    gaps=st.sampled_from([0.0, 0.1]),
    kind=st.sampled_from(["random", "same-type", "near"]),
)
def test_errors_are_false_and_gaps_were_true(
    seed: int, errors: float, gaps: float, kind: ErrorKind
) -> None:
    graph = graph_of(seed)
    noise = Noise(errors, kind, gaps, seed)
    planted = plant(graph, noise, vectors_of(graph))
    train, every = set(rows(graph.triples_of("train"))), set(rows(graph.triples))
    wrong, gone = rows(planted.errors), rows(planted.gaps)
    assert len(gone) == len(set(gone)) == round(gaps * len(train)) and set(gone) <= train
    assert len(wrong) == len(set(wrong)) == round(errors * (len(train) - len(gone)))
    assert not set(wrong) & every
    after = planted.graph
    assert sorted(rows(after.triples_of("train"))) == sorted((train - set(gone)) | set(wrong))
    for split in SPLITS[1:]:
        assert rows(after.triples_of(split)) == rows(graph.triples_of(split))
    for wrong_one, source in zip(wrong, rows(planted.sources), strict=True):
        assert source in train - set(gone)
        assert sum(a != b for a, b in zip(wrong_one, source, strict=True)) == 1
        assert wrong_one[1] == source[1]
    # Nothing is left without a train triple that had one.
    left = set(after.triples_of("train")[:, ::2].ravel().tolist())
    assert {entity for h, _, t in train for entity in (h, t)} <= left
    assert list(after.entity_names) == list(graph.entity_names) and len(after.attributes) == 1
    assert not after.descends_from(graph.hash)


def test_the_index_is_that_of_the_new_triples() -> None:
    graph = plant(graph_of(1), Noise(0.2, gaps=0.1)).graph
    for entity in range(graph.num_entities):
        own = [row for row in rows(graph.triples) if row[0] == entity]
        assert sorted(own) == sorted(rows(graph.outgoing(entity)))


def ends(planted: Planted) -> list[tuple[int, int, int]]:
    """(column, entity that came, entity that went) of each error."""
    found = []
    for wrong, source in zip(planted.errors.tolist(), planted.sources.tolist(), strict=True):
        column = 0 if wrong[0] != source[0] else 2
        found.append((column, wrong[column], source[column]))
    return found


def test_same_type_errors_stand_there_elsewhere() -> None:
    graph = graph_of(2)
    planted = plant(graph, Noise(0.3, "same-type"))
    for (column, new, _), wrong in zip(ends(planted), planted.errors.tolist(), strict=True):
        peers = {row[column] for row in rows(graph.triples) if row[1] == wrong[1]}
        assert new in peers
    random = plant(graph, Noise(0.3, "random"))
    heads = {row[0] for row in rows(graph.triples)}
    assert any(column == 0 and new not in heads for column, new, _ in ends(random))


def test_near_errors_are_among_the_nearest() -> None:
    graph = graph_of(3)
    vectors = vectors_of(graph)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for _, new, old in ends(plant(graph, Noise(0.2, "near"), vectors)):
        order = sorted(set(range(len(unit))) - {old}, key=lambda e: -float(unit[e] @ unit[old]))
        assert new in order[:NEAREST]


def test_the_seed_decides() -> None:
    graph = graph_of(4)
    first, again, other = (plant(graph, Noise(0.1, gaps=0.1, seed=s)) for s in (1, 1, 2))
    assert first.graph.hash == again.graph.hash != other.graph.hash
    assert rows(first.errors) == rows(again.errors)


def test_a_saved_graph_is_the_same(tmp_path: Path) -> None:
    planted = plant(graph_of(5), Noise(0.1))
    planted.graph.save(tmp_path / "g")
    loaded = KnowledgeGraph.load(tmp_path / "g")
    assert loaded.hash == planted.graph.hash
    assert loaded.meta["noise"] == {"errors": 0.1, "kind": "random", "gaps": 0.0, "seed": 0}


def test_the_truth_is_written_beside(tmp_path: Path) -> None:
    planted = plant(graph_of(6), Noise(0.1, gaps=0.1))
    truth = read_truth(planted.graph, write_truth(planted, tmp_path / "truth.csv"))
    assert rows(truth["error"]) == rows(planted.errors)
    assert rows(truth["gap"]) == rows(planted.gaps)


def test_what_cannot_be_planted_is_refused() -> None:
    builder = GraphBuilder("full")
    for head in "ab":
        for tail in "ab":
            builder.triple(head, "r", tail)
    full = builder.build()
    with pytest.raises(GraphError, match="only 0 of 2 errors"):
        plant(full, Noise(0.5))
    with pytest.raises(GraphError, match="of 4 triples can go"):
        plant(full, Noise(0, gaps=0.99))
    with pytest.raises(ConfigError, match="one vector for each"):
        plant(full, Noise(0.1, "near"), np.zeros((1, 2)))
    with pytest.raises(ConfigError, match="errors = 1"):
        Noise(1.0)
    with pytest.raises(ConfigError, match="unknown kind of error 'odd'"):
        Noise(0.1, "odd")  # type: ignore[arg-type]
