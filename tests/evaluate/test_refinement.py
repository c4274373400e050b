"""Flags and proposals against a truth small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.errors import DataError
from accord.evaluate.refinement import Planted, evaluate_refinement

TRUTH = (
    "what,head,relation,tail,instead_of\nerror,a,r,b,x\nerror,c,r,d,y\ngap,e,r,f,\nfalse,g,r,h,\n"
)


def scores(folder: Path, flags: list[str], proposals: list[str]) -> Path:
    rows: list[dict[str, Any]] = []
    for kind, ends in (("flag", flags), ("proposal", proposals)):
        for i, pair in enumerate(ends):
            chance = 1 - i / len(ends)
            row = {"kind": kind, "head": pair[0], "relation": "r", "tail": pair[1]}
            alone = {"alone": {"rules": -float(i)}} if kind == "flag" else {}
            rows.append({**row, "score": chance, "probability": chance, **alone})
    path = folder / "scores.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text(TRUTH)
    return path


def test_figures_counted_by_hand(tmp_path: Path, truth: Path) -> None:
    file = scores(tmp_path, ["ab", "xy", "cd", "zz"], ["gh", "uv", "ef"])
    found = evaluate_refinement(file, Planted.load(truth)).to_dict()
    own = found["flags"]["all"]
    assert own["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert own["recall_at_precision_0.9"] == 0.5
    assert found["flags"]["rules alone"] == own
    assert found["flags"]["random"]["average_precision"] == 0.5
    assert found["proposals"]["found"] == 1 and found["proposals"]["removed"] == 1
    assert found["proposals"]["average_precision"] == pytest.approx(1 / 3)
    assert found["proposals"]["verified"]["average_precision"] == pytest.approx(1 / 2)


def test_command(tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scores(tmp_path, ["ab", "cd", "xy"], [])
    assert main(["eval", "refinement", str(file), "--truth", str(truth), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 3 and found["flags"]["all"]["average_precision"] == 1
    assert main(["eval", "refinement", str(file), "--truth", str(truth)]) == 0
    assert "2 of 3 triples are wrong" in capsys.readouterr().out


def test_bad_files(tmp_path: Path, truth: Path) -> None:
    file = scores(tmp_path, ["ab"], [])
    planted = Planted.load(truth)
    file.write_text(file.read_text() + '{"kind": "fl')
    with pytest.raises(DataError):
        evaluate_refinement(file, planted)
    with pytest.raises(DataError, match="no flags"):
        evaluate_refinement(scores(tmp_path, [], ["ef"]), planted)
    truth.write_text("what,head,relation,tail\nwrong,a,r,b\n")
    with pytest.raises(DataError, match=r"truth.csv:2"):
        Planted.load(truth)
    truth.write_text("a\tr\tb\nc\tr\td\n")
    with pytest.raises(DataError, match=r"truth.csv:2: no column 'what'"):
        Planted.load(truth)
    truth.write_text("what,head,relation,tail\nfalse,a,r,b\n")
    with pytest.raises(DataError, match="nothing was planted"):
        Planted.load(truth)
