"""The arms of `benchmarks/asking.py` in which a model writes, and the table over seeds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.graph.graph import KnowledgeGraph
from accord.text.qa_prompts import read_answers
from accord.text.questions import Question
from accord.text.render import entity_name
from benchmarks import asking_arms, asking_table
from tests.conftest import build_tiny_graph
from tests.graph.random_graphs import graphs
from tests.train.tiny import tiny_model, tiny_recipe


def walked(graph: KnowledgeGraph, topic: int, hops: int) -> dict[int, int]:
    """Each entity that a walk leads to, and the steps of the shortest one."""
    found: dict[int, int] = {}
    level = {topic}
    for step in range(1, hops + 1):
        ahead = {t for h, _, t in graph.triples.tolist() if h in level}
        back = {h for h, _, t in graph.triples.tolist() if t in level}
        level = ahead | back
        for entity in level:
            found.setdefault(entity, step)
    return found


@settings(max_examples=30)
@given(graphs(), st.integers(1, 3), st.integers(0, 4))
def test_what_is_around_a_topic(graph: KnowledgeGraph, hops: int, topic: int) -> None:
    topic %= graph.num_entities
    near = asking_arms.neighbourhood(graph, topic, hops).tolist()
    steps = walked(graph, topic, hops)
    assert near == sorted(steps, key=lambda entity: (steps[entity], entity))
    assert asking_arms.neighbourhood(graph, topic, hops, 2).tolist() == near[:2]
    assert asking_arms.neighbourhood(graph, -1, hops).tolist() == []


def test_a_model_is_held_to_what_is_around_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_arms, "ROWS", 2)
    graph, model = build_tiny_graph(), tiny_model(tiny_recipe())
    asked = [
        Question(str(i), f"What of {key}?", ("Nothing",), (key,), hops=1 + i % 2)
        for i, key in enumerate(["sweden", "japan", "nowhere"])
    ]
    found = asking_arms.constrained(graph, model, asked)
    assert len(found) == 3 and [item.question for item in found] == asked
    for item in found:
        topic = asking_arms.topic_of(graph, item.question)
        near = asking_arms.neighbourhood(graph, topic, item.question.hops)
        names = [entity_name(graph, entity) for entity in near.tolist()]
        answers = read_answers(item.read_as)
        # Where the tokens ran out the last name is a beginning, of a letter maybe.
        begun = [answer.rstrip("\ufffd") for answer in answers]
        assert all(any(name.startswith(a) for name in names) for a in begun), (answers, names)
        assert item.given == bool(names) and item.exact == 0
    assert asking_arms.facts(graph, asked[2]) == "" != asking_arms.facts(graph, asked[0])


def test_rows_over_seeds() -> None:
    figures = dict.fromkeys(asking_table.FIGURES, 0.5)
    row = {"set": "s", "hops": 1, "arm": "plan", "n": 3, **figures}
    rows = [row, {**row, "all f1": 0.7}, {**row, "arm": "words"}]
    lines = asking_table.over_seeds(rows).splitlines()
    assert len(lines) == 3 and "0.6000 ± 0.1414" in lines[1] and "±" in lines[2]
    assert lines[1].split()[:5] == ["s", "1", "plan", "2", "6"]
