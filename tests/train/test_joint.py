"""All objectives in one run; what has no data is left out with a reason unless asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accord.api import train_run
from accord.config import load_config
from accord.errors import ConfigError
from accord.objectives.linking import LinkingConfig
from accord.objectives.relations import RelationsConfig
from accord.objectives.structure import StructureConfig
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.train.checkpoint import RunFolder
from accord.train.missing import NO_QUESTIONS, lacking, without_data
from accord.train.recipe import Recipe
from tests.conftest import build_tiny_graph
from tests.train.tiny import ALL_PARTS, tiny_project, tiny_recipe

ALL = {
    "contrastive", "completion", "rationale", "relations", "linking", "structure", "language",
}  # fmt: skip


def joint(**settings: Any) -> Recipe:
    """Everything small; all seven objectives."""
    known = tiny_recipe(
        rationale=ALL_PARTS,
        loop={"steps": 4, "log_every": 2, "validate_every": 2, "validate_queries": 4},
    )
    return replace(
        known,
        missing="leave-out",
        relations=RelationsConfig(1.0, rows=2),
        linking=LinkingConfig(0.5, rows=2),
        structure=StructureConfig(1.0, dimension=4, learning_rate=0.01),
        **settings,
    )


def test_all_objectives_learn_in_one_run_and_each_is_logged(tmp_path: Path) -> None:
    project = tiny_project(tmp_path, joint())
    overrides = ["loop.balance=gradient", "loop.order=alternating", "log_every=1"]
    train_run(**project, out=tmp_path / "run", overrides=overrides)
    lines = RunFolder(tmp_path / "run").lines()
    told = set().union(*lines)
    assert {f"{name}/{what}" for name in ALL for what in ("loss", "share", "weight")} <= told
    assert {"valid", "valid/mrr", "valid/structure_mrr", "valid/exact_match"} <= told
    turns = [{name for name in ALL if f"{name}/loss" in line} for line in lines]
    assert all("language" in turn and turn < ALL for turn in turns if turn)


def test_what_has_no_data_is_left_out_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tiny_project(tmp_path, joint())
    del project["qa"]
    train_run(**project, out=tmp_path / "run", overrides=["steps=1", "validate_every=0"])
    assert "rationale objective is left out: no questions are given" in capsys.readouterr().err
    kept = load_config(Recipe, tmp_path / "run" / "config.toml")
    assert kept.rationale.weight == 0 and kept.relations.weight == 1
    with pytest.raises(ConfigError, match="none are given"):
        train_run(**project, out=tmp_path / "asked", overrides=["rationale.weight=1"])
    assert not (tmp_path / "asked").exists()


def text(entities: tuple[str | None, ...], facts: bool, split: str = "train") -> RelationExample:
    spans = tuple(LabelledSpan(i, i + 1, "", entity) for i, entity in enumerate(entities))
    stated = ((0, "likes", 1),) if facts else ()
    things = tuple((i,) for i in range(len(spans)))
    return RelationExample(MentionExample("ab", spans, split), things, stated, ((0, 1),))


def test_texts_teach_what_is_in_them() -> None:
    graph = build_tiny_graph()
    assert set(lacking([], graph)) == {"relations", "linking", "modelling", "spans"}
    assert set(lacking([text(("osaka", "tokyo"), True)], graph)) == {"spans"}
    assert set(lacking([text(("osaka", None), False)], graph)) == {"relations", "spans"}
    for other in (None, "", "nobody"):
        assert set(lacking([text((other, other), True)], graph)) == {"linking", "spans"}
    held_out = [text(("osaka", "tokyo"), True, "valid")]
    assert "relations" in lacking(held_out, graph), "what is held out teaches nothing"


def test_only_a_recipe_that_says_so_leaves_something_out() -> None:
    strict = replace(joint(), missing="refuse")
    assert without_data(strict, [], NO_QUESTIONS) is strict
    assert without_data(joint(), [], NO_QUESTIONS).rationale.weight == 0
    asked = without_data(joint(), ["rationale.weight=0.5"], NO_QUESTIONS)
    assert asked.rationale.weight == 1.0
    recipe = load_config(Recipe, "joint")
    assert recipe.missing == "leave-out"
    assert all(getattr(recipe, name).weight > 0 for name in ALL)
