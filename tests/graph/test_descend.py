"""A descendant built from a delta equals the one that is read from the whole record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.graph import store as store_module
from accord.graph.builder import adjacency
from accord.graph.descend import descend, is_simple
from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph, Lineage, content_hash, content_of
from accord.graph.iris import RDFS, XSD
from accord.graph.labels import ImportOptions
from accord.graph.patches import Patch, Statement
from accord.graph.store import GraphStore
from tests.graph.random_graphs import content

ENTITIES = ["japan", "tokyo", "osaka", "new", "東京 2"]
STATEMENTS = st.builds(
    Statement,
    st.sampled_from(ENTITIES),
    st.sampled_from(["has_city", "borders"]),
    st.sampled_from(ENTITIES),
) | st.builds(
    Statement,
    st.sampled_from(ENTITIES),
    st.sampled_from(["area", "founded"]),
    st.sampled_from(["7", ""]),
    st.just(True),
    st.sampled_from([XSD + "integer", XSD + "string"]),
    st.sampled_from(["", "ja"]),
)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    patches=st.lists(
        st.tuples(st.sets(STATEMENTS, max_size=4), st.sets(STATEMENTS, max_size=3)),
        min_size=1,
        max_size=3,
    ),
    back=st.booleans(),
)
def test_it_equals_reading_the_record(
    patches: list[tuple[set[Statement], set[Statement]]],
    back: bool,
    tiny_graph: KnowledgeGraph,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("descend") / "graph"
    write_graph(tiny_graph, folder)
    with GraphStore(folder / "store") as store, pytest.MonkeyPatch.context() as patching:
        entries = [
            store.apply(Patch(tuple(add - remove), tuple(remove))) for add, remove in patches
        ]
        if back:
            store.rollback(entries[-1].id)
        quick = store.snapshot(tiny_graph)
        patching.setattr(store_module, "is_simple", lambda *_: False)
        read = store.snapshot(tiny_graph)
    assert quick.lineage == read.lineage and quick.meta["log"] == read.meta["log"]
    left, right = content(quick), content(read)
    # Numbers of new entities follow the order of reading; everything by id is the same.
    for one in (left, right):
        one.pop("entity_ids", None)
    assert left.keys() == right.keys()
    assert left["triples"] == right["triples"]
    assert sorted(map(str, left["attributes"])) == sorted(map(str, right["attributes"]))
    assert set(quick.entity_ids) >= set(read.entity_ids)
    same = [quick.entity_names[quick.entity(key)] for key in read.entity_ids]
    assert same == list(read.entity_names)
    assert list(quick.entity_ids)[: tiny_graph.num_entities] == list(tiny_graph.entity_ids)
    check_index(quick)


def check_index(graph: KnowledgeGraph) -> None:
    for key, expected in adjacency(graph.triples, graph.num_entities).items():
        np.testing.assert_array_equal(getattr(graph, key), expected)
    assert graph.hash == content_hash(content_of(graph))
    assert (np.diff(graph.split.astype(int)) >= 0).all()
    assert all(graph.entity_ids[graph.entity(key)] == key for key in graph.entity_ids)
    assert len(graph.alias_offsets) == graph.num_entities + 1


def test_undone_before_the_snapshot_nothing_moves(tiny_graph: KnowledgeGraph) -> None:
    old, new = Statement("japan", "has_city", "tokyo"), Statement("tokyo", "borders", "osaka")
    there_and_back = [Patch((new,), (old,)), Patch((old,), (new,))]
    child = descend(tiny_graph, there_and_back, Lineage())
    assert child.hash == tiny_graph.hash
    once = descend(tiny_graph, there_and_back[:1], Lineage())
    kept = [row for row in tiny_graph.triples.tolist() if row in once.triples.tolist()]
    assert [row for row in once.triples.tolist() if row in kept] == kept


@pytest.mark.parametrize(
    ("statement", "simple"),
    [
        (Statement("a new one", "borders", "japan"), True),
        (Statement("japan", "area", "7", True), True),
        (Statement("japan", RDFS + "label", "Nippon", True), False),
        (Statement("japan", "a new relation", "tokyo"), False),
        (Statement("borders", "borders", "japan"), False),
        (Statement("japan", "borders", "borders"), False),
        (Statement("borders", "note", "of a relation", True), False),
    ],
)
def test_what_the_importer_has_to_judge_is_not_simple(
    statement: Statement, simple: bool, tiny_graph: KnowledgeGraph
) -> None:
    for patch in (Patch((statement,)), Patch(remove=(statement,))):
        assert is_simple(tiny_graph, [Patch(), patch], ImportOptions()) is simple


def test_a_saved_descendant_is_the_same(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    patch = Patch((Statement("new", "borders", "japan"), Statement("new", "area", "1", True)))
    child = replace(descend(tiny_graph, [patch], Lineage(tiny_graph.hash)), meta={})
    child.save(tmp_path / "g")
    loaded = KnowledgeGraph.load(tmp_path / "g")
    assert loaded.hash == child.hash == content_hash(content_of(loaded))
    assert [a.value for a in loaded.attributes_of(loaded.entity("new"))] == ["1"]
