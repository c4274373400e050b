"""Language modelling of texts with mentions: what is hidden, closed forms, learning, gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from accord.errors import ConfigError
from accord.model.config import ModelConfig
from accord.model.encoder import TextEncoder
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import trainable
from accord.objectives.base import Points, Score, States
from accord.objectives.language import LanguageConfig
from accord.objectives.modelling import Modelling, ModellingConfig
from accord.train.recipe import Recipe
from accord.train.setup import Weighted, build_objectives
from accord.train.step import plan_reading
from tests.conftest import build_tiny_graph
from tests.model.fused import save_tiny_bert, tiny_fusion_config, tiny_memory
from tests.objectives.test_relations_and_linking import examples, kelm_recipe
from tests.train.tiny import assert_same, one_step, tiny_model


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT on disk."""
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


def encoder_recipe(bert: Path, **model: object) -> Recipe:
    """Modelling, relations and linking on a tiny encoder."""
    recipe = kelm_recipe(modelling=ModellingConfig(weight=1.0, rows=3, points=20, tokens=30))
    config = ModelConfig(str(bert), rank=2, alpha=4.0, dtype="float32")
    return replace(recipe, model=replace(config, **model))  # type: ignore[arg-type]


def encoder_setup(recipe: Recipe) -> tuple[KnowledgeModel, Weighted]:
    memory = None if recipe.model.fusion is None else tiny_memory()
    model = KnowledgeModel.create(recipe.model, recipe.text, "cpu", memory=memory)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in trainable(model.lm).items():
            if "lora_" in name or name.endswith("gate"):
                parameter.normal_(0, 0.3, generator=generator)
    if model.fusion is not None:
        model.attach(build_tiny_graph())
    return model, build_objectives(recipe, model, build_tiny_graph(), examples=examples())


def modelling_of(objectives: Weighted) -> Modelling:
    return next(o for o, _ in objectives if isinstance(o, Modelling))


def test_a_causal_model_is_asked_for_next_tokens() -> None:
    recipe = kelm_recipe(modelling=ModellingConfig(weight=1.0, rows=4, points=30, tokens=16))
    model = tiny_model(recipe)
    objectives = build_objectives(recipe, model, build_tiny_graph(), examples=examples())
    modelling = modelling_of(objectives)
    batch = modelling.batch(0)
    request = modelling.requests(batch)["next"]
    assert isinstance(request, Score) and len(batch.targets) == 30
    rows = zip(batch.points.rows, batch.points.positions, batch.targets.tolist(), strict=True)
    assert all(batch.sequences[r][0][p + 1] == target for r, p, target in rows)
    assert set(batch.sequences) <= set(modelling.sequences())
    points = batch.points
    with torch.no_grad():
        states = model.reader.states_at(batch.sequences, points.rows, points.positions)
        logs = model.logprobs(states, batch.targets[:, None])
    loss = modelling.loss({"next": logs}, batch)
    assert float(loss.value) == pytest.approx(-float(logs.mean()))
    log, found = one_step(recipe, model, objectives)
    assert log["modelling/loss"] > 0 and any("lora_B" in name for name in found)


def test_an_encoders_tokens_are_hidden_mentions_as_a_whole(bert: Path) -> None:
    recipe = encoder_recipe(bert)
    rules = replace(recipe.modelling, share=0.0, mentions=1.0, points=1000, rows=50)
    _, objectives = encoder_setup(replace(recipe, modelling=rules))
    modelling = modelling_of(objectives)
    assert modelling.rules is not None
    batch = modelling.batch(0)
    originals = {len(t.sequence[0]): t for t in modelling.texts}
    for row, (shown,) in enumerate(batch.sequences):
        asked = set(batch.points.positions[batch.points.rows == row].tolist())
        text = originals[len(shown)]
        inside = {i for a, b in text.places.tolist() for i in range(a, b + 1)}
        if inside and len([t for t in modelling.texts if len(t.sequence[0]) == len(shown)]) == 1:
            assert asked == inside
            kept = [i for i in range(len(shown)) if i not in asked]
            assert [shown[i] for i in kept] == [text.sequence[0][i] for i in kept]
    assert any(modelling.rules.mask in shown for (shown,) in batch.sequences)
    assert list(modelling.sequences()) == []


@pytest.mark.parametrize("keep", [10**6, 1])
def test_all_objectives_train_an_encoder_together_however_texts_are_read(
    bert: Path, keep: int
) -> None:
    recipe = encoder_recipe(bert, fusion=tiny_fusion_config(reach=3))
    model, objectives = encoder_setup(recipe)
    _, whole = one_step(recipe, model, objectives)
    chunked = replace(recipe, loop=replace(recipe.loop, chunk_tokens=64, keep_tokens=keep))
    log, parts = one_step(chunked, model, objectives)
    assert_same(whole, parts, atol=1e-4)
    named = {name for name, g in parts.items() if float(g.abs().max()) > 0}
    heads = {"relations.out", "linking.map", "linking.memory_gate", "modelling.dense_weight"}
    assert heads <= named
    assert any("lora_B" in n for n in named) and any("fusion" in n for n in named)
    assert 0 <= log["modelling/right"] <= 1


def test_an_encoder_reads_as_text_encoder_does_with_frozen_layers_too(bert: Path) -> None:
    texts = ["osaka is near japan.", "nothing"]
    expected = TextEncoder.create(ModelConfig(str(bert), adapter="none", dtype="float32"), "cpu")
    for frozen in (0, 2):
        config = ModelConfig(str(bert), adapter="none", dtype="float32", freeze_layers=frozen)
        model = KnowledgeModel.create(config, device="cpu")
        ids = [tuple(model.tokenizer(t, add_special_tokens=False)["input_ids"]) for t in texts]
        found = model.embed([(row,) for row in ids], "tail")
        np.testing.assert_allclose(found, expected.embed(texts), atol=1e-6)
    with pytest.raises(Exception, match="an encoder does not write"):
        model.generate(["osaka"])


def test_a_beginning_is_read_alone_by_an_encoder() -> None:
    long, short = ((1, 2), (3,)), ((1, 2),)
    places = Points(np.array([0, 1], dtype=np.int64), np.array([1, 0], dtype=np.int64))
    asked = {("a", "x"): States([long, short], places)}
    assert len(plan_reading(asked).texts) == 1
    assert len(plan_reading(asked, causal=False).texts) == 2


def test_what_does_not_fit_is_said(bert: Path) -> None:
    recipe = encoder_recipe(bert)
    model = KnowledgeModel.create(recipe.model, recipe.text, "cpu")
    spoken = replace(recipe, language=LanguageConfig(weight=1.0))
    with pytest.raises(ConfigError, match="the language objective predicts next tokens"):
        build_objectives(spoken, model, build_tiny_graph(), examples=examples())
    alone = replace(recipe, relations=replace(recipe.relations, weight=0.0),
                    linking=replace(recipe.linking, weight=0.0))  # fmt: skip
    with pytest.raises(ConfigError, match="no text of two tokens"):
        build_objectives(alone, model, build_tiny_graph(), examples=[])
    with pytest.raises(ConfigError, match="not 0 for both"):
        ModellingConfig(share=0.0, mentions=0.0)
