"""Every family reads alike: in two parts, in any batch, padded on either side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from accord.errors import ConfigError, ModelError
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import trainable
from accord.objectives.language import LanguageConfig
from accord.text.render import TextConfig
from accord.train.checkpoint import RunFolder
from accord.train.loop import Loop
from accord.train.recipe import LoopConfig, Recipe
from accord.train.setup import build_objectives
from tests.model.families import FAMILIES, LAYERS, build_family

CPU = torch.device("cpu")
family = pytest.mark.parametrize("family", FAMILIES)


def model_of(family: str, **settings: Any) -> KnowledgeModel:
    lm, tokenizer = build_family(family)
    config = ModelConfig(family, **settings)
    torch.manual_seed(0)
    lm = load.add_adapter(lm, config)
    model = KnowledgeModel(lm, tokenizer, config, TextConfig(entity_tokens=12), CPU)
    return model.eval()


def random_ids(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 300, (rows, width), generator=torch.Generator().manual_seed(seed))


@family
@pytest.mark.parametrize("count", [1, 2, LAYERS - 1])
def test_lower_and_upper_layers_together_are_the_whole_stack(family: str, count: int) -> None:
    lm, _ = build_family(family)
    ids = random_ids(3, 12)
    whole = load.run_all(lm, ids, None)
    lower = load.run_lower(lm, ids, None, count)
    assert not torch.allclose(lower, whole, atol=1e-3)
    torch.testing.assert_close(load.run_upper(lm, lower, None, count), whole)
    # The stand-ins are gone again.
    torch.testing.assert_close(load.run_all(lm, ids, None), whole)


@family
def test_the_whole_stack_is_transformers_own(family: str) -> None:
    lm, _ = build_family(family)
    ids = random_ids(2, 9)
    theirs = lm(input_ids=ids).logits
    torch.testing.assert_close(load.output_weights(lm)(load.run_all(lm, ids, None)), theirs)


@family
@pytest.mark.parametrize("frozen", [0, 2])
def test_left_padding_reads_as_right_padding(family: str, frozen: int) -> None:
    lm, _ = build_family(family)
    ids, lengths, width = random_ids(3, 10), [10, 4, 7], 10
    right, left = ids.clone(), torch.zeros_like(ids)
    left_mask = torch.zeros((3, width), dtype=torch.bool)
    for row, length in enumerate(lengths):
        right[row, length:] = 0
        left[row, width - length :] = ids[row, :length]
        left_mask[row, width - length :] = True
    expected = load.run_all(lm, right, None)[torch.arange(3), torch.tensor(lengths) - 1]
    if frozen:
        lower = load.run_lower(lm, left, left_mask, frozen)
        found = load.run_upper(lm, lower, left_mask, frozen)
    else:
        found = load.run_all(lm, left, left_mask)
    torch.testing.assert_close(found[:, -1], expected, atol=2e-5, rtol=1e-4)
    right_mask = torch.arange(width)[None] < torch.tensor(lengths)[:, None]
    masked = load.run_all(lm, right, right_mask)[torch.arange(3), torch.tensor(lengths) - 1]
    torch.testing.assert_close(masked, expected, atol=2e-5, rtol=1e-4)


@family
@pytest.mark.parametrize("settings", [{}, {"freeze_layers": 2, "reading": "segments"}])
def test_an_embedding_does_not_depend_on_batch_mates(
    family: str, settings: dict[str, Any], tiny_graph: KnowledgeGraph
) -> None:
    model = model_of(family, **settings)
    together = model.embed_entities(tiny_graph)
    alone = [model.embed_entities(tiny_graph, np.array([e])) for e in range(8)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=2e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


@family
@pytest.mark.parametrize("targets", ["attention", "mlp", "all"])
def test_only_unfrozen_layers_and_the_part_asked_for_are_adapted(family: str, targets: str) -> None:
    lm, _ = build_family(family)
    config = ModelConfig(family, freeze_layers=2, targets=targets)  # type: ignore[arg-type]
    if (family, targets) == ("olmoe", "mlp"):
        with pytest.raises(ModelError, match="no mlp maps"):  # experts are no linear modules
            load.add_adapter(lm, config)
        return
    names = list(trainable(load.add_adapter(lm, config)))
    layers = {int(next(part for part in name.split(".") if part.isdigit())) for name in names}
    assert layers == {2, 3}
    in_attention = {"attn" in name for name in names}
    expected = {"attention": {True}, "mlp": {False}, "all": {True, False}}[targets]
    assert in_attention == ({True} if family == "olmoe" else expected)
    assert all("lora_" in name for name in names)


@family
def test_a_fresh_adapter_changes_nothing(family: str) -> None:
    lm, _ = build_family(family)
    ids = random_ids(2, 8)
    before = load.run_all(lm, ids, None)
    adapted = load.add_adapter(lm, ModelConfig(family, freeze_layers=1))
    torch.testing.assert_close(load.run_all(adapted, ids, None), before)


@pytest.mark.parametrize("adapter", ["lora", "full", "none"])
def test_full_training_and_none_leave_frozen_layers_alone(adapter: Any) -> None:
    lm, _ = build_family("llama")
    load.add_adapter(lm, ModelConfig("llama", adapter=adapter, freeze_layers=3))
    names = list(trainable(lm))
    assert bool(names) == (adapter != "none")
    assert all(".layers.3." in name for name in names)


def test_freezing_every_layer_is_refused() -> None:
    lm, _ = build_family("llama")
    with pytest.raises(ConfigError, match="the model has 4 layers"):
        load.add_adapter(lm, ModelConfig("llama", freeze_layers=4))


@family
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_every_trained_parameter_is_in_one_group(
    family: str, adapter: Any, tiny_graph: KnowledgeGraph, tmp_path: Any
) -> None:
    model = model_of(family, adapter=adapter, freeze_layers=1, projection=8)
    recipe = Recipe(language=LanguageConfig(texts=2, tokens=6))
    objectives = build_objectives(recipe, model, tiny_graph)
    loop = Loop(
        model, objectives, LoopConfig(steps=1), RunFolder(tmp_path), 0, None, Accelerator(cpu=True)
    )
    grouped = [id(p) for group in loop.optimizer.param_groups for p in group["params"]]
    trained = [id(p) for p in trainable(model).values()]
    trained += [id(p) for o, _ in objectives for p in o.parameters.values()]
    assert len(trained) > 2
    assert sorted(grouped) == sorted(trained)
    assert len(set(grouped)) == len(grouped)


@family
@pytest.mark.parametrize("frozen", [0, 2, LAYERS - 1])
def test_states_at_points_are_those_of_the_whole_reading(
    family: str, frozen: int, tiny_graph: KnowledgeGraph
) -> None:
    model = model_of(family, freeze_layers=frozen)
    sequences = [model.texts(tiny_graph).query(e, e % 5) for e in range(6)]
    rows, positions = np.array([5, 0, 3, 0, 3]), np.array([2, 6, 1, 0, 1])
    found = model.reader.states_at(sequences, rows, positions)
    whole = model.reader.last_hidden(sequences)[rows, positions]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-4)
    sums = [(states * torch.arange(16)).sum() for states in (found, whole)]
    parameters = list(trainable(model).values())
    first, second = (torch.autograd.grad(s, parameters, allow_unused=True) for s in sums)
    for one, other in zip(first, second, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_a_windowed_last_layer_is_read_whole(tiny_graph: KnowledgeGraph) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    _, tokenizer = build_family("qwen3")
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        use_sliding_window=True,
        sliding_window=3,
        max_window_layers=1,
        initializer_range=0.2,
    )
    lm: Any = Qwen3ForCausalLM(config)
    settings = ModelConfig("qwen3", freeze_layers=2)
    lm = load.add_adapter(lm.eval().requires_grad_(False), settings)
    model = KnowledgeModel(lm, tokenizer, settings, TextConfig(), CPU)
    sequences = [model.texts(tiny_graph).tail(e) for e in range(3)]
    ends = np.array([sum(map(len, s)) - 1 for s in sequences])
    found = model.reader.states_at(sequences, np.arange(3), ends)
    whole = model.reader.last_hidden(sequences)[torch.arange(3), torch.from_numpy(ends)]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-4)
