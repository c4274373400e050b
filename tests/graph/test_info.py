"""What `graph info` says, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.info import degrees, describe, inverse_leak, relation_table, summary


def build(*triples: tuple[str, str, str, str]) -> KnowledgeGraph:
    builder = GraphBuilder("g")
    for row in triples:
        builder.triple(*row)
    return builder.build()


def test_counts_of_the_tiny_graph(tiny_graph: KnowledgeGraph) -> None:
    info = describe(tiny_graph)
    assert {k: info[k] for k in ("entities", "relations", "attributes", "with_text")} == {
        "entities": 8,
        "relations": 5,
        "attributes": 4,
        "with_text": 7,
    }
    assert info["triples"] == {"train": 8, "valid": 2, "test": 2}
    assert (info["with_text_share"], info["aliases"]) == (7 / 8, 6)
    assert info["duplicates"] == {"dropped": 0, "in_two_splits": 0}
    assert info["unseen"] == {}


def test_degrees_count_both_ends(tiny_graph: KnowledgeGraph) -> None:
    by_hand = np.bincount(tiny_graph.triples[:, ::2].ravel(), minlength=8)
    np.testing.assert_array_equal(degrees(tiny_graph), by_hand)
    quantiles = describe(tiny_graph)["degree"]
    assert quantiles["mean"] == by_hand.mean() and quantiles["max"] == by_hand.max()
    assert quantiles["50%"] == np.median(by_hand)


def test_cardinality() -> None:
    rows = [("a", "one", "b"), ("c", "one", "d")]
    rows += [(f"child{i}", "mother", f"mother{i // 3}") for i in range(6)]
    rows += [(f"mother{i // 3}", "child", f"child{i}") for i in range(6)]
    rows += [(f"x{i}", "likes", f"y{j}") for i in range(3) for j in range(3)]
    graph = build(*((*row, "train") for row in rows))
    table = {row["id"]: row for row in relation_table(graph)}
    kinds = {name: row["cardinality"] for name, row in table.items()}
    assert kinds == {"one": "1-1", "mother": "n-1", "child": "1-n", "likes": "n-n"}
    assert (table["mother"]["heads_per_tail"], table["mother"]["tails_per_head"]) == (3.0, 1.0)


def test_inverse_leak_is_found_and_warned_of() -> None:
    pairs = [(f"p{i}", f"q{i}") for i in range(10)]
    rows = [(h, "parent", t, "train") for h, t in pairs[:9]]
    rows += [(t, "child", h, "train") for h, t in pairs[:8]]
    rows += [("q8", "child", "p8", "test"), ("q9", "child", "p9", "test")]
    graph = build(*rows)
    leak = inverse_leak(graph)
    assert ["child", "parent"] in leak["pairs"]
    assert leak["test"] == {"triples": 1, "share": 0.5}  # p9 and q9 never meet in train
    info = describe(graph)
    assert any("other way round" in text for text in info["warnings"])
    assert info["unseen"] == {"test": 1}


def test_no_leak_where_relations_are_not_inverse() -> None:
    rows = [(f"a{i}", "r", f"a{i + 1}", "train") for i in range(10)]
    graph = build(*rows, ("a1", "s", "a0", "train"), ("a1", "s", "a3", "test"))
    assert inverse_leak(graph)["test"] == {"triples": 0, "share": 0.0}
    loops = build(*[(f"a{i}", "r", f"a{i}", "train") for i in range(5)], ("a1", "r", "a2", "test"))
    assert inverse_leak(loops)["pairs"] == []


def test_a_triple_in_two_splits_is_counted() -> None:
    graph = build(("a", "r", "b", "train"), ("a", "r", "b", "test"), ("a", "r", "b", "train"))
    assert describe(graph)["duplicates"] == {"dropped": 1, "in_two_splits": 1}


def test_graph_of_attributes_only_and_of_one_entity(tmp_path: Path) -> None:
    builder = GraphBuilder("lone")
    builder.attribute("a", "size", "1")
    for graph in (builder.build(), build(("a", "r", "a", "train"))):
        info = describe(graph)
        assert info["entities"] == 1
        assert "lone" in summary(info) or "g" in summary(info)
        draw(graph, tmp_path / "one.png")


def draw(graph: KnowledgeGraph, path: Path) -> None:
    from accord.graph.info_plot import save

    save(graph, describe(graph), path)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_plot(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    draw(tiny_graph, tmp_path / "tiny.png")
    with pytest.raises(ConfigError, match=r"\.png"):
        draw(tiny_graph, tmp_path / "tiny.bmp")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.png"]


def test_summary_is_readable(tiny_graph: KnowledgeGraph) -> None:
    text = summary(describe(tiny_graph))
    assert "train 8  valid 2  test 2" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "has the capital" in text
