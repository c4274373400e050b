"""Follow-ups are resolved through what is in play; an interrupted turn leaves no trace."""

from __future__ import annotations

import pytest

from accord.decode.confidence import Confidence
from accord.decode.dialogue import Dialogue
from accord.decode.guided import Guide, holds
from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from tests.conftest import XSD
from tests.train.tiny import tiny_model, tiny_recipe


def andes() -> KnowledgeGraph:
    builder = GraphBuilder("andes")
    builder.relation("capital", "has the capital", "is the capital of")
    builder.relation("borders", "shares a border with", "shares a border with")
    builder.relation("currency", "uses the currency", "is the currency of")
    for land, capital, money, people in (
        ("Peru", "Lima", "Sol", "31989256"),
        ("Chile", "Santiago", "Chilean Peso", "18729160"),
        ("Bolivia", "Sucre", "Boliviano", "11353142"),
    ):
        builder.triple(land, "capital", capital)
        builder.triple(land, "currency", money)
        builder.attribute(land, "population", people, XSD + "integer")
    for a, b in (("Peru", "Chile"), ("Peru", "Bolivia"), ("Chile", "Bolivia")):
        builder.triple(a, "borders", b)
    builder.attribute("Lima", "population", "7737002", XSD + "integer")
    return builder.build()


GRAPH = andes()


def talk(*questions: str, history: int = 20) -> Dialogue:
    dialogue = Dialogue(Guide(GRAPH, None, None, Confidence(threshold=0.3)), None, history)
    for question in questions:
        dialogue.say(question)
    return dialogue


def names(dialogue: Dialogue, turn: int = -1) -> set[str]:
    return {answer.name for answer in dialogue.turns[turn].answered.answers}


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        (["What is the currency of Peru?", "and its capital?"], {"Lima"}),
        (["What is the capital of Peru?", "What about Chile?"], {"Santiago"}),
        (["What is the capital of Peru?", "And Chile?", "and its currency?"], {"Chilean Peso"}),
        (["What is the capital of Peru?", "What is its population?"], {"7737002"}),
        (["What is the population of Peru?", "and its capital?"], {"Lima"}),
        (["What shares a border with Peru?", "What are their capitals?"], {"Santiago", "Sucre"}),
        (["What shares a border with Peru?", "What is its capital?"], {"Lima"}),
        (["What is the capital of Peru?", "What is the currency of Bolivia?"], {"Boliviano"}),
        (["What is the capital of Peru?", "What is its mayor?", "and its currency?"], {"Sol"}),
        (["What is the capital of Peru?", "What about Lima?"], set()),
        (["and its capital?"], set()),
        (["What is the capital of Peru?", "What is the capital of Atlantis?"], set()),
        (["What is the capital of Peru?", "what is the capital of atlantis"], set()),
        (["Tell me about Peru", "What about Chile?"], {"Chile"}),
        (["What is the capital of Peru?", "And of Chile and Bolivia?"], set()),
        (["What shares a border with Peru?", "What is the largest of them?"], set()),
        (["What is the capital of Peru?", "Where is Chile?"], set()),
        (["What is the capital of Peru?", "Is that in Chile?"], set()),
        (["What is the capital of Peru?", "Who is Chile?", "and its capital?"], {"Santiago"}),
        (["What is the capital of Peru?", "And what is Chile's?"], {"Santiago"}),
        (["What shares a border with Peru?", "And the population of the first?"], set()),
    ],
)
def test_follow_ups(questions: list[str], expected: set[str]) -> None:
    dialogue = talk(*questions)
    assert names(dialogue) == expected
    for turn in dialogue.turns:
        assert all(holds(GRAPH, citation) for citation in turn.answered.citations)


def test_what_the_question_before_does_not_lead_to_is_not_said_to_be_unknown() -> None:
    dialogue = talk("What is the capital of Peru?", "And Lima?")
    answered = dialogue.turns[-1].answered
    assert answered.abstained and answered.confidence < 0.3
    assert "states nothing" not in dialogue.turns[-1].reply + answered.reason


def test_who_is_it_asks_for_all_that_is_known() -> None:
    told = talk("Tell me about Lima").turns[0].reply
    assert talk("What is Lima?").turns[0].reply == told
    assert talk("What's Lima's?").turns[0].reply != told


def test_replies_say_what_is_cited() -> None:
    dialogue = talk("What is the capital of Peru?", "What is the population of Chile?")
    assert [turn.reply for turn in dialogue.turns] == [
        "Peru has the capital Lima.",
        "The population of Chile is 18,729,160.",
    ]
    far = talk("What is the population of the capital of Peru?").turns[0].reply
    assert far == "Peru has the capital Lima. The population of Lima is 7737002."
    assert talk("Who is he?").turns[0].reply.startswith("I cannot answer that: the question names")
    most = talk("What is the largest neighbour of Peru?").turns[0].reply
    assert most == "I cannot answer that from the graph: no relation path says 'largest'."


def test_all_that_is_known_of_an_entity() -> None:
    dialogue = talk("Tell me about Lima")
    first = dialogue.turns[0]
    assert first.reply == "Lima is the capital of Peru. The population of Lima is 7,737,002."
    assert [c.text for c in first.answered.citations] == [
        "Lima is the capital of Peru.",
        "The population of Lima is 7737002.",
    ]
    more = talk("What is the capital of Peru?", "tell me more about it").turns[1]
    assert more.reply == first.reply and len(more.answered.citations) == 2


def test_why_graph_and_forget() -> None:
    dialogue = talk()
    assert "nothing was said" in dialogue.why() and "no statement" in dialogue.graph_text()
    dialogue.say("What is the capital of Peru?")
    assert "What is the capital of Peru?" in dialogue.why()
    assert dialogue.graph_text() == "Peru has the capital Lima."
    assert dialogue.in_play() == ["Lima", "Peru"]
    dialogue.forget()
    assert dialogue.turns == () and dialogue.in_play() == [] and dialogue.citations() == ()
    assert not dialogue.say("and its currency?").answers


def test_history_is_bounded() -> None:
    dialogue = talk(*["What is the capital of Peru?"] * 3, "and Chile?", history=2)
    assert len(dialogue.turns) == 2
    with pytest.raises(ConfigError):
        talk(history=0)


def test_an_interrupted_stream_is_not_remembered() -> None:
    dialogue = talk("What is the capital of Peru?")
    pieces = dialogue.stream("What is the capital of Chile?")
    assert next(pieces) == "Chile"
    pieces.close()
    assert len(dialogue.turns) == 1
    assert names_after(dialogue) == {"Sol"}
    stopped = dialogue.stream("and Bolivia?")
    next(stopped)
    with pytest.raises(KeyboardInterrupt):
        stopped.throw(KeyboardInterrupt)
    assert len(dialogue.turns) == 2


def names_after(dialogue: Dialogue) -> set[str]:
    dialogue.say("and its currency?")
    return names(dialogue)


def test_an_empty_and_a_very_long_question() -> None:
    dialogue = talk("What is the capital of Peru?")
    with pytest.raises(ConfigError):
        dialogue.say("  ")
    assert len(dialogue.turns) == 1
    dialogue.say("What is the capital of Chile? " + "really " * 15_000)
    assert len(dialogue.turns[-1].answered.question) <= 2000


def test_a_model_chooses_only_words() -> None:
    model = tiny_model(tiny_recipe())
    dialogue = Dialogue(Guide(GRAPH), model)
    pieces = list(dialogue.stream("What is the capital of Peru?"))
    assert len(pieces) > 3 and "".join(pieces) == dialogue.turns[0].reply
    assert dialogue.turns[0].reply in (
        "Peru has the capital Lima.",
        "The capital of Peru is Lima.",
    )


def test_a_pronoun_may_weigh_more_than_a_name() -> None:
    builder = GraphBuilder("more")
    builder.relation("capital", "has the capital", "is the capital of")
    builder.relation("borders", "shares a border with", "shares a border with")
    builder.relation("tag", "has the tag", "is a tag of")
    builder.triple("Peru", "capital", "Lima")
    builder.triple("Peru", "borders", "Chile")
    builder.triple("Guide", "tag", "capital")
    dialogue = Dialogue(Guide(builder.build(), None, None, Confidence(threshold=0.3)))
    for follow, expected in (("What is its capital?", "Lima"), ("What has the tag it?", "")):
        dialogue.say("What shares a border with Peru?")
        dialogue.say(follow)
        assert names(dialogue) == ({expected} if expected else set())
    # Without a pronoun the name is meant.
    dialogue.say("What has the tag capital?")
    assert names(dialogue) == {"Guide"}
