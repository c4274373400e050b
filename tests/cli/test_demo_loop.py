"""The demo's last act on a lawful graph: damage, cleaning, and the report of it."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import accord.refine.scan
from accord.demo.act_loop import CleanConfig, LoopResult, play
from accord.errors import ConfigError
from accord.evaluate.report import write_report
from accord.graph.formats import write_graph
from accord.graph.load import load_graph
from accord.refine.patch import patch_log
from tests.refine.test_rules import lawful_graph

CONFIG = CleanConfig(vectors=False, text_share=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph folder and a run folder, as the first act leaves them."""
    found = tmp_path_factory.mktemp("demo")
    write_graph(lawful_graph(), found / "graph")
    (found / "run").mkdir()
    (found / "run" / "config.toml").write_text("seed = 0\n")
    return found


@pytest.fixture(scope="module")
def told(folder: Path) -> LoopResult:
    return play(folder, 0, CONFIG, folder / "run")


def test_the_damage_is_mostly_mended_and_every_change_judged(
    folder: Path, told: LoopResult
) -> None:
    found = told.to_dict()["loop"]
    before, after = found["before"], found["after"]
    assert before["errors"] == round(0.05 * 228) and before["missing"] == 12
    assert after["errors"] < before["errors"] and after["missing"] < before["missing"]
    changes = found["changes"]
    assert len(changes) == found["removed"]["n"] + found["added"]["n"] > 10
    assert all(change["reason"] and change["probability"] >= 0.5 for change in changes)
    right = sum(change["right"] for change in changes if change["change"] == "remove")
    assert right == found["removed"]["right"] == before["errors"] - after["planted_left"]
    assert after["wrongly_removed"] == found["removed"]["n"] - right
    log = patch_log(folder / "loop" / "graph")
    assert [entry.note for entry in log] == ["damage", "clean"]
    assert patch_log(folder / "graph") == []
    damaged = load_graph(folder / "loop" / "graph")
    assert damaged.descends_from(load_graph(folder / "graph").hash)


def test_the_report_has_each_change_with_its_reason(folder: Path, told: LoopResult) -> None:
    write_report([folder / "run"], folder / "report.html")
    page = html.unescape((folder / "report.html").read_text("utf-8"))
    for change in told.found["changes"]:
        assert change["reason"] in page
        assert f"{change['head']} → {change['relation']} → {change['tail']}" in page
    assert "The run itself was not asked" in page and "One seed." in page
    kinds = [change["change"] for change in told.found["changes"]]
    assert f"Taken out ({kinds.count('remove')})" in page
    assert "wrong triples" in told.to_text() and "error rate" in told.to_text()


def test_played_again_it_reads_what_is_there(
    folder: Path, told: LoopResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(*_: Any) -> None:
        raise AssertionError("scanned again")

    monkeypatch.setattr(accord.refine.scan, "scan_graph", scan)
    again = play(folder, 0, CONFIG, folder / "run")
    assert again.to_dict() == json.loads(json.dumps(told.to_dict()))
    for seed, config in ((1, CONFIG), (0, replace(CONFIG, above=0.9))):
        with pytest.raises(ConfigError, match="other settings"):
            play(folder, seed, config, folder / "run")
