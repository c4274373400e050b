"""KL to the base model against the plain formula, on tiny random models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from accord.errors import ModelError
from accord.evaluate.drift import BaseComparison, kl_sum
from accord.model.config import ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import adapter_off
from accord.text.collate import tokens

TEXTS = ["\nSweden borders Norway", "\nTokyo is a city of Japan"]


@pytest.fixture
def folder(tiny_llama: tuple[Any, Any], tmp_path: Path) -> str:
    for part in tiny_llama:
        part.save_pretrained(tmp_path)
    return str(tmp_path)


def created(folder: str, adapter: str) -> KnowledgeModel:
    config = ModelConfig(folder, adapter=adapter, rank=2, dtype="float32")  # type: ignore[arg-type]
    return KnowledgeModel.create(config, device="cpu")


def disturb(model: KnowledgeModel) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)


def plain_kl(model: KnowledgeModel, base: Any) -> float:
    values = []
    for text in TEXTS:
        ids = torch.tensor([tokens(model.tokenizer, text)])
        ours = torch.log_softmax(model.lm(input_ids=ids).logits[0, :-1].double(), -1)
        theirs = torch.log_softmax(base(ids)[0, :-1].double(), -1)
        values.append((theirs.exp() * (theirs - ours)).sum(-1))
    return float(torch.cat(values).mean())


def test_kl_of_equal_distributions_is_zero() -> None:
    logs = torch.log_softmax(torch.randn(5, 7, generator=torch.Generator().manual_seed(1)), -1)
    assert kl_sum(logs, logs) == 0.0


@pytest.mark.parametrize("adapter", ["lora", "none"])
def test_untrained_model_has_not_drifted(folder: str, adapter: str) -> None:
    base = BaseComparison(created(folder, adapter))
    assert base.kl_on(TEXTS) == pytest.approx(0.0, abs=1e-6)
    assert base.kl_on_own_texts(3, 8, seed=1) == pytest.approx(0.0, abs=1e-6)


@torch.no_grad()
def test_kl_is_the_plain_formula_with_an_adapter(folder: str) -> None:
    model = created(folder, "lora")
    disturb(model)

    def base(ids: torch.Tensor) -> torch.Tensor:
        with adapter_off(model.lm):
            logits: torch.Tensor = model.lm(input_ids=ids).logits
            return logits

    found = BaseComparison(model).kl_on(TEXTS)
    assert found == pytest.approx(plain_kl(model, base), rel=1e-4)
    assert found > 0.001


@torch.no_grad()
def test_kl_is_the_plain_formula_after_full_training(folder: str) -> None:
    model, before = created(folder, "full"), created(folder, "none")
    disturb(model)
    expected = plain_kl(model, lambda ids: before.lm(input_ids=ids).logits)
    assert BaseComparison(model).kl_on(TEXTS) == pytest.approx(expected, rel=1e-4)


def test_own_texts_are_seeded_and_written_by_the_base(folder: str) -> None:
    model = created(folder, "lora")
    disturb(model)
    base = BaseComparison(model)
    assert base.kl_on_own_texts(3, 8, 5) == base.kl_on_own_texts(3, 8, 5) > 0.0


def test_texts_too_short_to_compare_say_so(folder: str) -> None:
    model = created(folder, "lora")
    with pytest.raises(ModelError, match="two tokens or more"):
        BaseComparison(model).kl_on([])


def test_perplexity_of_a_text_sums_its_token_probabilities(folder: str) -> None:
    from accord.evaluate.retention import perplexity

    model = created(folder, "none")
    word, token = perplexity(model, TEXTS)
    logs = np.concatenate(model.token_logprobs(TEXTS))
    assert token == pytest.approx(float(np.exp(-logs.mean())), rel=1e-5)
    assert word == pytest.approx(float(np.exp(-logs.sum() / 9)), rel=1e-5)


@torch.no_grad()
def test_a_short_context_reads_long_texts_in_windows(folder: str) -> None:
    model = created(folder, "lora")
    disturb(model)
    text = " ".join(TEXTS)
    ids = tokens(model.tokenizer, text)
    model.lm.config.max_position_embeddings = limit = 5  # type: ignore[union-attr]
    assert len(ids) > 2 * limit
    found = model.token_logprobs([text])[0]
    parts = [ids[i : i + limit] for i in range(0, len(ids) - 1, limit - 1)]
    expected = []
    for part in parts:
        logs = torch.log_softmax(model.lm(input_ids=torch.tensor([part])).logits[0].double(), -1)
        expected += [float(logs[i, token]) for i, token in enumerate(part[1:])]
    assert found == pytest.approx(np.array(expected), rel=1e-4) and len(found) == len(ids) - 1
    assert BaseComparison(model).kl_on([text]) > 0.0
