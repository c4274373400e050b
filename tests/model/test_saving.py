"""A saved model opens as it was, and says what is wrong where it cannot."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from accord.errors import DataError, ModelError
from accord.graph.graph import KnowledgeGraph
from accord.model import saving
from accord.model.config import ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import load_model, save_pretrained, trainable
from accord.model.sharing import info
from accord.text.render import TextConfig
from tests.conftest import build_tiny_llama

QUERIES = np.array([[0, 0], [3, 3], [1, 7]])


@pytest.fixture
def saved(tmp_path: Path, tiny_graph: KnowledgeGraph) -> tuple[Path, KnowledgeModel]:
    """A folder and the model that was saved to it, its adapter far from zero."""
    lm, tokenizer = build_tiny_llama()
    lm.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    config = ModelConfig(
        str(tmp_path / "base"), rank=2, freeze_layers=1, projection=6, dtype="float32"
    )
    model = KnowledgeModel.create(config, TextConfig(entity_tokens=9, neighbours=1), "cpu")
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(0, 0.5)
    record = {"name": tiny_graph.name, "hash": tiny_graph.hash}
    folder = save_pretrained(model, tmp_path / "run" / "model", record, {"seed": 0, "steps": 7})
    return folder, model


def test_it_opens_with_the_same_embeddings_and_completions(
    saved: tuple[Path, KnowledgeModel], tiny_graph: KnowledgeGraph
) -> None:
    folder, model = saved
    for place in (folder, folder.parent):  # the model's folder, or its run's
        opened = load_model(place, "cpu")
        assert opened.text == model.text
        np.testing.assert_array_equal(
            opened.embed_entities(tiny_graph), model.embed_entities(tiny_graph)
        )
        np.testing.assert_array_equal(
            opened.embed_queries(tiny_graph, QUERIES), model.embed_queries(tiny_graph, QUERIES)
        )
        written = opened.complete_names(tiny_graph, QUERIES, 5)
        assert written == model.complete_names(tiny_graph, QUERIES, 5)
        assert opened.generate(["Japan"], 4) == model.generate(["Japan"], 4)


def test_the_folder_is_a_peft_adapter_with_a_card(
    saved: tuple[Path, KnowledgeModel], tmp_path: Path
) -> None:
    from peft import PeftModel

    folder, model = saved
    base, _ = build_tiny_llama()
    adapted: Any = PeftModel.from_pretrained(base, str(folder))
    ids = torch.tensor([[5, 6, 7, 8]])
    lm: Any = model.lm
    with torch.no_grad():
        torch.testing.assert_close(adapted(input_ids=ids).logits, lm(input_ids=ids).logits)
        assert not torch.allclose(base.base_model(ids)[0][0, 0], torch.zeros(16))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nbase_model: ")
    assert "steps: 7" in card
    assert not [p for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pkl")]


def test_another_base_model_is_refused(saved: tuple[Path, KnowledgeModel], tmp_path: Path) -> None:
    other, _ = build_tiny_llama(seed=1)
    other.save_pretrained(tmp_path / "base")
    with pytest.raises(ModelError, match="not those it was trained on"):
        load_model(saved[0], "cpu")


@pytest.mark.parametrize("name", ["accord.json", "trained.safetensors"])
def test_a_cut_file_is_named(saved: tuple[Path, KnowledgeModel], name: str) -> None:
    path = saved[0] / name
    whole = path.read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=name):
            load_model(saved[0], "cpu")


def test_another_format_and_missing_weights(saved: tuple[Path, KnowledgeModel]) -> None:
    header = json.loads((saved[0] / "accord.json").read_text())
    (saved[0] / "trained.safetensors").unlink()
    with pytest.raises(ModelError, match=r"trained\.safetensors"):
        load_model(saved[0], "cpu")
    (saved[0] / "accord.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        load_model(saved[0], "cpu")
    other = {**header["templates"], "query": "HEAD RELATION"}
    (saved[0] / "accord.json").write_text(json.dumps({**header, "templates": other}))
    with pytest.raises(ModelError, match="trained on texts like 'HEAD RELATION'"):
        load_model(saved[0], "cpu")
    del header["templates"]  # a model of before they were kept
    del header["base_sha256"]
    (saved[0] / "accord.json").write_text(json.dumps(header))
    with pytest.raises(ModelError, match="base_sha256"):
        load_model(saved[0], "cpu")


def test_a_full_disk_leaves_the_model_that_was_there(
    saved: tuple[Path, KnowledgeModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model = saved
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "save_file", full)
    with pytest.raises(DataError, match="no space left"):
        save_pretrained(model, folder, {}, {})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_an_unfinished_run_says_how_to_finish(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ModelError, match="no finished model") as raised:
        load_model(tmp_path)
    assert f"--out {tmp_path} --resume" in raised.value.hint
    with pytest.raises(ModelError, match="no finished model"):
        info(tmp_path)


def test_unknown_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load_model(tmp_path / "missing")
    shutil.rmtree(tmp_path / "empty", ignore_errors=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="cannot load model"):
        load_model(tmp_path / "empty")


@pytest.mark.parametrize("tokenizer", [None, "{broken"])
def test_a_folder_without_a_tokenizer_says_which_files_it_lacks(
    tiny_llama: tuple[Any, Any], tmp_path: Path, tokenizer: str | None
) -> None:
    tiny_llama[0].save_pretrained(tmp_path)
    if tokenizer is not None:
        (tmp_path / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    with pytest.raises(ModelError, match=r"no usable tokenizer files \((?!.*one of).*\)") as told:
        load_model(tmp_path)
    assert "tokenizer.json" in told.value.hint and "vocab.txt" in told.value.hint
