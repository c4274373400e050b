"""Entity memory: rows by id, on descendant graphs, on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import SafetensorError

from accord.errors import DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.model import memory as module
from accord.model.memory import EntityMemory
from tests.conftest import build_tiny_graph


def vectors_of(count: int, width: int = 3) -> Any:
    return np.arange(1, count * width + 1, dtype=np.float32).reshape(count, width)


def made(graph: KnowledgeGraph) -> EntityMemory:
    return EntityMemory.of(graph, vectors_of(graph.num_entities), "structure", "complex")


def child(graph: KnowledgeGraph, *triples: tuple[str, str, str], split: str = "train") -> Any:
    """A descendant: the parent's triples and some more."""
    builder = GraphBuilder(graph.name, parent=graph)
    for name in ("train", "valid", "test"):
        for head, relation, tail in graph.triples_of(name).tolist():
            ids = graph.entity_ids[head], graph.relation_ids[relation], graph.entity_ids[tail]
            builder.triple(*ids, name)
    for triple in triples:
        builder.triple(*triple, split)
    return builder.build()


@given(
    arrays.arrays(
        np.float32, st.tuples(st.just(8), st.integers(1, 4)), elements=st.floats(-9, 9, width=32)
    ),
    st.permutations(range(8)),
)
def test_rows_come_by_id_in_whatever_order_they_were_given(values: Any, order: list[int]) -> None:
    graph = build_tiny_graph()
    ids = [graph.entity_ids[i] for i in order]
    bound = EntityMemory.of(graph, values, "structure", "x", ids).bind(graph)
    for row, entity in enumerate(order):
        assert np.array_equal(bound.rows(np.array([entity]))[0].numpy(), values[row])


def test_what_is_saved_comes_back_mapped(tmp_path: Path) -> None:
    graph = build_tiny_graph()
    own = made(graph)
    own.save(tmp_path / "memory")
    back = EntityMemory.load(tmp_path / "memory")
    assert list(back.ids) == list(graph.entity_ids)
    assert np.array_equal(back.vectors, own.vectors)
    assert np.array_equal(back.marks, own.marks)
    assert (back.kind, back.source, back.graph_hash) == ("structure", "complex", graph.hash)
    assert isinstance(back.vectors, np.memmap) and not back.vectors.flags.writeable
    assert back.stale(graph) == back.missing(graph) == []


def test_a_descendant_gets_rows_by_id_and_stale_ones_are_named() -> None:
    graph = build_tiny_graph()
    own = made(graph)
    later = child(graph, ("finland", "borders", "sweden"))
    assert own.missing(later) == ["finland"]
    assert own.stale(later) == ["sweden"]
    new = later.entity("finland")
    bound = own.bind(later)
    assert not bound.known(np.array([new]))[0]
    assert bound.rows(np.array([new])).abs().sum() == 0
    added = own.extended(later, ["finland", "sweden"], np.array([[7.0, 8, 9], [1, 1, 1]]))
    assert added.missing(later) == added.stale(later) == []
    rows = added.bind(later).rows(np.array([new, later.entity("sweden"), 0]))
    assert rows.tolist() == [[7, 8, 9], [1, 1, 1], [1, 2, 3]]
    assert own.missing(later) == ["finland"], "the old memory stays as it is"
    with pytest.raises(GraphError, match="does not descend"):
        added.bind(graph)


def test_triples_of_other_splits_make_nothing_stale() -> None:
    graph = build_tiny_graph()
    assert made(graph).stale(child(graph, ("osaka", "loves", "tokyo"), split="test")) == []
    assert made(graph).stale(child(graph, ("osaka", "loves", "tokyo"))) == ["tokyo", "osaka"]


def test_text_vectors_go_stale_by_text_and_not_by_triples() -> None:
    graph = build_tiny_graph()
    own = EntityMemory.of(graph, vectors_of(8), "text", "encoder")
    builder = GraphBuilder(graph.name, parent=graph)
    for i, entity_id in enumerate(graph.entity_ids):
        text = "A city that has grown." if entity_id == "osaka" else graph.entity_descriptions[i]
        builder.entity(entity_id, graph.entity_names[i], text)
    builder.triple("japan", "loves", "tokyo")
    assert own.stale(builder.build()) == ["osaka"]


@pytest.mark.parametrize("use", ["bind", "missing", "stale"])
def test_an_unrelated_graph_is_refused(use: str) -> None:
    builder = GraphBuilder("other")
    builder.triple("japan", "borders", "tokyo")
    with pytest.raises(GraphError, match="does not descend") as raised:
        getattr(made(build_tiny_graph()), use)(builder.build())
    assert "descendant" in raised.value.hint


def test_frozen_or_updated() -> None:
    graph = build_tiny_graph()
    own = made(graph)
    frozen, trained = own.bind(graph), own.bind(graph, trained=True)
    assert list(frozen.parameters()) == [] and frozen.updated() is own
    rows = trained.rows(np.array([2, 2, 5]))
    rows.sum().backward()  # type: ignore[no-untyped-call]
    (parameter,) = trained.parameters()
    assert parameter.grad is not None
    assert parameter.grad[:, 0].tolist() == [0, 0, 2, 0, 0, 1, 0, 0]
    with torch.no_grad():
        parameter.add_(1)
    assert np.array_equal(trained.updated().vectors, own.vectors + 1)
    assert own.vectors[0, 0] == 1, "what it was made from stays"


@pytest.mark.parametrize(
    ("values", "ids", "message"),
    [
        (vectors_of(2), ["tokyo", "tokyo"], "'tokyo' has two vectors"),
        (vectors_of(2), ["tokyo"], "shape"),
        (np.full((1, 2), np.nan), ["tokyo"], "'tokyo' has numbers that are not finite"),
        (np.zeros((1, 0)), ["tokyo"], "shape"),
        (vectors_of(1), ["atlantis"], "none of 1 ids"),
    ],
)
def test_vectors_that_do_not_fit(values: Any, ids: list[str], message: str) -> None:
    with pytest.raises((DataError, GraphError), match=message):
        EntityMemory.of(build_tiny_graph(), values, "structure", "x", ids)


def test_an_added_vector_must_be_of_the_graph_and_as_wide() -> None:
    graph = build_tiny_graph()
    with pytest.raises(GraphError, match="atlantis"):
        made(graph).extended(graph, ["atlantis"], vectors_of(1))
    with pytest.raises(DataError, match="shape"):
        made(graph).extended(graph, ["tokyo"], vectors_of(1, 2))


@pytest.mark.parametrize("harm", ["no header", "cut", "newer", "half precision", "empty"])
def test_a_folder_that_is_no_whole_memory(tmp_path: Path, harm: str) -> None:
    folder = made(build_tiny_graph()).save(tmp_path / "memory")
    header, vectors = folder / module.HEADER, folder / module.VECTORS
    if harm == "no header":
        header.unlink()
    elif harm == "newer":
        header.write_text(json.dumps({**json.loads(header.read_text()), "format": 99}))
    elif harm == "half precision":
        vectors.write_bytes(vectors.read_bytes().replace(b'"F32"', b'"F16"'))
    else:
        vectors.write_bytes(vectors.read_bytes()[: -40 if harm == "cut" else 0])
    with pytest.raises(DataError, match="no whole entity memory"):
        EntityMemory.load(folder)
    made(build_tiny_graph()).save(tmp_path / "run" / "model" / "structure" / "entities")
    with pytest.raises(DataError, match=r"memory.json is not there\)\n.*run/model/structure/ent"):
        EntityMemory.load(tmp_path / "run")


def test_a_failed_save_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = made(build_tiny_graph())
    own.save(tmp_path / "memory")

    def full(*_: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(DataError, match="no space"):
        own.save(tmp_path / "memory")
    assert EntityMemory.load(tmp_path / "memory").ids == list(own.ids)
    assert [p.name for p in tmp_path.iterdir()] == ["memory"]
