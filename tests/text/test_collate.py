"""Token sequences of queries, tails and completions, and groups of like length."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.graph.graph import KnowledgeGraph
from accord.text import render
from accord.text.collate import GraphTexts, chunks_by_length, pad, tokens
from accord.text.examples import QueryForm, Sequence, length
from accord.text.render import TextConfig
from tests.conftest import build_tiny_tokenizer
from tests.evaluate.fakes import random_graph


@cache
def tokenizer() -> Any:
    return build_tiny_tokenizer()


def texts_of(graph: KnowledgeGraph, **values: Any) -> GraphTexts:
    return GraphTexts(graph, tokenizer(), TextConfig(**values))


def written(sequence: Sequence) -> str:
    return str(tokenizer().decode([t for segment in sequence for t in segment]))


def test_queries_and_tails_read_as_rendered(tiny_graph: KnowledgeGraph) -> None:
    texts = texts_of(tiny_graph)
    expected = "[ Japan: An island country in East Asia., has the capital ]"
    assert written(texts.query(0, 2)) == expected
    assert written(texts.query(1, 2 + 5)).endswith(", is the capital of ]")
    assert written(texts.tail(3)) == "{ Sweden: A country in northern Europe. }"
    assert written(texts.completion(0, 2, 1)) == expected + " Tōkyō</s>"
    assert texts.completion(0, 2, 1)[:-1] == texts.query(0, 2)


@pytest.mark.parametrize("form", ["text", "product"])
def test_readings_of_queries_come_once_in_the_order_of_first_use(
    tiny_graph: KnowledgeGraph, form: QueryForm
) -> None:
    texts, queries = texts_of(tiny_graph), np.array([[0, 2], [0, 7], [1, 2], [3, 0], [1, 7]])
    whole = texts.query_readings(queries, form)
    found = list(texts.readings_once(queries, form))
    assert found == list(dict.fromkeys(s for part in whole.values() for s in part))
    assert len(found) == (5 if form == "text" else 3 + 3), "pairs, or heads and relations"


def test_an_entity_outside_the_graph_reads_as_one_inside(tiny_graph: KnowledgeGraph) -> None:
    texts = texts_of(tiny_graph)
    text = render.entity_text(tiny_graph, 0)
    assert texts.query_of_text(text, 2) == texts.query(0, 2)
    assert texts_of(tiny_graph, entity_tokens=3).query_of_text(text, 2)[1] == texts.entity(0)[:3]


def test_a_text_beyond_the_limit_is_cut_at_its_end(tiny_graph: KnowledgeGraph) -> None:
    whole, cut = texts_of(tiny_graph), texts_of(tiny_graph, entity_tokens=4)
    for entity in range(tiny_graph.num_entities):
        assert cut.entity(entity) == whole.entity(entity)[:4]
    assert len(whole.entity(0)) > 4
    assert written(cut.query(0, 2)).endswith(", has the capital ]"), "only the entity is cut"


def test_texts_read_in_blocks_are_those_read_alone(tiny_graph: KnowledgeGraph) -> None:
    block, alone = texts_of(tiny_graph), texts_of(tiny_graph)
    block.prepare(range(8))
    assert [block.entity(e) for e in range(8)] == [alone.entity(e) for e in range(8)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 3), st.integers(3, 40))
def test_neighbours_are_of_train_and_never_a_known_answer(
    seed: int, entities: int, relations: int, triples: int
) -> None:
    graph = random_graph(entities, relations, triples, seed)
    texts = texts_of(graph, neighbours=3, describe=False)
    train = {tuple(row) for row in graph.triples_of("train").tolist()}
    for head in range(entities):
        around = {t for h, _, t in train if h == head} | {h for h, _, t in train if t == head}
        for number in range(2 * relations):
            answers = {
                e
                for e in range(entities)
                if (head, number, e) in train or (e, number - relations, head) in train
            }
            allowed = around - answers - {head}
            named = texts.query(head, number)[2:-1]
            names = [tokens(tokenizer(), f"; {render.entity_name(graph, e)}") for e in allowed]
            assert set(named) <= set(names)
            assert len(named) == len(set(named)) == min(3, len(allowed))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=60), st.integers(1, 200))
def test_groups_cover_each_index_once_within_the_budget(lengths: list[int], budget: int) -> None:
    array = np.array(lengths, dtype=np.int64)
    groups = chunks_by_length(array, budget)
    assert sorted(i for group in groups for i in group.tolist()) == list(range(len(lengths)))
    for group in groups:
        longest = max(1, int(array[group].max()))
        assert len(group) == 1 or len(group) * longest <= budget
        assert array[group].min() >= 0.8 * longest - 2 - 1
    firsts = [int(array[group].max()) for group in groups]
    assert firsts == sorted(firsts, reverse=True)


def test_padding_is_on_the_right() -> None:
    ids, mask = pad([((5, 6), (7,)), ((8,),)], 0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]
    assert length(((5, 6), (7,))) == 3
