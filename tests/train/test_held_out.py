"""Validation on held-out texts: what is held out, its loss and metrics, the best step."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from accord.api import train_run
from accord.errors import ConfigError, DataError
from accord.evaluate.extractor import Extractor
from accord.evaluate.held_out import held_out_measure
from accord.graph.builder import GraphBuilder
from accord.model.saving import read_weights
from accord.objectives.linking import LinkingConfig
from accord.objectives.modelling import ModellingConfig
from accord.objectives.spans import SpansConfig
from accord.text.annotated import read_annotated
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.text.links import load_links
from accord.train.checkpoint import RunFolder
from accord.train.extraction import gather_examples, split_examples, text_files
from accord.train.held_out import held_out_loss, hold_out
from accord.train.loop import Validated
from accord.train.setup import build_objectives, language_texts
from tests.conftest import build_tiny_graph
from tests.objectives.test_relations_and_linking import examples, kelm_recipe, read_outputs
from tests.train.tiny import step_of, tiny_model, tiny_project, tiny_recipe


def line(text: str, split: str, *names: str) -> dict[str, Any]:
    """A text that states `city_of` from its first to its second name."""
    spans = [
        {"start": text.index(n), "end": text.index(n) + len(n), "type": "LOC", "entity": n.lower()}
        for n in names
    ]
    facts = [{"head": 0, "relation": "city_of", "tail": 1}] if len(names) > 1 else []
    return {"text": text, "spans": spans, "relations": facts, "split": split}


LINES = [
    line("Osaka is in Japan.", "train", "Osaka", "Japan"),
    line("Sweden has no Osaka.", "train", "Sweden", "Osaka"),
    line("Norway lies in Sweden.", "valid", "Norway", "Sweden"),
    line("Japan is far.", "valid", "Japan"),
    line("Sweden is cold.", "test", "Sweden"),
]


def whole_recipe(**loop: Any) -> Any:
    """All objectives that learn from labelled texts, tiny, with validation."""
    parts = {
        "spans": SpansConfig(weight=1.0, rows=2, width=8),
        "modelling": ModellingConfig(weight=0.5, rows=2, points=8, tokens=16),
    }
    made = kelm_recipe(**parts)
    return replace(made, loop=replace(made.loop, **{"validate_every": 1, **loop}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("held")
    (root / "own.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    recipe = whole_recipe(steps=3)
    train_run(**tiny_project(root, recipe), out=root / "run", data=[root / "own.jsonl"])
    return root / "run"


def test_every_objective_has_its_loss_and_metric_in_the_log(run: Path) -> None:
    lines = [row for row in RunFolder(run).lines() if "valid" in row]
    assert [row["step"] for row in lines] == [1, 2, 3]
    for row in lines:
        named = {"relations/micro_f1", "linking/accuracy", "spans/micro_f1"}
        metrics = [row[f"valid/{name}"] for name in named]
        assert row["valid"] == pytest.approx(sum(metrics) / 3)
        losses = [row[f"valid/{n}/loss"] for n in ("relations", "linking", "spans", "modelling")]
        assert all(loss > 0 for loss in losses)


def test_held_out_texts_are_kept_and_taught_to_nobody(run: Path) -> None:
    kept = read_annotated(run / "examples.jsonl.gz")
    texts = {e.mentions.text: e.split for e in kept}
    assert texts["Norway lies in Sweden."] == "valid" and texts["Osaka is in Japan."] == "train"
    assert "Sweden is cold." not in texts
    assert Extractor.open(run).types == ("LOC",)


def test_the_best_step_is_kept_with_its_heads(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    found = {}
    for name, steps in (("short", 1), ("long", 4)):
        # The rate is so high that no later step is better than the first one.
        recipe = whole_recipe(steps=steps, learning_rate=5.0, schedule="constant", patience=2)
        project = tiny_project(tmp_path, recipe)
        train_run(**project, out=tmp_path / name, data=[tmp_path / "own.jsonl"])
        found[name] = read_weights(tmp_path / name / "model" / "objectives.safetensors")
    result = RunFolder(tmp_path / "long").read_json("result.json")
    if result["best_step"] == 1:
        assert result["steps"] == 3  # two validations without a better figure
        assert all(torch.equal(found["short"][k], found["long"][k]) for k in found["short"])
    else:
        assert result["valid"] > 0


def unseen() -> list[RelationExample]:
    text = "東京 is in Japan."
    spans = (LabelledSpan(0, 2, "LOC", "tokyo"), LabelledSpan(9, 14, "LOC", "japan"))
    mentions = MentionExample(text, spans, "valid", ("LOC",))
    facts, asked = ((0, "city_of", 1),), ((0, 1), (1, 0))
    return [RelationExample(mentions, ((0,), (1,)), facts, asked, single=True)]


def test_the_loss_is_the_trained_ones_without_gradient_or_change() -> None:
    recipe = whole_recipe()
    recipe = replace(recipe, linking=LinkingConfig(weight=0.5, rows=4, candidates=3, nil=0.0))
    model, graph = tiny_model(recipe), build_tiny_graph()
    marked = [replace(e, mentions=replace(e.mentions, kinds=("LOC",))) for e in examples()]
    objectives = build_objectives(recipe, model, graph, examples=marked)
    held = hold_out(recipe, model, graph, objectives, unseen())
    assert [o.name for o in held] == [o.name for o, _ in objectives]
    for objective in held:
        batch = objective.batch(0)
        if objective.name == "modelling":
            log = step_of(recipe, model, [(objective, 1.0)])(0)
            expected = log["modelling/loss"]
        else:
            outputs = read_outputs(model, objective.requests(batch))
            expected = float(objective.loss(outputs, batch).value.detach())
        found = held_out_loss(model, objective)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
        assert found == held_out_loss(model, objective)
    measure = held_out_measure(recipe, graph, held, unseen())
    assert measure is not None
    result = measure(model)
    assert isinstance(result, Validated) and 0 <= result.figure <= 1


def test_heads_that_have_learnt_the_held_out_text_reach_the_highest_figure() -> None:
    recipe = replace(whole_recipe(), modelling=ModellingConfig())
    recipe = replace(recipe, linking=LinkingConfig(weight=0.5, rows=4, candidates=3, nil=0.0))
    model, graph = tiny_model(recipe), build_tiny_graph()
    objectives = build_objectives(recipe, model, graph, examples=unseen())
    held = hold_out(recipe, model, graph, objectives, unseen())
    measure = held_out_measure(recipe, graph, held, unseen())
    assert measure is not None
    for objective, _ in objectives:
        batch = objective.batch(0)
        outputs = read_outputs(model, objective.requests(batch))
        optimizer = torch.optim.Adam(list(objective.parameters.values()), lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            objective.loss(outputs, batch).value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    found = measure(model)
    assert isinstance(found, Validated) and found.figure == 1.0
    assert found.parts["relations/loss"] < 0.1


def test_nothing_held_out_means_no_measure() -> None:
    recipe = whole_recipe()
    model, graph = tiny_model(recipe), build_tiny_graph()
    objectives = build_objectives(
        replace(recipe, spans=SpansConfig()), model, graph, examples=examples()
    )
    assert hold_out(recipe, model, graph, objectives, []) == []
    assert held_out_measure(recipe, graph, [], []) is None


def test_no_mention_is_both_learnt_from_and_measured(tmp_path: Path) -> None:
    builder = GraphBuilder("people")
    builder.triple("ann", "knows", "bob")
    graph, file = builder.build(), tmp_path / "own.jsonl"
    recipe = replace(kelm_recipe(), descriptions=False)

    def split(*names: str) -> tuple[list[str], list[str]]:
        """Texts to learn from, and those that are measured as test."""
        spans = [{"start": 0, "end": 3, "entity": "ann"}]
        lines = [{"text": f"Ann {i}", "spans": spans, "split": s} for i, s in enumerate(names)]
        file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        gathered = gather_examples(recipe, graph, [str(file)], [])
        learnt = split_examples(gathered)[0]
        known = [e for e in learnt if any(s.entity is not None for s in e.mentions.spans)]
        measured = load_links(str(file), "test", graph) if "test" in names else []
        return ([e.mentions.text for e in known], [e.mentions.text for e in measured])

    assert split("train", "test", "") == (["Ann 0", "Ann 2"], ["Ann 1"])
    assert split("valid", "test") == ([], ["Ann 1"])
    assert split("valid", "valid") == ([], [])
    assert split("train", "train") == (["Ann 0", "Ann 1"], [])
    with pytest.raises(ConfigError, match="has nothing in split 'test'"):
        load_links(str(file), "test", graph)


def test_texts_that_nothing_learns_from_are_refused(tmp_path: Path) -> None:
    recipe = tiny_recipe(language={"weight": 0.0})
    with pytest.raises(ConfigError, match=r"reads plain text, such as a\.txt"):
        gather_examples(recipe, build_tiny_graph(), [], [Path("a.txt")])
    with pytest.raises(ConfigError, match=r"reads annotated text, such as own\.jsonl"):
        gather_examples(recipe, build_tiny_graph(), ["own.jsonl"], [])


def test_texts_may_be_gzipped_alone_and_in_folders(tmp_path: Path) -> None:
    (tmp_path / "d.txt").mkdir()
    (tmp_path / "d.txt" / "a.txt.gz").write_bytes(gzip.compress(b"Osaka is in Japan."))
    (tmp_path / "page.html").write_text("Sweden has no Norway.")
    files = text_files([tmp_path])
    assert [path.name for path in files] == ["a.txt.gz"]
    recipe = replace(kelm_recipe(), descriptions=False)
    (example,) = gather_examples(recipe, build_tiny_graph(), [], files)
    assert example.mentions.text == "Osaka is in Japan."
    tiny = tiny_recipe()
    assert len(language_texts(tiny, tiny_model(tiny), files)) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no text file in it"):
        text_files([tmp_path / "empty"])
