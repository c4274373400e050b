"""Rounds on a lawful graph with planted errors and gaps; training itself is told, not done."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import accord.refine.rounds as rounds_module
from accord.errors import AccordError, ConfigError, DataError
from accord.evaluate.refinement import Planted
from accord.evaluate.report import write_report
from accord.graph.builder import GraphBuilder
from accord.graph.formats import write_graph
from accord.graph.load import load_graph
from accord.graph.noise import Noise, plant, write_truth
from accord.graph.patches import Patch, Statement
from accord.refine.changers import Suggested, id_triples, random_changes
from accord.refine.entry import Decision, item_id
from accord.refine.items import Item
from accord.refine.patch import patch_log
from accord.refine.queue import Queue
from accord.refine.rounds import CHANGED, GRAPH, PATCH, REVIEW, ROUNDS, RoundsResult, run_rounds
from accord.refine.truth_rates import rates
from accord.train.recipe import Recipe, RoundsConfig
from tests.refine.test_rules import lawful_graph


class Told:
    """A trainer that only remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None, list[str]]] = []

    def __call__(
        self, run: Path, graph: Path, start: Path | None, overrides: Sequence[str]
    ) -> Mapping[str, Any]:
        run.mkdir(parents=True, exist_ok=True)
        self.calls.append((run.name, None if start is None else start.name, list(overrides)))
        return {"steps": 1, "seconds": 0.5, "metrics": {"valid": 0.1}}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A graph folder with planted errors and gaps, and the truth."""
    folder = tmp_path_factory.mktemp("spoilt")
    planted = plant(lawful_graph(), Noise(0.05, "random", 0.05, 0))
    write_graph(planted.graph, folder / "graph")
    return folder / "graph", write_truth(planted, folder / "truth.csv")


def recipe(truth: Path | None, **settings: Any) -> Recipe:
    known = {"above": 0.5, "least": 0.3, "vectors": False, "text_share": 0.0, "truth": truth}
    return Recipe(rounds=RoundsConfig(**{**known, **settings}))


def without_times(result: RoundsResult) -> list[dict[str, Any]]:
    """What rounds did, but for how long it took."""
    found: list[dict[str, Any]] = json.loads(json.dumps(result.rounds))
    for entry in found:
        entry.get("scan", {}).pop("seconds", None)
    return found


@pytest.fixture(scope="module")
def whole(spoilt: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two rounds without a stop."""
    told, out = Told(), tmp_path_factory.mktemp("whole") / "out"
    return run_rounds(out, spoilt[0], 2, recipe(spoilt[1]), told), told


def test_the_graph_gets_better_and_the_given_one_stays(
    spoilt: tuple[Path, Path], whole: Any
) -> None:
    result, _ = whole
    truth = Planted.load(spoilt[1])
    before = rates(load_graph(spoilt[0]), truth, [])
    after = result.rounds[0]["truth"]
    assert before["errors"] == len(truth.planted) and before["missing"] == len(truth.removed)
    assert after["error_rate"] < 0.6 * before["error_rate"]
    assert after["missing_rate"] < 0.6 * before["missing_rate"]
    assert patch_log(spoilt[0]) == [] and load_graph(spoilt[0]).hash
    log = patch_log(result.out / GRAPH)
    assert log[0].note == "round 1"
    assert load_graph(result.out / GRAPH).descends_from(load_graph(spoilt[0]).hash)


def test_the_report_of_rounds_shows_every_change_with_its_reason(
    whole: Any, tmp_path: Path
) -> None:
    result, _ = whole
    for entry in result.rounds:
        (result.out / entry["run"] / "config.toml").write_text("seed = 0\n")
    told = write_report([result.out], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert told["runs"] == len(result.rounds) and "Rounds: the graph and the model" in text
    found = json.loads((result.run.parent / "round-1/eval/round-after.json").read_text())["result"]
    first = result.rounds[0]
    kinds = Counter(change["change"] for change in found["changes"])
    assert kinds == {"add": first["added"], "remove": first["removed"]}
    assert f"Changes of round-1 ({first['added'] + first['removed']:,})" in text
    assert all(escape(change["reason"]) in text for change in found["changes"])
    assert f"{100 * first['truth']['error_rate']:.1f} %" in text
    # What was accepted in an earlier round is no change of a later one.
    ids = [
        {change["id"] for change in json.loads(path.read_text())["result"]["changes"]}
        for path in sorted(result.out.glob("round-*/eval/round-after.json"))
    ]
    assert len(set().union(*ids)) == sum(map(len, ids))


def test_a_later_round_starts_from_the_last_and_on_what_changed(whole: Any) -> None:
    result, told = whole
    assert [call[:2] for call in told.calls][:2] == [("round-1", None), ("round-2", "round-1")]
    changed = result.out.resolve() / "round-1" / CHANGED
    assert f"loop.changed={changed}" in told.calls[1][2] and told.calls[0][2] == []
    ids = set(json.loads(changed.read_text()))
    patch = (result.out / "round-1" / PATCH).read_text()
    assert ids and all(identifier in patch for identifier in ids)
    assert result.state == "settled" or len(result.rounds) == 2
    kept = json.loads((result.out / ROUNDS).read_text())
    assert kept["rounds"] == result.rounds and result.to_dict()["steps"] == len(result.rounds)
    assert f"round 1: 1 steps in 1 s, {result.rounds[0]['added']} added" in result.to_text()


def test_stopped_anywhere_it_goes_on_to_the_same_end(
    spoilt: tuple[Path, Path], whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: Counter[str] = Counter()

    def stopping(name: str) -> Any:
        real = getattr(rounds_module, name)

        def stop(*given: Any) -> Any:
            stops[name] += 1
            if stops[name] == 1:
                raise KeyboardInterrupt  # before it
            found = real(*given)
            if stops[name] == 2:
                raise KeyboardInterrupt  # behind it
            return found

        return stop

    places = ("suggest", "write_patch", "apply_patch", "rates")
    for name in places:
        monkeypatch.setattr(rounds_module, name, stopping(name))
    for _ in range(8):
        with pytest.raises(KeyboardInterrupt):
            run_rounds(tmp_path / "out", spoilt[0], 2, recipe(spoilt[1]), Told())
    result = run_rounds(tmp_path / "out", spoilt[0], 2, recipe(spoilt[1]), Told())
    assert without_times(result) == without_times(whole[0])
    assert len(patch_log(result.out / GRAPH)) == len(patch_log(whole[0].out / GRAPH))


def test_people_decide_by_file_and_what_they_reject_stays_rejected(
    spoilt: tuple[Path, Path], tmp_path: Path
) -> None:
    settings, told = recipe(spoilt[1], above=None), Told()
    for _ in range(2):  # nothing is decided the second time either
        result = run_rounds(tmp_path / "out", spoilt[0], 2, settings, told)
        assert result.state == "review" and len(result.rounds) == 1
    assert result.review is not None and result.review.name == REVIEW
    assert str(result.review) in result.to_text()
    with result.review.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rejected = {row["id"] for row in rows if row["kind"] == "proposal"}
    for row in rows:
        row["verdict"] = "reject" if row["id"] in rejected else "accept"
    rows[0]["verdict"] = "perhaps"
    write_rows(result.review, rows)
    with pytest.raises(DataError, match="unknown verdict"):
        run_rounds(tmp_path / "out", spoilt[0], 2, settings, told)
    rows[0]["verdict"] = "accept" if rows[0]["id"] not in rejected else "reject"
    write_rows(result.review, rows)
    result = run_rounds(tmp_path / "out", spoilt[0], 2, settings, told)
    first = result.rounds[0]
    assert first["state"] == "done" and first["removed"] > 0 and first["added"] == 0
    assert len(result.rounds) == 2
    again = result.review.read_text() if result.review else ""
    assert rejected and not any(identifier in again for identifier in rejected)


def test_what_was_rejected_before_does_not_stand_for_a_review(
    spoilt: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, right, new = (
        Item("flag", *triple, score=1.0, probability=0.9)
        for triple in id_triples(load_graph(spoilt[0]), load_graph(spoilt[0]).triples[:3])
    )
    found = {1: [wrong, right], 2: [right, new]}
    monkeypatch.setattr(
        rounds_module, "suggest", lambda *given: Suggested(found[given[-1]], "a run", False, {})
    )
    settings, told = recipe(None, above=None), Told()
    run_rounds(tmp_path / "out", spoilt[0], 2, settings, told)
    with Queue(tmp_path / "out" / GRAPH) as queue:
        queue.decide([Decision(item_id(wrong), "accept"), Decision(item_id(right), "reject")])
    result = run_rounds(tmp_path / "out", spoilt[0], 2, settings, told)
    assert len(result.rounds) == 2 and result.state == "review"
    assert result.review is not None and item_id(new) in result.review.read_text()


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_the_controls(spoilt: tuple[Path, Path], whole: Any, tmp_path: Path) -> None:
    before = rates(load_graph(spoilt[0]), Planted.load(spoilt[1]), [])
    ends = {}
    for arm in ("none", "random", "oracle"):
        settings = recipe(spoilt[1], refinement=arm, later_steps=7)
        told = Told()
        result = run_rounds(tmp_path / arm, spoilt[0], 2, settings, told)
        ends[arm] = result.rounds[0]
        assert len(result.rounds) == 2 and "loop.steps=7" in told.calls[1][2]
    assert ends["none"]["truth"] == before and "added" not in ends["none"]
    assert ends["oracle"]["truth"]["errors"] == ends["oracle"]["truth"]["missing"] == 0
    by_chance = ends["random"]["truth"]
    assert (ends["random"]["added"], ends["random"]["removed"]) == (
        whole[0].rounds[0]["added"],
        whole[0].rounds[0]["removed"],
    ), "as many changes as the run's own scan makes"
    assert by_chance["errors"] > before["errors"] - 3 and by_chance["missing"] > before["missing"]


def test_what_was_rejected_before_the_rounds_is_not_proposed(
    spoilt: tuple[Path, Path], whole: Any, tmp_path: Path
) -> None:
    graph = load_graph(spoilt[0])
    write_graph(graph, tmp_path / "graph")
    with Queue(whole[0].out / GRAPH) as queue:
        items = [entry.item for entry in queue.entries("accepted")]
    with Queue(tmp_path / "graph", who="anna") as queue:
        queue.add(items, "a scan", graph)
        turned = [Decision(entry.id, "reject") for entry in queue.entries()]
        queue.decide(turned)
    result = run_rounds(tmp_path / "out", tmp_path / "graph", 1, recipe(spoilt[1]), Told())
    assert result.state == "settled" and result.rounds[0]["added"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "0 rounds"),
        ({"least": 0.4}, r"other settings: rounds.least was 0.3 and is 0.4"),
        ({"truth": Path("nowhere.csv")}, "cannot be read"),
    ],
)
def test_what_the_user_can_mend(
    change: dict[str, Any], message: str, spoilt: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = recipe(spoilt[1], refinement="none")
    out = tmp_path / "out"
    if "least" in change:
        run_rounds(out, spoilt[0], 1, settings, Told())
    given = {key: value for key, value in change.items() if key != "count"}
    settings = replace(settings, rounds=replace(settings.rounds, **given))
    with pytest.raises(AccordError, match=message) as raised:
        run_rounds(out, spoilt[0], change.get("count", 1), settings, Told())
    assert raised.value.hint


def test_rounds_that_were_killed_in_the_first_go_on_as_they_began(
    spoilt: tuple[Path, Path], tmp_path: Path
) -> None:
    def killed(
        run: Path, graph: Path, start: Path | None, overrides: Sequence[str]
    ) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    out, settings = tmp_path / "out", recipe(None, refinement="none")
    with pytest.raises(KeyboardInterrupt):
        run_rounds(out, spoilt[0], 1, settings, killed)
    with pytest.raises(ConfigError, match="seed was 0 and is 1"):
        run_rounds(out, spoilt[0], 1, replace(settings, seed=1), Told())
    write_graph(lawful_graph(), tmp_path / "other")
    with pytest.raises(ConfigError, match="rounds of another graph"):
        run_rounds(out, tmp_path / "other", 1, settings, Told())
    assert run_rounds(out, spoilt[0], 1, settings, Told()).state == "done"


@pytest.mark.parametrize(
    "settings",
    [{"refinement": "oracle"}, {"above": 0.0}, {"least": 2.0}, {"most": 0}, {"later_steps": 0}],
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RoundsConfig(**settings)


def test_a_folder_that_holds_a_run_is_no_place_for_rounds(
    spoilt: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ConfigError, match="already holds a run"):
        run_rounds(tmp_path, spoilt[0], 1, recipe(None), Told())
    assert not (tmp_path / GRAPH).exists()


NAMES = [f"e{i}" for i in range(4)]
TRIPLES = st.sets(st.tuples(st.sampled_from(NAMES), st.just("r"), st.sampled_from(NAMES)))


@hypothesis_settings(max_examples=40)
@given(true=TRIPLES, wrong=TRIPLES, gone=TRIPLES, added=TRIPLES, removed=TRIPLES)
def test_rates_are_those_of_a_count_by_hand(
    true: set[Any], wrong: set[Any], gone: set[Any], added: set[Any], removed: set[Any]
) -> None:
    wrong, gone = wrong - true - gone, gone - true
    start = true | wrong | {("e0", "s", "e1")}
    first = Patch(tuple(Statement(*t) for t in added - start))
    second = Patch(remove=tuple(Statement(*t) for t in removed & (start | added)))
    now = (start | added) - removed
    builder = GraphBuilder("small")
    for triple in now:
        builder.triple(*triple)
    truth = Planted(frozenset(wrong), frozenset(gone))
    found = rates(builder.build(), truth, [first, second])
    right = true | gone | {("e0", "s", "e1")}
    assert found["errors"] == len(now - right) and found["missing"] == len(right - now)
    assert found["wrongly_removed"] == len((right - now) - gone)
    assert found["error_rate"] == pytest.approx(len(now - right) / len(now))


def test_chance_draws_known_triples_to_go_and_unknown_ones_to_come() -> None:
    graph = lawful_graph()
    items = random_changes(graph, 5, 7, np.random.default_rng(0))
    known = {
        (graph.entity_ids[h], graph.relation_ids[r], graph.entity_ids[t])
        for h, r, t in graph.triples.tolist()
    }
    inside = [item.triple in known for item in items]
    assert [item.kind == "flag" for item in items] == inside == [True] * 5 + [False] * 7
    assert len({item.triple for item in items}) == 12
