"""`accord train`: its arguments, its object and what it says when stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import accord.api
from accord.api import RunResult
from accord.cli.main import main
from accord.refine.rounds import RoundsResult


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of each call of `train_run`, which trains nothing here."""
    calls: list[tuple[Any, ...]] = []

    def run(*arguments: Any) -> RunResult:
        calls.append(arguments)
        return RunResult(Path("run"), 3, 1.5, {"valid": 0.5})

    monkeypatch.setattr(accord.api, "train_run", run)
    return calls


def test_the_object_and_the_arguments(
    called: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "kalm", "--graph", "umls", "--out", "run", "--set", "steps=3"]
    assert main([*command, "--text", "a.txt", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"run": "run", "steps": 3, "seconds": 1.5, "metrics": {"valid": 0.5}}
    assert called == [
        ("kalm", "umls", Path("run"), None, ["steps=3"], [Path("a.txt")], False, None, None, [])
    ]
    assert main(command) == 0
    assert "run: 3 steps" in capsys.readouterr().out


def test_a_run_that_goes_on_has_its_recipe_and_its_graph(
    called: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").touch()
    (tmp_path / "graph.json").write_text('{"spec": "umls", "path": null}')
    assert main(["train", "--out", str(tmp_path), "--resume"]) == 0
    rest: tuple[Any, ...] = (None, [], [], True, None, None, [])
    assert called == [("", "umls", tmp_path, *rest)]
    assert main(["train", "kalm", "--graph", "nations", "--out", str(tmp_path), "--resume"]) == 0
    assert called[1] == ("kalm", "nations", tmp_path, *rest)
    for words, message in ((["--graph", "umls"], "RECIPE is missing"), (["kalm"], "--graph is")):
        assert main(["train", *words, "--out", str(tmp_path / "new")]) == 2
        assert message in capsys.readouterr().err


def test_rounds_are_asked_for_by_their_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[Any, ...]] = []
    entry = {"round": 1, "steps": 3, "seconds": 2.0, "metrics": {"valid": 0.5}}

    def rounds(*arguments: Any) -> RoundsResult:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return RoundsResult(Path("out"), "review", [entry])

    monkeypatch.setattr(accord.api, "train_rounds", rounds)
    command = ["train", "joint", "--graph", "umls", "--out", "out", "--rounds", "2"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"run", "steps", "seconds", "metrics"} <= found.keys()
    assert found["state"] == "review" and found["review"] == "out/round-1/review.csv"
    assert calls == [("joint", "umls", Path("out"), 2, None, [], [], None, None, [])]
    assert main(command) == 0
    assert "fill in the column verdict of out/round-1/review.csv" in capsys.readouterr().out
    assert main(command) == 130
    assert "joint --graph umls --out out --rounds 2 and the same" in capsys.readouterr().err


def test_ctrl_c_gives_the_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(accord.api, "train_run", stop)
    monkeypatch.chdir(tmp_path)
    command = ["train", "kalm", "--graph", "my graph", "--out", "run", "--set", "steps=9"]
    assert main(command) == 130  # a command without --set would begin another run
    printed = capsys.readouterr()
    assert "give the same command again" in printed.err and "--resume" not in printed.err
    Path("run").mkdir()
    Path("run/config.toml").touch()
    assert main([*command, "--text", "a.txt", "--device", "cpu"]) == 130
    printed = capsys.readouterr()
    assert (
        "accord train kalm --graph 'my graph' --out run --resume --text a.txt --device cpu"
        in printed.err
    )
    assert printed.out == ""
    assert main([*command, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"] == "stopped"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["kalmm"], "no recipe 'kalmm'"),
        (["--set", "loop.stepz=3"], "stepz"),
        (["--set", "model.rank=0"], "rank"),
        (["--graph", "ulms"], "ulms"),
        (["--device", "cuda:77"], "--device is 'cuda:77'"),
        (["--resume"], "there is no run to go on with"),
    ],
)
def test_what_the_user_can_mend(
    change: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = change if change == ["kalmm"] else ["kalm", *change]
    graph = [] if "--graph" in change else ["--graph", "umls"]
    assert main(["train", *recipe, *graph, "--out", str(tmp_path / "run"), "--json"]) == 2
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert message in found["error"]
    assert found["hint"]
    assert "Traceback" not in printed.err
    assert not (tmp_path / "run").exists(), "nothing is written before all is known to be right"


def test_a_folder_of_rounds_is_no_run_to_go_on_with(
    called: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rounds.json").write_text("{}")
    whole = ["joint", "--graph", "umls"]
    for words in (["--resume"], ["--resume", "--rounds", "3"], [*whole, "--resume"], whole):
        assert main(["train", *words, "--out", str(tmp_path)]) == 2
        said = capsys.readouterr().err
        assert f"{tmp_path} holds rounds" in said and "--rounds" in said
    assert not called
