"""The plan of a run that learns from annotated text, against the run itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from accord.api import train_run
from accord.cli.main import main
from accord.config import load_config
from accord.errors import ConfigError
from accord.graph.load import load_graph
from accord.objectives.modelling import ModellingConfig
from accord.objectives.spans import SpansConfig
from accord.train.plan import probe
from accord.train.recipe import Recipe
from tests.objectives.test_relations_and_linking import kelm_recipe
from tests.train.tiny import tiny_project

LINE = {
    "text": "Osaka lies in Japan.",
    "spans": [
        {"start": 0, "end": 5, "type": "LOC", "entity": "osaka"},
        {"start": 14, "end": 19, "type": "LOC", "entity": "japan"},
    ],
    "relations": [{"head": 0, "relation": "city_of", "tail": 1}],
}
HELD_OUT = {**LINE, "text": "Tokyo is far.", "spans": LINE["spans"][:1], "relations": []}


def test_plan_counts_what_the_run_then_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "own.jsonl"
    lines = [{**LINE, "split": "train"}, {**HELD_OUT, "split": "valid"}]
    data.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    recipe = kelm_recipe(
        spans=SpansConfig(weight=1.0, width=8), modelling=ModellingConfig(weight=0.2, tokens=20)
    )
    model = replace(recipe.model, freeze_layers=2)
    loop = replace(recipe.loop, steps=2, validate_every=1)
    project = tiny_project(tmp_path, replace(recipe, model=model, loop=loop))
    read = load_config(Recipe, project["recipe"])
    planned = probe(read, load_graph(project["graph"]), device="cpu", data=[str(data)])
    train_run(**project, out=tmp_path / "run", data=[data])
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert planned.cache_tokens == result["cache_tokens"] > 0
    assert planned.validation_seconds > 0.0 and planned.steps == 2
    saved = sum(p.stat().st_size for p in (tmp_path / "run" / "checkpoints").rglob("*.safetensors"))
    assert planned.checkpoint_bytes == pytest.approx(saved, rel=0.6)
    logged = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = {"modelling/loss", "spans/loss", "relations/loss", "linking/loss"}
    assert losses <= set().union(*logged)
    capsys.readouterr()
    common = ("--graph", project["graph"], "--device", "cpu", "--json")
    assert main(["plan", project["recipe"], "--data", str(tmp_path / "gone.jsonl"), *common]) == 2
    assert "gone.jsonl" in json.loads(capsys.readouterr().out)["error"]


def test_data_that_nothing_learns_from_is_refused(tmp_path: Path) -> None:
    project = tiny_project(tmp_path, kelm_recipe())
    plain = load_config(Recipe, None, [f"model.name={tmp_path / 'base'}"])
    with pytest.raises(ConfigError, match="no objective of this recipe reads annotated text"):
        probe(plain, load_graph(project["graph"]), device="cpu", data=["crossner-ai"])
