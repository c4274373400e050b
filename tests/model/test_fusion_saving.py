"""A fused model opens as it was saved, and a run trains one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from accord.api import train_run
from accord.config import to_toml
from accord.errors import ConfigError, DataError, ModelError
from accord.evaluate.drift import BaseComparison
from accord.graph.graph import KnowledgeGraph
from accord.model import sharing
from accord.model.config import FusionConfig, ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import MEMORY, load_model, save_pretrained, trainable
from tests.conftest import build_tiny_graph, build_tiny_llama
from tests.model.fused import awaken, tiny_memory
from tests.train.tiny import tiny_project, tiny_recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base model and a memory on disk."""
    lm, tokenizer = build_tiny_llama()
    lm.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    tiny_memory().save(tmp_path / "vectors")
    return tmp_path


def fusion_settings(folder: Path, neighbours: int = 0) -> FusionConfig:
    memory = str(folder / "vectors")
    return FusionConfig(memory, layers=(-2, -1), heads=2, width=8, neighbours=neighbours)


def made(folder: Path) -> KnowledgeModel:
    config = ModelConfig(
        str(folder / "base"),
        rank=2,
        freeze_layers=1,
        dtype="float32",
        fusion=fusion_settings(folder),
    )
    model = KnowledgeModel.create(config, device="cpu")
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(0, 0.5, generator=torch.Generator().manual_seed(parameter.numel()))
    return model


def test_a_saved_model_carries_its_memory(folder: Path, tiny_graph: KnowledgeGraph) -> None:
    model = made(folder)
    saved = save_pretrained(model, folder / "run" / "model", {"hash": tiny_graph.hash}, {})
    shutil.rmtree(folder / "vectors")
    opened = load_model(saved, "cpu")
    assert opened.config == model.config
    for each in (model, opened):
        each.attach(tiny_graph)
    np.testing.assert_array_equal(
        opened.embed_entities(tiny_graph), model.embed_entities(tiny_graph)
    )
    assert opened.generate(["Osaka"], 4) == model.generate(["Osaka"], 4)
    with pytest.raises(ModelError, match="looks up entities"):
        sharing.merge(saved, folder / "merged")
    shutil.rmtree(saved / MEMORY)
    with pytest.raises(DataError, match="no whole entity memory"):
        load_model(saved, "cpu")


def test_a_model_without_fusion_has_no_memory(folder: Path) -> None:
    model = KnowledgeModel.create(ModelConfig(str(folder / "base"), rank=2), device="cpu")
    saved = save_pretrained(model, folder / "plain", {}, {})
    assert not (saved / MEMORY).exists()
    assert json.loads((saved / "accord.json").read_text())["model"]["fusion"] is None
    with pytest.raises(ConfigError, match="needs an entity memory"):
        KnowledgeModel.create(ModelConfig(str(folder / "base"), fusion=FusionConfig()))


def test_a_run_trains_fusion_and_another_goes_on_from_it(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        contrastive={"weight": 0.0},
        completion={"weight": 1.0},
        language={"weight": 0.0},
        loop={"steps": 2, "learning_rate": 0.05},
    )
    given = tiny_project(tmp_path, recipe)
    tiny_memory().save(tmp_path / "vectors")
    sets = [
        f"model.fusion.memory={tmp_path / 'vectors'}",
        "model.fusion.layers=-2,-1",
        "model.fusion.width=8",
        "model.fusion.neighbours=0",
    ]
    out = tmp_path / "run"
    train_run(**given, out=out, overrides=sets)
    opened = load_model(out, "cpu")
    assert opened.fusion is not None
    # The run's own graph is bound at once.
    assert opened.fusion.graph_hash == build_tiny_graph().hash
    gates = [float(p.detach()) for n, p in opened.fusion.named_parameters() if n.endswith("gate")]
    assert len(gates) == 2
    assert all(gate != 0 for gate in gates)
    shutil.rmtree(tmp_path / "vectors")
    more = train_run(**given, out=tmp_path / "more", model=str(out))
    assert load_model(more.run, "cpu").fusion is not None
    off = train_run(**given, out=tmp_path / "off", overrides=[*sets, "fusion=off"])
    assert load_model(off.run, "cpu").fusion is None


def test_neighbours_beside_objectives_of_triples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hold its answer"):
        tiny_recipe(model={"fusion": fusion_settings(tmp_path, neighbours=1)})
    recipe = tiny_recipe(model={"fusion": fusion_settings(tmp_path)})
    assert "[model.fusion]" in to_toml(recipe)


def test_drift_from_the_base_is_measured_with_knowledge(
    folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    config = ModelConfig(
        str(folder / "base"), adapter="none", dtype="float32", fusion=fusion_settings(folder)
    )
    model = KnowledgeModel.create(config, device="cpu")
    model.attach(tiny_graph)
    texts = ["Osaka is a city of Japan and so on"]
    assert BaseComparison(model).kl_on(texts) == pytest.approx(0.0, abs=1e-6)
    assert model.fusion is not None
    awaken(model.fusion, 3.0)
    assert BaseComparison(model).kl_on(texts) > 1e-6
    assert BaseComparison(model).kl_on(["nothing at all"]) == pytest.approx(0.0, abs=1e-6)
