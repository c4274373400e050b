"""Mentions: offsets under Unicode, longest match, doubtful names, scores, streams."""

from __future__ import annotations

import gzip
import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import ConfigError, DataError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.text import folding
from accord.text.folding import fold, name_key, token_spans
from accord.text.mentions import Mention, MentionConfig, MentionIndex
from accord.text.pieces import read_pieces
from tests.test_imports import run_blocking


def graph_of(*entities: tuple[str, str, tuple[str, ...]]) -> KnowledgeGraph:
    """A graph of (id, name, aliases), and of one entity whose name shows nothing."""
    builder = GraphBuilder("named")
    for entity_id, name, aliases in entities:
        builder.entity(entity_id, name, "", aliases)
    builder.entity("anchor", "\u200b")
    builder.attribute("anchor", "note", "a graph needs a triple or an attribute")
    return builder.build()


def named(*names: str) -> MentionIndex:
    return MentionIndex(graph_of(*((f"e{i}", name, ()) for i, name in enumerate(names))))


def texts(found: list[Mention]) -> list[str]:
    return [mention.text for mention in found]


# -- folding


@given(st.text(max_size=30))
def test_folding_by_units_is_folding_of_the_whole(text: str) -> None:
    """What is folded piecewise with offsets equals Unicode's caseless form of the whole."""
    shown = "".join(c for c in text if unicodedata.category(c) != "Cf")
    plain = shown.translate(folding._ALIKE_TABLE)
    whole = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain).casefold())
    assert name_key(shown) == name_key(whole)


@given(st.text(max_size=30))
def test_offsets_cover_the_original_in_order(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    spans = list(zip(folded.starts.tolist(), folded.ends.tolist(), strict=True))
    assert spans == sorted(spans) and all(0 <= a < b <= len(text) for a, b in spans)


@pytest.mark.parametrize(
    ("one", "other"),
    [("STRASSE", "Straße"), ("Ａｃｃｏｒｄ", "accord"), ("e\u0301te\u0301", "ÉTÉ"), ("ﬁn", "Fin"),
     ("Jane_Doe", "jane  doe"), ("O´Neil", "O’Neil"), ("Saint\u2011Denis", "saint-denis"),
     ("Meck\u00adlen\u200bburg", "mecklenburg"), ("ｶﾞﾑ", "ガム"), ("\u1112\u1161\u11ab국", "한국")],
)  # fmt: skip
def test_spellings_that_are_one_name(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_scripts_and_their_words() -> None:
    def words(text: str) -> list[str]:
        return [text[a:b] for a, b in token_spans(text)]

    assert words("tom's b2b") == ["tom", "'", "s", "b2b"]
    assert words("東京タワーへ") == ["東", "京", "タワー", "へ"]
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words("iphone手机") == ["iphone", "手", "机"]
    assert words("ที่นี่") == ["ที่", "นี่"]
    assert words("서울에") == ["서", "울", "에"]


# -- which names are found


def test_the_longest_name_wins_and_words_are_whole() -> None:
    index = named("New York", "New York Times", "York", "art")
    assert texts(index.find("new york times, New Yorker, YORK; party art")) == [
        "new york times", "YORK", "art",
    ]  # fmt: skip


def test_underscored_ids_match_whole_and_with_spaces() -> None:
    index = MentionIndex(graph_of(("frederica_of_mecklenburg-strelitz", "", ()), ("john", "", ())))
    question = "which nationality is frederica_of_mecklenburg-strelitz 's couple ?"
    (found,) = index.find(question)
    assert (found.start, found.end) == (21, 54)
    assert texts(index.find("Frederica of  Mecklenburg-Strelitz")) == [
        "Frederica of  Mecklenburg-Strelitz"
    ]
    assert index.find("john_of_gaunt and elton_john") == []
    assert texts(index.find("_John_")) == ["John"]


def test_brackets_mark_what_would_be_no_mention() -> None:
    index = named("It", "M", "The Who", "Heat")
    assert index.find("is it the one who put it in m") == []
    assert index.find("It rains. It rains: m") == []
    found = index.find('what is [It], who made "m" and [heat]')
    assert texts(found) == ["It", "m", "heat"]
    assert [mention.marked for mention in found] == [True, True, True]


def test_doubtful_names_count_where_spelt_as_names() -> None:
    index = named("It", "The Who", "for")
    assert texts(index.find("they saw It and heard The Who for hours")) == ["It", "The Who"]
    assert texts(index.find("The Who played")) == ["The Who"]
    assert texts(index.find("it")) == ["it"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("日本の首都は東京です", ["日本", "東京"]), ("アメリカとアメリカン", ["アメリカ"]),
     ("서울에서 남서울", ["서울"]), ("ไปกรุงเทพฯ", ["กรุงเทพ"]), ("हिन्दी हिन्", ["हिन्दी"])],
)  # fmt: skip
def test_scripts_without_spaces(text: str, expected: list[str]) -> None:
    assert (
        texts(named("日本", "東京", "アメリカ", "서울", "กรุงเทพ", "हिन्दी").find(text)) == expected
    )


def test_a_number_is_not_cut_from_a_longer_one() -> None:
    index = named("1994", "14")
    assert texts(index.find("in 1994, 3.14 or 1,994 or 14.")) == ["1994", "14"]


def test_a_part_of_one_character_is_no_mention() -> None:
    assert named("式会").find("㍿") == []
    assert texts(named("株式会社").find("㍿日立")) == ["㍿"]


# -- candidates


def test_ambiguous_names_keep_all_and_a_name_comes_before_an_alias() -> None:
    builder = GraphBuilder("cities")
    builder.entity("texas", "Paris")
    builder.entity("lutetia", "Lutetia", "", ("Paris",))
    builder.entity("france", "Paris", "", ("paris", "City of Light"))
    for i in range(3):
        builder.triple("france", "near", f"x{i}")
    graph = builder.build()
    (found,) = MentionIndex(graph).find("PARIS")
    assert [graph.entity_ids[c.entity] for c in found.candidates] == ["france", "texas", "lutetia"]
    assert sum(c.score for c in found.candidates) == pytest.approx(1)
    first, second, third = (c.score for c in found.candidates)
    assert [first / second, third / second] == pytest.approx([2, 0.3])
    (limited,) = MentionIndex(graph, MentionConfig(max_candidates=1)).find("PARIS")
    assert limited.candidates == found.candidates[:1]
    assert MentionIndex(graph, MentionConfig(max_owners=2)).find("paris") == []


def test_the_exact_spelling_weighs_more_where_it_tells() -> None:
    index = named("Love", "love")
    assert [m.candidates[0].entity for m in index.find("Love or [love]")] == [0, 1]
    (plain,) = index.find("in love now")
    assert [c.score for c in plain.candidates] == [0.5, 0.5]
    (capital,) = index.find("in Love now")
    assert [c.score for c in capital.candidates] == pytest.approx([10 / 11, 1 / 11])


def test_equal_candidates_stand_in_the_graphs_order() -> None:
    index = named("Twin", "Twin", "Twin")
    candidates = index.find("twin")[0].candidates
    assert [c.entity for c in candidates] == [0, 1, 2]
    assert [c.score for c in candidates] == [pytest.approx(1 / 3)] * 3


def test_near_names_on_request() -> None:
    graph = graph_of(
        ("a", "Frederica of Hanover", ()), ("b", "Apollo 12", ()), ("c", "Hanover", ())
    )
    text = "did Frederika of Hannover fly Apollo 13 over Hanover?"
    assert texts(MentionIndex(graph).find(text)) == ["Hanover"]
    found = MentionIndex(graph, MentionConfig(fuzzy=0.9)).find(text)
    assert texts(found) == ["Frederika of Hannover", "Hanover"]
    assert 0.9 <= found[0].candidates[0].score < 1 == found[1].candidates[0].score


@pytest.mark.parametrize(
    "wrong",
    [{"min_length": 0}, {"alias_weight": 0.0}, {"spelling_weight": 0.5}, {"degree_power": -1.0},
     {"max_candidates": 0},
     {"max_owners": 0}, {"fuzzy": 0.2}],
)  # fmt: skip
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MentionConfig(**wrong)


def test_a_graph_without_names_finds_nothing() -> None:
    index = MentionIndex(graph_of(("e", "\u00ad", ())), MentionConfig(fuzzy=0.9))
    assert len(index) == 0
    assert index.find("\u00ad anything") == list(index.stream(["any", "thing"])) == []


# -- against a naive search

ALPHABET = "ab日ガ1 _-.[]'Éé\u0301ßﬁ\u00ad서울"


def naive(index: MentionIndex, names: list[str], text: str) -> list[tuple[int, int]]:
    """Every run of tokens tried, longest first from the left; no index, no automaton."""
    from accord.text import mentions

    read = mentions._Text(text)
    keys = {name_key(name) for name in names}
    found, token = [], 0
    while token < len(read.words):
        for last in range(len(read.words), token, -1):
            if " ".join(read.words[token:last]) in keys and mentions._stands_alone(
                read, token, last
            ):
                found.append((read.starts[token], read.ends[last - 1]))
                token = last - 1
                break
        token += 1
    return found


@given(st.lists(st.text(ALPHABET, min_size=1, max_size=4), max_size=8), st.text(ALPHABET))
def test_found_is_what_a_naive_search_finds(names: list[str], text: str) -> None:
    graph = graph_of(*((f"e{i}", "x", (name,)) for i, name in enumerate(names)))
    index = MentionIndex(graph, MentionConfig(min_length=1, stop_words=()))
    clear = [n for n in [*names, "x"] if any(c.isalnum() for c in name_key(n))]
    doubtful = {name_key(n) for n in names} - {name_key(n) for n in clear}
    found = [m for m in index.find(text) if name_key(m.text) not in doubtful]
    if not doubtful - {""}:
        assert [(m.start, m.end) for m in found] == naive(index, clear, text)
    for mention in found:
        assert mention.text == text[mention.start : mention.end]
        key = name_key(mention.text)
        owners = {i for i, name in enumerate(names) if name_key(name) == key}
        owners |= set(range(len(names))) if key == "x" else set()
        assert {c.entity for c in mention.candidates} == owners
        assert sum(c.score for c in mention.candidates) <= 1 + 1e-9


@given(
    st.lists(st.text(ALPHABET, min_size=1, max_size=6), max_size=6),
    st.lists(st.text(ALPHABET + "[]It", max_size=12), max_size=12),
    st.sampled_from([None, 0.7]),
)
def test_a_stream_gives_what_the_whole_gives(
    names: list[str], pieces: list[str], fuzzy: float | None
) -> None:
    graph = graph_of(*((f"e{i}", name, ()) for i, name in enumerate([*names, "It", "albab"])))
    index = MentionIndex(graph, MentionConfig(fuzzy=fuzzy))
    assert list(index.stream(pieces)) == index.find("".join(pieces))


def test_a_megabyte_without_a_line_end() -> None:
    index = named("Örebro", "東京", "New York")
    rng = random.Random(0)
    words = rng.choices(["Örebro", "東京", "new york", "x", "é", "👩‍🚀", "e\u0301"], k=120_000)
    text = " ".join(words)
    cuts = range(0, len(text), 65_537)
    found = list(index.stream(text[cut : cut + 65_537] for cut in cuts))
    wanted = [word for word in words if word in ("Örebro", "東京", "new york")]
    assert texts(found) == wanted
    assert all(text[m.start : m.end] == m.text for m in found)


def test_pieces_of_a_file(tmp_path: Path) -> None:
    text = "\ufeffÖrebro\r\n" + "日本" * 400_000
    (tmp_path / "a.txt").write_bytes(text.encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    read: list[int] = []
    pieces = list(read_pieces(tmp_path / "a.txt", read.append))
    assert "".join(pieces) == text and len(pieces) > 2
    assert sum(read) == len(text.encode())
    assert "".join(read_pieces(tmp_path / "a.txt.gz")) == text
    (tmp_path / "bad.txt").write_bytes(b"one\ntwo \xff three")
    with pytest.raises(DataError, match=r"bad\.txt:2: not UTF-8"):
        list(read_pieces(tmp_path / "bad.txt"))
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot read it"):
        list(read_pieces(tmp_path / "bad.gz"))


# -- optional packages


def test_the_module_loads_without_the_packages_that_search() -> None:
    code = "from accord.text.mentions import MentionConfig\nprint(MentionConfig().min_length)"
    assert run_blocking(code, ("ahocorasick", "rapidfuzz")) == "2"


# -- benchmark questions


@pytest.mark.parametrize(
    ("name", "file"),
    [("pathquestion-2h", "pathquestion/pq-2h.jsonl.gz"),
     ("pathquestion-3h", "pathquestion/pq-3h.jsonl.gz"),
     ("metaqa", "metaqa/2hop_dev.jsonl.gz")],
)  # fmt: skip
def test_every_topic_that_the_graph_has_is_linked(
    accord_data: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    graph = load_graph(name)
    with gzip.open(accord_data / file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][::9]
    topics = graph.entities([row["topic"] for row in rows]).tolist()
    assert sum(topic >= 0 for topic in topics) > 0.98 * len(topics)
    found = MentionIndex(graph).find_all(row["question"] for row in rows)
    for row, topic, mentions in zip(rows, topics, found, strict=True):
        linked = {c.entity for mention in mentions for c in mention.candidates}
        assert topic < 0 or topic in linked, row["question"]
