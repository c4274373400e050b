"""Every kind of measurement has its place in the report, whatever version recorded it."""

from __future__ import annotations

import copy
import html
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accord
from accord.errors import DataError
from accord.evaluate.report import render
from accord.evaluate.report_charts import Row, stack_chart
from accord.evaluate.report_grounded import _line
from accord.evaluate.report_others import ELSEWHERE
from accord.evaluate.report_runs import Evaluation, Group, Run, group_runs, read_run
from tests.evaluate.recorded import acts, keep, keep_one, questions, recorded
from tests.evaluate.run_folders import make_run
from tests.evaluate.test_report import page_of

SECTIONS = {
    "questions-mine": "Answering questions",
    "choice-mine": "Reading texts",
    "linking-mine": "Reading texts",
    "asking": "how often right, when silent",
    "abstention": "how often right, when silent",
    "decisions": "Deciding between options",
    "soft-fusion": "Foreseeing texts",
    "kale": "Using what it knows",
    "ask": "Asking the graph",
    "loop": "The loop",
    "round": "Rounds:",
}
LOST = "Recorded by another version"


def bare(*found: tuple[str, str, dict[str, Any]], model: str = "after") -> list[Group]:
    """A run that has nothing but some results."""
    made = tuple(Evaluation(kind, model, split, "", result) for kind, split, result in found)
    return [Group("r", (Run(Path("r"), {}, {}, {}, (), {}, made),))]


def everything() -> list[tuple[str, str, dict[str, Any]]]:
    return [*recorded(True, random.Random(0)), *acts()]


def test_every_kind_has_a_section() -> None:
    page = render(bare(*everything()))
    for kind, title in SECTIONS.items():
        assert title in page, kind
        one = render(bare(next(found for found in everything() if found[0] == kind)))
        assert title in one, kind
    assert "Also measured" not in page and LOST not in page
    assert {kind for kind, _, _ in everything()} == set(SECTIONS)


def test_what_commands_record_is_known_to_the_report() -> None:
    source = Path(accord.__file__).parent
    kinds = set()
    for path in source.rglob("*.py"):
        text = path.read_text("utf-8")
        kinds |= set(re.findall(r'\b(?:record|_finish)\(\s*f?"([a-z-]+?)-?["{]', text))
        if "write_record(" in text:
            kinds |= set(re.findall(r'\bKIND = "([a-z-]+)"', text))
            kinds |= set(re.findall(r'write_record\(\w+, "([a-z-]+)"', text))
    assert {"link-prediction", "questions", "abstention", "linking"} <= kinds, "the search finds"
    assert kinds <= set(ELSEWHERE)


def places(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a result has anything."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield *above, key
        if isinstance(value, (dict, list)):
            yield from places(value, (*above, key))


def changed(result: dict[str, Any], place: tuple[Any, ...], how: str) -> dict[str, Any]:
    """A copy in which one thing is missing, or another thing."""
    found = copy.deepcopy(result)
    inner: Any = found
    for key in place[:-1]:
        inner = inner[key]
    if how == "missing":
        del inner[place[-1]]
    else:
        inner[place[-1]] = {"null": None, "text": "?"}[how]
    return found


@pytest.mark.parametrize("how", ["missing", "null", "text"])
@pytest.mark.parametrize("kind", SECTIONS)
def test_nothing_that_another_version_recorded_breaks_the_report(kind: str, how: str) -> None:
    name, split, result = next(found for found in everything() if found[0] == kind)
    for place in places(result):
        assert "</html>" in render(bare((name, split, changed(result, place, how)))), place
    assert "</html>" in render(bare((name, split, {})))


def test_what_another_version_recorded_otherwise_is_said_and_the_rest_shown() -> None:
    kind, split, result = next(found for found in acts() if found[0] == "kale")
    page = render(bare((kind, split, changed(result, ("difference",), "missing"))))
    assert LOST in page and "Worked examples" in page and "paired bootstrap" not in page


def test_an_unknown_kind_is_shown_number_by_number(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    keep_one(run, "novel", "test", {"n": 3, "parts": {"<b>": 0.25, "said": "x", "sure": True}})
    page = page_of([run], tmp_path / "report.html")
    told = page[page.index("Also measured") : page.index("How it learned")]
    assert "<td>parts &lt;b&gt;</td><td>0.250</td>" in told and "<td>3.000</td>" in told
    assert told.count("<td>") == 4, "what is no number is left out"


def test_a_result_that_is_no_object_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    file = run / "eval" / "x.json"
    file.write_text('{"kind": "asking", "model": "after", "result": [1]}')
    with pytest.raises(DataError, match=r"x\.json.*its result is no JSON object"):
        read_run(run)


def cells(page: str, label: str) -> list[str]:
    """The cells of a table's row."""
    row = re.search(rf"<td>{re.escape(label)}</td>(.*?)</tr>", page)
    return re.findall(r"<td[^>]*>(.*?)</td>", row[1]) if row else []


def test_questions_show_before_and_after_hops_paths_and_the_four_cells(tmp_path: Path) -> None:
    run = keep(make_run(tmp_path / "r"))
    page = page_of([run], tmp_path / "report.html")
    both = [
        json.loads((run / "eval" / f"questions-mine-test-{model}.json").read_text())["result"]
        for model in ("before", "after")
    ]
    shown = [f"{one['exact_match']:.3f}" for one in both]
    assert cells(page, "Exact match")[:2] == shown
    assert f"{shown[0]} → {shown[1]}" in page, "it stands at the top too"
    wrong = [one["known"]["own"]["known_incorrect"] for one in both]
    assert cells(page, "Known to the model itself")[:2] == [f"{share:.3f}" for share in wrong]
    assert cells(page, "Known before tuning")[0] == "–"
    right = both[1]["known"]["before"]["cells"]["known_right"] / 60
    assert f"<title>after, known, answered rightly: {right:.1%}</title>" in page
    assert "<title>1 hop</title>" in page and "<td>~country of &gt; currency &lt;&amp;&gt;" in page
    assert "after: answered after a rationale that the model writes (3 solved examples" in page
    trivial = both[1]["baselines"]["frequent_by_path"]["exact_match"]
    label = "The most frequent answer of the relation path in train"
    assert cells(page, label)[1] == f"{trivial:.3f}"


def test_questions_of_an_experiment_are_no_answers_about_triples() -> None:
    found = questions(0.5, random.Random(1), True)
    page = render(bare(("qa", "test", found)))
    assert "Over paths of the graph, test (60 questions)" in page
    assert "Writing answers" not in page


def test_the_curve_of_silence_has_the_chosen_threshold_on_it() -> None:
    found = next(result for kind, _, result in everything() if kind == "abstention")
    page = render(bare(("abstention", "test", found)))
    ring = re.search(r'<circle class="ring s1" cx="([\d.]+)" cy="([\d.]+)"', page)
    dots = re.findall(r'<circle class="dot s1" cx="([\d.]+)" cy="([\d.]+)" r="3.5">', page)
    line = _line([found])
    assert ring and len(dots) == len(line) >= 3
    # Pixels along x are proportional to coverage: two points of the line give the scale.
    (a, b), (c, d) = ((float(dots[i][0]), line[i][0]) for i in (0, -1))
    assert b + (float(ring[1]) - a) * (d - b) / (c - a) == pytest.approx(
        found["coverage"], abs=2e-3
    )
    assert f">threshold {found['confidence']['threshold']:.2f}<" in page
    assert cells(page, "F1")[0] == f"{found['abstention']['f1']:.3f}"


def test_a_line_has_one_point_a_coverage_and_what_cannot_be_reached_has_none() -> None:
    curve = [
        {"precision": share, "coverage": coverage, "threshold": 0.5}
        for share, coverage in ((0.5, 1.0), (0.7, 1.0), (0.9, 0.25), (0.99, 0.0))
    ]
    assert _line([{"curve": curve}]) == ((0.25, 0.9), (1.0, 0.7))
    assert _line([{"curve": curve}, {"curve": []}, {}]) == ((0.25, 0.9), (1.0, 0.7))
    assert _line([]) == ()


def test_seeds_give_one_line_with_means_and_deviations(tmp_path: Path) -> None:
    runs = [keep(make_run(tmp_path / f"r-{seed}", seed), seed) for seed in (1, 2, 3)]
    page = page_of(runs, tmp_path / "report.html")
    part = page[page.index("when silent</h2>") : page.index("Deciding between")]
    assert part.count("<polyline") == 1 and part.count('class="ring') == 1
    assert "±" in cells(part, "Exactly right, of these")[0]
    wide = [keep(make_run(tmp_path / f"w-{seed}", seed, lr=0.1), seed + 5) for seed in (1, 2)]
    page = page_of([*runs, *wide], tmp_path / "report.html")
    part = page[page.index("when silent</h2>") : page.index("Deciding between")]
    assert part.count("<polyline") == 2 and "threshold 0." not in part
    assert len(cells(part, "Exactly right, of these")) == 3, "two runs and their difference"
    assert re.search(r"<td>r \(3 seeds\)</td><td>0\.061 → \d\.\d+ ± ", page)


def test_where_states_were_copied_from_sets_no_seeds_apart(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"r-{seed}", seed) for seed in (1, 2)]
    for run in runs:
        text = (run / "config.toml").read_text()
        (run / "config.toml").write_text(f'{text}\n[loop]\ncache_from = ["{run}"]\n')
    assert len(group_runs([read_run(run) for run in runs])) == 1


def test_what_only_the_run_has_is_not_called_after(tmp_path: Path) -> None:
    run = keep(make_run(tmp_path / "r"))
    page = html.unescape(page_of([run], tmp_path / "report.html"))
    part = page[page.index("Deciding between") : page.index("Foreseeing texts")]
    assert "<th>this run</th>" in part and "<th>after</th>" not in part
    assert cells(part, "Chance") == ["0.250"]


@given(sizes=st.lists(st.integers(0, 1000), min_size=3, max_size=3))
def test_parts_of_a_bar_fill_it(sizes: list[int]) -> None:
    drawn = stack_chart([Row("r", "", tuple(map(float, sizes)))], ["a", "b", "c"], [1, 2, 3])
    widths = [float(x) for x in re.findall(r'<rect[^>]* width="([\d.]+)"', drawn)]
    if not any(sizes):
        assert drawn == ""
        return
    assert sum(widths) == pytest.approx(540, abs=0.5)
    assert widths[0] == pytest.approx(540 * sizes[0] / sum(sizes), abs=0.2)
