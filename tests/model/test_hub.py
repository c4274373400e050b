"""Names of base models that cannot be had, and weights that the Hub's client keeps."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accord.errors import ModelError
from accord.model import hub
from accord.model.saving import base_sha256, load_model


def answer(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    """Makes the Hub answer in one way."""
    import huggingface_hub

    def model_info(*_: Any, **__: Any) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(model_info=model_info))


@pytest.fixture
def no_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders wait and try again; a name that is nowhere must not reach them."""
    from transformers import AutoTokenizer

    def called(*_: Any, **__: Any) -> None:
        raise AssertionError("the loader was called")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", called)


def test_an_unknown_name_offline_fails_before_anything_waits(no_loader: None) -> None:
    with pytest.raises(ModelError, match="'owner/nothing' on this machine, and the Hub") as raised:
        load_model("owner/nothing", "cpu")
    assert "known: all-minilm-l6-v2, smollm2-135m-q4" in raised.value.hint
    with pytest.raises(ModelError) as raised:
        load_model("smollm2-135-q4", "cpu")
    assert "did you mean 'smollm2-135m-q4'?" in raised.value.hint


def test_no_network_and_no_such_model_are_told_apart(
    no_loader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, TimeoutError())
    with pytest.raises(ModelError, match=r"cannot be reached \(TimeoutError\)"):
        load_model("owner/nothing", "cpu")
    with pytest.raises(ModelError, match="neither a folder, nor embedded, nor on the Hub"):
        load_model("a name/with/too many parts", "cpu")


def test_a_name_on_the_hub_is_left_to_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, SimpleNamespace(id="owner/model"))
    hub.check_available("owner/model")


def test_a_model_fetched_before_needs_no_hub_and_has_a_sha256(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / digest).write_bytes(content)
    snapshot = tmp_path / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(tmp_path / "blobs" / digest)
    (snapshot / "consolidated.safetensors").write_bytes(b"the same once more")
    monkeypatch.setattr(hub, "local_copy", lambda name: snapshot)
    answer(monkeypatch, TimeoutError())
    hub.check_available("owner/model")
    assert base_sha256("owner/model") == digest
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").write_bytes(content)  # where links are not to be had
    assert base_sha256("owner/model") == digest
