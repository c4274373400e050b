"""Fine-tuning on labelled tasks: objectives, runs of them, their measures, wrong lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from accord.api import train_run
from accord.cli.main import main
from accord.errors import ConfigError, DataError
from accord.evaluate.choice_heads import ChoiceHead, choosing_model
from accord.evaluate.labels import Labeller, LabelsResult
from accord.model.config import ModelConfig
from accord.model.encoder_reading import MEAN
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import read_weights
from accord.objectives.choice import Choice, ChoosingConfig, join_choices, score_choices
from accord.objectives.labels import Labels, PairsConfig, TypingConfig, join_labelled
from accord.text.choice_sets import ChoiceItem, items_to_learn, read_choices, write_choices
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.text.pairs import PairExample, kind_of, load_pairs, read_pairs, write_pairs
from accord.train.checkpoint import RunFolder
from accord.train.held_out import read
from accord.train.recipe import Recipe
from accord.train.setup import build_objectives
from accord.train.tasks import Tasks, gather_tasks
from tests.conftest import build_tiny_graph
from tests.model.fused import save_tiny_bert
from tests.objectives.test_relations_and_linking import read_outputs
from tests.train.tiny import one_step, tiny_model, tiny_project, tiny_recipe

PAIRS = (
    PairExample("Osaka lies in Japan.", "Osaka is in Asia.", "yes"),
    PairExample("Sweden borders Norway.", "Norway is in Japan.", "no"),
    PairExample("Tokyo is large.", "A city is large.", "yes"),
)
CHOICES = (
    ChoiceItem("1", "Where is Osaka?", ("Japan", "Sweden", "Norway"), 0),
    ChoiceItem("2", "Where is Örebro?", ("Osaka", "Sweden"), 1),
)


def typed() -> list[RelationExample]:
    text = "Osaka and Ann, in Japan."
    places = (("Osaka", "CITY"), ("Ann", "PER"), ("Japan", "LAND"))
    spans = tuple(LabelledSpan(text.index(n), text.index(n) + len(n), k) for n, k in places)
    mentions = MentionExample(text, spans, "train", ("CITY", "LAND", "PER"))
    narrow = replace(mentions, spans=spans[:1], kinds=("CITY", "LAND"))
    return [RelationExample(m, (), (), ()) for m in (mentions, narrow)]


def task_recipe(**parts: Any) -> Recipe:
    """One labelled task alone, tiny."""
    tiny = tiny_recipe(completion={"weight": 0.0}, language={"weight": 0.0})
    return replace(tiny, contrastive=replace(tiny.contrastive, weight=0.0), **parts)


RECIPES = {
    "typing": task_recipe(typing=TypingConfig(weight=1.0, rows=4, width=16)),
    "pairs": task_recipe(pairs=PairsConfig(weight=1.0, rows=3, width=16)),
    "choice": task_recipe(choice=ChoosingConfig(weight=1.0, rows=2)),
}


def built(name: str) -> tuple[Any, Any]:
    model = tiny_model(RECIPES[name])
    tasks = Tasks(PAIRS, CHOICES)
    ((objective, _),) = build_objectives(
        RECIPES[name], model, build_tiny_graph(), examples=typed(), tasks=tasks
    )
    return model, objective


@pytest.mark.parametrize("name", ["typing", "pairs"])
def test_a_head_learns_its_labels(name: str) -> None:
    model, objective = built(name)
    assert isinstance(objective, Labels) and objective.name == name
    _, gradients = one_step(RECIPES[name], model, [(objective, 1.0)])
    assert all(float(gradients[f"{name}.{k}"].abs().max()) > 0 for k in ("inner", "out"))
    assert any(float(g.abs().max()) > 0 for k, g in gradients.items() if "lora" in k)
    batch = objective.batch(0)
    outputs = read_outputs(model, objective.requests(batch))
    optimizer = torch.optim.Adam(list(objective.parameters.values()), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss = objective.loss(outputs, batch)
        loss.value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss.value.detach()) < 0.1 and loss.parts["right"] == 1.0


def test_a_mention_competes_among_the_types_of_its_corpus() -> None:
    _, objective = built("typing")
    assert objective.labels == ("CITY", "LAND", "PER")
    assert [item.allowed for item in objective.items] == [(True,) * 3] * 3 + [(True, True, False)]
    last = join_labelled(objective.items[-1:])
    logits = torch.nn.functional.softmax(
        torch.zeros(1, 3).masked_fill(~last.allowed, -torch.inf), dim=-1
    )
    assert logits[0].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_step_over_held_out_items_sees_each_once(name: str) -> None:
    _, objective = built(name)
    items = [*objective.items, *objective.items[:2]]
    objective.config = replace(objective.config, rows=2)
    whole = objective.over(items)
    assert objective.size(objective.batch(0)) <= 2 < len(items) == whole.size(whole.batch(0))
    assert whole.parameters is objective.parameters


def test_choices_are_scored_by_the_likelihood_that_is_measured() -> None:
    model, objective = built("choice")
    assert isinstance(objective, Choice) and not len(objective.parameters)
    batch = join_choices(objective.items, None)
    scores = score_choices(
        objective.parameters, read_outputs_of_tokens(model, objective, batch), batch
    )
    for row, item in zip(scores.tolist(), CHOICES, strict=True):
        prompts = [f"Question: {item.question}\nAnswer:"] * len(item.choices)
        said = model.score_continuations(prompts, [f" {c}" for c in item.choices])
        assert row[: len(said)] == pytest.approx(said.tolist(), rel=1e-4)
    assert scores[1, 2] == -torch.inf
    _, gradients = one_step(RECIPES["choice"], model, [(objective, 1.0)])
    assert any(float(g.abs().max()) > 0 for g in gradients.values())


def read_outputs_of_tokens(model: Any, objective: Any, batch: Any) -> Any:
    with torch.no_grad():
        return {k: read(model, r) for k, r in objective.requests(batch).items()}


def test_files_go_there_and_back_and_tell_their_kind(tmp_path: Path) -> None:
    pairs, choices = tmp_path / "p.jsonl.gz", tmp_path / "c.jsonl"
    write_pairs(pairs, PAIRS)
    write_choices(choices, CHOICES)
    assert tuple(read_pairs(pairs)) == PAIRS and tuple(read_choices(choices)) == CHOICES
    text = tmp_path / "t.jsonl"
    text.write_text('{"text": "a", "spans": []}\n', "utf-8")
    found = [kind_of(str(p)) for p in (pairs, choices, text, "semeval-2010-task-8", "openbookqa")]
    assert found == ["pairs", "choice", "annotated", "annotated", "choice"]
    assert {item.split for item in items_to_learn(str(choices))} == {"train"}
    write_pairs(pairs, [replace(PAIRS[0], split="train"), replace(PAIRS[1], split="test")])
    assert load_pairs(pairs, "test")[0].label == "no"
    with pytest.raises(ConfigError, match="nothing in split 'valid'"):
        load_pairs(pairs, "valid")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"first": "a", "label": "x"}', "no field 'second'"),
        ('{"first": "a", "second": " ", "label": "x"}', "second must be text"),
        ('{"first": "a", "second": "b", "label": null}', "label must be"),
        ('{"first": "a", "second": "b", "label": "x", "split": "dev"}', "split is 'dev'"),
        ('{"first": "a", ', "cannot read"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"first": "a", "second": "b", "label": 1}\n\n' + line + "\n", "utf-8")
    with pytest.raises(DataError, match=message) as error:
        read_pairs(path)
    assert error.value.line == 3


def test_data_that_nothing_learns_from_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    write_pairs(path, PAIRS)
    with pytest.raises(ConfigError, match="no objective") as error:
        gather_tasks(RECIPES["choice"], [str(path)])
    assert "kelm-pairs" in error.value.hint
    with pytest.raises(ConfigError, match="no item"):
        build_objectives(RECIPES["choice"], tiny_model(RECIPES["choice"]), build_tiny_graph())
    with pytest.raises(ConfigError, match="0 items with 0 labels"):
        build_objectives(RECIPES["pairs"], tiny_model(RECIPES["pairs"]), build_tiny_graph())
    with pytest.raises(ConfigError, match="rows=0"):
        PairsConfig(rows=0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run of every task, with its data."""
    root = tmp_path_factory.mktemp("tasks")
    splits = ("train", "train", "valid")
    write_pairs(
        root / "pairs.jsonl", [replace(p, split=s) for p, s in zip(PAIRS, splits, strict=True)]
    )
    some = (*CHOICES, replace(CHOICES[0], id="3"))
    write_choices(
        root / "choice.jsonl", [replace(c, split=s) for c, s in zip(some, splits, strict=True)]
    )
    lines = [
        {"text": "Osaka or Ann.", "spans": [span(0, 5, "CITY"), span(9, 12, "PER")], "split": s}
        for s in ("train", "valid")
    ]
    (root / "typing.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    for name, recipe in RECIPES.items():
        loop = replace(recipe.loop, steps=2, validate_every=1)
        project = tiny_project(root, replace(recipe, loop=loop))
        train_run(**project, out=root / name, data=[root / f"{name}.jsonl"])
    return root


def span(start: int, end: int, kind: str) -> dict[str, Any]:
    return {"start": start, "end": end, "type": kind}


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_run_validates_and_is_measured(
    runs: Path, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    valid = [row for row in RunFolder(runs / name).lines() if "valid" in row]
    assert [row["step"] for row in valid] == [1, 2]
    assert all(0 <= row[f"valid/{name}/accuracy"] == row["valid"] <= 1 for row in valid)
    assert all(row[f"valid/{name}/loss"] > 0 for row in valid)
    data, out = str(runs / f"{name}.jsonl"), tmp_path / "out.jsonl"
    code = main(["eval", name, str(runs / name), "--data", data, "--out", str(out), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0 and 0 <= found["accuracy"] <= 1 and found["baseline"]
    assert len(out.read_text("utf-8").splitlines()) == found["n"] == (2 if name == "typing" else 1)
    if name != "choice":
        assert found["accuracy"] == valid[-1]["valid"] or valid[0]["valid"] > valid[-1]["valid"]
        assert {"macro_f1", "per_label", "unknown_labels"} <= found.keys()


def test_a_run_goes_on_with_its_own_pairs(runs: Path, tmp_path: Path) -> None:
    assert {p.split for p in read_pairs(runs / "pairs" / "pairs.jsonl.gz")} == {"train", "valid"}
    assert {c.split for c in read_choices(runs / "choice" / "choices.jsonl.gz")} == {
        "train",
        "valid",
    }
    with pytest.raises(ConfigError, match="has not learnt typing"):
        Labeller.open(runs / "pairs", "typing")
    with pytest.raises(ConfigError, match="is no run"):
        Labeller.open(str(runs / "base"), "pairs")
    assert choosing_model(runs / "choice").score_continuations(["a"], [" b"])[0] < 0


@pytest.mark.parametrize("name", ["typing", "pairs"])
def test_a_run_that_was_killed_before_its_first_step_goes_on_with_its_data(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    loop = replace(RECIPES[name].loop, steps=2, validate_every=1)
    project = tiny_project(tmp_path, replace(RECIPES[name], loop=loop))
    run = tmp_path / "run"

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("accord.training.Training._model", killed)
        with pytest.raises(KeyboardInterrupt):
            train_run(**project, out=run, data=[runs / f"{name}.jsonl"])
    assert (run / "config.toml").is_file()
    train_run(**project, out=run, resume=True)
    made = [
        read_weights(folder / "model" / "objectives.safetensors") for folder in (run, runs / name)
    ]
    assert all(torch.equal(value, made[1][key]) for key, value in made[0].items())


def test_scores_of_labels_by_hand() -> None:
    gold, found = ("a", "a", "b"), ("a", "b", "b")
    sure = torch.ones(3).numpy()
    result = LabelsResult("pairs", "d", "test", ({},) * 3, gold, found, sure, {"most": ("a",) * 3})
    told = result.to_dict()
    assert told["accuracy"] == pytest.approx(2 / 3) == told["baseline"]["most"]["accuracy"]
    assert told["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert told["baseline"]["most"]["macro_f1"] == pytest.approx(0.8 / 2)
    assert told["per_label"]["a"] == {
        "n": 2,
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
    }
    assert result.correct.tolist() == [1, 0, 1]


def test_an_encoder_learns_each_task_and_reads_both_texts(tmp_path: Path) -> None:
    bert = save_tiny_bert(tmp_path)
    model = KnowledgeModel.create(
        ModelConfig(str(bert), rank=2, alpha=4.0, dtype="float32"), device="cpu"
    )
    pairs = (PairExample("osaka is", "in japan", "yes"), PairExample("near", "a", "no"))
    tasks = Tasks(pairs, (ChoiceItem("1", "osaka is", ("in japan", "near"), 0),))
    for name in ("pairs", "choice"):
        built = build_objectives(RECIPES[name], model, build_tiny_graph(), tasks=tasks)
        log, gradients = one_step(RECIPES[name], model, built)
        assert log[f"{name}/loss"] > 0 and float(gradients[f"{name}.out"].abs().max()) > 0
        ((objective, _),) = built
        if name == "pairs":
            (first, *_) = objective.items  # type: ignore[attr-defined]
            assert first.places == (MEAN,)  # the mean over both
            assert model.tokenizer.sep_token_id in first.sequence[1]
        else:
            head = ChoiceHead(model, objective.parameters)
            prompts = ["Question: osaka is\nAnswer:"] * 2
            scores = head.score_continuations(prompts, [" in japan", " near"])
            batch = objective.batch(0)
            with torch.no_grad():
                outputs = {k: read(model, r) for k, r in objective.requests(batch).items()}
                expected = score_choices(objective.parameters, outputs, batch)
            assert scores.tolist() == pytest.approx(expected[0].tolist(), abs=1e-5)
