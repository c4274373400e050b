"""Fetching, merging and sharing models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from accord.cli.main import main
from accord.errors import ModelError
from accord.model import sharing
from accord.model.config import ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import save_pretrained, trainable


@pytest.fixture
def base(tiny_llama: tuple[Any, Any], tmp_path: Path) -> Path:
    model, tokenizer = tiny_llama
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Path:
    """A run whose adapter is far from zero."""
    model = KnowledgeModel.create(ModelConfig(str(base), rank=4, dtype="float32"), device="cpu")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trainable(model.lm).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    graph = {"spec": "tiny", "name": "tiny", "hash": "ab" * 32}
    save_pretrained(model, tmp_path / "run" / "model", graph, {"steps": 3})
    return tmp_path / "run"


def logits_of(model: torch.nn.Module) -> torch.Tensor:
    ids = torch.arange(5, 40)[None]
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids).logits
    return found


def test_merged_model_is_a_plain_one_that_computes_the_same(
    run: Path, base: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    from accord.model.saving import load_model

    found = sharing.merge(run, tmp_path / "merged")
    assert found["ranks"] is True
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    adapted = logits_of(load_model(run, "cpu").lm)
    torch.testing.assert_close(logits_of(merged), adapted, atol=1e-3, rtol=1e-3)
    plain = logits_of(AutoModelForCausalLM.from_pretrained(base))
    assert (plain - adapted).abs().max() > 0.01, "the adapter does something"
    assert not list((tmp_path / "merged").glob("*.bin"))


def test_merge_leaves_a_full_folder_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "mine.txt").write_text("x")
    with pytest.raises(ModelError, match="not empty"):
        sharing.merge(run, tmp_path / "merged")
    assert [p.name for p in (tmp_path / "merged").iterdir()] == ["mine.txt"]


def test_info_of_run_and_base(run: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["graph"]["name"] == "tiny" and found["facts"] == {"steps": 3}
    assert found["trained_parameters"] > 1000 and found["base"] == str(base)
    assert main(["model", "info", str(base), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"] == 4


def test_unknown_model_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "fetch", "smollm2-135-q4", "--json"]) == 2
    assert "'smollm2-135m-q4'" in json.loads(capsys.readouterr().out)["hint"]


def test_a_hub_model_that_cannot_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "fetch", "owner/no-such-model", "--json"]) == 2
    assert "there is no model 'owner/no-such-model'" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("command", [["merge", "--out", "x"], ["push", "me/x"]])
def test_a_folder_without_a_model(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", command[0], str(tmp_path), *command[1:], "--json"]) == 2
    assert "no trained model" in json.loads(capsys.readouterr().out)["error"]


def test_push_needs_a_token(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ModelError, match="no token"):
        sharing.push(run, "me/x")


class Hub:
    """Notes what would be uploaded."""

    calls: list[tuple[str, dict[str, Any]]]

    def __init__(self, token: str) -> None:
        Hub.calls = [("token", {"token": token})]

    def create_repo(self, repo: str, **options: Any) -> None:
        Hub.calls.append((repo, options))

    def upload_folder(self, folder_path: Path, repo_id: str) -> str:
        Hub.calls.append((repo_id, {"files": {path.name for path in folder_path.iterdir()}}))
        return "https://hub/" + repo_id


def test_push_uploads_weights_header_and_card_and_is_private(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    found = sharing.push(run, "me/x")
    assert Hub.calls[1] == ("me/x", {"private": True, "exist_ok": True})
    files = Hub.calls[2][1]["files"]
    assert {"accord.json", "trained.safetensors", "README.md"} <= files
    assert "secret" not in str(found)
