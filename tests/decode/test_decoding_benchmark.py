"""The parts of `benchmarks/decoding.py` beside questions."""

from __future__ import annotations

import pytest

from accord.decode.places import Names, Walk
from accord.text.questions import Question
from benchmarks import decoding_cost
from tests.conftest import build_tiny_graph
from tests.train.tiny import tiny_model, tiny_recipe

MODEL = tiny_model(tiny_recipe())
END = int(MODEL.tokenizer.eos_token_id)


def test_percentiles_are_of_all_questions_and_the_first_stands_beside() -> None:
    seconds = [9.0, *(0.01 * i for i in range(1, 100))]
    found = decoding_cost.percentiles(seconds)
    assert found == {"n": 100, "first": 9.0, "median": 0.505, "p95": 0.95, "most": 9.0}
    assert decoding_cost.percentiles([1.0])["p95"] == 1.0


def test_all_arms_write_the_same_number_of_tokens() -> None:
    graph = build_tiny_graph()
    asked = [Question("", f"What of {key}?", ("x",), (key,)) for key in ("sweden", "japan")]
    found = decoding_cost.writing_speed(graph, MODEL, asked, 5, 2)
    assert (found["rows"], found["tokens"], found["repeats"]) == (2, 5, 2)
    assert found["free"]["ratio by clock"] == 1
    for arm in ("free", "names", "paths"):
        assert len(found[arm]["seconds"]) == 2 and found[arm]["ratio by processor"] > 0


def test_a_text_without_end_goes_on_until_nothing_may_follow() -> None:
    graph = build_tiny_graph()
    trie = decoding_cost.Endless(Walk(graph, graph.entity("sweden"), 9), MODEL.tokenizer, END)
    written: list[int] = []
    for _ in range(40):
        allowed = trie.allowed(written).tolist()
        assert END not in allowed
        written.append(allowed[-1])
    nothing = decoding_cost.Endless(Names(graph, ()), MODEL.tokenizer, END)
    with pytest.raises(SystemExit, match="nothing may follow"):
        nothing.allowed([])


def test_a_trie_of_made_up_names() -> None:
    graph = decoding_cost.named_graph(300, 0)
    assert graph.num_entities == len(set(graph.entity_names)) == 300
    found = decoding_cost.trie_cost(3000, MODEL.tokenizer)
    assert 0 < found["arrays_megabytes"] <= found["while_made_megabytes"] < 5
