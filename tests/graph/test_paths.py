"""Path search against its definition, and what it does with bad input."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import ConfigError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.paths import Engine, HopIds, PathConfig, PathSearch, Step, hops
from tests.graph.naive_paths import naive_paths
from tests.graph.random_graphs import graphs

ENGINES: tuple[Engine, ...] = ("bidirectional",)


@st.composite
def configs(draw: st.DrawFn, graph: KnowledgeGraph) -> PathConfig:
    names = st.lists(st.sampled_from(list(graph.relation_ids)), max_size=2, unique=True)
    return PathConfig(
        max_hops=draw(st.integers(1, 4)),
        max_paths=draw(st.one_of(st.none(), st.integers(1, 6))),
        repeat=draw(st.sampled_from(["none", "entity"])),
        allow=tuple(draw(names)),
        deny=tuple(draw(names)),
        inverse=draw(st.booleans()),
        hub_limit=draw(st.sampled_from([0, 0, 2, 5])),
        engine=draw(st.sampled_from(ENGINES)),
        splits=draw(st.sampled_from([SPLITS, ("train",), ("train", "test")])),
    )


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
