"""Annotated text: corpora, files of one's own, distant supervision, sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import ConfigError, DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.text.annotated import read_annotated, write_annotated
from accord.text.candidates import Candidates
from accord.text.corpora import load_corpus, tag_spans
from accord.text.distant import DistantSource
from accord.text.examples import RelationExample
from accord.text.links import entity_part, load_links
from accord.text.mentions import MentionIndex
from tests.conftest import build_tiny_graph


def said(example: RelationExample) -> list[str]:
    text = example.mentions.text
    return [text[span.start : span.end] for span in example.mentions.spans]


def test_semeval_has_its_counts_and_directions(
    accord_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    examples = load_corpus("semeval-2010-task-8")
    assert [sum(e.split == s for e in examples) for s in ("train", "valid", "test")] == [
        7200, 800, 2717,
    ]  # fmt: skip
    first = load_corpus("semeval-2010-task-8", "test")[0]
    assert first.mentions.text == "The most common audits were about waste and recycling."
    assert said(first) == ["audits", "waste"] and first.facts == ((0, "Message-Topic", 1),)
    second = load_corpus("semeval-2010-task-8", "test")[1]
    assert second.facts == ((1, "Product-Producer", 0),)
    assert len({relation for e in examples for _, relation, _ in e.facts}) == 9


def test_questions_name_their_main_entity(
    accord_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    examples = load_corpus("webqsp", "test")
    assert len(examples) == 1639 and said(examples[0]) == ["jamaican"]
    assert examples[0].mentions.spans[0].entity == "Q766" and not examples[0].asked
    assert sum(not e.mentions.spans for e in examples) == 15  # their places lie outside
    assert len(load_corpus("webqsp", "valid")) == 310


def test_crossner_spans_are_its_words(accord_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    examples = load_corpus("crossner-ai", "test")
    assert len(examples) == 431 and sum(len(e.mentions.spans) for e in examples) > 1000
    assert all(word == word.strip() for e in examples for word in said(e))


def test_a_corpus_that_is_not_there_or_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(tmp_path))
    with pytest.raises(ConfigError, match="no corpus") as error:
        load_corpus("semeval-2010-task8")
    assert "semeval-2010-task-8" in error.value.hint
    with pytest.raises(DataError, match="not at hand"):
        load_corpus("fewrel-nyt")
    folder = tmp_path / "relation-extraction" / "crossner"
    folder.mkdir(parents=True)
    import gzip

    (folder / "ai_train.txt.gz").write_bytes(gzip.compress(b"Here\tO\nParis B-LOC\n"))
    with pytest.raises(DataError, match=r"ai_train\.txt\.gz:2: expected WORD"):
        load_corpus("crossner-ai")
    (folder / "ai_train.txt.gz").write_bytes(gzip.compress(b"Here\tO\n"))
    with pytest.raises(DataError, match="1 items, there must be 100"):
        load_corpus("crossner-ai")


@given(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])))
def test_tag_spans_cover_exactly_the_tagged_words(tags: list[str]) -> None:
    spans = list(tag_spans(tags))
    covered = [i for first, last, _ in spans for i in range(first, last + 1)]
    assert covered == [i for i, tag in enumerate(tags) if tag != "O"]
    assert all(tags[i][2:] == kind for first, last, kind in spans for i in range(first, last + 1))


LINE = {
    "text": "Örebro 🙂 lies in Sweden.",
    "spans": [{"start": 0, "end": 6, "type": "LOC"}, {"start": 17, "end": 23, "entity": "sweden"}],
    "relations": [{"head": 0, "relation": "city_of", "tail": 1}],
    "split": "valid",
}


def test_a_file_of_ones_own_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps(LINE, ensure_ascii=False) + "\n\n", encoding="utf-8")
    (example,) = load_corpus(str(file), "valid")
    assert said(example) == ["Örebro", "Sweden"] and example.asked == ((0, 1), (1, 0))
    assert example.mentions.spans[1].entity == "sweden"
    write_annotated(tmp_path / "again.jsonl.gz", [example])
    assert read_annotated(tmp_path / "again.jsonl.gz") == [example]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spans": [{"start": 0, "end": 99}]}, "span 0..99 is not within the 24 characters"),
        ({"spans": [{"start": 3, "end": 3}]}, "not within"),
        ({"spans": [{"start": "0", "end": 3}]}, "not within"),
        ({"relations": [{"head": 0, "relation": "r", "tail": 7}]}, "is 7: not one of the 2 spans"),
        ({"relations": [{"head": 0, "tail": 1}]}, "no field 'relation'"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"text": 3}, "text must be a string"),
        ({"text": "Ōsaka lies in Japan \ud83d."}, "surrogates not allowed"),
        ({"spans": {"start": 0}}, "spans must be a list, not {'start': 0}"),
        ({"spans": ["0-3"]}, "spans must hold objects, not '0-3'"),
        ({"relations": "r"}, "relations must be a list, not 'r'"),
        ({"relations": [{"head": 0, "relation": None, "tail": 1}]}, "must be a name, not None"),
        ({"asked": [[0]]}, "asked must hold [head, tail], not [0]"),
        ({"types": "LOC"}, "types must be a list, not 'LOC'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(f"{json.dumps(LINE)}\n{json.dumps({**LINE, **change})}\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_annotated(file)
    assert f"{file}:2: " in error.value.message and message in error.value.message


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(json.dumps(LINE), encoding="utf-8-sig")
    assert read_annotated(tmp_path / "own.jsonl")[0].mentions.text == LINE["text"]


def test_a_description_that_has_the_name_within_a_word_is_put_behind_it() -> None:
    builder = GraphBuilder("words")
    builder.entity("iran", "Iran", "Iranian towns lie in Iran.")
    builder.entity("art", "Art", "Party.")
    builder.triple("iran", "likes", "art")
    graph = builder.build()
    first, second = DistantSource(graph, MentionIndex(graph)).descriptions()
    spans = first.mentions.spans
    assert [(s.start, s.end) for s in spans if s.entity == "iran"] == [(21, 25)]
    assert second.mentions.text == "Art: Party." and second.mentions.spans[0].end == 3


def test_cut_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        read_annotated(tmp_path / "none.jsonl")
    (tmp_path / "cut.jsonl").write_text('{"text": "a', encoding="utf-8")
    with pytest.raises(DataError, match=":1: cannot read"):
        read_annotated(tmp_path / "cut.jsonl")
    (tmp_path / "list.jsonl").write_text("[]\n", encoding="utf-8")
    with pytest.raises(DataError, match=":1: a line must be one JSON object"):
        read_annotated(tmp_path / "list.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="no example"):
        read_annotated(tmp_path / "empty.jsonl")


def test_distant_supervision_labels_pairs_by_train_triples() -> None:
    graph = build_tiny_graph()
    source = DistantSource(graph, MentionIndex(graph))
    text = "Nobody reads this. 東京 and Osaka lie in Japan! Sweden is far."
    (example,) = source.texts([text[:30], text[30:]])
    assert example.mentions.text == "東京 and Osaka lie in Japan!"
    assert said(example) == ["東京", "Osaka", "Japan"]
    # (osaka, city_of, japan) is a valid triple: it must not be learnt from.
    assert set(example.facts) == {
        (0, "city_of", 2), (2, "has_city", 0), (2, "has_capital", 0), (2, "has_city", 1),
    }  # fmt: skip
    described = {e.mentions.spans[0].entity: e for e in source.descriptions()}
    assert "nemo" not in described
    assert said(described["osaka"]) == ["Osaka", "Japan"]
    assert (0, "city_of", 1) in described["tokyo"].facts


def test_distant_supervision_needs_train_triples() -> None:
    builder = GraphBuilder("late")
    builder.triple("a", "r", "b", "test")
    graph = builder.build()
    with pytest.raises(GraphError, match="no train triple"):
        DistantSource(graph, MentionIndex(graph))


def test_candidates_are_those_called_so_then_those_with_its_words() -> None:
    builder = GraphBuilder("names")
    for key, name in (("p", "Paris"), ("t", "Paris, Texas"), ("h", "Paris Hilton")):
        builder.entity(key, name)
    builder.triple("h", "born in", "p")
    builder.triple("h", "knows", "t")
    graph = builder.build()
    table = Candidates(graph, MentionIndex(graph))
    assert [graph.entity_ids[c.entity] for c in table.of("PARIS")] == ["p", "h", "t"]
    assert table.of("Paris")[0].score > 0.9 and sum(c.score for c in table.of("Paris")) <= 1.01
    assert [graph.entity_ids[c.entity] for c in table.of("Hilton")] == ["h"]
    assert table.of("Berlin") == ()


def test_links_join_corpus_and_graph_and_split_by_entity(tmp_path: Path) -> None:
    builder = GraphBuilder("wiki")
    builder.triple("x", "r", "y")
    builder.attribute("x", "wikidata_id", "Q1")
    graph = builder.build()
    ids = ["Q1", *(f"Q{n}" for n in range(2, 30)), "y"]
    lines = [{"text": "It is.", "spans": [{"start": 0, "end": 2, "entity": key}]} for key in ids]
    file = tmp_path / "links.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = load_links(str(file), entity_part("Q1"), graph)
    kept = [s.entity for e in found for s in e.mentions.spans]
    assert kept[0] == "x" and None in kept and "" in kept
    parts = {key: entity_part(key) for key in ids}
    assert set(parts.values()) == {"train", "valid", "test"}
    assert [k is None for k in kept] == [parts[key] != parts["Q1"] for key in ids]
    builder = GraphBuilder("other")
    builder.triple("a", "r", "b")
    with pytest.raises(GraphError, match="stands for an entity"):
        load_links(str(file), "test", builder.build())
