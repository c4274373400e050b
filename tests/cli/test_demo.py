"""`accord demo` on a tiny model: the whole story, going on after an interruption, its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import accord.demo as story
from accord.cli.main import main
from accord.config import load_config
from accord.demo import DemoConfig, run_demo
from accord.errors import ConfigError
from accord.evaluate.report_runs import flat
from accord.progress import say
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
    return DemoConfig(str(build_tiny_graph().save(root / "source")), "demo", settings)


@pytest.fixture(autouse=True)
def no_wikitext(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random model reads byte by byte: a real text would take long and say nothing."""
    monkeypatch.delenv("ACCORD_DATA", raising=False)


def use(monkeypatch: pytest.MonkeyPatch, config: DemoConfig) -> None:
    """Makes the command tell the small story."""
    whole = story.run_demo

    def told(out: Path, seed: int) -> story.DemoResult:
        return whole(out, seed, config)

    monkeypatch.setattr(story, "run_demo", told)


def test_the_whole_story_as_one_json_object(
    small: DemoConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(monkeypatch, small)
    assert main(["demo", "--out", str(tmp_path / "out"), "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "one seed" in found["note"]
    assert found["graph"]["entities"] == 8 and found["train"]["steps"] == 3
    assert set(found["before"]) == set(found["after"]) == KINDS
    assert found["before"]["retention"]["kl_to_base"] == 0.0
    assert found["after"]["retention"]["kl_to_base"] > 0.0
    assert found["before"]["link-prediction"]["split"] == "test"
    page = Path(found["report"]).read_text("utf-8")
    assert "→" in page and "illustration" in page
    kept = tmp_path / "out" / "run" / "eval" / "link-prediction-test-after.json"
    assert json.loads(kept.read_text())["result"] == found["after"]["link-prediction"]
    places = [printed.err.index(f"{n}/5 ") for n in range(1, 6)]
    assert places == sorted(places)


def test_the_table_shows_before_after_and_the_trivial_answer(
    small: DemoConfig, tmp_path: Path
) -> None:
    result = run_demo(tmp_path, config=small)
    text = result.to_text()
    assert text.splitlines()[0].startswith("before and after on test (an illustration, one seed")
    mrr = result.after["link-prediction"]["both"]["realistic"]["mrr"]
    trivial = result.after["link-prediction"]["baseline"]["frequency"]["both"]["realistic"]["mrr"]
    line = next(line for line in text.splitlines() if line.startswith("link prediction, MRR"))
    assert line.split()[-2:] == [f"{mrr:.4f}", f"{trivial:.4f}"]
    assert str(tmp_path / "report.html") in text


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
    small: DemoConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_demo(tmp_path / "whole", config=small)
    with monkeypatch.context() as patch:
        # `compare` holds its own reference, so only the loop's validations are counted.
        stop_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_demo(tmp_path / "cut", config=small)
    assert not (tmp_path / "cut" / "run" / "result.json").exists()
    before = tmp_path / "cut" / "run" / "eval" / "qa-test-before.json"
    written = before.stat().st_mtime_ns
    cut = run_demo(tmp_path / "cut", config=small)
    assert before.stat().st_mtime_ns == written, "a finished measurement was done again"
    assert cut.before == whole.before and cut.after == whole.after
    weights = [r.out / "run" / "model" / "trained.safetensors" for r in (whole, cut)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_ctrl_c_says_how_to_go_on(
    small: DemoConfig,
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
    small: DemoConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_demo(tmp_path, config=small)
    monkeypatch.setattr("accord.api.train_run", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(
        "accord.evaluate.compare.load_model", lambda *_: pytest.fail("measured again")
    )
    again = run_demo(tmp_path, config=small)
    assert again.train == {**first.train, "metrics": again.train["metrics"]}
    assert first.train["metrics"].items() <= again.train["metrics"].items()
    assert (again.before, again.after) == (first.before, first.after)


def test_a_folder_with_another_seed_is_refused(small: DemoConfig, tmp_path: Path) -> None:
    run_demo(tmp_path, config=small)
    with pytest.raises(ConfigError, match="other settings") as caught:
        run_demo(tmp_path, seed=1, config=small)
    assert "--seed" in caught.value.hint


def test_the_demo_recipe_is_kalm_but_for_its_size() -> None:
    sizes = {"steps", "batch_size", "rows", "extra_negatives", "texts", "tokens",
             "validate_every", "validate_queries", "describe", "share"}  # fmt: skip
    kalm, demo = (flat(vars_of(load_config(Recipe, name))) for name in ("kalm", "demo"))
    differing = {key for key in kalm if kalm[key] != demo[key]}
    assert {key.split(".")[-1] for key in differing} <= sizes


def vars_of(recipe: Recipe) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(recipe)


@pytest.mark.real_model
def test_the_embedded_model_tells_the_story(tmp_path: Path) -> None:
    """Geography and the embedded model, aligned for a few steps only."""
    config = DemoConfig(overrides=("steps=2", "validate_every=0", "language.texts=4"))
    result = run_demo(tmp_path, config=config)
    assert result.graph["entities"] > 1000
    assert result.before["link-prediction"]["both"]["realistic"]["mrr"] < 0.1
    assert result.before["qa"]["tail"]["n"] == story.QUESTIONS
    assert (tmp_path / "report.html").is_file()
