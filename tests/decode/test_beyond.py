"""What no relation path says gets no answer, and what one name may mean is not guessed at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accord.decode.beyond import listed_with, other_kind, said_again, unsaid, without
from accord.decode.confidence import Confidence
from accord.decode.guided import Answered, Guide
from accord.decode.plans import Plans
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph


def lives() -> KnowledgeGraph:
    """People, one name for two of them, and the countries where languages are spoken."""
    builder = GraphBuilder("lives")
    builder.relation("born", "was born in", "is the birthplace of")
    builder.relation("mother", "has the mother", "is the mother of")
    builder.relation("speaks", "has speakers of the language", "is a language spoken in")
    builder.relation("borders", "shares a border with", "shares a border with")
    builder.entity("ann", "Ann", "a woman")
    builder.entity("john-1", "John Smith", "a writer")
    builder.entity("john-2", "John Smith", "a baker")
    for person, town in (("ann", "Leeds"), ("john-1", "York"), ("john-2", "Hull")):
        builder.triple(person, "born", town)
    builder.triple("bo", "born", "York")
    builder.triple("john-1", "mother", "ann")
    for land, language in (("Peru", "Quechua"), ("Chile", "Quechua"), ("Chile", "Spanish")):
        builder.triple(land, "speaks", language)
        builder.entity(land, land, "a country")
        builder.entity(language, language, "a language")
    builder.triple("Peru", "borders", "Chile")
    builder.attribute("ann", "birth date", "1950-03-02")
    return builder.build()


GRAPH = lives()


def ask(question: str, threshold: float = 0.5) -> Answered:
    return Guide(GRAPH, None, None, Confidence(threshold=threshold)).ask(question)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Which country does not border Peru?", "'not'"),
        ("Which country doesn't border Peru?", "doesn't"),
        ("Which country except Chile borders Peru?", "'except'"),
        ("What is the largest country that borders Peru?", "'largest'"),
        ("Which country has more speakers of Quechua than Peru?", "'more'"),
        ("Which country borders both?  Peru?", "'both'"),
        ("Who is the first mother of John Smith?", "'first'"),
        ("Who was born in York and Leeds?", "'York'"),
        ("Who is the mother of the mother of John Smith?", "'mother' more often"),
        ("When was Ann born?", "'a time'"),
        ("Where was the mother of John Smith born?", "'a place'"),
        ("What languages do they speak in countries that have speakers of Quechua?", "'languages'"),
    ],
)
def test_what_no_path_says_gets_no_answer(question: str, said: str) -> None:
    answered = ask(question)
    assert answered.abstained and said in answered.reason, answered.read_as
    assert not ask(question, threshold=0).abstained, "0 always answers"


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("Where was Ann born?", ["Leeds"]),
        ("What is the birth date of Ann?", ["1950-03-02"]),
        ("Which country borders Peru?", ["Chile"]),
        ("Do Peru and Chile share a border?", ["Chile"]),
        ("Which country has speakers of the language spoken in Peru, other than Peru?", ["Chile"]),
    ],
)
def test_what_a_path_says_is_answered(question: str, answers: list[str]) -> None:
    answered = ask(question)
    assert [answer.name for answer in answered.answers] == answers, answered.to_text()


def test_a_name_of_several_is_not_guessed_at() -> None:
    answered = ask("Where was John Smith born?")
    alone = ask("Where was Ann born?").confidence
    assert "2 entities are called 'John Smith'" in answered.reason
    assert answered.confidence < 0.7 * alone
    # Only one of them has a mother that is known.
    assert [answer.name for answer in ask("Who is the mother of John Smith?").answers] == ["Ann"]


def test_the_words() -> None:
    assert without("Is Peruvian Sol used in Peru?", ["Peru", "Peruvian Sol"]) == "Is   used in  ?"
    assert unsaid("the largest city of ", "What is the largest city of Peru?") == ""
    assert unsaid("No, the capital of ", "") == "" and unsaid("has no capital", "") == "no"
    assert unsaid("in the same zone as ", "", 1) == "same" and unsaid("the same", "", 2) == ""
    assert listed_with("of Chad, and of Niger", "Niger", ["Chad"]) == "Chad"
    assert listed_with("from Chad to Niger", "Niger", ["Chad"]) == ""
    assert said_again("the child of a child of ", "What is the child of Ann?") == "child"
    assert said_again("the child of a child of ", "What is a child of a child of Ann?") == ""


def test_a_verb_is_no_kind() -> None:
    plans = Plans(GRAPH)
    start = plans.start(GRAPH.entity("Quechua"))
    country = next(known for known in plans.after(start) if "speakers" in known.text)
    said = "Which country has speakers of {}?"
    passing = [replace(country, text=said.format(t)) for t in ("the language Quechua", "languages")]
    asked = "What languages do they speak?"
    assert [other_kind(GRAPH, asked, known) for known in passing] == ["languages", ""]


def test_a_time_is_looked_for_among_the_values() -> None:
    plans = Plans(GRAPH)
    dates = list(plans.properties(plans.start(GRAPH.entity("ann"))))
    assert [known.plan.attribute for known in dates] == ["birth date"]
    assert other_kind(GRAPH, "when was born", dates[0]) == ""
