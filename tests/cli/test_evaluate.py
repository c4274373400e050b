"""`accord eval` and `accord complete` on a tiny model: keys, files, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accord.cli.main import main
from accord.errors import DataError
from accord.graph.graph import KnowledgeGraph
from tests.conftest import build_tiny_graph, build_tiny_llama


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model, a graph folder and a run folder."""
    from accord.model.config import ModelConfig
    from accord.model.knowledge_model import KnowledgeModel
    from accord.model.saving import save_pretrained
    from accord.train.checkpoint import RunFolder, graph_record

    root = tmp_path_factory.mktemp("world")
    for part in build_tiny_llama():
        part.save_pretrained(root / "base")
    graph = build_tiny_graph()
    spec = str(graph.save(root / "graph"))
    config = ModelConfig(str(root / "base"), rank=2, dtype="float32")
    model = KnowledgeModel.create(config, device="cpu")
    RunFolder(root / "run").start("", {}, graph_record(graph, spec))
    save_pretrained(model, root / "run" / "model", graph_record(graph, spec), {})
    return root


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = main([*args, "--json"])
    printed = capsys.readouterr().out
    return code, json.loads(printed)


def test_link_prediction_of_a_run(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = world / "queries.jsonl"
    code, found = call(
        capsys, "eval", "link-prediction", str(world / "run"), "--split", "test",
        "--structure-hops", "1", "--hits", "2", "--out", str(dump),
    )  # fmt: skip
    assert code == 0
    assert (found["split"], found["queries"]) == ("test", 4)
    assert found["filtered_with"] == ["train", "valid", "test"]
    assert set(found["head"]["realistic"]) == {"mr", "mrr", "hits@1", "hits@2", "hits@3", "hits@10"}
    assert found["structure"]["hops"] == 1
    assert len(dump.read_text().splitlines()) == 4
    kept = json.loads((world / "run" / "eval" / "link-prediction-test-after.json").read_text())
    assert (kept["kind"], kept["model"], kept["split"]) == ("link-prediction", "after", "test")
    assert kept["result"] == found


def test_base_model_is_measured_as_a_runs_before(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, run = str(world / "base"), str(world / "run")
    code, found = call(capsys, "eval", "link-prediction", base, "--before", run)
    assert code == 0 and found["split"] == "valid"
    kept = json.loads((world / "run" / "eval" / "link-prediction-valid-before.json").read_text())
    assert kept["model"] == "before" and kept["result"] == found


def test_base_model_without_a_graph_says_so(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = call(capsys, "eval", "triples", str(world / "base"))
    assert code == 2 and "--graph" in found["hint"]


def test_a_result_that_cannot_be_kept_is_printed_all_the_same(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*_: object) -> None:
        raise DataError("may not be written")

    monkeypatch.setattr("accord.evaluate.records.write_record", denied)
    assert main(["eval", "triples", str(world / "run"), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["n"] and "the result is not kept" in printed.err


def test_triples(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, "eval", "triples", str(world / "run"), "--split", "test")
    assert code == 0
    assert found["n"] == 4 and 0 <= found["accuracy"] <= 1
    assert "range" in found["negatives"]
    code, valid = call(capsys, "eval", "triples", str(world / "run"))
    assert code == 0 and valid["n"] == 2  # half of valid gives the thresholds


def test_qa(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(
        capsys, "eval", "qa", str(world / "run"), "--task", "triple", "--shots", "1",
        "--no-describe", "--only", "tail", "--only", "classification",
    )  # fmt: skip
    assert code == 0
    assert set(found) >= {"tail", "classification"} and "head" not in found
    assert set(found["tail"]) == {"n", "accuracy", "accuracy_any", "baseline"}
    code, found = call(capsys, "eval", "qa", str(world / "run"), "--as-trained")
    assert code == 0 and found["tail"]["n"] == found["head"]["n"] == 2
    code, found = call(capsys, "eval", "qa", str(world / "run"), "--task", "trivia")
    assert (code, found["error"]) == (2, "no task 'trivia'")


def test_retention(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = world / "text.txt"
    text.write_text("Sweden borders Norway\n")
    code, found = call(capsys, "eval", "retention", str(world / "run"), "--text", str(text))
    assert code == 0
    keys = {"perplexity_word", "perplexity_token", "kl_to_base", "mean_cosine", "alignment"}
    assert set(found) >= keys | {"uniformity"}
    assert found["kl_to_base"] == pytest.approx(0.0, abs=1e-5)
    assert found["perplexity_token"] > 1
    code, found = call(capsys, "eval", "retention", str(world / "run"), "--text", "none.txt")
    assert code == 2 and "none.txt" in found["error"]


def test_results_for_people_are_tables(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "link-prediction", str(world / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("link prediction on valid: 4 queries")
    assert lines[1].split() == ["mr", "mrr", "hits@1", "hits@3", "hits@10"]
    assert any(line.startswith("baseline: frequency") for line in lines)


def test_complete_marks_what_is_known(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(
        capsys, "complete", str(world / "run"), "nippon", "has the city", "--top", "8"
    )
    assert code == 0
    assert {c["id"] for c in found["candidates"] if c["known"]} == {"tokyo", "osaka"}
    scores = [c["score"] for c in found["candidates"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 8
    names = {c["id"]: c["name"] for c in found["candidates"]}
    assert names["tokyo"] == "Tōkyō" and names["nemo"] == "nemo"


def test_complete_asks_for_heads(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("complete", str(world / "run"), "orebro")
    code, by_flag = call(capsys, *args, "has_city", "--inverse", "--top", "8")
    assert code == 0
    assert [c["id"] for c in by_flag["candidates"] if c["known"]] == ["sweden"]


def test_complete_from_text_alone(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(
        capsys, "complete", str(world / "run"), "borders", "--new-text", "Finland: a country"
    )
    assert code == 0
    assert len(found["candidates"]) == 8
    assert not any(c["known"] for c in found["candidates"])


def test_complete_suggests_near_names(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(world / "run")
    code, found = call(capsys, "complete", run, "Swedn", "borders")
    assert code == 2 and "did you mean 'Sweden'" in found["hint"]
    code, found = call(capsys, "complete", run, "Sweden", "border")
    assert code == 2 and "did you mean 'borders'" in found["hint"]
    code, found = call(capsys, "complete", run, "Sweden")
    assert code == 2 and "quote names with spaces" in found["hint"]


def test_entity_vectors_are_kept_and_renewed_when_the_graph_changes(
    world: Path, tiny_graph: KnowledgeGraph, capsys: pytest.CaptureFixture[str]
) -> None:
    from accord.cli.complete import entity_vectors
    from accord.model.saving import load_model

    run = str(world / "run")
    model = load_model(run)
    first = entity_vectors(model, tiny_graph, run)
    kept = sorted((world / "run" / "cache").iterdir())
    again = entity_vectors(model, tiny_graph, run)
    assert np.array_equal(first, again) and isinstance(again, np.memmap)
    builder_graph = _extended(tiny_graph)
    assert len(entity_vectors(model, builder_graph, run)) == 9
    assert len(sorted((world / "run" / "cache").iterdir())) == len(kept) + 1


def _extended(graph: KnowledgeGraph) -> KnowledgeGraph:
    from accord.graph.builder import GraphBuilder

    builder = GraphBuilder(graph.name, parent=graph)
    builder.triple("sweden", "borders", "finland")
    return builder.build()
