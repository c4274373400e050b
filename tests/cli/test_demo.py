"""`accord demo` on a tiny model: each act, going on after an interruption, its errors."""

from __future__ import annotations

import html
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import accord.demo as story
from accord.cli.main import main
from accord.config import load_config
from accord.demo import (
    AlignConfig,
    AskConfig,
    AskedConfig,
    DemoConfig,
    DemoResult,
    KaleConfig,
    act_ask,
    run_demo,
)
from accord.demo.act_align import QUESTIONS
from accord.demo.act_kale import ANSWERS_ALONE
from accord.errors import ConfigError
from accord.evaluate.graph_qa import evaluate_graph_qa
from accord.evaluate.report import write_report
from accord.evaluate.report_kale import path_line
from accord.evaluate.report_runs import flat
from accord.model.saving import load_model
from accord.objectives.rationale import RationaleConfig
from accord.progress import say
from accord.synthesis.splitting import path_entities
from accord.text.questions import read_questions
from accord.train.questions import question_item
from accord.train.recipe import Recipe
from tests.conftest import build_tiny_graph, build_tiny_llama

KINDS = {"link-prediction", "qa", "retention"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DemoConfig:
    """A demo of three steps on a random model and the eight-entity graph."""
    root = tmp_path_factory.mktemp("demo")
    for part in build_tiny_llama():
        part.save_pretrained(root / "base")
    settings = (
        f"model.name={root / 'base'}", "freeze_layers=2", "dtype=float32", "steps=3",
        "validate_every=2", "batch_size=4", "language.texts=4", "language.tokens=8",
    )  # fmt: skip
    align = AlignConfig(str(build_tiny_graph().save(root / "source")), "demo", settings)
    sizes = ("freeze_layers=2", "steps=2", "rationale.rows=2", "rationale.fact_rows=2")
    asked = AskedConfig(count=16, paths=(), test_share=0.5)
    kale = KaleConfig("demo-kale", sizes, ("steps=3",), asked, test=6)
    return DemoConfig(align, kale, ask=None, clean=None)


@pytest.fixture(scope="module")
def first_act(small: DemoConfig) -> DemoConfig:
    """The same without the second act."""
    return replace(small, kale=None)


@pytest.fixture(autouse=True)
def no_wikitext(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random model reads byte by byte: a real text would take long and say nothing."""
    monkeypatch.delenv("ACCORD_DATA", raising=False)


@pytest.fixture(scope="module")
def told(small: DemoConfig, tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """Both acts, played once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ACCORD_DATA", raising=False)
        return run_demo(tmp_path_factory.mktemp("told"), config=small)


@pytest.fixture
def first_done(told: DemoResult, tmp_path: Path) -> Path:
    """A folder in which the first act is over and the second has not begun."""
    folder = tmp_path / "begun"
    shutil.copytree(told.out, folder, ignore=shutil.ignore_patterns("kale*"))
    return folder


def use(monkeypatch: pytest.MonkeyPatch, config: DemoConfig) -> None:
    """Makes the command tell the small story."""
    whole = story.run_demo

    def told(out: Path, seed: int) -> story.DemoResult:
        return whole(out, seed, config)

    monkeypatch.setattr(story, "run_demo", told)


def test_the_whole_story_as_one_json_object(
    small: DemoConfig,
    told: DemoResult,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(monkeypatch, small)
    assert main(["demo", "--out", str(told.out), "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "one seed" in found["note"]
    assert found["graph"]["entities"] == 8 and found["train"]["steps"] == 3
    assert set(found["before"]) == set(found["after"]) == KINDS
    assert found["before"]["retention"]["kl_to_base"] == 0.0
    assert found["after"]["retention"]["kl_to_base"] > 0.0
    assert found["before"]["link-prediction"]["split"] == "test"
    assert found["kale"] == json.loads(json.dumps(told.to_dict()["kale"]))
    page = Path(found["report"]).read_text("utf-8")
    assert "→" in page and "illustration" in page
    kept = told.out / "run" / "eval" / "link-prediction-test-after.json"
    assert json.loads(kept.read_text())["result"] == found["after"]["link-prediction"]
    phases = [*(f"align {n}/4 " for n in range(1, 5)), *(f"kale {n}/5 " for n in range(1, 6))]
    places = [printed.err.index(phase) for phase in phases]
    assert places == sorted(places)


def test_the_table_shows_before_after_and_the_trivial_answer(told: DemoResult) -> None:
    text, after = told.to_text(), told.align.after
    assert text.splitlines()[0] == "an illustration, one seed"
    assert text.splitlines()[1].startswith("before and after on test (")
    mrr = after["link-prediction"]["both"]["realistic"]["mrr"]
    trivial = after["link-prediction"]["baseline"]["frequency"]["both"]["realistic"]["mrr"]
    line = next(line for line in text.splitlines() if line.startswith("link prediction, MRR"))
    assert line.split()[-2:] == [f"{mrr:.4f}", f"{trivial:.4f}"]
    assert str(told.out / "report.html") in text


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], None]:
    """Ctrl-C while the loop validates for the first time; gives what undoes it."""
    import accord.evaluate.link_prediction as measured

    whole, calls = measured.evaluate_link_prediction, {"n": 0}

    def interrupted(*args: Any, **settings: Any) -> Any:
        calls["n"] += 1
        if calls["n"] == step:
            raise KeyboardInterrupt
        return whole(*args, **settings)

    monkeypatch.setattr(measured, "evaluate_link_prediction", interrupted)
    return monkeypatch.undo


def test_stopped_and_called_again_gives_the_uninterrupted_result(
    first_act: DemoConfig, told: DemoResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told
    with monkeypatch.context() as patch:
        # `compare` holds its own reference, so only the loop's validations are counted.
        stop_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_demo(tmp_path / "cut", config=first_act)
    assert not (tmp_path / "cut" / "run" / "result.json").exists()
    before = tmp_path / "cut" / "run" / "eval" / "qa-test-before.json"
    written = before.stat().st_mtime_ns
    cut = run_demo(tmp_path / "cut", config=first_act)
    assert before.stat().st_mtime_ns == written, "a finished measurement was done again"
    assert cut.align == replace(whole.align, run=cut.align.run, train=cut.align.train)
    weights = [r.out / "run" / "model" / "trained.safetensors" for r in (whole, cut)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_ctrl_c_says_how_to_go_on(
    first_act: DemoConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(out: Path, seed: int) -> None:
        say("1/5")
        raise KeyboardInterrupt

    monkeypatch.setattr(story, "run_demo", stopped)
    assert main(["demo", "--out", str(tmp_path / "my demo"), "--seed", "3"]) == 130
    assert f"accord demo --out '{tmp_path / 'my demo'}' --seed 3" in capsys.readouterr().err


def test_a_finished_demo_trains_and_measures_nothing_again(
    small: DemoConfig, told: DemoResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = told
    monkeypatch.setattr("accord.api.train_run", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(
        "accord.evaluate.compare.load_with_cache", lambda *_: pytest.fail("measured again")
    )
    monkeypatch.setattr("accord.evaluate.arms.load_model", lambda *_: pytest.fail("asked again"))
    again = run_demo(told.out, config=small)
    trained, kept = first.align.train, again.align.train
    assert kept == {**trained, "metrics": kept["metrics"]}
    assert trained["metrics"].items() <= kept["metrics"].items()
    assert again.align == replace(first.align, train=kept) and again.kale == first.kale


def test_a_folder_with_another_seed_is_refused(small: DemoConfig, told: DemoResult) -> None:
    with pytest.raises(ConfigError, match="other settings") as caught:
        run_demo(told.out, seed=1, config=small)
    assert "--seed" in caught.value.hint


def test_the_second_act_asks_all_arms_the_same(told: DemoResult) -> None:
    found = told.to_dict()["kale"]
    assert list(found["arms"]) == ["vanilla", "sft", "kale"]
    assert found["arms"]["sft"]["steps"] == found["arms"]["kale"]["steps"] == 2
    for arm in found["arms"].values():
        cells = arm["cells"]
        assert sum(cells.values()) == found["n"] > 0
        assert cells["known_right"] + cells["known_wrong"] == found["known"]
    assert found["questions"]["facts"] > 0 and 0 <= found["teacher_accuracy"] <= 1
    assert 0 <= found["trivial"]["exact_match"] <= 1
    assert math.isclose(
        found["difference"]["difference"],
        found["arms"]["kale"]["exact_match"] - found["arms"]["sft"]["exact_match"],
        abs_tol=1e-12,
    )
    assert "kale" in told.to_text().split("two-hop questions, held out; ")[1]


def test_what_is_held_out_is_never_learnt(told: DemoResult) -> None:
    asked = list(read_questions(told.out / "kale" / "questions.jsonl.gz"))
    by_split = {
        split: {entities for q in asked if q.split == split for entities in path_entities(q)}
        for split in ("train", "test")
    }
    assert by_split["train"] and by_split["test"]
    assert not by_split["train"] & by_split["test"]
    rows = (told.out / "kale" / "kale" / "eval" / "answers-test.jsonl").read_text().splitlines()
    tested = {q.id for q in asked if q.split == "test"}
    assert {json.loads(row)["id"] for row in rows} <= tested
    facts = list(read_questions(told.out / "kale" / "facts.jsonl.gz"))
    assert {q.split for q in facts} == {"train"} and {q.hops for q in facts} == {1}


def test_arms_are_asked_in_the_form_that_they_learn(told: DemoResult) -> None:
    """A prompt of the evaluation is what the training text begins with."""
    model = load_model(told.out / "kale" / "kale")
    asked = {q.id: q for q in read_questions(told.out / "kale" / "questions.jsonl.gz")}
    rows = (told.out / "kale" / "kale" / "eval" / "answers-test.jsonl").read_text().splitlines()
    for row in map(json.loads, rows):
        item = question_item(model, asked[row["id"]], RationaleConfig())
        learnt = model.tokenizer.decode(item.plain.sequence[0])
        assert learnt.startswith(row["prompt"] + " " + row["answers"][0])


def test_the_report_shows_both_acts_and_up_to_three_examples(told: DemoResult) -> None:
    page = told.report.read_text("utf-8")
    assert "Finding entities" in page and "Using what it knows" in page
    found = told.to_dict()["kale"]
    examples = found["examples"]
    assert len(examples) == min(3, found["n"]) > 0
    for example in examples:
        assert set(example["written"]) == set(example["right"]) == {"vanilla", "sft", "kale"}
        assert html.escape(example["question"]) in page
        assert html.escape(path_line(example["path"])) in page


def test_the_second_act_goes_on_where_it_was_stopped(
    small: DemoConfig, told: DemoResult, first_done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"n": 0}

    def interrupted(*given: Any) -> Any:
        asked["n"] += 1
        if asked["n"] == 2:
            raise KeyboardInterrupt
        return evaluate_graph_qa(*given)

    with monkeypatch.context() as patch:
        patch.setattr("accord.evaluate.arms.evaluate_graph_qa", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_demo(first_done, config=small)
    runs = {name: first_done / "kale" / name for name in ("facts", "sft", "kale")}
    assert (runs["sft"] / "result.json").is_file() and not runs["kale"].exists()
    assert "Using what it knows" not in (first_done / "report.html").read_text("utf-8")
    kept = [runs["facts"] / "eval" / "qa-test-after.json", runs["sft"] / "result.json"]
    times = [path.stat().st_mtime_ns for path in kept]
    cut = run_demo(first_done, config=small)
    assert times == [path.stat().st_mtime_ns for path in kept], "a finished phase was done again"
    one, other = (result.to_dict()["kale"] for result in (told, cut))
    for found in (one, other):
        for arm in found["arms"].values():
            del arm["seconds"]
    assert one == other
    weights = [
        out / "kale" / "kale" / "model" / "trained.safetensors" for out in (told.out, cut.out)
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_other_questions_in_the_folder_are_refused(small: DemoConfig, told: DemoResult) -> None:
    assert small.kale is not None
    fewer = replace(small.kale, asked=replace(small.kale.asked, count=8))
    with pytest.raises(ConfigError, match="other questions"):
        run_demo(told.out, config=replace(small, kale=fewer))


def test_a_graph_without_such_questions_is_named(small: DemoConfig, first_done: Path) -> None:
    """The tiny graph has none of geography's relation paths."""
    assert small.kale is not None
    geography = replace(small.kale, asked=AskedConfig(count=4))
    with pytest.raises(ConfigError, match="'tiny' gives 0 questions to learn"):
        run_demo(first_done, config=replace(small, kale=geography))
    assert not (first_done / "kale" / "facts").exists()


def test_the_demo_recipe_is_kalm_but_for_its_size() -> None:
    sizes = {"steps", "batch_size", "rows", "extra_negatives", "texts", "tokens",
             "validate_every", "validate_queries", "describe", "share", "points"}  # fmt: skip
    kalm, demo = (flat(vars_of(load_config(Recipe, name))) for name in ("kalm", "demo"))
    differing = {key for key in kalm if kalm[key] != demo[key]}
    assert {key.split(".")[-1] for key in differing} <= sizes


@pytest.mark.parametrize(("arm", "recipe"), [((), "kale"), (ANSWERS_ALONE, "kale/sft")])
def test_the_second_acts_arms_are_kales_but_for_their_size(
    arm: tuple[str, ...], recipe: str
) -> None:
    sizes = {"freeze_layers", "steps", "rows", "fact_rows", "fact_limit", "learning_rate",
             "validate_every", "validate_queries"}  # fmt: skip
    # Rationales are not written in the demo, for want of time: there the divergence does it alone.
    form = {"answer", "answer_with", "kl", "write", "fact_form"}
    unread = {"teacher", "only_right", "anneal"} if arm else form  # sft is without divergence
    demo, whole = load_config(Recipe, "demo-kale", arm), load_config(Recipe, recipe)
    one, other = flat(vars_of(demo)), flat(vars_of(whole))
    differing = {key.split(".")[-1] for key in one if one[key] != other[key]}
    assert differing <= sizes | unread
    assert not demo.rationale.write and demo.rationale.mode == "direct"
    assert (demo.rationale.kl > 0) == (recipe == "kale")


def vars_of(recipe: Recipe) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(recipe)


@pytest.mark.real_model
def test_the_embedded_model_tells_the_story(tmp_path: Path) -> None:
    """Geography and the embedded model, aligned for a few steps only."""
    align = AlignConfig(overrides=("steps=2", "validate_every=0", "language.texts=4"))
    few = ("steps=2", "rationale.rows=4", "rationale.fact_rows=4", "fact_limit=20")
    kale = KaleConfig(overrides=few, facts=(), asked=AskedConfig(count=30), test=8)
    result = run_demo(tmp_path, config=DemoConfig(align, kale))
    assert result.align.graph["entities"] > 1000
    assert result.align.before["link-prediction"]["both"]["realistic"]["mrr"] < 0.1
    assert result.align.before["qa"]["tail"]["n"] == QUESTIONS
    found = result.to_dict()["kale"]
    assert found["n"] == 8 and found["facts"]["n"] > 8
    assert found["teacher_accuracy"] is not None
    assert "Worked examples" in (tmp_path / "report.html").read_text("utf-8")


def test_the_third_act_asks_talks_writes_and_decides(told: DemoResult, tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    shutil.copytree(told.out, folder)
    run = folder / told.align.run.relative_to(told.out)
    config = AskConfig(learnt=12, steps=3, tuned=8, test=8, talk=("What does alice know?",))
    found = act_ask.play(folder, 0, config, run)
    assert len(found.found["asked"]) == len(config.questions) and found.found["counted"]["n"]
    assert found.to_text() and json.loads(json.dumps(found.to_dict()))
    assert (run / "planner.safetensors").is_file() and (run / "confidence.json").is_file()
    assert act_ask.play(folder, 0, config, run).found == found.found
    write_report([run], folder / "report.html")
    assert "Asking the graph" in (folder / "report.html").read_text("utf-8")
