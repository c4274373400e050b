"""The report: one file without a network, right numbers, and nothing that is missing breaks it."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.cli.main import main
from accord.errors import DataError
from accord.evaluate.report import write_report
from accord.evaluate.report_charts import Row, dot_chart, line_chart, smooth, ticks
from accord.evaluate.report_runs import differences, group_runs, read_run
from tests.evaluate.run_folders import make_run

VOID = {"meta", "polyline", "line", "circle"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed, and notes what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [v or "" for k, v in attrs if k in ("src", "href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag


def page_of(folders: list[Path], out: Path) -> str:
    write_report(folders, out)
    text = out.read_text("utf-8")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == [] and parser.fetched == []
    assert "@import" not in text and "url(" not in text and "<script" not in text
    return text


def test_one_run_shows_before_and_after(tmp_path: Path) -> None:
    text = page_of([make_run(tmp_path / "r")], tmp_path / "report.html")
    after = json.loads((tmp_path / "r" / "eval" / "4.json").read_text())
    mrr = after["result"]["both"]["realistic"]["mrr"]
    assert f"0.061 → {mrr:.3f}" in text
    assert "an illustration" in text
    assert "Kok &amp; Domingos &lt;2007&gt;" in text, "attribution is there and escaped"
    assert "+1.2 %" in text, "change of perplexity"
    assert "nan" not in text.lower().replace("nanum", "")
    assert "completion: loss" in text and "completion: share" in text
    assert "completion: nll" not in text, "a part that is the loss itself is not drawn again"
    for title in ("link prediction", "Writing answers", "What it kept", "What it cost", "Seeds: 0"):
        assert title in text


def test_structure_embeddings_stand_beside_and_the_machine_s_folders_do_not(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "r")
    found = json.loads((run / "eval" / "4.json").read_text())
    rows = {"both": {"realistic": {"mrr": 0.4321}}}
    found["result"]["fusion"] = {"structure": rows, "fused": {"both": {"realistic": {"mrr": 0.6}}}}
    (run / "eval" / "4.json").write_text(json.dumps(found))
    graph = json.loads((run / "graph.json").read_text())
    (run / "graph.json").write_text(json.dumps({**graph, "path": "/home/somebody/umls"}))
    text = page_of([run], tmp_path / "report.html")
    assert "Structure alone" in text and "0.432" in text and "Text and structure" in text
    assert "somebody" not in text


def test_seeds_become_mean_and_deviation(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"umls-{seed}", seed) for seed in (1, 2, 3)]
    groups = group_runs([read_run(run) for run in runs])
    assert [group.label for group in groups] == ["umls (3 seeds)"]
    text = page_of(runs, tmp_path / "report.html")
    assert "542 ± 1" in text, "training took 541, 542 and 543 seconds"
    assert "over 3 seeds" in text


def test_other_settings_stand_side_by_side(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "slow"), make_run(tmp_path / "fast", lr=0.001)]
    groups = group_runs([read_run(run) for run in runs])
    assert differences(groups) == {"train.lr": [0.0001, 0.001]}
    text = page_of(runs, tmp_path / "report.html")
    assert "Runs side by side" in text and "<th>slow</th><th>fast</th>" in text


def test_unfinished_run_is_reported_as_such(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", finished=False)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 600, "lo')  # killed while it wrote
    assert "Not finished: r." in page_of([run], tmp_path / "report.html")


@pytest.mark.parametrize("missing", ["env.json", "graph.json", "metrics.jsonl", "eval"])
def test_missing_parts_are_left_out(tmp_path: Path, missing: str) -> None:
    run = make_run(tmp_path / "r")
    gone = run / missing
    gone.rename(tmp_path / missing)
    assert "<h1>" in page_of([run], tmp_path / "report.html")


def test_damage_is_named_and_leaves_the_old_report(tmp_path: Path) -> None:
    run, out = make_run(tmp_path / "r"), tmp_path / "report.html"
    out.write_text("old")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([lines[0], "{", *lines[1:]]))
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: not JSON"):
        write_report([run], out)
    (run / "eval" / "0.json").write_text('{"kind": "qa"}')
    with pytest.raises(DataError):
        write_report([run], out)
    assert out.read_text() == "old"


def test_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "umls-run")
    assert main(["report", str(tmp_path / "umls-rum"), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert "no such run folder" in found["error"] and "umls-run" in found["hint"]
    assert main(["report", str(tmp_path), "--json"]) == 2


def test_command_writes_where_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = make_run(tmp_path / "r"), tmp_path / "new" / "report.html"
    assert main(["report", str(run), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["report"], found["bytes"]) == (str(out), out.stat().st_size)
    assert list(out.parent.iterdir()) == [out], "no temporary file is left"


finite = st.floats(-1e9, 1e9)


@given(low=finite, width=st.floats(0, 1e9))
def test_ticks_cover_the_range_evenly(low: float, width: float) -> None:
    found = ticks(low, low + width)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert found[0] <= low + slack and found[-1] >= low + width - slack
    assert 2 <= len(found) <= 12
    assert all(b > a for a, b in itertools.pairwise(found))


@given(values=st.lists(finite, max_size=400))
def test_smoothing_keeps_the_mean_s_range_and_bounds_the_points(values: list[float]) -> None:
    found = smooth([(float(i), v) for i, v in enumerate(values)], most=50)
    assert len(found) <= 50 and bool(found) == bool(values)
    slack = 1e-6 * max([1.0, *map(abs, values)])
    assert all(min(values) - slack <= y <= max(values) + slack for _, y in found)


def test_charts_of_nothing_are_nothing() -> None:
    assert line_chart([], "x", "t") == "" and dot_chart([], ["a"], "t") == ""


def test_dots_lie_where_their_values_are() -> None:
    svg = dot_chart([Row("r", "5", (0.0, 1.0)), Row("s", "5", (0.5, None))], ["b", "a"], "t")
    places = [float(x) for x in re.findall(r'cx="([0-9.]+)"', svg)]
    assert len(places) == 3
    assert places[2] == pytest.approx((places[0] + places[1]) / 2, abs=0.1)


def test_what_was_read_out_of_texts_is_shown_beside_its_baselines(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in ("with", "without")]
    (runs[1] / "config.toml").write_text("seed = 0\nfusion = false\n")
    for run, score in zip(runs, (0.75, 0.5), strict=True):
        for file in (run / "eval").glob("*.json"):
            file.unlink()
        linked = {"name prior": {"accuracy": 0.625}}
        alone = {"in <b>": {"n": 7, "f1": score}, "of": {"n": 9, "f1": 0.125}}
        for kind, result in (
            ("linking-own", {"n": 1200, "accuracy": score, "nil_f1": 0.1, "baseline": linked}),
            ("relations-own", {"n": 16, "micro_f1": score, "per_relation": alone}),
            ("choice-own", {"n": 4, "accuracy": score, "baseline": {"random": 0.25}}),
            ("pairs-own", {"n": 3, "accuracy": 1.0, "learnt_from": 2}),
        ):
            data = {"data": "own.jsonl", "split": "test", **result}
            entry = {"kind": kind, "model": "after", "split": "test", "result": data}
            (run / "eval" / f"{kind}.json").write_text(json.dumps(entry))
    text = page_of(runs, tmp_path / "report.html")
    assert "own.jsonl, test (1,200 items)" in text and "Baseline: name prior" in text
    assert text.count("<td>0.625</td>") == 2 and "<td>0.250</td>" in text
    assert text.count("−0.250</td>") == 3, "the ablation beside each figure"
    assert "<td>in &lt;b&gt;</td><td>7</td><td>0.750</td><td>0.500</td>" in text
    assert text.index("<td>of</td>") < text.index("<td>in &lt;b&gt;</td>")
    assert "(3 items), 2 of what is measured was learnt from<" in text
    assert text.count("was learnt from") == 1
    assert "same command before and after" not in text
    assert "MRR before" not in text, "nothing was ranked"
