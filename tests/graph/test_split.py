"""Splits keep what they promise; leakage agrees with a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.split import (
    TEST,
    TRAIN,
    VALID,
    Leak,
    Triples,
    inductive_split,
    leakage,
    split_triples,
    with_split,
)

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=80
)


def as_triples(rows: list[tuple[int, int, int]]) -> Triples:
    return np.array(rows, dtype=np.int32)


def ends(triples: Triples) -> set[int]:
    return set(triples[:, [0, 2]].reshape(-1).tolist())


@given(ROWS, st.integers(0, 5), st.floats(0, 0.4), st.floats(0, 0.4))
def test_what_valid_and_test_mention_is_in_train(
    rows: list[tuple[int, int, int]], seed: int, valid: float, test: float
) -> None:
    triples = as_triples(rows)
    codes = split_triples(triples, valid, test, seed)
    train = triples[codes == TRAIN]
    assert ends(triples) == ends(train)
    assert set(triples[:, 1].tolist()) == set(train[:, 1].tolist())
    for relation in set(triples[:, 1].tolist()):
        total = int((triples[:, 1] == relation).sum())
        of_relation = codes[triples[:, 1] == relation]
        assert (of_relation == TEST).sum() <= np.rint(total * test)
        assert (of_relation != TRAIN).sum() <= np.rint(total * test) + np.rint(total * valid)
    assert np.array_equal(codes, split_triples(triples, valid, test, seed))


@given(ROWS, st.integers(0, 5))
def test_a_group_is_never_divided(rows: list[tuple[int, int, int]], seed: int) -> None:
    triples = as_triples(rows)
    pair = np.sort(triples[:, [0, 2]], axis=1)
    groups = pair[:, 0] * 10 + pair[:, 1]
    codes = split_triples(triples, 0.2, 0.2, seed, groups)
    for group in set(groups.tolist()):
        assert len(set(codes[groups == group].tolist())) == 1
    assert ends(triples) == ends(triples[codes == TRAIN])


def test_shares_are_met_where_there_is_enough() -> None:
    rng = np.random.default_rng(0)
    triples = np.stack(
        [rng.integers(0, 50, 4000), rng.integers(0, 4, 4000), rng.integers(0, 50, 4000)], axis=1
    ).astype(np.int32)
    codes = split_triples(triples, 0.1, 0.2, seed=1)
    for relation in range(4):
        of_relation = codes[triples[:, 1] == relation]
        assert (of_relation == TEST).sum() == round(0.2 * len(of_relation))
        assert (of_relation == VALID).sum() == round(0.1 * len(of_relation))
    assert not np.array_equal(codes, split_triples(triples, 0.1, 0.2, seed=2))


@given(ROWS, st.integers(0, 5))
def test_inductive_entities_are_unseen(rows: list[tuple[int, int, int]], seed: int) -> None:
    triples = as_triples(rows)
    codes = inductive_split(triples, 0.2, 0.2, seed)
    train, valid, test = (triples[codes == code] for code in (TRAIN, VALID, TEST))
    assert set(triples[:, 1].tolist()) == set(train[:, 1].tolist())
    seen_before_test = ends(train) | ends(valid)
    assert all(set(row) - seen_before_test for row in test[:, [0, 2]].tolist())
    assert all(set(row) - ends(train) for row in valid[:, [0, 2]].tolist())


def test_inductive_split_holds_entities_out() -> None:
    triples = as_triples([(i, 0, (i + 1) % 100) for i in range(100)])
    codes = inductive_split(triples, 0.1, 0.1, seed=0)
    train = triples[codes == TRAIN]
    assert (codes == TEST).sum() >= 10 and (codes == VALID).sum() > 0
    assert len(ends(triples) - ends(train)) >= 20


@pytest.mark.parametrize(("valid", "test"), [(-0.1, 0.1), (0.5, 0.5), (0.0, 1.0)])
def test_impossible_shares_are_refused(valid: float, test: float) -> None:
    triples = as_triples([(0, 0, 1)])
    with pytest.raises(GraphError, match="leave nothing"):
        split_triples(triples, valid, test)
    with pytest.raises(GraphError, match="leave nothing"):
        inductive_split(triples, valid, test)


def graph_of(rows: list[tuple[int, int, int]], codes: list[int]) -> KnowledgeGraph:
    builder = GraphBuilder("drawn")
    for (head, relation, tail), code in zip(rows, codes, strict=True):
        builder.triple(f"e{head}", f"r{relation}", f"e{tail}", SPLITS[code])
    return builder.build()


def by_hand(graph: KnowledgeGraph) -> set[Leak]:
    train = {tuple(row) for row in graph.triples_of("train").tolist()}
    test = graph.triples_of("test").tolist()
    found = set()
    for relation in range(graph.num_relations):
        of_relation = [(h, t) for h, r, t in test if r == relation]
        for other in range(graph.num_relations):
            for inverse in (False, True):
                count = sum(
                    ((t, other, h) if inverse else (h, other, t)) in train for h, t in of_relation
                )
                if count:
                    found.add(Leak(relation, other, inverse, count, count / len(of_relation)))
    return found


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), min_size=1),
    st.data(),
)
def test_leakage_is_the_count_by_hand(
    rows: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    codes = data.draw(
        st.lists(st.sampled_from([TRAIN, TEST]), min_size=len(rows), max_size=len(rows))
    )
    graph = graph_of(rows, codes)
    found = leakage(graph)
    assert set(found) == by_hand(graph) and len(found) == len(set(found))
    assert [leak.triples for leak in found] == sorted((k.triples for k in found), reverse=True)


def test_leakage_names_the_inverse(tiny_graph: KnowledgeGraph) -> None:
    found = leakage(tiny_graph)
    borders, city_of, has_city = (
        tiny_graph.relation(key) for key in ("borders", "city_of", "has_city")
    )
    assert Leak(borders, borders, True, 1, 1.0) in found
    assert Leak(city_of, has_city, True, 1, 1.0) in found
    assert len(found) == 2


def test_with_split_changes_only_the_split(tiny_graph: KnowledgeGraph) -> None:
    same = with_split(tiny_graph, tiny_graph.split)
    assert same.hash == tiny_graph.hash
    codes = np.zeros(tiny_graph.num_triples, dtype=np.uint8)
    other = with_split(tiny_graph, codes)
    assert other.hash != tiny_graph.hash
    assert len(other.triples_of("train")) == tiny_graph.num_triples
    assert list(other.entity_ids) == list(tiny_graph.entity_ids)
    with pytest.raises(GraphError, match="split codes"):
        with_split(tiny_graph, codes[1:])
