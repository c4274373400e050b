"""`accord link`: keys, files, streams, errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from tests.conftest import build_tiny_graph


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run folder that records the tiny graph; linking by name needs no model."""
    from accord.train.checkpoint import RunFolder, graph_record

    root = tmp_path_factory.mktemp("link")
    graph = build_tiny_graph()
    spec = str(graph.save(root / "graph"))
    RunFolder(root / "run").start("", {}, graph_record(graph, spec))
    return str(root / "run")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = main(["link", *args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_text_with_the_runs_own_graph(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, run, "Is 東京 in japan?")
    assert code == 0 and found["count"] == 2
    assert found["mentions"][0] == {
        "start": 3, "end": 5, "text": "東京", "entity": "tokyo", "name": "Tōkyō",
        "probability": 1.0,
    }  # fmt: skip
    assert found["mentions"][1]["entity"] == "japan"


def test_a_graph_for_any_name_and_candidates(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    graph = str(Path(run).parent / "graph")
    code, found = call(capsys, "any", "sverige", "--graph", graph, "--candidates")
    assert code == 0
    (mention,) = found["mentions"]
    assert mention["candidates"] == [{"entity": "sweden", "name": "Sweden", "probability": 1.0}]
    code, found = call(capsys, "any", "narcisus", "--graph", graph, "--fuzzy", "0.8")
    assert found["mentions"][0]["entity"] == "narcissus"
    assert 0.8 <= found["mentions"][0]["probability"] < 1


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_a_file_is_linked_to_its_end(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    text = "Örebro\r\n" + "é " * 700_000 + "Osaka"
    file, out = tmp_path / f"long{suffix}", tmp_path / "found.jsonl"
    data = text.encode()
    file.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert main(["link", run, str(file), "--out", str(out)]) == 0
    assert "2 mentions" in capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [(row["entity"], text[row["start"] : row["end"]]) for row in rows] == [
        ("orebro", "Örebro"), ("osaka", "Osaka"),
    ]  # fmt: skip


def test_the_form_for_people(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", run, "Nippon"]) == 0
    assert capsys.readouterr().out.split() == ["0-6", "Nippon", "japan", "Japan", "1.00"]
    assert main(["link", run, "x" * 5000]) == 0
    assert "no entity" in capsys.readouterr().out


def test_what_the_user_can_mend(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.txt").write_bytes("one\nÖrebro".encode("latin-1"))
    out = tmp_path / "out.jsonl"
    out.write_text("kept")
    code, error = call(capsys, run, str(tmp_path / "latin.txt"), "--out", str(out))
    assert code == 2 and "latin.txt:2: not UTF-8" in error["error"]
    assert out.read_text() == "kept"
    code, error = call(capsys, run, "missing.txt")
    assert code == 2 and "no such file" in error["error"]
    code, error = call(capsys, "smollm2-135m-q4", "Osaka")
    assert code == 2 and "--graph" in error["hint"]
    code, error = call(capsys, run, "Osaka", "--fuzzy", "7")
    assert code == 2 and "fuzzy is 7" in error["error"]
