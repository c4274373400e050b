"""Structure embeddings on the one loop: alone, beside text, stopped and gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from accord.api import train_run
from accord.evaluate.by_run import link_prediction_of
from accord.evaluate.link_prediction import LinkPredictionConfig
from accord.model.saving import load_model, trainable
from accord.model.structure import StructureVectors, structure_folder
from accord.objectives.structure import StructureConfig, structure_of
from accord.train.loop import Loop
from accord.train.recipe import Recipe
from tests.conftest import build_tiny_graph
from tests.train.tiny import tiny_loop, tiny_project, tiny_recipe


def recipe(alone: bool = True, loop: dict[str, Any] | None = None, **structure: Any) -> Recipe:
    """Everything small; `alone` reads and trains no language model."""
    settings = {"weight": 1.0, "dimension": 4, "batch_size": 6, "dropout": 0.2, **structure}
    found = tiny_recipe({"adapter": "none"} if alone else None, loop={"steps": 6, **(loop or {})})
    chosen = StructureConfig(**settings)
    if not alone:
        return replace(found, structure=chosen)
    return replace(
        found,
        structure=chosen,
        contrastive=replace(found.contrastive, weight=0.0),
        completion=replace(found.completion, weight=0.0),
        language=replace(found.language, weight=0.0),
    )


def vectors_of(loop: Loop) -> dict[str, torch.Tensor]:
    structure = structure_of(o for o, _ in loop.objectives)
    assert structure is not None
    return {k: p.detach().clone() for k, p in structure.parameters.items()}


def test_alone_it_trains_without_reading_anything(tmp_path: Path) -> None:
    loop = tiny_loop(recipe(), tmp_path)
    before, lm = vectors_of(loop), [p.clone() for p in loop.model.lm.parameters()]
    progress = loop.fit()
    assert (progress.step, progress.tokens) == (6, 0)
    assert all(not torch.equal(before[k], p) for k, p in vectors_of(loop).items())
    assert all(torch.equal(*p) for p in zip(lm, loop.model.lm.parameters(), strict=True))


def test_beside_text_each_has_its_rate_and_is_in_one_group(tmp_path: Path) -> None:
    settings = recipe(False, {"log_every": 1, "learning_rate": 0.01}, learning_rate=0.5)
    loop = tiny_loop(settings, tmp_path)
    grouped = [id(p) for group in loop.optimizer.param_groups for p in group["params"]]
    named = [*trainable(loop.model).values()]
    named += [p for o, _ in loop.objectives for p in o.parameters.values()]
    assert sorted(grouped) == sorted(id(p) for p in named)
    own = {id(p) for p in structure_parameters(loop)}
    loop.fit()
    for group in loop.optimizer.param_groups:
        mine = {id(p) for p in group["params"]} & own
        assert len(mine) in (0, len(group["params"]))
        rate = 50.0 if mine else 1.0
        assert group["lr"] / loop.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        assert not (mine and group["weight_decay"])
    lines = [line for line in loop.run.lines() if "structure/loss" in line]
    assert lines[0]["structure/share"] == 0, "it has no part in what is read"
    assert lines[0]["contrastive/share"] > 0


def structure_parameters(loop: Loop) -> list[torch.Tensor]:
    structure = structure_of(o for o, _ in loop.objectives)
    assert structure is not None
    return list(structure.parameters.values())


@pytest.mark.parametrize("alone", [True, False])
def test_a_run_in_two_pieces_is_the_run_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    settings = recipe(alone, {"checkpoint_seconds": 0.0}, negatives=4)
    whole = tiny_loop(settings, tmp_path / "a")
    whole.fit()
    first = tiny_loop(settings, tmp_path / "b")
    monkeypatch.setattr(first.run, "save_checkpoint", _stopping(first, 3))
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    assert first.progress.step == 3
    second = tiny_loop(settings, tmp_path / "b")
    second.fit(resume=True)
    one, two = vectors_of(whole), vectors_of(second)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert one["entities"].abs().sum() > 0


def _stopping(loop: Loop, step: int) -> Any:
    """Saves as usual and asks to stop after a step."""
    save = loop.run.save_checkpoint

    def saved(number: int, *rest: Any) -> None:
        save(number, *rest)
        loop._stop = number >= step

    return saved


def test_it_ends_with_the_vectors_of_the_best_step(tmp_path: Path) -> None:
    figures, seen = iter([0.1, 0.7, 0.2]), []
    loops: list[Loop] = []

    def validate(_: Any) -> float:
        seen.append(vectors_of(loops[0]))
        return next(figures)

    settings = recipe(loop={"steps": 3, "validate_every": 1})
    loops.append(tiny_loop(settings, tmp_path, validate))
    loops[0].fit()
    ended = vectors_of(loops[0])
    assert all(torch.equal(ended[k], t) for k, t in seen[1].items())
    assert any(not torch.equal(ended[k], t) for k, t in seen[2].items())
    again = tiny_loop(settings, tmp_path, validate)
    again.fit(resume=True)
    assert all(torch.equal(ended[k], t) for k, t in vectors_of(again).items())


def test_a_run_is_trained_saved_and_ranked_by(tmp_path: Path) -> None:
    settings = recipe(loop={"steps": 40, "validate_every": 20, "learning_rate": 0.05}, dropout=0.0)
    result = train_run(out=tmp_path / "run", **tiny_project(tmp_path, settings))
    assert 0 < result.metrics["valid"] <= 1
    folder = structure_folder(tmp_path / "run")
    assert folder is not None
    vectors, graph = StructureVectors.load(folder), build_tiny_graph()
    assert vectors.entities.stale(graph) == vectors.entities.missing(graph) == []
    found = link_prediction_of(tmp_path / "run", graph)
    assert found.mrr == pytest.approx(result.metrics["valid"])
    learnt = link_prediction_of(tmp_path / "run", graph, LinkPredictionConfig("train"))
    assert learnt.mrr > 0.9
    beside = link_prediction_of(str(tmp_path / "base"), graph, structure=tmp_path / "run").to_dict()
    structure = beside["fusion"]["structure"]["both"]["realistic"]["mrr"]
    assert structure == pytest.approx(found.mrr)
    assert beside["fusion"]["text"]["both"] == beside["both"]
    assert load_model(tmp_path / "run", "cpu").config.adapter == "none"


def test_a_run_that_goes_on_begins_with_the_vectors_of_the_first(tmp_path: Path) -> None:
    project = tiny_project(tmp_path, recipe())
    train_run(out=tmp_path / "a", **project)
    still = ["loop.learning_rate=1e-12", "loop.steps=1"]
    train_run(out=tmp_path / "b", model=str(tmp_path / "a"), overrides=still, **project)
    folders = [structure_folder(tmp_path / name) for name in "ab"]
    one, two = (StructureVectors.load(f).entities.vectors for f in folders if f is not None)
    assert np.allclose(one, two, atol=1e-9)
