"""The structure objective: losses in closed form, filtered negatives, purity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import ConfigError
from accord.model.structure import Interaction, compose, pair_scores
from accord.objectives.structure import (
    Structure,
    StructureConfig,
    self_adversarial,
)
from accord.objectives.triples import TripleSource
from tests.conftest import build_tiny_graph

KINDS: tuple[Interaction, ...] = ("transe", "distmult", "complex", "rotate")


def objective(**settings: Any) -> Structure:
    config = StructureConfig(**{"weight": 1.0, "dimension": 4, "batch_size": 6, **settings})
    return Structure(TripleSource(build_tiny_graph(), 0), config)


def known_tails(head: int, relation: int) -> set[int]:
    """By looking at every train triple, both ways."""
    graph = build_tiny_graph()
    found = set()
    for h, r, t in graph.triples_of("train").tolist():
        if (h, r) == (head, relation):
            found.add(t)
        if (t, r + graph.num_relations) == (head, relation):
            found.add(h)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_against_all_the_other_known_answers_compete(kind: Interaction) -> None:
    one = objective(model=kind)
    batch = one.batch(0)
    entities, relations = (one.parameters[k].detach() for k in ("entities", "relations"))
    wanted, several = 0.0, 0
    triples = batch.triples
    for head, relation, tail in zip(triples.heads, triples.relations, triples.tails, strict=True):
        query = compose(kind, entities[head], relations[relation])
        scores = pair_scores(kind, query[None], entities, 2).tolist()
        total = math.log(sum(math.exp(score) for score in scores))
        wanted += (total - scores[tail]) / len(triples)
        several += len(known_tails(int(head), int(relation))) > 1
    assert several, "else nothing is shown"
    assert float(one.loss({}, batch).value.detach()) == pytest.approx(wanted, rel=1e-4)


def test_a_query_of_two_answers_ends_with_them_alike() -> None:
    """Where known answers do not compete, scores grow without end and train is learnt by heart."""
    one = objective(model="distmult", dimension=8, batch_size=40)
    optimizer = torch.optim.Adam(one.parameters.values(), lr=0.05)
    for step in range(150):
        optimizer.zero_grad()
        one.loss({}, one.batch(step)).value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    graph = build_tiny_graph()
    asked = graph.entity("japan"), graph.relation("has_city")
    entities, relations = (one.parameters[k].detach() for k in ("entities", "relations"))
    shares = torch.softmax((entities[asked[0]] * relations[asked[1]]) @ entities.T, dim=0)
    cities = [float(shares[graph.entity(city)]) for city in ("tokyo", "osaka")]
    assert cities == pytest.approx([0.5, 0.5], abs=0.1)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 2.0]))
def test_self_adversarial_by_hand(seed: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    wrong, masked = rng.normal(size=(3, 5)) * 3, rng.random((3, 5)) < 0.4
    masked[2] = True  # nothing to tell it from
    right = rng.normal(size=3)

    def log_sigmoid(x: float) -> float:
        return -math.log1p(math.exp(-x))

    wanted = 0.0
    for i in range(3):
        open_ = [j for j in range(5) if not masked[i, j]]
        weights = [math.exp(temperature * wrong[i, j]) for j in open_]
        negative = sum(
            -w / sum(weights) * log_sigmoid(-wrong[i, j] - 1.5)
            for w, j in zip(weights, open_, strict=True)
        )
        wanted += (negative - log_sigmoid(right[i] + 1.5)) / 6
    tensors = [torch.from_numpy(x) for x in (right, wrong, masked)]
    found = self_adversarial(tensors[0], tensors[1], tensors[2], 1.5, temperature)
    assert float(found) == pytest.approx(wanted)


def test_equal_scores_cost_the_logarithm_of_the_candidates() -> None:
    one = objective(model="distmult")
    with torch.no_grad():
        one.parameters["entities"].zero_()
    assert float(one.loss({}, one.batch(0)).value.detach()) == pytest.approx(math.log(8))


def test_weights_of_negatives_get_no_gradient() -> None:
    wrong = torch.tensor([[0.3, -1.0, 2.0]], requires_grad=True)
    masked = torch.zeros(1, 3, dtype=torch.bool)
    self_adversarial(torch.zeros(1), wrong, masked, 0.0, 1.0).backward()  # type: ignore[no-untyped-call]
    weights = torch.softmax(wrong.detach(), dim=1)
    assert wrong.grad is not None
    assert torch.allclose(wrong.grad, weights * torch.sigmoid(wrong.detach()) / 2)


@pytest.mark.parametrize("negatives", [5, 8])
def test_no_known_answer_is_drawn_and_every_other_candidate_is(negatives: int) -> None:
    batch = objective(negatives=negatives).batch(0)
    assert len(batch.candidates) == negatives and batch.masked is not None
    assert objective().batch(0).masked is None
    triples = batch.triples
    for i, (head, relation, tail) in enumerate(
        zip(triples.heads, triples.relations, triples.tails, strict=True)
    ):
        tails = known_tails(int(head), int(relation))
        assert int(tail) in tails
        masked = {int(c) for c in batch.candidates[batch.masked[i]]}
        assert masked == tails & {int(c) for c in batch.candidates}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("negatives", [0, 5])
def test_steps_are_pure_and_training_lowers_the_loss(kind: Interaction, negatives: int) -> None:
    settings: dict[str, Any] = {"model": kind, "negatives": negatives, "margin": 1.0}
    one, two = objective(**settings), objective(**settings)
    two.batch(7)
    first = one.loss({}, one.batch(3))
    assert torch.equal(first.value, two.loss({}, two.batch(3)).value)
    optimizer = torch.optim.Adam(one.parameters.values(), lr=0.05)
    for step in range(80):
        loss = one.loss({}, one.batch(step))
        loss.value.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None for p in one.parameters.values())
        optimizer.step()
        optimizer.zero_grad()
    after = float(one.loss({}, one.batch(3)).value.detach())
    assert after < 0.6 * float(first.value.detach())


def test_dropout_is_a_function_of_the_step() -> None:
    one = objective(dropout=0.5, model="distmult")
    same = [float(one.loss({}, one.batch(2)).value.detach()) for _ in range(2)]
    assert same[0] == same[1]
    plain = objective(model="distmult")
    assert same[0] != float(plain.loss({}, plain.batch(2)).value.detach())
    dropped = one._dropped(torch.ones(4000, 4), 3)
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_regularization_adds_third_powers_of_sizes(kind: Interaction) -> None:
    plain, held = objective(model=kind), objective(model=kind, regularization=0.25)
    batch = plain.batch(0)
    triples = batch.triples
    entities, relations = (plain.parameters[k].detach().double() for k in ("entities", "relations"))

    def cubes(vectors: Any) -> Any:
        if kind in ("complex", "rotate"):
            real, imaginary = vectors.chunk(2, dim=-1)
            return (torch.complex(real, imaginary).abs() ** 3).sum(-1)
        return (vectors.abs() ** 3).sum(-1)

    total = cubes(entities[triples.heads]) + cubes(entities[triples.tails])
    if kind != "rotate":
        total = total + cubes(relations[triples.relations])
    gain = held.loss({}, batch).value - plain.loss({}, batch).value
    assert float(gain.detach()) == pytest.approx(0.25 * float(total.mean()), rel=1e-4)


def test_what_is_saved_has_the_ids_of_the_graph() -> None:
    graph, one = build_tiny_graph(), objective()
    vectors = one.vectors()
    assert list(vectors.entities.ids) == list(graph.entity_ids)
    assert vectors.relations.shape == vectors.inverse_relations.shape == (5, 8)
    with torch.no_grad():
        one.parameters["entities"].zero_()
    assert np.abs(vectors.entities.vectors).sum() > 0, "later training must not change it"


@pytest.mark.parametrize(
    "settings",
    [
        {"dimension": 0},
        {"batch_size": 0},
        {"negatives": -1},
        {"dropout": 1.0},
        {"regularization": -1.0},
        {"learning_rate": 0.0},
    ],
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        StructureConfig(**settings)
