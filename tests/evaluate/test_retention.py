"""Perplexity, windows and geometry against closed forms."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import DataError
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.retention import (
    HELD_OUT,
    WINDOW_WORDS,
    RetentionConfig,
    evaluate_retention,
    find_wikitext,
    geometry,
    perplexity,
    read_text,
    windows,
)
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from tests.evaluate.fakes import FakeEmbeddings, random_graph


class Coin(FakeEmbeddings):
    """Two tokens a word, each with probability one half; remembers what it compared."""

    compared: list[str]

    def token_logprobs(self, texts: list[str]) -> list[Float32]:
        return [np.full(2 * len(t.split()), np.log(0.5), dtype=np.float32) for t in texts]

    def kl_on_own_texts(self, count: int, size: int, seed: int) -> float:
        self.compared = [f"own {count} {size} {seed}"]
        return 0.25

    def kl_on(self, texts: list[str]) -> float:
        self.compared = texts
        return 0.5


class Fixed(FakeEmbeddings):
    """Every entity and query on the axis of its number, cut to some dimensions."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim=dim)

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        rows = np.arange(graph.num_entities) if entities is None else entities
        return np.eye(self.dim, dtype=np.float32)[rows % self.dim]

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
        return -np.eye(self.dim, dtype=np.float32)[np.zeros(len(queries), dtype=np.int64)]


def test_perplexity_of_a_coin() -> None:
    word, token = perplexity(Coin(), ["\na b c", "\nd"])
    assert [word, token] == pytest.approx([4.0, 2.0])


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=700), max_size=6), st.integers(0, 900))
def test_windows_keep_every_word_in_order(lines: list[list[str]], limit: int) -> None:
    pieces = windows("\n".join(" ".join(line) for line in lines), limit)
    words = [word for line in lines for word in line]
    kept = [word for piece in pieces for word in piece.split()]
    assert kept == (words[:limit] if limit else words)
    assert all(piece[0] == "\n" and len(piece.split()) <= WINDOW_WORDS for piece in pieces)


def test_windows_keep_lines_whole_where_they_fit() -> None:
    line = " ".join(["w"] * 200)
    assert windows(f"{line}\n{line}") == [f"\n{line}", f"\n{line}"]


def test_geometry_of_orthogonal_entities() -> None:
    graph = random_graph(entities=12)
    shape = geometry(Fixed(12), graph)
    assert shape.mean_cosine == pytest.approx(0.0)
    assert shape.uniformity == pytest.approx(-4.0)  # all distances are sqrt 2
    assert shape.alignment is not None and 2.0 <= shape.alignment <= 4.0
    collapsed = geometry(Fixed(1), graph)
    assert (collapsed.mean_cosine, collapsed.uniformity) == (1.0, 0.0)
    assert collapsed.alignment == pytest.approx(4.0)  # queries point the other way


def test_one_entity_has_no_pairs() -> None:
    shape = geometry(Fixed(1), random_graph(entities=1, relations=1, triples=1))
    assert (shape.mean_cosine, shape.uniformity) == (None, None)
    assert shape.alignment is not None


def test_graph_without_triples_has_no_alignment() -> None:
    builder = GraphBuilder("attributes only")
    builder.attribute("e1", "size", "1")
    builder.attribute("e2", "size", "2")
    builder.relation("r0")
    assert geometry(Fixed(2), builder.build()).alignment is None


def test_everything_together_and_what_is_left_out() -> None:
    model = Coin()
    result = evaluate_retention(model, model, random_graph(), "a b c\nd").to_dict()
    assert result["perplexity_word"] == pytest.approx(4.0)
    assert (result["kl_to_base"], result["words"]) == (0.25, 4)
    without = evaluate_retention(model, model).to_dict()
    assert without["perplexity_word"] is None and without["mean_cosine"] is None
    given_text = evaluate_retention(model, model, drift_text="some text")
    assert (given_text.kl_to_base, model.compared) == (0.5, ["\nsome text"])
    assert "not measured" in given_text.to_text()


def test_the_compared_texts_are_not_those_of_training() -> None:
    model = Coin()
    evaluate_retention(model, model, config=RetentionConfig(samples=1, tokens=5, seed=0))
    assert model.compared == [f"own 1 5 {HELD_OUT}"] and HELD_OUT > 1000


def test_bad_text_files_are_named(tmp_path: Path) -> None:
    cut, latin, empty = tmp_path / "a.gz", tmp_path / "b.txt", tmp_path / "c.txt"
    cut.write_bytes(gzip.compress(b"hello " * 500)[:-9])
    latin.write_bytes(b"fine\nna\xefve\n")
    empty.write_text("  \n")
    for path, message in ((cut, "cannot read"), (latin, "b.txt:2: not UTF-8"), (empty, "empty")):
        with pytest.raises(DataError, match=message):
            read_text(path)
    with pytest.raises(DataError, match="cannot read"):
        read_text(tmp_path / "missing.txt")


def test_wikitext_is_found_and_read(accord_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    path = find_wikitext()
    assert path is not None
    assert len(read_text(path).split()) == 241_211
    monkeypatch.delenv("ACCORD_DATA")
    assert find_wikitext() is None
