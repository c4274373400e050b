"""`accord write`, `decide` and `chat`: keys, tables for people, errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accord.cli.main import main
from tests.conftest import build_tiny_graph
from tests.train.tiny import tiny_model, tiny_recipe


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_tiny_graph().save(tmp_path_factory.mktemp("applications") / "graph"))


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any RUN is the tiny model."""
    found = tiny_model(tiny_recipe())
    monkeypatch.setattr("accord.model.saving.load_model", lambda run: found)


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = main([*args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_write(graph: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, "write", "any", "Nippon", "--graph", graph, "--facts", "3")
    assert code == 0 and found["entity"] == "japan" and found["guided"]
    assert {"text", "statements", "citations", "unsupported"} <= found.keys()
    assert found["unsupported"]["rate"] == 0 and found["citations"][0]["head"] == "japan"
    assert main(["write", "any", "Nippon", "--graph", graph]) == 0
    text = capsys.readouterr().out
    assert "[1]" in text and "0 of " in text


def test_write_unguided(graph: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, "write", "any", "japan", "--graph", graph, "--unguided")
    assert code == 0 and not found["guided"] and found["citations"] == [] and found["facts"]


def test_write_what_does_not_exist(graph: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, "write", "any", "Jappan", "--graph", graph)
    assert code == 2 and "Japan" in found["hint"]
    code, found = call(capsys, "write", "any", "japan", "--graph", graph, "--facts", "0")
    assert code == 2 and found["hint"]
