"""`accord eval qa --qa` and `accord eval choice` on a tiny model: keys, files, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.text.questions import Hop, Question, write_questions
from tests.conftest import build_tiny_graph, build_tiny_llama


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model, a graph folder, questions and choices."""
    root = tmp_path_factory.mktemp("world")
    for part in build_tiny_llama():
        part.save_pretrained(root / "base")
    build_tiny_graph().save(root / "graph")
    path = (Hop("orebro", "city_of", "sweden"), Hop("sweden", "borders", "norway"))
    common = ("What borders the country of Örebro?", ("Norway",), ("orebro",), ("norway",), (path,))
    write_questions(
        root / "qa.jsonl",
        [Question(str(i), *common, "Said so.", 2, "a > b", split)
         for i, split in enumerate(("train", "valid", "test"))],
    )  # fmt: skip
    (root / "mc.jsonl").write_text('{"question": "?", "choices": ["a", "b"], "answer": "b"}\n')
    (root / "one.jsonl").write_text('{"question": "?", "choices": ["a"], "answer": 0}\n')
    return root


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = main([*args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_questions(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, qa = str(world / "base"), str(world / "qa.jsonl")
    dump = str(world / "dump.jsonl")
    args = ("eval", "qa", base, "--qa", qa, "--split", "test")
    code, found = call(
        capsys, *args, "--hops", "--graph", str(world / "graph"), "--shots", "1", "--out", dump
    )
    assert code == 0
    assert set(found) >= {"n", "exact_match", "f1", "hits@1", "by_hops", "by_path", "baselines"}
    assert (found["n"], found["shots"], found["mode"]) == (1, 1, "direct")
    assert found["known"]["own"]["cells"]["unknown_wrong"] == 1
    code, found = call(capsys, *args, "--known-from", dump, "--mode", "rationale-written")
    assert code == 0 and found["known"]["before"]["known"] == 0
    assert main([*args, "--known-from", dump]) == 0
    assert "baseline: frequent" in capsys.readouterr().out


def test_questions_and_triples_are_not_mixed_up(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, qa = str(world / "base"), str(world / "qa.jsonl")
    code, found = call(capsys, "eval", "qa", base, "--qa", qa, "--task", "triple")
    assert code == 2 and "do not go together" in found["error"]
    code, found = call(capsys, "eval", "qa", base, "--task", "questions")
    assert (code, found["error"]) == (2, "no questions given")
    code, found = call(capsys, "eval", "qa", base, "--qa", str(world / "none.jsonl"))
    assert code == 2 and "none.jsonl" in found["error"]
    code, found = call(capsys, "eval", "qa", base, "--qa", qa, "--hops")
    assert code == 2 and "--graph" in found["hint"]


def test_choice(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = str(world / "base")
    code, found = call(capsys, "eval", "choice", base, "--data", str(world / "mc.jsonl"))
    assert code == 0
    assert set(found) >= {"n", "accuracy", "accuracy_norm", "norm", "baseline"}
    assert set(found["baseline"]) == {"random", "majority", "longest"}
    code, found = call(capsys, "eval", "choice", base, "--data", str(world / "one.jsonl"))
    assert code == 2 and "one.jsonl:1: two or more choices" in found["error"]
    code, found = call(capsys, "eval", "choice", base, "--data", "arc-hard")
    assert code == 2 and "arc-easy" in found["hint"]
