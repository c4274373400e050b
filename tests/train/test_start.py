"""A run that starts from a finished one: composed, resumable alone, refused where it must be."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from accord.api import train_run
from accord.config import to_toml
from accord.errors import ConfigError, DataError, ModelError
from accord.model import saving
from accord.model.saving import load_model, trainable
from accord.objectives.labels import LabelledItem, Labels, TypingConfig
from accord.objectives.relations import ReadExample, Relations, RelationsConfig, Vocabulary
from accord.objectives.spans import Spans, SpansConfig, TaggedText
from accord.text.examples import LabelledSpan, MentionExample
from accord.text.span_tokens import SpanTokens
from accord.train.checkpoint import RunFolder
from accord.train.recipe import Recipe
from accord.train.start import keep_start, put_parameters
from benchmarks.resume import compare, state_files
from tests.conftest import build_tiny_graph
from tests.train.test_resume import _other_graph
from tests.train.tiny import ALL_PARTS, tiny_project, tiny_recipe

QUIET: dict[str, Any] = {"steps": 3, "learning_rate": 5e-2}


def first_run(folder: Path, **parts: Any) -> tuple[dict[str, Any], Path, Recipe]:
    """Arguments of `train_run`, a finished run with contrast and its recipe."""
    recipe = tiny_recipe(**{"model": {"projection": 5}, "loop": QUIET, **parts})
    arguments = tiny_project(folder, recipe)
    train_run(**arguments, out=folder / "first")
    return arguments, folder / "first", recipe


@pytest.fixture(scope="module")
def contrast(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Arguments and a finished run with contrast, for tests that leave it as it is."""
    return first_run(tmp_path_factory.mktemp("contrast"))[:2]


@pytest.fixture
def own_contrast(
    contrast: tuple[dict[str, Any], Path], tmp_path: Path
) -> tuple[dict[str, Any], Path]:
    """The same, for tests that change the run."""
    return contrast[0], Path(shutil.copytree(contrast[1], tmp_path / "first"))


def second(folder: Path, arguments: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Arguments for another recipe, with questions where it needs them."""
    work = folder / "second-project"
    work.mkdir(exist_ok=True)
    found = {**tiny_project(work, recipe), "graph": arguments["graph"]}
    before, after = to_toml(recipe).split("[model]")
    rest = after.split("\n[", 1)[1]  # a recipe that says nothing of the model
    (work / "recipe.toml").write_text(f"{before}\n[{rest}", encoding="utf-8")
    return found


TEACHING = {"language": {"weight": 1.0}, "rationale": ALL_PARTS}


def talking(**more: Any) -> Recipe:
    """A recipe that learns from questions alone, but for the language objective."""
    off: dict[str, Any] = {"contrastive": {"weight": 0.0}, "completion": {"weight": 0.0}}
    return tiny_recipe(**{**off, **TEACHING, "loop": QUIET, **more})


MAPS = {"adapter": "none", "freeze_layers": 2, "pooling": "rare"}


@pytest.mark.parametrize("model", [{}, {"adapter": "full"}, MAPS], ids=["lora", "full", "maps"])
def test_it_starts_where_the_other_ended(model: dict[str, Any], tmp_path: Path) -> None:
    arguments, run, recipe = first_run(tmp_path, model={"projection": 5, **model})
    still = second(tmp_path, arguments, replace(recipe, loop=replace(recipe.loop, steps=1)))
    tiny: Any = {"overrides": ["learning_rate=1e-30", "weight_decay=0"]}
    train_run(**still, out=tmp_path / "again", model=str(run), **tiny)
    before, after = load_model(run, "cpu"), load_model(tmp_path / "again", "cpu")
    for name, weight in trainable(before).items():
        torch.testing.assert_close(trainable(after)[name], weight, rtol=0, atol=1e-12)
    if before.projection.rarity is not None:
        assert after.projection.rarity is not None
        assert torch.equal(before.projection.rarity, after.projection.rarity)
        assert before.projection.rarity.std() > 0, "of the graph's texts"
    kept, found = (
        load_file(r / "model" / "objectives.safetensors") for r in (run, tmp_path / "again")
    )
    assert kept.keys() == found.keys()
    for name in kept:
        assert torch.equal(kept[name], found[name]), "its temperature too"
    fresh = tmp_path / "fresh"
    train_run(**{**arguments, "out": fresh}, overrides=["steps=1", *tiny["overrides"]])
    start = load_file(fresh / "model" / "objectives.safetensors")
    assert any(not torch.equal(start[name], kept[name]) for name in kept)


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_composed_model_opens_without_the_first_run(adapter: str, tmp_path: Path) -> None:
    arguments, run, _ = first_run(tmp_path, model={"adapter": adapter, "projection": 5})
    target = tmp_path / "second"
    train_run(**second(tmp_path, arguments, talking()), out=target, model=str(run))
    graph = build_tiny_graph()
    model, before = load_model(target, "cpu"), load_model(run, "cpu")
    assert model.config == before.config
    assert model.text == before.text
    assert any(
        not torch.equal(weight, trainable(before)[name])
        for name, weight in trainable(model).items()
    )
    for name, weight in trainable(model.projection).items():
        assert torch.equal(weight, trainable(before.projection)[name]), "nothing trains the maps"
    embedded = model.embed_entities(graph)
    shutil.rmtree(run)
    np.testing.assert_array_equal(load_model(target, "cpu").embed_entities(graph), embedded)
    header = json.loads((target / "model" / "accord.json").read_text())
    assert [entry["run"] for entry in header["lineage"]] == [str(run)]
    assert len(header["lineage"][0]["weights_sha256"]) == 64
    train_run(**second(tmp_path, arguments, talking()), out=tmp_path / "third", model=str(target))
    header = json.loads((tmp_path / "third" / "model" / "accord.json").read_text())
    assert [entry["run"] for entry in header["lineage"]] == [str(run), str(target)]
    lines = [json.loads(x) for x in (target / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 0 and lines[0]["teacher_accuracy"] == 0.0
    assert lines[1]["language/kl"] == pytest.approx(0, abs=1e-6), "near the start of this run"


def test_it_is_resumed_without_the_run_that_it_started_from(
    own_contrast: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    arguments, run = own_contrast
    recipe = talking(loop={**QUIET, "steps": 8, "checkpoint_seconds": 0.0, "validate_every": 3})
    settings = second(tmp_path, arguments, recipe)
    whole, cut = tmp_path / "a", tmp_path / "b"
    train_run(**settings, out=whole, model=str(run))
    train_run(**settings, out=cut, model=str(run))
    shutil.rmtree(cut / "model")
    (cut / "result.json").unlink()
    newest = sorted((cut / "checkpoints").iterdir())[-1]
    shutil.rmtree(newest)
    shutil.rmtree(run)
    Path(settings.pop("qa")).unlink()
    result = train_run(**settings, out=cut, resume=True)
    assert result.steps == 8
    assert state_files(whole) == state_files(cut)


def test_killed_with_its_teacher_it_ends_bit_identical(tmp_path: Path) -> None:
    arguments, run, _ = first_run(tmp_path, model={"dropout": 0.2, "freeze_layers": 2})
    loop = {"steps": 16, "validate_every": 5, "checkpoint_seconds": 0.0, "log_every": 4}
    parts = {**ALL_PARTS, "anneal": 0.5, "only_right": False}
    settings = second(tmp_path, arguments, talking(rationale=parts, loop=loop))
    outcome = compare({**settings, "model": str(run)}, tmp_path, kills=4, seed=1)
    assert outcome.different == []
    assert outcome.kills >= 2


def test_a_run_of_another_graph_goes_on_with_texts(
    contrast: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    arguments, run = contrast
    other = _other_graph(tmp_path)
    settings = {
        **second(tmp_path, arguments, talking(rationale={"weight": 1.0})),
        "graph": str(other),
    }
    assert train_run(**settings, out=tmp_path / "other", model=str(run)).steps == 3


def test_fewer_frozen_layers_change_nothing_at_the_start(tmp_path: Path) -> None:
    arguments, run, _ = first_run(tmp_path, model={"freeze_layers": 3, "projection": 5})
    settings = second(tmp_path, arguments, talking())
    small = ["model.freeze_layers=1", "learning_rate=1e-30", "weight_decay=0"]
    train_run(**settings, out=tmp_path / "more", model=str(run), overrides=small)
    more, before = load_model(tmp_path / "more", "cpu"), load_model(run, "cpu")
    assert len(trainable(more.lm)) > len(trainable(before.lm))
    graph = build_tiny_graph()
    np.testing.assert_allclose(more.embed_entities(graph), before.embed_entities(graph), atol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.rank=3"], "model.rank is 3, the run .* has 2"),
        (["adapter=full"], "adapter"),
        (["freeze_layers=3"], "freeze_layers"),
        (["entity_tokens=4"], "entity_tokens"),
        (["projection=7"], "projection"),
    ],
)
def test_another_adapter_is_refused_before_anything_is_written(
    overrides: list[str], message: str, contrast: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    arguments, run = contrast
    settings = second(tmp_path, arguments, talking())
    with pytest.raises(ConfigError, match=message) as raised:
        train_run(**settings, out=tmp_path / "new", model=str(run), overrides=overrides)
    assert "merge" in raised.value.hint
    assert not (tmp_path / "new").exists()


def test_a_recipe_that_asks_for_another_rank_is_refused(
    contrast: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    arguments, run = contrast
    settings = second(tmp_path, arguments, talking())
    path = Path(settings["recipe"])
    path.write_text(path.read_text() + "\n[model]\nrank = 7\n")
    with pytest.raises(ConfigError, match=r"model\.rank is 7"):
        train_run(**settings, out=tmp_path / "new", model=str(run))
    # What a recipe says of a base model's reading gives way to the run's.
    path.write_text(path.read_text().replace("rank = 7", "projection = 7\nfreeze_layers = 2"))
    train_run(**settings, out=tmp_path / "new", model=str(run))
    assert load_model(tmp_path / "new", "cpu").config.projection == 5


def test_what_cannot_be_started_from(
    own_contrast: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    arguments, run = own_contrast
    settings = second(tmp_path, arguments, talking())
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished)
    shutil.rmtree(unfinished / "model")
    with pytest.raises(ModelError, match="no finished model"):
        train_run(**settings, out=tmp_path / "new", model=str(unfinished))
    weights = run / "model" / "trained.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"trained\.safetensors"):
        train_run(**settings, out=tmp_path / "new", model=str(run))
    assert not (tmp_path / "new").exists()
    before = {path.name for path in run.iterdir()}
    with pytest.raises(ConfigError, match="already holds a run"):
        train_run(**settings, out=run, model=str(run))
    assert {path.name for path in run.iterdir()} == before


def test_questions_that_are_missing_or_broken(tmp_path: Path) -> None:
    settings = tiny_project(tmp_path, talking())
    path = Path(settings.pop("qa"))
    with pytest.raises(ConfigError, match="none are given") as raised:
        train_run(**settings, out=tmp_path / "run")
    assert "--qa" in raised.value.hint
    path.write_text('{"question": "a?", "answers": ["b"]}\n{"question": "c?"}\n')
    with pytest.raises(DataError) as broken:
        train_run(**settings, out=tmp_path / "run", qa=path)
    assert broken.value.line == 2
    assert not (tmp_path / "run").exists()
    kalm = tiny_project(tmp_path, tiny_recipe(loop={"steps": 1}))
    with pytest.raises(ConfigError, match="reads questions"):
        train_run(**kalm, out=tmp_path / "run", qa=path)


def heads(relations: str, kinds: str, labels: str, read: ReadExample) -> list[Any]:
    """Objectives with one relation, type or label a letter."""
    item = LabelledItem(((1, 2),), (0, 1), 0, (True,) * len(labels))
    words = (LabelledSpan(0, 1),)
    text = TaggedText.of(MentionExample("a", ()), read.text, words, kinds)
    vocabulary = Vocabulary(tuple(relations), ("", *kinds))
    known = replace(read, labels=np.zeros((1, len(relations)), dtype=np.bool_))
    return [
        Relations([known], vocabulary, 4, RelationsConfig(1.0, width=3), len(relations)),
        Spans([text], tuple(kinds), 4, SpansConfig(1.0, width=3), len(kinds)),
        Labels("typing", [item], labels, 4, TypingConfig(1.0, width=3), len(labels)),
    ]


def test_heads_are_taken_over_by_name(tmp_path: Path) -> None:
    text = SpanTokens(((1, 2),), np.zeros((1, 2), dtype=np.int64))
    one = np.zeros(1, dtype=np.int64)
    read = ReadExample(text, one, one, np.zeros((1, 2), dtype=np.int64), np.zeros((1, 1), bool))
    run, first = RunFolder(tmp_path / "run"), heads("ab", "PQ", "xyz", read)
    (run.path / "model").mkdir(parents=True)
    (run.path / "config.toml").touch()
    run.write_json("extraction.json", {"relations": ["a", "b"], "kinds": ["", "P", "Q"]})
    run.write_json("types.json", {"types": ["P", "Q"]})
    run.write_json("labels.json", {"typing": ["x", "y", "z"]})
    tensors = {f"{o.name}.{k}": p.detach() for o in first for k, p in o.parameters.items()}
    save_file(tensors, run.path / "model" / "objectives.safetensors")
    header: dict[str, Any] = {**dict.fromkeys(saving.KEYS, ""), "format": saving.FORMAT}
    RunFolder(run.path / "model").write_json(saving.HEADER, {**header, "graph": {}})
    (run.path / "model" / saving.WEIGHTS).touch()
    new = RunFolder(tmp_path / "new")
    keep_start(new, run.path / "model", "run")
    second, fresh = heads("bc", "QR", "wy", read), heads("bc", "QR", "wy", read)
    put_parameters([(o, 1.0) for o in second], new.path / "start")
    was, now, drawn = ([dict(o.parameters) for o in some] for some in (first, second, fresh))
    assert torch.equal(now[0]["head"], was[0]["head"])
    for key, rows in (("out", [0, 2, None]), ("head_kind", [0, 2, None])):
        for row, before in enumerate(rows):
            expected = drawn[0][key][row] if before is None else was[0][key][before]
            assert torch.equal(now[0][key][row], expected)
    assert torch.equal(now[1]["out"][:3], was[1]["out"][[0, 3, 4]])  # O, B-Q, I-Q
    assert torch.equal(now[1]["out"][3:], drawn[1]["out"][3:])
    assert torch.equal(now[2]["out_bias"][1], was[2]["out_bias"][1])
    assert torch.equal(now[2]["out"][0], drawn[2]["out"][0])
