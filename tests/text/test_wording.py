"""Triples, attributes and questions in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.asking import Asking, Step
from accord.text.freebase import freebase_phrase
from accord.text.phrases import article, base_form, read_phrase, singular
from accord.text.render import entity_name
from accord.text.wording import attribute_statement, triple_statement


@pytest.fixture(scope="module")
def world() -> KnowledgeGraph:
    builder = GraphBuilder("world")
    for name in ("Paris", "France", "Spain", "Euro", "Ada"):
        kind = "a country" if name in ("France", "Spain") else ""
        builder.entity(name.lower(), name, kind)
    builder.relation("capital", "has the capital", "is the capital of")
    builder.relation("borders", "shares a border with", "shares a border with")
    builder.relation("currency", "uses the currency", "is the currency of")
    builder.relation("bornIn", "", "")
    builder.relation("livesNear", "", "")
    builder.relation("sibling", "", "")
    builder.triple("france", "capital", "paris")
    builder.triple("france", "borders", "spain")
    builder.triple("spain", "borders", "france")
    builder.triple("france", "currency", "euro")
    builder.triple("spain", "currency", "euro")
    builder.triple("ada", "bornIn", "paris")
    builder.triple("ada", "livesNear", "paris")
    builder.triple("ada", "sibling", "euro")
    builder.entity("anna", "Anna B.")
    builder.triple("ada", "sibling", "anna")
    builder.attribute("paris", "population", "2103000")
    return builder.build()


@pytest.mark.parametrize(
    ("phrase", "shape", "text"),
    [
        ("is the capital of", "copular", "is the capital of"),
        ("located in", "verb", "is located in"),
        ("directed by", "verb", "was directed by"),
        ("born in", "verb", "was born in"),
        ("works for", "verb", "works for"),
        ("partially contains", "verb", "partially contains"),
        ("acted in", "verb", "acted in"),
        ("wrote", "verb", "wrote"),
        ("place of birth", "noun", "place of birth"),
        ("cast members", "noun", "cast member"),
        ("languages spoken, written, or signed", "noun", "language spoken"),
        ("member of political party", "verb", "is a member of political party"),
        ("symptom of", "copular", "is a symptom of"),
        ("has as a part", "as", "has"),
        ("has the genre", "has", "has the genre"),
        ("has speakers of the language", "verb", "has speakers of the language"),
        ("has on its banks", "verb", "has on its banks"),
        ("receives the river", "verb", "receives the river"),
        ("floods the plain of", "verb", "floods the plain of"),
        ("overlooked the bay of", "verb", "overlooked the bay of"),
        ("saw the premiere of", "verb", "saw the premiere of"),
        ("speak the language", "verb", "speak the language"),
        ("fought in", "verb", "fought in"),
        ("eats", "verb", "eats"),
        ("isa", "copular", "is a kind of"),
        ("", "verb", "is related to"),
    ],
)
def test_phrases_of_every_shape_are_read(phrase: str, shape: str, text: str) -> None:
    read = read_phrase(phrase)
    assert (read.shape, read.text) == (shape, text)


def test_nouns_and_verbs_are_inflected() -> None:
    assert [singular(n) for n in ("countries", "children", "series", "classes", "status")] == [
        "country",
        "child",
        "series",
        "class",
        "status",
    ]
    assert [article(n) for n in ("usage", "island", "European", "hour")] == ["a", "an", "a", "an"]
    assert [base_form(v) for v in ("carries", "causes", "co-occurs", "sport")] == [
        "carry",
        "cause",
        "co-occur",
        "",
    ]


def test_triples_are_stated_from_where_the_step_begins(world: KnowledgeGraph) -> None:
    france, paris, ada = (world.entity(e) for e in ("france", "paris", "ada"))
    count = world.num_relations
    capital, born = world.relation("capital"), world.relation("bornIn")
    assert triple_statement(world, france, capital, paris) == "France has the capital Paris."
    assert triple_statement(world, paris, capital + count, france) == (
        "Paris is the capital of France."
    )
    # No inverse phrase: the triple itself is said.
    assert triple_statement(world, paris, born + count, ada) == "Ada was born in Paris."
    sibling = world.relation("sibling")
    assert triple_statement(world, ada, sibling, world.entity("anna")) == (
        "A sibling of Ada is Anna B."
    )
    assert attribute_statement(world, 0) == "The population of Paris is 2103000."


def test_questions_of_every_form(world: KnowledgeGraph) -> None:
    asking, count = Asking(world), world.num_relations
    paris, spain, euro = (world.entity(e) for e in ("paris", "spain", "euro"))
    capital, currency = world.relation("capital"), world.relation("currency")
    borders = world.relation("borders")
    of_capital, of_currency = Step(capital + count, True), Step(currency + count, False)
    assert asking.chain(paris, [of_capital, Step(currency, True)]) == (
        "What is the currency of the country whose capital is Paris?"
    )
    assert asking.chain(euro, [of_currency, Step(borders, False)], left_out=True) == (
        "Which country shares a border with a country that uses the currency Euro, other than Euro?"
    )
    assert asking.intersection([(spain, [Step(borders, True)]), (euro, [of_currency])]) == (
        "Which country shares a border with Spain and uses the currency Euro?"
    )
    assert asking.attribute(spain, [Step(borders, True), Step(capital, True)], "population") == (
        "What is the population of the capital of the country that shares a border with Spain?"
    )
    # The label goes where a longer description follows.
    chain = [of_capital, Step(currency, True), of_currency]
    assert "uses the currency of the country whose capital is Paris" in asking.chain(paris, chain)


def test_verbs_without_an_inverse_are_turned_round(world: KnowledgeGraph) -> None:
    asking, ada = Asking(world), world.entity("ada")
    born, near = world.relation("bornIn"), world.relation("livesNear")
    assert asking.chain(ada, [Step(born, True)]).endswith("was Ada born in?")
    assert asking.chain(ada, [Step(near, True)]).endswith("does Ada live near?")


@pytest.mark.parametrize(
    ("phrase", "asked"),
    [
        ("founded", "What did Ada found?"),
        ("married", "What did Ada marry?"),
        ("wrote about", "What did Ada write about?"),
        ("saw the premiere of", "What did Ada see the premiere of?"),
        ("eats", "What does Ada eat?"),
    ],
)
def test_verbs_of_the_past_are_asked_for_too(phrase: str, asked: str) -> None:
    builder = GraphBuilder("past")
    builder.relation("r", phrase)
    builder.triple("Ada", "r", "Bob")
    assert Asking(builder.build()).chain(0, [Step(0, True)]) == asked


def test_kind_of_is_no_kind() -> None:
    builder = GraphBuilder("birds")
    builder.relation("eaten", "is eaten by", "eats")
    builder.entity("owl", "owl", "A kind of bird.")
    builder.triple("mouse", "eaten", "owl")
    graph = builder.build()
    asked = Asking(graph).chain(graph.entity("mouse"), [Step(0, True)])
    assert asked == "What eats mouse?"


def test_every_triple_of_a_small_graph_can_be_said(tiny_graph: KnowledgeGraph) -> None:
    for head, relation, tail in tiny_graph.triples.tolist():
        for step in ((head, relation, tail), (tail, relation + tiny_graph.num_relations, head)):
            said = triple_statement(tiny_graph, *step)
            assert entity_name(tiny_graph, head) in said
            assert entity_name(tiny_graph, tail) in said
            assert said.endswith(".") and "inverse of" not in said


def test_freebase_ids_become_words() -> None:
    def text(identifier: str, inverse: bool = False) -> str:
        phrase = freebase_phrase(identifier, inverse)
        return phrase.text if phrase else ""

    assert text("/people/person/place_of_birth") == "place of birth"
    assert text("/film/film/edited_by", inverse=True) == "edited"
    assert text("/people/person/spouse_s./people/marriage/spouse") == "spouse"
    assert text("/people/person/place_of_birth", inverse=True) == ""


@pytest.mark.parametrize("name", ["umls", "wn18rr", "codex-s", "countries-s1", "fb15k-237"])
def test_no_statement_of_a_data_set_is_broken(name: str, accord_data: Path) -> None:
    from accord.graph.load import load_graph

    graph = load_graph(name)
    for relation in range(graph.num_relations):
        rows = graph.triples[graph.triples[:, 1] == relation][:1].tolist()
        for head, _, tail in rows:
            for step in ((head, relation, tail), (tail, relation + graph.num_relations, head)):
                said = triple_statement(graph, *step)
                assert " of of " not in said and "inverse of" not in said, said
