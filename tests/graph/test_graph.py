"""The snapshot: strings, adjacency, files, lineage, all against brute force."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.errors import DataError, GraphError
from accord.graph.builder import LANG_STRING, XSD_STRING, GraphBuilder, triple_keys
from accord.graph.graph import SPLITS, KnowledgeGraph, snapshot_folder
from accord.graph.strings import StringTable
from tests.graph.random_graphs import content, graphs

QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(strings=st.lists(st.text(), unique=True))
def test_string_table_is_its_list(strings: list[str]) -> None:
    table = StringTable.of(strings)
    assert list(table) == strings == [table[i] for i in range(len(strings))]
    assert table[:] == strings and table[1:3] == strings[1:3]
    order = table.sorted_order()
    assert [table.find(text, order) for text in strings] == list(range(len(strings)))
    assert table.find("surely not there", order) == -1
    np.testing.assert_array_equal(table.nonempty(), [bool(text) for text in strings])


def test_string_table_counts_from_the_end_and_ends() -> None:
    table = StringTable.of(["a", "b"])
    assert table[-1] == "b"
    with pytest.raises(IndexError):
        table[2]


@QUICK
@given(graph=graphs())
def test_adjacency_is_brute_force(graph: KnowledgeGraph) -> None:
    rows = graph.triples.tolist()
    for entity in range(graph.num_entities):
        out = sorted(row for row in rows if row[0] == entity)
        into = sorted((row for row in rows if row[2] == entity), key=lambda r: (r[1], r[0]))
        assert graph.outgoing(entity).tolist() == out
        assert graph.incoming(entity).tolist() == into


@QUICK
@given(graph=graphs())
def test_load_of_save_is_the_same(graph: KnowledgeGraph, tmp_path: Path) -> None:
    again = KnowledgeGraph.load(graph.save(tmp_path / "snapshot"))
    assert again.hash == graph.hash
    assert content(again) == content(graph)
    assert (again.name, dict(again.meta)) == (graph.name, dict(graph.meta))
    for key in graph.entity_ids:
        assert again.entity(key) == graph.entity(key)
    assert again.entities([*graph.entity_ids, "surely not there"]).tolist() == [
        *range(graph.num_entities),
        -1,
    ]


@QUICK
@given(graph=graphs())
def test_triples_are_grouped_by_split_and_unique_within(graph: KnowledgeGraph) -> None:
    assert (np.diff(graph.split.astype(int)) >= 0).all()
    for split in SPLITS:
        rows = graph.triples_of(split)
        assert len(np.unique(rows, axis=0)) == len(rows)
    assert sum(len(graph.triples_of(split)) for split in SPLITS) == graph.num_triples


def test_opened_arrays_are_maps_that_cannot_be_written(
    tiny_graph: KnowledgeGraph, tmp_path: Path
) -> None:
    graph = KnowledgeGraph.load(tiny_graph.save(tmp_path / "s"))
    assert isinstance(graph.triples, np.memmap)
    assert isinstance(graph.entity_ids.data, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        graph.triples[0, 0] = 1


def test_hash_is_of_content_only(tiny_graph: KnowledgeGraph) -> None:
    def build(name: str, tail: str) -> KnowledgeGraph:
        builder = GraphBuilder(name)
        builder.triple("a", "r", tail)
        return builder.build({"source": name})

    assert build("one", "b").hash == build("two", "b").hash != build("one", "c").hash


def test_descendants_keep_idx_and_know_their_ancestors(tiny_graph: KnowledgeGraph) -> None:
    builder = GraphBuilder("child", tiny_graph)
    builder.triple("new", "has_city", "tokyo")
    child = builder.build(patches=("p1",))
    builder = GraphBuilder("grandchild", child)
    builder.triple("tokyo", "loves", "newer")
    last = builder.build(patches=("p2",))
    size = tiny_graph.num_entities
    assert list(last.entity_ids)[:size] == list(tiny_graph.entity_ids)
    assert list(last.entity_ids)[size:] == ["new", "newer"]
    assert last.lineage.ancestors == (tiny_graph.hash, child.hash)
    assert last.descends_from(tiny_graph.hash) and last.descends_from(last.hash)
    assert not tiny_graph.descends_from(last.hash)


def test_first_texts_stay_and_aliases_gather() -> None:
    builder = GraphBuilder("g")
    builder.entity("a", "A", "first", ["x"])
    builder.entity("a", "B", "second", ["x", "y", ""])
    builder.relation("r", "", "inverse")
    builder.relation("r", "phrase", "other")
    builder.triple("a", "r", "a")
    builder.attribute("a", "p", "v", language="en")
    builder.attribute("a", "p", "v", datatype="")
    graph = builder.build()
    assert (graph.entity_names[0], graph.entity_descriptions[0]) == ("A", "first")
    assert graph.aliases_of(0) == ["x", "y"]
    assert (graph.relation_phrases[0], graph.inverse_phrases[0]) == ("phrase", "inverse")
    assert [a.datatype for a in graph.attributes_of(0)] == [LANG_STRING, XSD_STRING]


def test_errors_say_what_is_missing(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no entity 'atlantis'"):
        tiny_graph.entity("atlantis")
    with pytest.raises(GraphError, match="no relation") as caught:
        tiny_graph.relation("has_capitol")
    assert "has_capital" in caught.value.hint
    with pytest.raises(GraphError, match="dev"):
        tiny_graph.triples_of("dev")
    with pytest.raises(GraphError, match="empty"):
        GraphBuilder("nothing").build()
    with pytest.raises(DataError, match=r"graph\.json is missing"):
        snapshot_folder(tmp_path)


def test_a_newer_format_is_refused(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    folder = tiny_graph.save(tmp_path / "s")
    header = json.loads((folder / "graph.json").read_text())
    (folder / "graph.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(DataError, match="format 99"):
        KnowledgeGraph.load(folder)


def test_keys_that_do_not_fit_are_refused() -> None:
    triples = np.zeros((1, 3), dtype=np.int32)
    with pytest.raises(DataError, match="too many"):
        triple_keys(triples, 10**4, 10**8)
