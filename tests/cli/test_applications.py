"""`accord write`, `decide` and `chat`: keys, tables for people, errors."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from pathlib import Path
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


def test_decide(graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["decide", "any", "What borders Sweden?", "--option", "Norway", "--option", "Osaka"]
    code, found = call(capsys, *args, "--graph", graph)
    assert code == 0 and found["options"][0]["text"] == "Norway" and not found["abstained"]
    assert {"citations", "warning", "reason", "read_as", "calibrated"} <= found.keys()
    assert {"text", "id", "probability", "for", "against"} == found["options"][0].keys()
    assert main([*args, "--graph", graph, "--threshold", "1"]) == 0
    assert capsys.readouterr().out.startswith("not enough knowledge")
    code, found = call(capsys, *args[:5], "--graph", graph)
    assert code == 2 and "two or more" in found["hint"]
    code, found = call(capsys, *args, "--graph", graph, "--facts", str(tmp_path / "none"))
    assert code == 2 and "none" in found["error"]


def test_eval_decisions(graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "c.json")
    args = ["eval", "decisions", "any", "--graph", graph, "--options", "2"]
    code, found = call(capsys, *args, "--fit", "--out", out)
    assert code == 0 and found["split"] == "valid" and 0 <= found["ece"] <= 1
    code, found = call(capsys, *args, "--calibration", out, "--split", "test")
    assert code == 0 and found["calibration"]["fitted"]
    assert call(capsys, *args, "--fit", "--calibration", out)[0] == 2


def converse(monkeypatch: pytest.MonkeyPatch, graph: str, text: str, *more: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return main(["chat", "any", "--graph", graph, "--threshold", "0", *more])


def test_chat(
    graph: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "capital of Japan\n\n/why\n/graph\n/forget\n/nope\n/quit\nnever read"
    assert converse(monkeypatch, graph, text) == 0
    said = capsys.readouterr().out
    assert said.startswith("Japan has the capital Tōkyō.\nasked: capital of Japan\n")
    assert "in play: Tōkyō; Japan" in said and "\nforgotten\n" in said and "/quit" in said


def test_chat_takes_the_confidence_that_ask_takes(
    graph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "confidence.json"
    file.write_text('{"constant": -9, "lead": 0, "coverage": 0, "threshold": 0.5}', "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("capital of Japan"))
    assert main(["chat", "any", "--graph", graph, "--confidence", str(file)]) == 0
    assert capsys.readouterr().out.startswith("I cannot answer that")


def test_no_hops_are_not_the_default(graph: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, "ask", "any", "capital of Japan", "--graph", graph, "--hops", "0")
    assert code == 2 and "hops is 0" in found["error"]


def test_chat_as_one_object(
    graph: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse(monkeypatch, graph, "capital of Japan\nand its population?", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [turn["answers"][0]["name"] for turn in found["turns"]] == ["Tōkyō", "13960000"]
    assert found["turns"][0]["reply"] and found["citations"]


def test_one_object_holds_what_the_dialogue_forgot(
    graph: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["capital of Japan", "/forget", "capital of Japan", "city of Sweden"]
    assert converse(monkeypatch, graph, "\n".join(asked), "--json", "--history", "1") == 0
    found = json.loads(capsys.readouterr().out)
    assert [turn["question"] for turn in found["turns"]] == [asked[0], *asked[2:]]
    assert {cited["head"] for cited in found["citations"]} == {"japan", "sweden", "orebro"}


def test_chat_goes_on_after_an_interruption(
    graph: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from accord.decode import dialogue

    class Interrupted(dialogue.Dialogue):
        def stream(self, question: str) -> Generator[str, None, None]:
            yield from super().stream(question)
            if "Sweden" in question:
                raise KeyboardInterrupt

    monkeypatch.setattr(dialogue, "Dialogue", Interrupted)
    assert converse(monkeypatch, graph, "city of Sweden\ncapital of Japan\n") == 0
    done = capsys.readouterr()
    assert "not remembered" in done.err and done.out.endswith("Japan has the capital Tōkyō.\n")
