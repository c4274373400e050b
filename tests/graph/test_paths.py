"""Path search against its definition, and what it does with bad input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.paths import Engine, HopIds, PathConfig, PathSearch, Repeat, hops
from accord.graph.paths import Path as GraphPath
from tests.graph.naive_paths import naive_paths
from tests.graph.random_graphs import graphs

ENGINES: tuple[Engine, ...] = get_args(Engine)


@st.composite
def configs(draw: st.DrawFn, graph: KnowledgeGraph) -> PathConfig:
    names = st.lists(st.sampled_from(list(graph.relation_ids)), max_size=2, unique=True)
    repeat: Repeat = draw(st.sampled_from(get_args(Repeat)))
    # Plain enumeration of walks that may return takes long beyond three steps.
    hop_limit = draw(st.integers(1, 4 if repeat == "none" else 3))
    return PathConfig(
        max_hops=hop_limit,
        max_paths=draw(st.one_of(st.none(), st.integers(1, 6))),
        repeat=repeat,
        allow=tuple(draw(names)),
        deny=tuple(draw(names)),
        inverse=draw(st.booleans()),
        hub_limit=draw(st.sampled_from([0, 0, 2, 5])),
        engine=draw(st.sampled_from(ENGINES)),
        splits=draw(st.sampled_from([SPLITS, ("train",), ("train", "test")])),
    )


@settings(max_examples=60)
@given(st.data())
def test_every_engine_finds_what_the_definition_says(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    config = data.draw(configs(graph))
    idx = st.integers(0, graph.num_entities - 1)
    sets = st.lists(idx, min_size=0, max_size=3)
    pairs = data.draw(st.lists(st.tuples(sets, sets), min_size=1, max_size=3))
    results = PathSearch(graph, config).find_pairs(pairs)
    for (heads, tails), result in zip(pairs, results, strict=True):
        expected = naive_paths(graph, heads, tails, config)
        assert result.paths == expected[: config.max_paths]
        assert result.complete
        assert result.limited == (len(result) == config.max_paths)
        assert len(result) == len(result.paths)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_engines_agree_on_hubs_and_on_small_surroundings(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    graph = uneven(rng, entities=60, triples=data.draw(st.sampled_from([60, 200, 700])))
    config = PathConfig(
        max_hops=data.draw(st.integers(1, 3)),
        max_paths=data.draw(st.sampled_from([None, 3, 40])),
        inverse=data.draw(st.booleans()),
        hub_limit=data.draw(st.sampled_from([0, 0, 20])),
    )
    pairs = rng.integers(0, 60, (60, 2))
    found = PathSearch(graph, config).find_pairs(pairs, threads=1)
    expected = PathSearch(graph, replace(config, engine="bfs")).find_pairs(pairs, threads=1)
    assert found.counts.tolist() == expected.counts.tolist()
    for one, other in zip(found, expected, strict=True):
        assert one.codes.tolist() == other.codes.tolist()


def uneven(rng: np.random.Generator, entities: int, triples: int) -> KnowledgeGraph:
    """Few entities with very many steps, loops and parallel triples among them."""
    builder = GraphBuilder("uneven")
    for i in range(entities):
        builder.entity(f"e{i}")
    for name in ("r", "s"):
        builder.relation(name)
    rows = (entities * rng.random((triples, 3)) ** 3).astype(np.int32)
    rows[:, 1] = rng.integers(0, 2, triples)
    builder.add_triples(rows, np.zeros(triples, dtype=np.uint8))
    return builder.build()


def join(graph: KnowledgeGraph, head: str, tail: str, **settings: Any) -> list[list[HopIds]]:
    found = PathSearch(graph, PathConfig(**settings)).find(
        [graph.entity(head)], [graph.entity(tail)]
    )
    return [hops(graph, path) for path in found.paths]


@pytest.mark.parametrize("engine", ENGINES)
def test_steps_are_the_stored_triples(tiny_graph: KnowledgeGraph, engine: Engine) -> None:
    to_sweden = [
        HopIds("orebro", "city_of", "sweden", False),
        HopIds("sweden", "has_city", "orebro", True),
    ]
    to_norway = [
        HopIds("sweden", "borders", "norway", False),
        HopIds("norway", "borders", "sweden", True),
    ]
    found = join(tiny_graph, "orebro", "norway", engine=engine)
    assert found == [[one, two] for one in to_sweden for two in to_norway]
    assert join(tiny_graph, "orebro", "norway", engine=engine, inverse=False) == [found[0]]
    assert join(tiny_graph, "orebro", "norway", engine=engine, deny=("city_of",)) == found[2:]


def test_disconnected_pairs_and_self_paths(tiny_graph: KnowledgeGraph) -> None:
    assert join(tiny_graph, "japan", "sweden", max_hops=8, max_paths=None) == []
    assert join(tiny_graph, "narcissus", "narcissus", max_hops=4) == []
    loop = HopIds("narcissus", "loves", "narcissus", False)
    assert join(tiny_graph, "narcissus", "narcissus", repeat="entity", max_hops=1) == [[loop]]


def test_empty_sets_have_no_paths(tiny_graph: KnowledgeGraph) -> None:
    result = PathSearch(tiny_graph).find([], [0])
    assert (len(result), result.complete, result.expanded) == (0, True, 0)
    assert len(PathSearch(tiny_graph).find_pairs([])) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_no_budget_finds_nothing_and_says_so(tiny_graph: KnowledgeGraph, engine: Engine) -> None:
    for budget in ({"seconds": 0.0}, {"max_expanded": 0}):
        search = PathSearch(tiny_graph, PathConfig(engine=engine, **budget))
        result = search.find([0], [1])
        assert (result.paths, result.complete, result.expanded) == ([], False, 0)


@given(st.data())
def test_a_small_budget_gives_right_paths_only(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    engine = data.draw(st.sampled_from(ENGINES))
    budget = data.draw(st.integers(0, 30))
    ends = [0], [graph.num_entities - 1]
    whole = PathConfig(max_paths=None, repeat="entity", engine=engine)
    result = PathSearch(graph, replace(whole, max_expanded=budget)).find(*ends)
    expected = naive_paths(graph, *ends, whole)
    assert result.expanded <= budget
    assert set(result.paths) <= set(expected)
    assert not result.complete or result.paths == expected


def star(leaves: int) -> KnowledgeGraph:
    """A hub with many edges, and beside it one way round."""
    builder = GraphBuilder("star")
    for name in ("a", "hub", "b", "way"):
        builder.entity(name)
    for name in ("r", "s"):
        builder.relation(name)
    rows = np.zeros((leaves + 4, 3), dtype=np.int32)
    rows[:4] = [[0, 0, 1], [1, 0, 2], [0, 1, 3], [3, 1, 2]]
    for i in range(leaves):
        builder.entity(f"leaf{i}")
    rows[4:, 0], rows[4:, 2] = 1, np.arange(4, leaves + 4)
    builder.add_triples(rows, np.zeros(len(rows), dtype=np.uint8))
    return builder.build()


@pytest.mark.parametrize("engine", ENGINES)
def test_hubs_are_passed_only_if_wanted(engine: Engine) -> None:
    graph = star(2000)
    through = [len(join(graph, "a", "b", engine=engine, hub_limit=n)) for n in (0, 2002, 2001, 1)]
    assert through == [2, 2, 1, 0]
    # At the ends of a path a hub is not in the way.
    assert len(join(graph, "hub", "leaf7", engine=engine, hub_limit=1)) == 1
    assert len(join(graph, "leaf7", "hub", engine=engine, hub_limit=1)) == 1


def test_results_outgrow_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = star(50)
    search = PathSearch(graph, PathConfig(max_paths=None, repeat="entity"))
    pairs = [([0], [2])] * 20 + [([1], [1])] + [([4], [5, 6])] * 20
    expected = [result.paths for result in search.find_pairs(pairs)]
    monkeypatch.setattr("accord.graph.paths_run.ROOM", 7)
    assert [result.paths for result in search.find_pairs(pairs)] == expected
    assert len(expected[20]) > 7 and expected[0] and expected[-1]


def test_threads_change_nothing() -> None:
    search = PathSearch(star(300), PathConfig(max_paths=None))
    pairs = np.array([[i, 303 - i] for i in range(300)])
    one, four = search.find_pairs(pairs, threads=1), search.find_pairs(pairs, threads=4)
    assert [result.paths for result in one] == [result.paths for result in four]
    assert one.counts.tolist() == four.counts.tolist()
    assert one[3:5][1].paths == search.find([4], [299]).paths


def test_time_budget_ends_a_search_that_would_go_on() -> None:
    rng = np.random.default_rng(0)
    builder = GraphBuilder("dense")
    for i in range(400):
        builder.entity(f"e{i}")
    builder.relation("r")
    rows = rng.integers(0, 400, (20_000, 3)).astype(np.int32)
    rows[:, 1] = 0
    builder.add_triples(rows, np.zeros(len(rows), dtype=np.uint8))
    config = PathConfig(max_hops=8, max_paths=None, seconds=0.05, max_expanded=10**12)
    start = time.monotonic()
    result = PathSearch(builder.build(), config).find([0], [1])
    assert not result.complete and len(result) > 0
    assert time.monotonic() - start < 30


def test_bad_input_is_named(tiny_graph: KnowledgeGraph) -> None:
    for wrong in (
        {"max_hops": 0},
        {"max_hops": 9},
        {"max_paths": 0},
        {"repeat": "all"},
        {"engine": "dfs"},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"hub_limit": -1},
        {"splits": ("dev",)},
    ):
        with pytest.raises(ConfigError, match=r"choose|below zero"):
            PathConfig(**wrong)
    with pytest.raises(GraphError, match="loves"):
        PathSearch(tiny_graph, PathConfig(deny=("lovse",)))
    for ends in (([8], [0]), ([0], [-1])):
        with pytest.raises(GraphError, match="no entity"):
            PathSearch(tiny_graph).find(*ends)


def test_importing_loads_no_numba() -> None:
    code = "import sys, accord.graph.paths; assert not {'numba', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_per_edge() -> None:
    graph = star(100_000)
    search = PathSearch(graph)
    assert search.adjacency.owned_bytes <= 24 * graph.num_triples + 64


def test_gold_paths_of_path_question_are_found(accord_data: Path) -> None:
    from accord.graph.load import load_graph

    graph = load_graph("pathquestion-3h")
    with gzip.open(accord_data / "pathquestion" / "pq-3h.jsonl.gz", "rt") as file:
        lines = file.readlines()
    search = PathSearch(graph, PathConfig(repeat="entity", max_paths=None))
    golds = [gold for line in lines[::25] if not retraced(gold := json.loads(line)["path"])]
    pairs = np.array([[graph.entity(gold[0]), graph.entity(gold[-1])] for gold in golds])
    for gold, result in zip(golds, search.find_pairs(pairs), strict=True):
        walks = {walk(graph, path) for path in result if len(path) == 3}
        assert tuple(gold) in walks, gold
    assert len(golds) > 150


def retraced(gold: list[str]) -> bool:
    """Whether a triple is walked twice in the same direction: child, parent, the same child.

    864 of the 5,198 gold paths are; by definition they are none of ours.
    """
    triples = [tuple(gold[i : i + 3]) for i in range(0, len(gold) - 2, 2)]
    return len(set(triples)) < len(triples)


def walk(graph: KnowledgeGraph, path: GraphPath) -> tuple[str, ...]:
    """Entities and relations of a path, in turn, as PathQuestion writes it."""
    found = hops(graph, path)
    parts = [found[0].tail if found[0].inverse else found[0].head]
    for hop in found:
        parts += [hop.relation, hop.head if hop.inverse else hop.tail]
    return tuple(parts)
