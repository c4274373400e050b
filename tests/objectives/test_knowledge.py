"""The knowledge-aware loss against its closed form; what is held out is never unlearnt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.objectives.base import Score
from accord.objectives.knowledge import Knowledge, KnowledgeConfig, unlikelihood
from accord.train.knowledge import build_knowledge
from accord.train.recipe import LoopConfig, Recipe
from tests.conftest import XSD
from tests.train.tiny import gradients, step_of, tiny_model, tiny_recipe


def towns(count: int = 6) -> KnowledgeGraph:
    """Lands with a capital each and a population; the last capital is held out for test."""
    builder = GraphBuilder("towns")
    builder.relation("capital", "has the capital", "is the capital of")
    for i in range(count):
        split = "test" if i == count - 1 else "train"
        builder.triple(f"Land{i}", "capital", f"{'ABCDEF'[i]}town", split)
        builder.attribute(f"Land{i}", "population", f"{i + 2}000", XSD + "integer")
    return builder.build()


def recipe(**knowledge: float) -> Recipe:
    small = tiny_recipe()
    config = KnowledgeConfig(**{"weight": 1.0, "rows": 4, "tokens": 400, **knowledge})  # type: ignore[arg-type]
    return Recipe(model=small.model, text=small.text, loop=LoopConfig(steps=2), knowledge=config)


def built(**knowledge: float) -> Knowledge:
    chosen = recipe(**knowledge)
    return build_knowledge(chosen, tiny_model(chosen), towns())


def test_unlikelihood_of_closed_forms() -> None:
    logs = torch.tensor([[0.25, 0.25], [0.5, 0.1]]).log()
    real = torch.tensor([[True, True], [True, False]])
    assert float(unlikelihood(logs, real)) == pytest.approx(-math.log(0.5))
    assert float(unlikelihood(torch.full((1, 1), -math.inf), torch.tensor([[True]]))) == 0
    assert float(unlikelihood(torch.zeros(1, 1), torch.tensor([[True]]))) < 20


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    objective = built(supported=2.0, unsupported=3.0, words=0.5)
    batch = objective.batch(0)
    rng = torch.Generator().manual_seed(0)
    text = -torch.rand(len(batch.targets), 1, generator=rng)
    rivals = torch.full(batch.rivals.shape, math.log(0.01))
    found = objective.loss({"text": text, "rivals": rivals}, batch)
    said, mark = -text[:, 0], batch.supported
    mass = 0.01 * batch.real.sum(1)
    expected = 2 * said[mark].mean() + 0.5 * said[~mark].mean() - 3 * torch.log1p(-mass).mean()
    assert float(found.value) == pytest.approx(float(expected), rel=1e-5)
    assert set(found.parts) == {"supported", "unsupported", "words"}


def test_marks_stand_on_names_and_numbers() -> None:
    objective = built()
    tokenizer = tiny_model(recipe()).tokenizer
    for text in objective.texts:
        learnt = text.sequence[0][text.given :]
        assert len(text.supported) == len(learnt) and not text.supported[-1]
        said = tokenizer.decode([t for t, m in zip(learnt, text.supported, strict=True) if m])
        left = tokenizer.decode([t for t, m in zip(learnt, text.supported, strict=True) if not m])
        assert "Land" in said and "000" in said and "Land" not in left and "000" not in left
        for begin in text.begins:
            assert text.sequence[0][begin.position] not in begin.rivals
            assert text.supported[begin.position - text.given]


def test_what_is_held_out_is_neither_told_nor_unlearnt() -> None:
    objective = built()
    tokenizer = tiny_model(recipe()).tokenizer
    last = next(t for t in objective.texts if "Land5" in tokenizer.decode(t.sequence[0]))
    assert "town" not in tokenizer.decode(last.sequence[0]) and len(last.begins) == 1


def test_requests_and_gradients() -> None:
    chosen = recipe()
    model = tiny_model(chosen)
    objective = build_knowledge(chosen, model, towns())
    asked = objective.requests(objective.batch(0))
    assert all(isinstance(request, Score) for request in asked.values()) and len(asked) == 2
    step_of(chosen, model, [(objective, 1.0)])(0)
    found = gradients(model, [(objective, 1.0)])
    assert found and any(float(g.abs().max()) > 0 for g in found.values())
    same = objective.batch(3)
    assert np.array_equal(same.points.rows, objective.batch(3).points.rows)


def test_learning_moves_probability_to_what_is_supported() -> None:
    chosen = recipe(words=0.0)
    model = tiny_model(chosen)
    objective = build_knowledge(chosen, model, towns())
    step = step_of(chosen, model, [(objective, 1.0)])
    first = step(0)["loss"]
    parameters = [p for p in model.parameters() if p.requires_grad]
    for _ in range(8):
        with torch.no_grad():
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.sub_(0.05 * parameter.grad)
                    parameter.grad = None
        again = step(0)["loss"]
    assert again < first


def test_bad_settings() -> None:
    for wrong in ({"rows": 0}, {"supported": -1.0}, {"tokens": 2}):
        with pytest.raises(ConfigError):
            KnowledgeConfig(weight=1.0, **wrong)
    with pytest.raises(ConfigError):
        KnowledgeConfig(weight=1.0, supported=0, unsupported=0, words=0)
    with pytest.raises(ConfigError, match="no text"):
        built(tokens=8)
