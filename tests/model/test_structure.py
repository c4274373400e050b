"""Interactions against complex arithmetic and PyKEEN; embeddings on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import DataError
from accord.model.memory import EntityMemory
from accord.model.structure import (
    RELATIONS,
    Interaction,
    StructureVectors,
    all_scores,
    compose,
    entity_width,
    first_vectors,
    inverses,
    moduli,
    pair_scores,
    relation_width,
    structure_folder,
)
from tests.conftest import build_tiny_graph
from tests.model.pykeen_scores import CASES, angles, problem

ALL: tuple[Interaction, ...] = ("transe", "distmult", "complex", "rotate")
KINDS = st.sampled_from(ALL)
NORMS = st.sampled_from([1, 2])


def numbers(kind: Interaction, vectors: Any) -> Any:
    """The numbers of vectors as NumPy knows them."""
    if kind in ("complex", "rotate"):
        real, imaginary = np.split(vectors, 2, axis=-1)
        return real + 1j * imaginary
    return vectors


def naive_score(kind: Interaction, norm: int, head: Any, relation: Any, tail: Any) -> float:
    """One triple by the papers' formulas, one number at a time."""
    total = 0.0
    for h, r, t in zip(head, relation, tail, strict=True):
        if kind == "transe":
            total += abs(h + r - t) ** norm
        elif kind == "rotate":
            total += abs(h * np.exp(1j * r) - t) ** norm
        elif kind == "distmult":
            total += h * r * t
        else:
            total += (h * r * np.conj(t)).real
    return -(total ** (1 / norm)) if kind in ("transe", "rotate") else total


def drawn(kind: Interaction, seed: int, dimension: int = 3) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    wide, narrow = entity_width(kind, dimension), relation_width(kind, dimension)
    return rng.normal(size=(4, wide)), rng.normal(size=(4, narrow)), rng.normal(size=(5, wide))


@given(KINDS, NORMS, st.integers(0, 10**6))
def test_scores_are_those_of_complex_arithmetic(kind: Interaction, norm: int, seed: int) -> None:
    heads, relations, tails = drawn(kind, seed)
    queries = compose(kind, torch.from_numpy(heads), torch.from_numpy(relations))
    found = all_scores(kind, queries, torch.from_numpy(tails), norm)
    turns = relations if kind == "rotate" else numbers(kind, relations)
    for i in range(4):
        pairs = pair_scores(kind, queries[i].expand(5, -1), torch.from_numpy(tails), norm)
        for j in range(5):
            wanted = naive_score(
                kind, norm, numbers(kind, heads[i]), turns[i], numbers(kind, tails[j])
            )
            assert float(found[i, j]) == pytest.approx(wanted, abs=1e-6)
            assert float(pairs[j]) == pytest.approx(wanted, abs=1e-6)


@given(KINDS, NORMS, st.integers(0, 10**6))
def test_an_inverse_relation_scores_the_triple_backwards(
    kind: Interaction, norm: int, seed: int
) -> None:
    heads, relations, tails = drawn(kind, seed)
    back = torch.from_numpy(inverses(kind, relations))
    forth = compose(kind, torch.from_numpy(heads), torch.from_numpy(relations))
    one = pair_scores(kind, forth, torch.from_numpy(tails[:4]), norm)
    other = compose(kind, torch.from_numpy(tails[:4]), back)
    assert torch.allclose(one, pair_scores(kind, other, torch.from_numpy(heads), norm))


@pytest.mark.parametrize(("kind", "norm"), CASES)
def test_scores_are_pykeen_s(kind: Interaction, norm: int) -> None:
    record = json.loads((Path(__file__).parent / "pykeen_scores.json").read_text())
    heads, relations, tails = problem()

    def flat(x: Any) -> torch.Tensor:
        halves = [x.real] if kind in ("transe", "distmult") else [x.real, x.imag]
        return torch.from_numpy(np.concatenate(halves, axis=-1))

    turns = torch.from_numpy(angles()) if kind == "rotate" else flat(relations)
    found = pair_scores(kind, compose(kind, flat(heads), turns), flat(tails), norm)
    assert found.tolist() == pytest.approx(record["scores"][f"{kind} {norm}"], abs=1e-6)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("norm", [1, 2])
def test_a_distance_of_nothing_has_a_finite_gradient(kind: Interaction, norm: int) -> None:
    vectors = torch.zeros(30, 4, requires_grad=True)
    pairs = pair_scores(kind, vectors, vectors * 1, norm).sum()
    total = pairs + all_scores(kind, vectors, vectors * 1, norm).sum() + moduli(kind, vectors).sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None and bool(torch.isfinite(vectors.grad).all())


def made(kind: Interaction) -> StructureVectors:
    graph = build_tiny_graph()
    entities, relations = (
        x.numpy() for x in first_vectors(kind, graph.num_entities, graph.num_relations, 3, 0)
    )
    memory = EntityMemory.of(graph, entities, "structure", kind)
    return StructureVectors(
        kind, 2, memory, list(graph.relation_ids), relations, inverses(kind, relations)
    )


@pytest.mark.parametrize("kind", ALL)
def test_embeddings_come_back_from_disk(kind: Interaction, tmp_path: Path) -> None:
    vectors = made(kind)
    vectors.save(tmp_path / "run" / "model" / "structure")
    folder = structure_folder(tmp_path / "run")
    assert folder is not None and structure_folder(folder) == folder
    back = StructureVectors.load(folder)
    assert (back.interaction, back.norm) == (kind, 2)
    assert np.array_equal(back.relations, vectors.relations)
    assert np.array_equal(back.inverse_relations, vectors.inverse_relations)
    assert np.array_equal(back.entities.vectors, vectors.entities.vectors)
    assert back.relation_rows(build_tiny_graph()).tolist() == [0, 1, 2, 3, 4]


def test_a_folder_without_whole_embeddings(tmp_path: Path) -> None:
    assert structure_folder(tmp_path) is None
    folder = made("complex").save(tmp_path / "structure")
    (folder / RELATIONS).write_bytes(b"cut")
    with pytest.raises(DataError, match="no whole structure embeddings"):
        StructureVectors.load(folder)
