"""A run that is killed and goes on ends as one that was left alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from accord.api import train_run
from accord.errors import AccordError, ConfigError, ModelError
from accord.graph.load import load_graph
from accord.model.saving import load_model
from accord.train.checkpoint import RunFolder, graph_record, run_graph
from benchmarks.resume import compare, state_files, workers
from tests.conftest import build_tiny_graph
from tests.train.tiny import tiny_project, tiny_recipe


def eventful(**loop: Any) -> Any:
    """A recipe with everything that has state: dropout, queue, cache, validation, accumulation."""
    return tiny_recipe(
        model={"freeze_layers": 2, "reading": "segments", "dropout": 0.2, "projection": 6},
        contrastive={"queue": 9, "self_negatives": True},
        loop={"steps": 16, "validate_every": 5, "checkpoint_seconds": 0.0, "log_every": 4}
        | {"accumulation": 2, "warmup": 0.2}
        | loop,
    )


def test_killed_at_twenty_moments_it_ends_bit_identical(tmp_path: Path) -> None:
    outcome = compare(tiny_project(tmp_path, eventful()), tmp_path, kills=20, seed=0)
    assert outcome.different == []
    assert outcome.files == 7, "weights, best, optimizer, objectives; model, adapter, objectives"
    assert outcome.kills >= 5, "the moments must lie within the run"


def _command(arguments: list[str], log: str) -> None:
    """A process of the command line, with its messages in a file."""
    with Path(log).open("a", buffering=1) as file:
        os.dup2(file.fileno(), 2)
    from accord.cli.main import main

    sys.exit(main(arguments))


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    settings = tiny_project(tmp_path, eventful(steps=100_000, checkpoint_seconds=1e6))
    run, log = tmp_path / "run", tmp_path / "log"
    arguments = ["train", settings["recipe"], "--graph", settings["graph"], "--out", str(run)]
    process = workers().Process(target=_command, args=([*arguments, "--device", "cpu"], str(log)))
    process.start()
    for _ in range(600):
        if (run / "metrics.jsonl").is_file() or not process.is_alive():
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130, log.read_text()
    assert f"--out {run} --resume" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert len(list((run / "checkpoints").glob("step-*"))) >= 1
    with pytest.raises(ModelError, match="no finished model") as raised:
        load_model(run)
    assert "--resume" in raised.value.hint


def test_what_a_run_folder_refuses(tmp_path: Path) -> None:
    settings = tiny_project(tmp_path, tiny_recipe(loop={"steps": 2}))
    run = tmp_path / "run"
    result = train_run(**settings, out=run)
    assert result.steps == 2
    weights = state_files(run)
    with pytest.raises(ConfigError, match="already holds a run"):
        train_run(**settings, out=run)
    with pytest.raises(ConfigError, match="own settings"):
        train_run(**settings, out=run, resume=True, overrides=["steps=3"])
    other = _other_graph(tmp_path)
    with pytest.raises(ConfigError, match="another graph"):
        train_run(**{**settings, "graph": str(other)}, out=run, resume=True)
    assert state_files(run) == weights
    # A finished run that is resumed is written again, the same.
    train_run(**settings, out=run, resume=True)
    assert state_files(run) == weights


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overrides": ["freeze_layers=9"]}, "the model has 4 layers"),
        ({"model": "owner/no-such-model"}, "there is no model"),
        ({"graph": "one.tsv"}, "nothing to contrast"),
    ],
)
def test_what_shows_late_leaves_no_run_in_the_way_of_the_mended_command(
    change: dict[str, Any], message: str, there: bool, tmp_path: Path
) -> None:
    settings = tiny_project(tmp_path, tiny_recipe(loop={"steps": 1}))
    (tmp_path / "one.tsv").write_text("a\tr\ta\n")
    if "graph" in change:
        change = {"graph": str(tmp_path / "one.tsv")}
    run = tmp_path / "run"
    if there:
        run.mkdir()
        (run / "notes.txt").write_text("mine")
    with pytest.raises(AccordError, match=message):
        train_run(**{**settings, **change}, out=run)
    assert [p.name for p in run.glob("*")] == (["notes.txt"] if there else [])
    assert run.exists() == there


def test_the_graph_of_a_run_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = build_tiny_graph()
    graph.save(tmp_path / "graph")
    RunFolder("run").start("", {}, graph_record(graph, "graph"))
    monkeypatch.chdir("/")
    assert load_graph(run_graph(tmp_path / "run")).hash == graph.hash
    (tmp_path / "graph").rename(tmp_path / "moved")
    assert run_graph(tmp_path / "run") == "graph", "as it was given"


def _other_graph(folder: Path) -> Path:
    from accord.graph.builder import GraphBuilder

    builder = GraphBuilder("other")
    for name in ("a", "b"):
        builder.entity(name, name)
    builder.triple("a", "r", "b")
    return builder.build().save(folder / "other")


def test_a_run_stopped_before_its_settings_were_written_starts_anew(tmp_path: Path) -> None:
    settings = tiny_project(tmp_path, tiny_recipe(loop={"steps": 2}))
    run = tmp_path / "run"
    run.mkdir()
    (run / "graph.json").write_text("{")
    assert train_run(**settings, out=run, resume=True).steps == 2
