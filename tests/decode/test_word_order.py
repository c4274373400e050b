"""'What does X verb' and 'what verbs X' ask for different ends; 'which sea' asks for a kind."""

from __future__ import annotations

import pytest

from accord.decode.confidence import Confidence
from accord.decode.guided import Answered, Guide
from accord.decode.retrieve import RetrieveConfig
from accord.decode.word_order import kind_asked, of_kind
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph

FLOWS = (
    *(("Rhine", "North Sea"), ("Elbe", "North Sea"), ("Main", "Rhine"), ("Moselle", "Rhine")),
    *(("Danube", "Black Sea"), ("Inn", "Danube"), ("Isar", "Danube")),
)


def rivers(inverse: str = "", types: bool = False) -> KnowledgeGraph:
    builder = GraphBuilder("rivers")
    builder.relation("flows", "flows into", inverse)
    for river, mouth in FLOWS:
        builder.triple(river, "flows", mouth)
    builder.triple("Rhine", "located in", "Germany")
    names = {name for pair in FLOWS for name in pair} if types else ()
    for name in sorted(names):
        builder.triple(name, "instance of", "sea" if "Sea" in name else "river")
    return builder.build()


def ask(graph: KnowledgeGraph, question: str) -> Answered:
    return Guide(graph, None, RetrieveConfig("words"), Confidence()).ask(question)


@pytest.mark.parametrize("inverse", ["", "receives", "is fed by", "is the mouth of"])
@pytest.mark.parametrize("types", [False, True])
@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("Which sea does the Rhine flow into?", {"North Sea"}),
        ("What does the Rhine flow into?", {"North Sea"}),
        ("Which rivers flow into the Danube?", {"Inn", "Isar"}),
        ("Which rivers flow into the Rhine?", {"Main", "Moselle"}),
        ("What flows into the Rhine?", {"Main", "Moselle"}),
    ],
)
def test_word_order_gives_the_direction(
    inverse: str, types: bool, question: str, answers: set[str]
) -> None:
    found = ask(rivers(inverse, types), question)
    assert {answer.name for answer in found.answers} == answers, found.read_as


def test_the_other_end_is_no_answer_where_the_end_asked_for_is_unknown() -> None:
    graph = rivers()
    assert ask(graph, "What does the North Sea flow into?").abstained
    assert ask(graph, "What flows into the Inn?").abstained


def test_a_kind_that_the_graph_denies_is_not_answered() -> None:
    typed = rivers(types=True)
    assert ask(typed, "Which mountains flow into the Danube?").abstained
    inn = typed.entity("Inn")
    assert of_kind(typed, [inn], "rivers") is True
    assert of_kind(typed, [inn], "seas") is False
    assert of_kind(rivers(), [rivers().entity("Inn")], "rivers") is None
    assert kind_asked("What is the capital of Peru?") == ""
