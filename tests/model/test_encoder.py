"""Encoders: mean pooling, the masked head, fusion on either side, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from accord.errors import ModelError
from accord.graph.graph import KnowledgeGraph
from accord.model.config import ModelConfig
from accord.model.encoder import TextEncoder
from accord.model.fusion import add_fusion
from accord.model.saving import trainable
from tests.model.fused import WIDTH, awaken, save_tiny_bert, tiny_fusion_config, tiny_memory

TEXTS = ["Osaka is near Japan.", "nothing", "it is nothing near"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT on disk."""
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


def encoder_of(base: Path, graph: KnowledgeGraph | None, **settings: Any) -> TextEncoder:
    fusion = None if graph is None else tiny_fusion_config(reach=2)
    config = ModelConfig(
        str(base), **{"adapter": "none", "dtype": "float32", "fusion": fusion, **settings}
    )
    model = TextEncoder.create(config, "cpu", memory=tiny_memory() if graph else None)
    if graph is not None:
        model.attach(graph)
    return model


def test_embeddings_are_unit_means_and_do_not_depend_on_batch_mates(base: Path) -> None:
    model = encoder_of(base, None)
    together = model.embed([*TEXTS, TEXTS[0]])
    for text, row in zip(TEXTS, together[:3], strict=True):
        encoded = model.encode([text])
        with torch.no_grad():
            mean = model.states(encoded)[0].mean(0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-6)
    np.testing.assert_array_equal(together[3], together[0])
    assert np.abs(together[0] - together[1]).max() > 1e-2


@torch.no_grad()
def test_fusion_at_zero_and_without_mentions_is_the_base_bit_for_bit(
    base: Path, tiny_graph: KnowledgeGraph
) -> None:
    plain, model = encoder_of(base, None), encoder_of(base, tiny_graph)
    expected = plain.states(plain.encode(TEXTS))
    assert torch.equal(model.states(model.encode(TEXTS)), expected)
    assert model.fusion is not None
    awaken(model.fusion)
    found = model.states(model.encode(TEXTS))
    assert torch.equal(found[1:], expected[1:])
    assert (found[0] - expected[0]).abs().max() > 1e-3
    torch.testing.assert_close(
        model.states(model.encode(TEXTS[:1]))[0], found[0][: len(found[0])], atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_tokens_before_a_mention_see_it_too(base: Path, tiny_graph: KnowledgeGraph) -> None:
    model = encoder_of(base, tiny_graph)
    assert model.fusion is not None
    encoded = model.encode(["is is is is near Osaka"])
    slots = encoded.slots[0]
    last = int(encoded.mask.sum()) - 1  # [SEP]
    assert {(s.start, s.stop) for s in slots} == {(last - 1 - 2, last + 2)}


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_gradient_reaches_adapter_gates_and_head(
    base: Path, tiny_graph: KnowledgeGraph, adapter: Any
) -> None:
    model = encoder_of(base, tiny_graph, adapter=adapter, rank=2)
    assert model.fusion is not None
    awaken(model.fusion)
    for name, parameter in trainable(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    encoded = model.encode(TEXTS)
    ids, asked = model.masked(encoded, 0.6, torch.Generator().manual_seed(1))
    model.masked_loss(encoded, ids, asked).backward()  # type: ignore[no-untyped-call]
    without = [
        n for n, p in trainable(model).items() if p.grad is None or not p.grad.abs().max() > 0
    ]
    # A key's bias shifts all scores alike, so its gradient is zero.
    assert [n for n in without if not n.endswith("key.bias")] == []


def test_masks_hide_text_only_and_in_berts_shares(base: Path) -> None:
    model = encoder_of(base, None)
    encoded = model.encode(["is near japan " * 8] * 40)
    ids, asked = model.masked(encoded, 0.5, torch.Generator().manual_seed(0))
    special = torch.isin(encoded.ids, torch.tensor([0, 2, 3]))
    assert not (asked & special).any()
    assert torch.equal(ids[~asked], encoded.ids[~asked])
    assert 0.4 < float(asked.float().mean()) < 0.6
    hidden = (ids[asked] == model.tokenizer.mask_token_id).float().mean()
    assert 0.7 < float(hidden) < 0.9
    assert model.masked(encoded, 0.0, torch.Generator().manual_seed(0))[1].sum() == 0


def test_the_head_learns_on_tied_embeddings(base: Path) -> None:
    model = encoder_of(base, None)
    assert not any("embed" in name for name in trainable(model))
    encoded = model.encode(["osaka is near japan"] * 4)
    ids, asked = model.masked(encoded, 0.5, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(trainable(model).values(), lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model.masked_loss(encoded, ids, asked)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_it_opens_as_it_was_saved(base: Path, tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    model = encoder_of(base, tiny_graph, adapter="lora", rank=2, freeze_layers=1)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(0, 0.3)
    opened = TextEncoder.load(model.save_pretrained(tmp_path / "e", tiny_graph), "cpu")
    opened.attach(tiny_graph)
    np.testing.assert_array_equal(opened.embed(TEXTS), model.embed(TEXTS))
    (tmp_path / "e" / "trained.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match=r"trained\.safetensors"):
        TextEncoder.load(tmp_path / "e", "cpu")


def test_what_does_not_fit_is_named(base: Path, tmp_path: Path) -> None:
    model = encoder_of(base, None)
    with pytest.raises(ModelError, match="a text of 67 tokens, the encoder reads 64"):
        model.encode(["x " * 65])
    from tests.conftest import build_tiny_llama

    lm, tokenizer = build_tiny_llama()
    lm.save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    with pytest.raises(ModelError, match="no mask or no padding token"):
        TextEncoder.create(ModelConfig(str(tmp_path / "llama")), "cpu")


@pytest.mark.parametrize("kind", ["Roberta", "DistilBert", "Electra"])
def test_other_encoders_can_be_fused(kind: str) -> None:
    import transformers

    sizes = {"vocab_size": 40, "hidden_size": 16, "num_attention_heads": 2}
    more = {"intermediate_size": 24, "num_hidden_layers": 3}
    if kind == "DistilBert":
        sizes, more = {"vocab_size": 40, "dim": 16, "n_heads": 2}, {"hidden_dim": 24, "n_layers": 3}
    lm: Any = getattr(transformers, f"{kind}Model")(
        getattr(transformers, f"{kind}Config")(**sizes, **more)
    )
    fusion = add_fusion(lm, tiny_fusion_config(layers=(0, -1)), WIDTH, causal=False)
    assert list(fusion.blocks) == ["0", "2"]
    assert lm(input_ids=torch.ones((1, 3), dtype=torch.int64)).last_hidden_state.shape == (1, 3, 16)


@pytest.mark.real_model
def test_the_embedded_encoder_knows_what_means_the_same() -> None:
    model = TextEncoder.create(device="cpu")
    same, alike, other = model.embed(
        ["A man is eating food.", "Someone eats a meal.", "The stock market fell."]
    )
    assert same @ alike > 0.6 > 0.3 > same @ other
