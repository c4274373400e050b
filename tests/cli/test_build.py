"""`graph build`, `eval ner`, new entities in `extract`, and the bad inputs of reading texts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.nn import ParameterDict

from accord import progress
from accord.api import train_run
from accord.cli.main import main
from accord.errors import ConfigError, DataError
from accord.evaluate.extraction import TextReader
from accord.evaluate.extraction_names import Named, NameReader
from accord.evaluate.extractor import Extractor
from accord.evaluate.graph_building import source_names
from accord.evaluate.link_text import link_text
from accord.graph.builder import GraphBuilder
from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from accord.objectives.spans import SpansConfig
from accord.text.distant import DistantSource
from accord.text.examples import LabelledSpan, MentionExample
from accord.text.mentions import MentionIndex
from accord.text.sentences import sentences
from accord.text.tags import FoundSpan
from tests.conftest import build_tiny_graph
from tests.objectives.test_relations_and_linking import kelm_recipe
from tests.train.tiny import tiny_project

LINES = (
    {
        "text": "Osaka lies in Japan.",
        "spans": [
            {"start": 0, "end": 5, "type": "LOC", "entity": "osaka"},
            {"start": 14, "end": 19, "type": "LOC", "entity": "japan"},
        ],
        "relations": [
            {"head": 0, "relation": "city_of", "tail": 1},
            {"head": 1, "relation": "unheard_of", "tail": 0},
        ],
        "split": "train",
    },
    {
        "text": "Sweden borders Norway.",
        "spans": [
            {"start": 0, "end": 6, "type": "LOC", "entity": "sweden"},
            {"start": 15, "end": 21, "type": "GPE", "entity": "norway"},
        ],
        "split": "valid",
    },
)
STORY = (
    "Osaka lies in Japan.\n\n🙂 Kobe is near Osaka. Kobe, an old port, has a population of "
    "1,500,000. In Japan KOBE is great."
)


def recognise(_: Extractor, texts: Sequence[MentionExample]) -> list[list[FoundSpan]]:
    """Every word with a capital is a place; stands in for a trained head."""
    return [
        [FoundSpan(*m.span(), "LOC", 0.9) for m in re.finditer(r"\b[A-ZÖŌ]\w+", text.text)]
        for text in texts
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that has learnt mentions, links and relations, a little."""
    root = tmp_path_factory.mktemp("build")
    (root / "own.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    (root / "story.txt").write_text(STORY, encoding="utf-8")
    recipe = kelm_recipe(spans=SpansConfig(weight=1.0, rows=2, width=8))
    small = replace(recipe, loop=replace(recipe.loop, steps=2))
    train_run(**tiny_project(root, small), out=root / "run", data=[root / "own.jsonl"])
    return root / "run"


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, dict[str, Any]]:
    code = main([*map(str, args), "--json"])
    return code, json.loads(capsys.readouterr().out)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_eval_ner(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = run.parent / "own.jsonl", tmp_path / "found.jsonl"
    code, found = call(capsys, "eval", "ner", run, "--data", data, "--out", out)
    assert code == 0 and found["n"] == 2 and found["texts"] == 1
    assert {"micro_f1", "macro_f1", "precision", "recall", "baseline"} <= found.keys()
    assert found["unknown_types"] == [] and set(found["per_type"]) == {"GPE", "LOC"}
    assert rows_of(out)[0]["marked"] == [[0, "LOC", 6], [15, "GPE", 21]]
    assert Extractor.open(run).types == ("GPE", "LOC")
    assert list((run / "eval").glob("ner-own-valid-after.json"))
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "Ann", "spans": [{"start": 0, "end": 3, "type": "PER"}]}')
    code, found = call(capsys, "eval", "ner", run, "--data", other)
    assert code == 2 and "none of the run's types" in found["error"]
    assert found["hint"] == "the run knows: GPE, LOC"


def test_a_graph_is_built_with_its_evidence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Extractor, "spans", recognise)
    out, schema = tmp_path / "made", run.parent / "graph"
    code, found = call(
        capsys, "graph", "build", run.parent / "story.txt", "--run", run, "--schema", schema,
        "--out", out, "--threshold", "0",
    )  # fmt: skip
    assert code == 0 and found["new_entities"] >= 1 and found["triples"]["train"] > 0
    graph, known = KnowledgeGraph.load(out), build_tiny_graph()
    kobe = graph.entity("Kobe (LOC)")
    assert graph.entity_names[kobe] == "Kobe" and graph.aliases_of(kobe) == ["KOBE"]
    stated = {(a.property, a.value, a.datatype) for a in graph.attributes_of(kobe)}
    assert ("population", "1500000", XSD + "integer") in stated
    assert {p for p, *_ in stated} == {"population", "type"}
    assert set(graph.relation_ids) <= set(known.relation_ids)
    number = graph.relation("city_of")
    assert graph.relation_phrases[number] == "is a city of"
    rows = rows_of(out / "evidence.jsonl")
    assert all(STORY[r["start"] : r["end"]] == r["sentence"] for r in rows)
    assert {r["source"] for r in rows} == {"story.txt"}
    (kind,) = [r for r in rows if r["head"] == "Kobe (LOC)" and r["relation"] == "type"]
    assert kind["times"] == 3 and kind["probability"] == pytest.approx(0.9)
    triples = [r for r in rows if not r["datatype"]]
    assert len(triples) == graph.num_triples
    import pyoxigraph

    store = pyoxigraph.Store(str(out / "store"))
    assert len(list(store)) >= len(rows)
    proof = pyoxigraph.Store()
    proof.load((out / "evidence.nq").read_bytes(), format=pyoxigraph.RdfFormat.N_QUADS)
    assert len(list(proof.named_graphs())) == len(rows)


def test_without_a_schema_all_that_was_learnt_comes_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Extractor, "spans", recognise)
    out = tmp_path / "made"
    code, found = call(
        capsys, "graph", "build", run.parent / "story.txt", "--run", run, "--out", out,
        "--threshold", "0",
    )  # fmt: skip
    graph = KnowledgeGraph.load(out)
    assert code == 0 and found["new_entities"] == graph.num_entities
    assert {"Osaka (LOC)", "Kobe (LOC)"} <= set(graph.entity_ids)
    assert "unheard_of" in set(graph.relation_ids)
    assert set(graph.properties) == {"type"}


def test_extract_proposes_new_entities_and_attributes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Extractor, "spans", recognise)
    out = tmp_path / "found.jsonl"
    code, found = call(
        capsys, "extract", run, run.parent / "story.txt", "--out", out, "--threshold", "0"
    )
    rows = rows_of(out)
    values = [r for r in rows if r["datatype"]]
    assert code == 0 and found["attributes"] == len(values) and found["entities"] >= 1
    assert found["unread"] == 0
    assert found["triples"] == len(rows) - len(values)
    assert not any(r["known"] for r in rows if "(LOC)" in r["head"] + r["tail"])
    assert not any(r["relation"] == "unheard_of" for r in rows)  # not the graph's


def test_of_mentions_that_overlap_the_longer_one_counts(run: Path) -> None:
    opened = replace(Extractor.open(run), link_head=ParameterDict())
    names = NameReader(opened, build_tiny_graph(), 0.5)
    (named,) = names.read(["Osaka Bay is near Osaka and Japan."])
    assert [s.entity for s in named.example.spans][-1:] == ["japan"]
    found = [
        FoundSpan(0, 9, "LOC", 0.9),  # longer than the graph's Osaka
        FoundSpan(18, 23, "LOC", 0.2),  # the graph's own
        FoundSpan(28, 33, "GPE", 0.9),
        FoundSpan(13, 17, "LOC", 0.4),  # unsure
    ]
    known = names._linked([MentionExample(named.example.text, tuple(names._known(
        named.example.text)))])[0]  # fmt: skip
    spans = names._joined(known, found).example.spans
    assert [(s.start, s.kind, s.entity) for s in spans] == [
        (0, "LOC", "Osaka Bay (LOC)"), (18, "LOC", "osaka"), (28, "GPE", "japan"),
    ]  # fmt: skip


def test_link_judges_names_by_the_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "🙂 e\u0301 Osaka lies in Nippon! Orebro."
    code, found = call(capsys, "link", run, text, "--candidates")
    assert code == 0 and [m["text"] for m in found["mentions"]] == ["Osaka", "Nippon", "Orebro"]
    for mention in found["mentions"]:
        assert text[mention["start"] : mention["end"]] == mention["text"]
        shares = [c["probability"] for c in mention["candidates"]]
        none = 1 - sum(shares)
        assert shares == sorted(shares, reverse=True) and none > 0
        expected = max(none, shares[0])
        assert mention["probability"] == pytest.approx(expected, abs=1e-5)
        assert (mention["entity"] is None) == (none > shares[0])
    file = tmp_path / "long.txt"
    file.write_text("x " * 90_000 + "Osaka", encoding="utf-8")
    code, found = call(capsys, "link", run, file)
    assert [m["start"] for m in found["mentions"]] == [180_000]


def test_what_comes_again_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, graph = Extractor.open(run), build_tiny_graph()
    index, texts, seen = MentionIndex(graph), list[int](), list[int]()
    embed, states = opened.model.embed_entities, opened.model.reader.states_at

    def embedded(graph: KnowledgeGraph, entities: Any) -> Any:
        seen.extend(entities.tolist())
        return embed(graph, entities)

    def read(sequences: Any, *places: Any) -> Any:
        texts.append(len(sequences))
        return states(sequences, *places)

    monkeypatch.setattr(opened.model, "embed_entities", embedded)
    monkeypatch.setattr(opened.model.reader, "states_at", read)
    text = "Osaka lies in Japan. "
    found = list(link_text(opened, index, [text * 65]))  # more than a block of sentences
    assert len(found) == 130 and len(seen) == len(set(seen)) > 0
    assert sum(texts) < 10, "both mentions of a sentence, and equal sentences, are read once"
    values = [[c.score for c in f.candidates] for f in found]
    assert np.allclose(values[0], values[128]) and np.allclose(values[1], values[129])


def test_names_with_stops_and_line_ends_are_linked_and_read(run: Path) -> None:
    builder = GraphBuilder("stops")
    for key, name in (("inc", "Acme Inc. Ltd."), ("ny", "New York"), ("louis", "St. Louis")):
        builder.entity(key, name)
    builder.triple("inc", "city_of", "ny")
    graph, text = builder.build(), "To St. Louis. By Acme Inc. Ltd. from New\nYork! It ends."
    opened, index = Extractor.open(run), MentionIndex(graph)
    found = list(link_text(opened, index, [text]))
    assert [m.text for m in found] == [m.text for m in index.find(text)]
    assert [m.text for m in found] == ["St. Louis", "Acme Inc. Ltd.", "New\nYork"]
    example = next(DistantSource(graph, index).texts([text]))
    assert example.mentions.text == "By Acme Inc. Ltd. from New\nYork!"
    assert example.facts == ((0, "city_of", 1),)
    bare = replace(opened, link_head=ParameterDict(), span_head=ParameterDict())
    said = {(r.start, r.sentence) for r in TextReader(bare, graph, 0.0).read([text])}
    assert said == {(14, example.mentions.text)}


def test_progress_is_seen_within_a_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    file = tmp_path / "long.txt"
    file.write_text("Nothing is said here. " * 1000, encoding="utf-8")
    for args in (("link", run, file), ("extract", run, file, "--out", tmp_path / "o.jsonl")):
        assert main([*map(str, args)]) == 0
        assert f"8,192/{file.stat().st_size:,} bytes" in capsys.readouterr().err


def test_sentences_longer_than_the_model_are_counted_once(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = replace(Extractor.open(run), link_head=ParameterDict(), span_head=ParameterDict())
    reader = TextReader(bare, build_tiny_graph(), 0.0)
    text = ("Osaka lies in " + "漢" * 120 + " Japan.\n") * 3 + "Osaka, Japan."
    rows = list(reader.read([text]))
    assert rows and {row.sentence for row in rows} == {"Osaka, Japan."}
    assert reader.unread == 3
    reader.tell_unread()
    assert "in 3 sentences: they are longer than the 256 tokens" in capsys.readouterr().err


def test_what_has_no_letter_is_no_entity(run: Path) -> None:
    opened = replace(Extractor.open(run), link_head=ParameterDict())
    names = NameReader(opened, None, 0.5)
    bare = Named(MentionExample("( ، 7", ()), {})
    found = [FoundSpan(0, 1, "LOC", 0.9), FoundSpan(2, 3, "LOC", 0.9), FoundSpan(4, 5, "LOC", 0.9)]
    spans = names._joined(bare, found).example.spans
    assert [s.entity for s in spans] == ["7 (LOC)"] == list(names.new.found)


def no_relation_graph() -> KnowledgeGraph:
    builder = GraphBuilder("bare")
    builder.attribute("osaka", "population", "1", XSD + "integer")
    return builder.build()


def test_bad_schemas_and_texts_are_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Extractor, "spans", lambda _, texts: [[] for _ in texts])
    places = [Path("a/x.txt"), Path("b/x.txt"), Path("b/y.txt")]
    assert source_names(places) == ["a/x.txt", "b/x.txt", "y.txt"]
    with pytest.raises(ConfigError, match="graph 'bare' has no relations") as error:
        TextReader(Extractor.open(run), no_relation_graph(), 0.5)
    assert error.value.hint
    strange, latin = tmp_path / "strange.txt", tmp_path / "latin.txt"
    strange.write_text("ꡋꡖ ᚠᚢ qzx \U0001f642 e\u0301\u0323. " * 50, encoding="utf-8")
    latin.write_bytes("é".encode("latin-1"))
    out, schema = tmp_path / "made", run.parent / "schema"
    write_graph(build_tiny_graph(), schema)
    build = ("graph", "build", "--run", run, "--out", out)
    for args, message in (
        ((*build, strange), "nothing that the run recognises"),
        ((*build, latin), "not UTF-8"),
        ((*build[:-1], tmp_path, strange), "something that is not a graph is there"),
        ((*build[:-1], schema, strange, "--schema", schema), "is the schema graph itself"),
        ((*build, tmp_path / "gone.txt"), "no such file"),
        ((*build, tmp_path / "strange.txt", "--threshold", "-1"), "threshold is -1"),
        (("graph", "build", "--run", run.parent / "base", "--out", out, strange), "base model"),
    ):
        code, found = call(capsys, *args)
        assert code == 2 and message in found["error"] and found["hint"] is not None
    assert not out.exists()
    code, found = call(capsys, "extract", run, strange, "--out", tmp_path / "none.jsonl")
    assert code == 0 and found["triples"] == found["attributes"] == 0


def test_a_wrong_line_of_a_labelled_file_is_named_and_nothing_written(tmp_path: Path) -> None:
    line = dict(LINES[0], spans=[{"start": 3, "end": 2000}])
    (tmp_path / "own.jsonl").write_text(f"{json.dumps(LINES[1])}\n{json.dumps(line)}")
    project = tiny_project(tmp_path, kelm_recipe())
    with pytest.raises(DataError, match=r"own\.jsonl:2: span 3\.\.2000 is not within"):
        train_run(**project, out=tmp_path / "run", data=[tmp_path / "own.jsonl"])
    assert not (tmp_path / "run").exists()


def test_a_megabyte_without_a_line_end_is_read_whole() -> None:
    text = "ab 🙂 " * 220_000
    pieces = [text[i : i + 70_001] for i in range(0, len(text), 70_001)]
    end = 0
    for sentence in sentences(pieces):
        assert len(sentence.text) <= 600 and not text[end : sentence.start].strip()
        end = sentence.start + len(sentence.text)
        assert text[sentence.start : end] == sentence.text
    assert not text[end:].strip()


def test_offsets_are_right_beside_emoji_and_marks(run: Path) -> None:
    opened = replace(Extractor.open(run), link_head=ParameterDict(), span_head=ParameterDict())
    text = "👩‍🚀 e\u0301 Ōsaka? Osaka, 東京 🙂."
    (named,) = NameReader(opened, build_tiny_graph(), 0.5).read([text])
    said = [text[s.start : s.end] for s in named.example.spans]
    assert said[-2:] == ["Osaka", "東京"]
    assert all(isinstance(s, LabelledSpan) for s in named.example.spans)
