"""The maps alone: nothing else moves, and their gradient is that of an ordinary step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from accord.errors import ConfigError
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import trainable
from accord.train.checkpoint import RunFolder
from accord.train.recipe import LoopConfig, Recipe
from accord.train.setup import Weighted
from accord.train.warm import FOLDER, standing, warm_maps
from tests.train.tiny import assert_same, one_step, tiny_recipe, tiny_setup


def recipe_of(**model: Any) -> Recipe:
    return tiny_recipe(
        model={"projection": 5, "query": "product", **model},
        completion={"weight": 0.0},
        language={"weight": 0.0},
        loop={"map_steps": 6, "steps": 3},
    )


def warmed(recipe: Recipe, folder: Path, resume: bool = False) -> tuple[KnowledgeModel, Weighted]:
    model, objectives = tiny_setup(recipe)
    warm_maps(recipe, model, objectives, RunFolder(folder), Accelerator(cpu=True), resume)
    return model, objectives


def copies(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainable(module).items()}


@pytest.mark.parametrize("freeze", [0, 2])
def test_only_the_maps_and_the_temperature_move(tmp_path: Path, freeze: int) -> None:
    recipe = recipe_of(freeze_layers=freeze)
    before, _ = tiny_setup(recipe)
    after, objectives = warmed(recipe, tmp_path)
    assert_same(copies(before.lm), copies(after.lm))
    for name, first in copies(before.projection).items():
        assert not torch.equal(first, copies(after.projection)[name]), name
    assert float(objectives[0][0].parameters["log_temperature"].detach()) != pytest.approx(-2.9957)
    assert (tmp_path / FOLDER / "metrics.jsonl").is_file()
    assert after.reader.freeze_layers == freeze, "the model has its own reader back"


def test_the_maps_gradient_is_that_of_an_ordinary_step() -> None:
    recipe = recipe_of()
    model, objectives = tiny_setup(recipe)
    _, ordinary = one_step(recipe, model, objectives)
    with standing(model, budget=64):
        _, standing_ = one_step(recipe, model, objectives)
    maps = {name: g for name, g in ordinary.items() if "maps" in name}
    assert maps
    assert_same(maps, {name: standing_[name] for name in maps})


def test_cut_short_it_goes_on_to_the_same_maps(tmp_path: Path) -> None:
    recipe = recipe_of()
    whole, _ = warmed(recipe, tmp_path / "whole")
    again, _ = warmed(recipe, tmp_path / "whole", resume=True)  # finished: nothing is done twice
    assert_same(copies(whole.projection), copies(again.projection))


def test_without_maps_or_steps_nothing_happens(tmp_path: Path) -> None:
    recipe = tiny_recipe(loop={"map_steps": 5})
    warmed(recipe, tmp_path)
    assert not (tmp_path / FOLDER).exists()
    with pytest.raises(ConfigError, match="map_steps"):
        LoopConfig(map_steps=-1)
