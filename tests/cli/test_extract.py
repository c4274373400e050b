"""`train --data`, `eval relations | linking`, `extract`: keys, forms, evidence, errors."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.nn import ParameterDict

from accord.api import train_run
from accord.cli.main import main
from accord.evaluate.extraction import Extracted, TextReader, merge, parts_of
from accord.evaluate.extractor import Extractor
from accord.evaluate.linking import LinkingResult, by_prior
from accord.evaluate.relations import facts_of, scores
from accord.objectives.linking import NIL, LinkItem
from accord.text.annotated import read_annotated
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from tests.conftest import build_tiny_graph
from tests.objectives.test_relations_and_linking import kelm_recipe
from tests.train.tiny import tiny_project

LINES = (
    {
        "text": "Ōsaka 🙂 is in Japan.",
        "spans": [
            {"start": 0, "end": 5, "type": "LOC", "entity": "osaka"},
            {"start": 14, "end": 19, "type": "LOC", "entity": "japan"},
        ],
        "relations": [{"head": 0, "relation": "city_of", "tail": 1}],
        "split": "train",
    },
    {
        "text": "Sweden borders Norway.",
        "spans": [
            {"start": 0, "end": 6, "entity": "sweden"},
            {"start": 15, "end": 21, "entity": "norway"},
        ],
        "relations": [{"head": 0, "relation": "borders", "tail": 1}],
        "split": "valid",
    },
    {
        "text": "Nobody is in Atlantis.",
        "spans": [{"start": 13, "end": 21, "entity": "atlantis"}],
        "split": "valid",
    },
)
STORY = "Osaka lies in Japan.\r\n\r\nÖrebro 🙂 is in Sweden! Nobody else. Tokyo, Osaka in Japan."


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that has learnt both, a little."""
    root = tmp_path_factory.mktemp("kelm")
    (root / "own.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    (root / "texts").mkdir()
    (root / "texts" / "story.txt").write_bytes(STORY.encode())
    recipe = kelm_recipe()
    small = replace(recipe, loop=replace(recipe.loop, steps=2))
    found = train_run(
        **tiny_project(root, small),
        out=root / "run",
        data=[root / "own.jsonl"],
        text=[root / "texts"],
    )
    assert found.steps == 2
    return root / "run"


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = main([*args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_run_keeps_its_examples_vocabulary_and_heads(run: Path) -> None:
    kept = read_annotated(run / "examples.jsonl.gz")
    assert {example.split for example in kept} == {"train"}
    texts = [example.mentions.text for example in kept]
    assert LINES[0]["text"] in texts and LINES[1]["text"] not in texts
    assert "Osaka lies in Japan." in texts
    opened = Extractor.open(run)
    assert opened.vocabulary.kinds == ("", "LOC")
    assert len(opened.relation_head["out"]) == 1 + len(opened.vocabulary.relations)
    assert float(opened.link_head["prior"]) != 0


def test_eval_relations(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = str(run.parent / "own.jsonl"), tmp_path / "found.jsonl"
    code, found = call(capsys, "eval", "relations", str(run), "--data", data, "--out", str(out))
    assert code == 0 and found["n"] == 2 and found["texts"] == found["facts"] == 1
    assert {"micro_f1", "macro_f1", "baseline", "per_relation"} <= found.keys()
    assert found["baseline"]["majority"]["micro_f1"] == 1.0  # one fact: trivially the majority
    (line,) = map(json.loads, out.read_text("utf-8").splitlines())
    assert line["stated"] == [[0, "borders", 1]]
    assert list((run / "eval").glob("relations-own-valid-after.json"))
    assert found["learnt_from"] == 0
    code, found = call(capsys, "eval", "relations", str(run), "--data", data, "--split", "train")
    assert code == 0 and found["learnt_from"] == found["texts"] == 1


def test_eval_linking(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = str(run.parent / "own.jsonl"), tmp_path / "found.jsonl"
    code, found = call(capsys, "eval", "linking", str(run), "--data", data, "--out", str(out))
    assert code == 0 and found["n"] == 3 and found["in_graph"] == 2 and found["learnt_from"] == 0
    assert found["recall@16"] == 1.0
    assert found["baseline"]["name prior"]["accuracy"] == 1.0
    assert found["baseline"]["always none"]["accuracy"] == pytest.approx(1 / 3)
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["entity"] for line in lines] == ["sweden", "norway", None]
    assert lines[2]["found"] is None and lines[2]["probability"] == 1.0  # no candidate at all


@pytest.mark.parametrize("suffix", [".jsonl", ".csv.gz", ".nq"])
def test_extract_writes_every_form(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    text = run.parent / "texts" / "story.txt"
    out = tmp_path / f"found{suffix}"
    code, found = call(
        capsys, "extract", str(run), str(text), "--out", str(out), "--threshold", "0"
    )
    assert code == 0 and found["triples"] > 3 and 0 < found["new"] <= found["triples"]
    data = out.read_bytes()
    content = (gzip.decompress(data) if suffix.endswith("gz") else data).decode()
    if suffix == ".nq":
        assert content.count("urn:accord:term:probability") == found["triples"]
        import pyoxigraph

        store = pyoxigraph.Store()
        store.load(content.encode(), format=pyoxigraph.RdfFormat.N_QUADS)
        assert len(list(store.named_graphs())) == found["triples"]
        return
    rows: Sequence[Any] = (
        [json.loads(line) for line in content.splitlines()]
        if suffix == ".jsonl"
        else list(csv.DictReader(content.splitlines()))
    )
    story, graph = text.read_bytes().decode(), build_tiny_graph()
    assert len(rows) == found["triples"]
    assert len({(r["head"], r["relation"], r["tail"]) for r in rows}) == len(rows)
    for row in rows:
        assert story[int(row["start"]) : int(row["end"])] == row["sentence"]
        graph.relation(row["relation"])
        assert 0 <= float(row["probability"]) <= 1


def test_without_links_names_mean_what_they_mostly_do(run: Path) -> None:
    graph, opened = build_tiny_graph(), Extractor.open(run)
    reader = TextReader(replace(opened, link_head=ParameterDict()), graph, 0.0)
    found = merge(reader.read([STORY[:30], STORY[30:]]))
    pairs = {(item.head, item.tail) for item in found}
    assert ("osaka", "japan") in pairs and ("orebro", "sweden") in pairs
    assert ("osaka", "sweden") not in pairs  # named in different sentences
    assert all(STORY[item.start : item.end] == item.sentence for item in found)
    assert any("🙂" in item.sentence for item in found)
    known = {item.triple for item in found if item.known}
    assert ("japan", "has_city", "osaka") in known
    assert ("osaka", "borders", "japan") not in known
    times = {item.times for item in found if {item.head, item.tail} == {"osaka", "japan"}}
    assert times == {2}


def test_extract_only_new_and_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd.txt"
    odd.write_text("e\u0301🙂 " * 2000, encoding="utf-8")
    out = tmp_path / "none.jsonl"
    code, found = call(capsys, "extract", str(run), str(odd), "--out", str(out), "--new")
    assert code == 0 and found["triples"] == 0 and out.read_bytes() == b""


def test_what_cannot_be_done_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, text = str(run.parent / "own.jsonl"), str(run.parent / "texts" / "story.txt")
    out = str(tmp_path / "x.jsonl")
    base = str(run.parent / "base")
    for args, message in (
        (("eval", "relations", base, "--data", own), "a base model has no heads"),
        (("eval", "relations", str(run), "--data", own, "--split", "test"), "nothing in split"),
        (("eval", "relations", str(run), "--data", "semeval"), "no corpus 'semeval'"),
        (("extract", str(run), text, "--out", str(tmp_path / "x.pdf")), "cannot write the form"),
        (("extract", str(run), "gone.txt", "--out", out), "no such file"),
        (("extract", str(run), str(run), "--out", out), f"{run}: a folder"),
        (("extract", str(run), text, "--out", out, "--threshold", "2"), "threshold is 2"),
        (("extract", str(run), text, "--out", out, "--graph", "nations"), "learnt none of"),
    ):
        if "nations" in args and not _nations():
            continue
        code, found = call(capsys, *args)
        assert code == 2 and message in found["error"] and found["hint"] is not None
    assert not list(tmp_path.iterdir())
    with pytest.raises(Exception, match="no objective of this recipe reads annotated text"):
        train_run("kalm", run.parent / "graph", tmp_path / "run", data=[own])


def _nations() -> bool:
    from tests.conftest import data_folder

    folder = data_folder()
    if folder is not None:
        import os

        os.environ.setdefault("ACCORD_DATA", str(folder))
    return folder is not None


def example(facts: Sequence[tuple[int, str, int]], single: bool) -> RelationExample:
    spans = (LabelledSpan(0, 1), LabelledSpan(2, 3))
    text = MentionExample("a b", spans)
    return RelationExample(text, ((0,), (1,)), tuple(facts), ((0, 1), (1, 0)), single)


def test_official_macro_f1_counts_the_direction() -> None:
    """SemEval's scorer, by hand: a reversed relation is a miss and a false alarm."""
    gold = [{(0, "A", 1)}, {(1, "A", 0)}, {(0, "B", 1)}, set()]
    found = [{(0, "A", 1)}, {(0, "A", 1)}, {(0, "B", 1)}, {(0, "B", 1)}]
    made = scores([frozenset(g) for g in gold], [frozenset(f) for f in found])
    assert made["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert made["micro_f1"] == pytest.approx(2 * 2 / (4 + 3))


def test_one_fact_at_most_where_texts_state_one() -> None:
    rows = np.array([[0.2, 1.0], [3.0, -1.0]], dtype=np.float32)
    assert facts_of(example([], True), rows, ("A", "B")) == {(1, "A", 0)}
    several = facts_of(example([], False), rows, ("A", "B"))
    assert several == {(0, "A", 1), (0, "B", 1), (1, "A", 0)}
    assert facts_of(example([], True), rows - 5, ("A", "B")) == frozenset()


def test_linking_figures_are_counted_by_hand() -> None:
    items = (
        LinkItem(((1,),), (0, 0), (0, 1), (0.6, 0.3), 1),
        LinkItem(((1,),), (0, 0), (2,), (1.0,), NIL),
        LinkItem(((1,),), (0, 0), (), (), 3),
        LinkItem(((1,),), (0, 0), (4,), (1e-4,), NIL),
    )
    rows = ([0.1, 0.2, 0.7], [0.9, 0.1], [1.0], [0.2, 0.8])
    result = LinkingResult(
        build_tiny_graph(), "d", "test", items,
        tuple(np.array(row, dtype=np.float32) for row in rows),
    )  # fmt: skip
    found = result.to_dict()
    assert found["accuracy"] == 0.5 and found["recall@16"] == 0.5
    assert found["nil_f1"] == pytest.approx(2 * 1 / (2 + 2))
    assert found["accuracy_in_graph"] == 0.5 and found["accuracy_ambiguous"] == 1.0
    assert by_prior(items).tolist() == [0, 2, NIL, NIL]
    assert found["baseline"]["name prior"]["accuracy"] == 0.25
    assert "NIL F1" in result.to_text()


def test_duplicates_are_merged_with_the_surest_evidence() -> None:
    weak = Extracted("a", "r", "b", 0.6, "A b.", 0, 4, False)
    sure = replace(weak, probability=0.9, sentence="A, b.", start=9, end=14)
    other = replace(weak, tail="c")
    first, second = merge([weak, other, sure, weak])
    assert (first.probability, first.start, first.times) == (0.9, 9, 3) and second == other


def test_parts_ask_for_every_pair_once() -> None:
    spans = tuple(LabelledSpan(i, i + 1, "", f"e{i % 40}") for i in range(50))
    parts = list(parts_of(MentionExample("x" * 50, spans)))
    asked = [pair for part in parts for pair in part.asked]
    assert len(parts) > 1 and len(asked) == len(set(asked)) == 40 * 39
