"""The graph of record: patches, log, exact rollback, snapshots that descend."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import DefaultGraph, NamedNode

from accord.errors import DataError, GraphError
from accord.graph.formats import import_graph, write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import RDFS, XSD
from accord.graph.load import load_graph
from accord.graph.store import GraphStore, Patch, Statement, refresh
from tests.graph.random_graphs import content

NEW = Statement("osaka", "borders", "sweden")
OLD = Statement("japan", "has_city", "tokyo")
LITERAL = Statement("tokyo", "motto", 'a "b"\n\\ 東京', literal=True, language="ja")


@pytest.fixture
def folder(tiny_graph: KnowledgeGraph, tmp_path: Path) -> Path:
    write_graph(tiny_graph, tmp_path / "graph")
    return tmp_path / "graph"


def state(store: GraphStore) -> set[str]:
    return {str(quad) for quad in store.quads()}


def test_patch_adds_and_removes_and_is_logged(folder: Path) -> None:
    with GraphStore(folder / "store") as store:
        before = state(store)
        entry = store.apply(Patch((NEW, LITERAL), (OLD,), "because"))
        after = state(store)
        assert (entry.added, entry.removed, entry.note) == (2, 1, "because")
        assert (len(after - before), len(before - after)) == (2, 1)
        delta = store.delta(entry.id)
        assert (set(delta.add), set(delta.remove)) == ({NEW, LITERAL}, {OLD})
    with GraphStore(folder / "store") as store:
        assert store.log() == [entry]


def test_only_the_effective_delta_is_kept(folder: Path) -> None:
    with GraphStore(folder / "store") as store:
        before = state(store)
        entry = store.apply(Patch((OLD, NEW), (Statement("a", "b", "c"),)))
        assert (entry.added, entry.removed) == (1, 0)
        store.rollback(entry.id)
        assert state(store) == before  # OLD was there before the patch, so it stays


def test_rollback_restores_exactly_and_once(folder: Path) -> None:
    with GraphStore(folder / "store") as store:
        before = state(store)
        first = store.apply(Patch((NEW,), (OLD,)))
        undo = store.rollback(first.id)
        assert state(store) == before
        assert undo.undoes == first.id
        assert [entry.undone for entry in store.log()] == [True, False]
        with pytest.raises(GraphError, match="to undo"):
            store.rollback(first.id)
        with pytest.raises(GraphError, match="nothing-like-it"):
            store.rollback("nothing-like-it")


def test_rollback_waits_for_later_patches_on_the_same_statement(folder: Path) -> None:
    with GraphStore(folder / "store") as store:
        before = state(store)
        first = store.apply(Patch((NEW,)))
        other = store.apply(Patch((Statement("x", "borders", "y"),)))
        last = store.apply(Patch(remove=(NEW,)))
        with pytest.raises(GraphError, match=f"before {last.id}"):
            store.rollback(first.id)
        for entry in (last, first, other):
            store.rollback(entry.id)
        assert state(store) == before


STATEMENTS = st.builds(
    Statement,
    st.sampled_from(["japan", "tokyo", "new"]),
    st.sampled_from(["has_city", "likes"]),
    st.sampled_from(["tokyo", "osaka", "new"]),
    st.booleans(),
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    patches=st.lists(
        st.tuples(st.sets(STATEMENTS, max_size=4), st.sets(STATEMENTS, max_size=4)), max_size=4
    )
)
def test_any_patches_undone_in_reverse_leave_no_trace(
    patches: list[tuple[set[Statement], set[Statement]]], folder: Path
) -> None:
    with GraphStore(folder / "store") as store:
        before = state(store)
        states, entries = [], []
        for add, remove in patches:
            patch = Patch(tuple(add - remove), tuple(remove))
            if store.applied(patch) is None:
                states.append(state(store))
                entries.append(store.apply(patch))
        for entry, expected in zip(reversed(entries), reversed(states), strict=True):
            store.rollback(entry.id)
            assert state(store) == expected
        assert state(store) == before


def test_a_patch_must_agree_with_itself(folder: Path) -> None:
    with GraphStore(folder / "store") as store, pytest.raises(GraphError, match="adds and removes"):
        store.apply(Patch((NEW,), (NEW,)))


def test_valid_and_test_are_never_touched(folder: Path) -> None:
    held_out = Statement("osaka", "city_of", "japan")
    with GraphStore(folder / "store") as store:
        entry = store.apply(Patch(remove=(held_out,)))
        assert entry.removed == 0
        added = store.apply(Patch(add=(held_out,)))
        assert added.added == 1  # train may learn it: what is held out is another graph
    graph = refresh(folder)
    rows = content(graph)["triples"]
    assert {row[3] for row in rows if row[:3] == ("osaka", "city_of", "japan")} == {
        "train",
        "valid",
    }


def test_snapshot_descends_and_idx_stay(folder: Path, tiny_graph: KnowledgeGraph) -> None:
    name = Statement("nemo", RDFS + "label", "Nemo", literal=True)
    age = Statement("nemo", "age", "7", True, XSD + "integer")
    arrival = Statement("a new one", "borders", "nemo")
    with GraphStore(folder / "store") as store:
        entry = store.apply(Patch((name, age, arrival), (OLD,)))
    child = refresh(folder)
    assert child.descends_from(tiny_graph.hash)
    assert child.lineage.patches == (entry.id,)
    ids = list(child.entity_ids)
    assert ids[: tiny_graph.num_entities] == list(tiny_graph.entity_ids)
    assert ids[tiny_graph.num_entities :] == ["a new one"]
    assert list(child.relation_ids)[: tiny_graph.num_relations] == list(tiny_graph.relation_ids)
    assert child.entity_names[child.entity("nemo")] == "Nemo"
    expected = content(tiny_graph)
    rows = (expected["triples"] - {("japan", "has_city", "tokyo", "train")}) | {
        ("a new one", "borders", "nemo", "train")
    }
    assert content(child)["triples"] == rows
    assert len(content(child)["attributes"]) == len(expected["attributes"]) + 1


def test_rolled_back_snapshot_has_the_first_content(
    folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    with GraphStore(folder / "store") as store:
        entry = store.apply(Patch((NEW, Statement("x", "y", "z")), (OLD,)))
    middle = refresh(folder)
    with GraphStore(folder / "store") as store:
        store.rollback(entry.id)
    last = refresh(folder)
    assert last.descends_from(middle.hash) and last.descends_from(tiny_graph.hash)
    assert content(last)["triples"] == content(tiny_graph)["triples"]
    assert content(last)["attributes"] == content(tiny_graph)["attributes"]
    assert list(last.entity_ids) == list(middle.entity_ids)  # idx are never given back


def test_refresh_without_changes_keeps_the_snapshot(
    folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    assert refresh(folder).hash == tiny_graph.hash


def test_own_named_graphs_of_the_source_come_back_where_they_were(tmp_path: Path) -> None:
    source = tmp_path / "g.trig"
    source.write_text(
        "@prefix : <http://example.org/> .\n:one { :a :r :b } :two { :a :r :b . :b :r :c }\n"
    )
    import_graph(source, tmp_path / "graph")
    with GraphStore(tmp_path / "graph" / "store") as store:
        before = state(store)
        subject, predicate, value = (f"http://example.org/{name}" for name in "arb")
        entry = store.apply(Patch(remove=(Statement(subject, predicate, value),)))
        assert entry.removed == 2
        store.rollback(entry.id)
        assert state(store) == before


def test_a_store_that_is_open_elsewhere_is_named(folder: Path) -> None:
    with (
        GraphStore(folder / "store"),
        pytest.raises(GraphError, match="open in another process"),
    ):
        GraphStore(folder / "store")


def test_full_disk_during_a_patch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, inner: object) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def __contains__(self, quad: object) -> bool:
            return quad in self.inner  # type: ignore[operator]

        def update(self, text: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with GraphStore(folder / "store") as store:
        before = state(store)
        inner = store._store
        monkeypatch.setattr(store, "_store", Full(inner))
        with pytest.raises(DataError, match="no space left"):
            store.apply(Patch((NEW,)))
        monkeypatch.setattr(store, "_store", inner)
        assert state(store) == before


def test_a_patch_in_force_is_not_applied_again(folder: Path) -> None:
    patch = Patch((NEW,), (OLD,))
    with GraphStore(folder / "store") as store:
        first = store.apply(patch)
        assert store.apply(Patch((NEW,), (OLD,), "another note")) == first
        assert store.applied(patch) == first and len(store.log()) == 1
    with GraphStore(folder / "store") as store:
        assert store.apply(patch) == first
        store.rollback(first.id)
        assert store.applied(patch) is None
        assert store.apply(patch).order == 3


def test_only_graphs_of_proposals_change_without_a_patch(folder: Path) -> None:
    name = "urn:accord:proposed:1"
    quad = NEW.quad(NamedNode(name))
    with GraphStore(folder / "store") as store:
        before = state(store)
        store.change([], [quad])
        assert store.graphs("urn:accord:proposed:") == [name] and store.graph(name) == [quad]
        with pytest.raises(GraphError, match="change it with a patch"):
            store.change([], [OLD.quad(DefaultGraph())])
        with pytest.raises(GraphError, match="change it with a patch"):
            store.change(["urn:accord:graph:valid"], [])
        store.change([name], [])
        assert store.graphs("urn:accord:proposed:") == [] and state(store) == before


@pytest.mark.parametrize("complete", [True, False])
def test_a_snapshot_killed_between_its_renames_comes_back(folder: Path, complete: bool) -> None:
    work = folder / ".snapshot.abc"
    work.mkdir()
    if complete:
        (folder / "snapshot").rename(work / "old")
        shutil.copytree(work / "old", work / "new")
    hash_before = KnowledgeGraph.load(folder).hash
    assert refresh(folder).hash == hash_before and not work.exists()


def test_a_snapshot_behind_its_record_is_mended_when_the_graph_is_opened(folder: Path) -> None:
    with GraphStore(folder / "store") as store:
        store.apply(Patch((NEW,)))
    (folder / "pending").touch()
    with GraphStore(folder / "store"):
        assert not load_graph(folder).lineage.patches  # another is at it: the graph as it was
    assert load_graph(folder).lineage.patches == ("p1",)
    assert not (folder / "pending").exists()
