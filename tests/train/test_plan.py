"""The plan of a run against the run itself, on a tiny model."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accord.config import load_config, to_toml
from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.model.saving import load_model
from accord.objectives.base import TeacherOutput
from accord.train.plan import Probe, _validations, plan_run, probe, shortages
from accord.train.recipe import Recipe
from accord.train.setup import load_with_cache
from accord.train.start import settings_of
from accord.train.step import Step
from tests.train.tiny import ALL_PARTS, QUESTIONS, tiny_project, tiny_recipe

SETTINGS = [
    "freeze_layers=2",
    "reading=segments",
    "rank=4",
    "dtype=float32",
    "batch_size=8",
    "steps=6",
    "validate_every=3",
    "completion.rows=4",
    "language.tokens=8",
    "language.texts=4",
    "cache_gb=0.1",
]


@pytest.fixture
def recipe(tiny_llama: tuple[Any, Any], tmp_path: Path) -> Recipe:
    model, tokenizer = tiny_llama
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return load_config(Recipe, None, [*SETTINGS, f"model.name={tmp_path / 'base'}"])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "plain.txt"
    path.write_text("Tokyo is the capital of Japan. " * 20)
    return path


def test_plan_counts_what_the_run_then_reads(
    recipe: Recipe, tiny_graph: KnowledgeGraph, text: Path, tmp_path: Path
) -> None:
    from accord.api import train_run

    planned = probe(recipe, tiny_graph, [text], "cpu")
    (tmp_path / "r.toml").write_text(to_toml(recipe))
    folder = tiny_graph.save(tmp_path / "tiny")
    train_run(tmp_path / "r.toml", folder, tmp_path / "run", text=[text], device="cpu")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert planned.cache_tokens == result["cache_tokens"] > 0
    assert planned.steps == result["steps"]
    size = (tmp_path / "run" / "cache" / "hidden.npy").stat().st_size
    assert planned.cache_bytes == pytest.approx(size, abs=256)
    saved = sum(p.stat().st_size for p in (tmp_path / "run" / "checkpoints").rglob("*.safetensors"))
    assert planned.checkpoint_bytes == pytest.approx(saved, rel=0.5)
    assert planned.peak_memory_bytes == pytest.approx(result["peak_memory_gb"] * 1e9, rel=0.25)
    assert result["validation_seconds"] > 0 and result["setup_seconds"] > 0
    what_the_run_kept_is_not_read_again(tmp_path / "run", tiny_graph)


def what_the_run_kept_is_not_read_again(run: Path, graph: KnowledgeGraph) -> None:
    kept, anew = load_with_cache(run, "cpu"), load_model(run, "cpu")
    kept.reader.read_pieces = None  # type: ignore[assignment]
    first, second = (model.embed_entities(graph) for model in (kept, anew))
    np.testing.assert_allclose(first, second, atol=1e-6)
    (run / "cache" / "pieces.npz").write_bytes(b"cut")
    assert load_with_cache(run, "cpu").reader.store is None


def test_plan_leaves_nothing_behind(
    recipe: Recipe, tiny_graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    found = plan_run(recipe, tiny_graph, device="cpu", folder=tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert found["fits"] and found["problems"] == []
    names = ("train", "cache", "text", "validation", "teacher", "start")
    parts = [f"{name}_seconds" for name in names]
    assert found["seconds"] == pytest.approx(sum(found[part] for part in parts))
    assert all(found[part] > 0 for part in parts[:-1])
    assert found["start_seconds"] == 0, "no map after pooling"


def test_texts_that_a_teacher_reads_once_do_not_count_as_steps(
    recipe: Recipe, tiny_graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first steps of a run, which read them, would stand for all."""
    read = Step._read_teacher

    def slow(self: Step, *asked: Any) -> TeacherOutput:
        time.sleep(0.5)
        return read(self, *asked)

    monkeypatch.setattr(Step, "_read_teacher", slow)
    small = replace(recipe, loop=replace(recipe.loop, steps=1000, validate_every=0))
    found = probe(small, tiny_graph, device="cpu")
    assert 0.5 * small.language.texts <= found.teacher_seconds < 0.5 * small.loop.steps / 4


def test_the_first_map_and_the_last_validation_count(
    recipe: Recipe, tiny_graph: KnowledgeGraph
) -> None:
    mapped = replace(recipe.model, projection=8, freeze_layers=0, reading="full")
    silent = replace(recipe.language, weight=0.0)
    changed = replace(recipe, model=mapped, language=silent)
    thrice = replace(changed, loop=replace(recipe.loop, steps=5, validate_every=2))
    assert _validations(thrice) == 3, "after steps 2, 4 and 5"
    found = probe(thrice, tiny_graph, device="cpu")
    assert found.start_seconds > 0 and found.teacher_seconds == 0


def test_plan_without_cache_language_and_validation(
    recipe: Recipe, tiny_graph: KnowledgeGraph
) -> None:
    plain = replace(
        recipe,
        model=replace(recipe.model, freeze_layers=0, reading="full"),
        language=replace(recipe.language, weight=0.0),
        loop=replace(recipe.loop, validate_every=0, accumulation=2),
    )
    found = probe(plain, tiny_graph, device="cpu")
    assert (found.cache_tokens, found.cache_bytes, found.cache_seconds) == (0, 0, 0)
    assert (found.text_seconds, found.validation_seconds) == (0, 0)
    assert found.step_seconds > 0


def test_plan_refuses_what_the_run_would_refuse(recipe: Recipe, tiny_graph: KnowledgeGraph) -> None:
    wrong = replace(recipe, model=replace(recipe.model, freeze_layers=4))
    with pytest.raises(ConfigError, match="freeze_layers is 4, the model has 4 layers"):
        probe(wrong, tiny_graph, device="cpu")


def test_shortages_say_what_to_change() -> None:
    gb = 10**9
    needed = Probe(100, 1.0, 1.0, 1, 8 * gb, 0.0, 0.0, 0.0, 0.0, 0.0, gb, 20 * gb)
    assert shortages(needed, 32 * gb, 64 * gb) == []
    memory, disk = shortages(needed, 8 * gb, 4 * gb)
    assert memory.startswith("12.0 GB of memory are needed, 8.0 are here: lower")
    assert disk.startswith("9.0 GB of disk are needed, 4.0 are free: choose")
    assert shortages(needed, None, 64 * gb) == []


def test_plan_of_a_run_over_questions(tmp_path: Path, tiny_graph: KnowledgeGraph) -> None:
    off = {"weight": 0.0}
    recipe = tiny_recipe(
        model={"freeze_layers": 2},
        contrastive=off,
        completion=off,
        language=off,
        rationale=ALL_PARTS,
        loop={"steps": 3, "validate_every": 3},
    )
    settings = tiny_project(tmp_path, recipe)
    from accord.api import train_run

    named = load_config(Recipe, settings["recipe"])
    planned = probe(named, tiny_graph, (), "cpu", QUESTIONS)
    assert planned.validation_seconds > 0
    train_run(**settings, out=tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert planned.cache_tokens == result["cache_tokens"] > 0
    again = settings_of(settings["recipe"], str(tmp_path / "run"), ["loop.steps=9"])
    assert again.model == named.model
    assert again.loop.steps == 9
