"""`accord refine scan`: one JSON object, a queue to review, and who is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer

from accord.cli.refine_scan import scan
from accord.errors import ConfigError, DataError, GraphError, ModelError
from accord.graph.builder import GraphBuilder
from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph
from tests.refine.test_rules import lawful_graph


def call(*arguments: str) -> None:
    app = typer.Typer()
    app.command()(scan)
    app(list(arguments), standalone_mode=False)


def test_scan_fills_a_queue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from accord.refine.queue import Queue

    graph = lawful_graph()
    folder, out = str(graph.save(tmp_path / "graph")), str(tmp_path / "queue")
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "model" / "accord.json").write_text("{}")
    (run / "graph.json").write_text(
        json.dumps({"hash": graph.hash, "ancestors": [], "name": "lawful", "spec": folder})
    )
    asked = [str(run), "--out", out, "--no-structure", "--least", "0"]
    call(*asked, "--scores", str(tmp_path / "s.jsonl"), "--plot", str(tmp_path / "p.png"), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["queue"] == out and found["flags"] + found["proposals"] == found["new"] > 0
    assert (tmp_path / "s.jsonl").is_file() and (tmp_path / "p.png").is_file()
    with Queue(out) as queue:
        assert len(queue.entries()) == found["new"]
    with Queue(out, "anna") as queue:  # at once, and while it judges: neither loses anything
        with pytest.raises(GraphError, match="anna has the queue"):
            call(*asked)
        monkeypatch.setattr("accord.refine.queue.check_queue", lambda *_: None)
        monkeypatch.setattr("time.sleep", lambda _: queue.close())
        call(*asked[:-1], "1", "--json")
    told = capsys.readouterr()
    assert "anna has the queue" in told.err and "waiting until that ends" in told.err
    assert json.loads(told.out)["flags"] == 0
    call(*asked[:-1], "1")
    assert "nothing found" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="no image has the suffix 'txt'"):
        call(*asked, "--plot", "p.txt")


def test_a_plot_that_cannot_be_drawn_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = GraphBuilder("few")
    for number in range(12):
        builder.triple(f"e{number}", "r", f"e{number + 1}")
    folder = str(builder.build().save(tmp_path / "graph"))
    plot = tmp_path / "p.png"
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "model" / "accord.json").write_text("{}")
    words = (str(run), "--graph", folder, "--out", str(tmp_path / "queue"), "--no-structure")
    call(*words, "--plot", str(plot))
    said = capsys.readouterr().err
    assert "hidden triples were found again: no probabilities" in said
    assert f"{plot} is not written" in said and not plot.exists()


def test_other_runs_are_refused(tmp_path: Path) -> None:
    folder = str(lawful_graph().save(tmp_path / "graph"))
    rest = ("--graph", folder, "--out", str(tmp_path / "queue"), "--no-structure")
    with pytest.raises(ModelError):
        call(str(tmp_path / "no-such-run"), *rest)
    run = tmp_path / "run"
    run.mkdir()
    (run / "graph.json").write_text(json.dumps({"hash": "x", "ancestors": [], "name": "other"}))
    with pytest.raises(GraphError, match="'other'"):
        call(str(run), *rest)
    assert not (tmp_path / "queue").exists()


def test_a_queue_of_another_graph_is_refused_before_anything_is_judged(
    tiny_graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(lawful_graph().save(tmp_path / "graph"))
    write_graph(tiny_graph, tmp_path / "queue")
    monkeypatch.setattr("accord.refine.scan.scan_graph", None)
    with pytest.raises(GraphError, match="the queue is of tiny"):
        call("none", "--graph", folder, "--out", str(tmp_path / "queue"), "--no-text")
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    with pytest.raises(DataError, match="may not be written"):
        call("none", "--graph", folder, "--out", str(tmp_path / "queue"), "--no-text")
