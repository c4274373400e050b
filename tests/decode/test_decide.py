"""Decisions rest on paths that exist, and on nothing where nothing is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accord.decode.decide import Decider
from accord.decode.decision import WARNING, Calibration
from accord.decode.given import with_facts
from accord.decode.guided import holds
from accord.decode.rules import Rule, read_rules
from accord.decode.ways import Ways
from accord.errors import ConfigError, DataError, GraphError
from accord.evaluate.decisions import (
    DecisionsConfig,
    evaluate_decisions,
    expected_calibration_error,
    fit_calibration,
    read_calibration,
    write_calibration,
)
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from tests.conftest import REPOSITORY, build_tiny_graph
from tests.graph.random_graphs import graphs
from tests.train.tiny import tiny_model, tiny_recipe


def world(people: int = 30) -> KnowledgeGraph:
    """People born in towns of two lands who speak their land's language; the last fifth is held
    out."""
    builder = GraphBuilder("world")
    builder.relation("born", "was born in", "is the place of birth of")
    builder.relation("in", "lies in", "contains")
    builder.relation("official", "has the official language", "is the official language of")
    builder.relation("speaks", "speaks", "is spoken by")
    for land, language in (("Aland", "Alish"), ("Bland", "Blish")):
        builder.triple(land, "official", language)
        for town in range(3):
            builder.triple(f"{land}-{town}", "in", land)
            builder.triple(f"{land}-{town}", "official", language)
    for i in range(people):
        land, language = (("Aland", "Alish"), ("Bland", "Blish"))[i % 2]
        builder.triple(f"p{i}", "born", f"{land}-{i % 3}")
        split = "train" if i < 0.6 * people else "valid" if i < 0.8 * people else "test"
        builder.triple(f"p{i}", "speaks", language, split)
    return builder.build()


@settings(max_examples=20)
@given(graphs())
def test_ways_are_all_paths_of_one_and_two_steps(graph: KnowledgeGraph) -> None:
    ways, count = Ways(graph), graph.num_relations
    walked = [(h, r, t) for h, r, t in graph.triples.tolist()]
    walked += [(t, r + count, h) for h, r, t in walked]
    head, tail = 0, graph.num_entities - 1
    one = {(r,) for h, r, t in walked if (h, t) == (head, tail)}
    two = {
        (r, s)
        for h, r, m in walked
        for n, s, t in walked
        if h == head and t == tail and m == n and m not in (head, tail)
    }
    assert set(ways.between(head, tail)) == one | two


def test_what_a_path_implies_is_counted() -> None:
    graph = world()
    ways = Ways(graph, ("train",))
    count, speaks = graph.num_relations, graph.relation("speaks")
    learnt = ways.learn(speaks)
    path = (graph.relation("born"), graph.relation("official"))
    assert learnt.counts[path] == (18, 18) and learnt.base == 0.5
    assert learnt.confidence(path) > 0.85 and learnt.lift(path) > 0.5
    assert (speaks,) not in learnt.counts and all(n < 2 * count for p in learnt.counts for n in p)


def test_options_are_ranked_with_evidence_for_and_against() -> None:
    graph = world()
    decision = Decider(graph, splits=("train",)).decide("What does p29 speak?", ["Alish", "Blish"])
    best, other = decision.options
    assert (best.text, other.text) == ("Blish", "Alish") and not decision.abstained
    assert best.probability + other.probability == pytest.approx(1) and best.probability > 0.8
    assert best.supporting[0].citations and all(holds(graph, c) for c in decision.citations)
    assert "in 18 of 18 such cases" in best.supporting[0].text
    assert WARNING in decision.to_text() and decision.to_dict()["warning"] == WARNING


def test_what_the_graph_states_wins() -> None:
    graph = world()
    decision = Decider(graph).decide("What does p0 speak?", ["Blish", "Alish"])
    assert decision.options[0].text == "Alish" and decision.options[0].probability > 0.99
    assert decision.options[0].supporting[0].text.startswith("the graph states it")


@pytest.mark.parametrize(
    ("question", "options", "reason"),
    [
        ("What does Nobody speak?", ["Alish", "Blish"], "names no entity"),
        ("What does p0 speak?", ["mango", "papaya"], "says nothing"),
        ("What does Aland like?", ["p0", "p2"], "has no word of a relation"),
        ("Aland?", ["p0", "p2"], "has no word of a relation"),
        ("What does Alish not sound like as a language?", ["Aland", "Bland"], "says 'not'"),
        ("What does Aland speak?", ["Aland", "Alish"], "names no entity of the graph beside"),
        ("What does p0 lie in?", ["Aland", "Bland"], "says nothing"),
    ],
)
def test_not_enough_knowledge(question: str, options: list[str], reason: str) -> None:
    decision = Decider(world()).decide(question, options)
    assert decision.abstained and reason in decision.reason
    assert decision.to_text().startswith("not enough knowledge")


def test_what_is_stated_of_two_options_decides_nothing(tmp_path: Path) -> None:
    decision = Decider(world()).decide("Who was born in Aland-0?", ["p0", "p6", "p1"])
    assert decision.abstained and "states it of 2 options" in decision.reason
    # A fact of the case that contradicts the graph is seen as what it is.
    file = tmp_path / "case.tsv"
    file.write_text("Aland\tofficial\tBlish\n", "utf-8")
    known, topics = with_facts(world(), file)
    asked = "What is the official language of Aland?"
    decision = Decider(known).decide(asked, ["Alish", "Blish"], topics)
    assert decision.abstained and "states it of 2 options" in decision.reason
    assert not Decider(world()).decide(asked, ["Alish", "Blish"]).abstained


def test_either_voice_of_a_relation_is_heard() -> None:
    for asked in ("What does Bland-0 lie in?", "What contains Bland-0?"):
        decision = Decider(world()).decide(asked, ["Aland", "Bland"])
        assert decision.options[0].text == "Bland" and not decision.abstained
        assert decision.read_as == asked


def test_one_entity_by_two_names_is_one_option() -> None:
    graph = build_tiny_graph()
    with pytest.raises(ConfigError, match="'Nippon' and 'Japan' are one entity: japan"):
        Decider(graph).decide("What borders Sweden?", ["Nippon", "Japan"])


def test_a_name_of_several_entities_is_no_option_and_no_fact(tmp_path: Path) -> None:
    builder = GraphBuilder("namesakes")
    for i in range(2):
        builder.entity(f"smith-{i}", "Smith")
        builder.triple("firm", "employs", f"smith-{i}")
    builder.triple("firm", "employs", "Ann")
    graph = builder.build()
    with pytest.raises(GraphError, match="2 entities") as found:
        Decider(graph).decide("Whom does the firm employ?", ["Smith", "Ann"])
    assert "smith-1" in found.value.hint
    file = tmp_path / "facts.tsv"
    file.write_text("firm\temploys\tSmith\n", "utf-8")
    with pytest.raises(DataError, match="2 entities"):
        with_facts(graph, file)
    file.write_text("firm\temploys\tsmith-1\nfirm\temploys\tsmith-2\n", "utf-8")
    assert with_facts(graph, file)[0].num_entities == graph.num_entities + 1


def test_an_option_that_the_graph_lacks_is_marked() -> None:
    text = Decider(world()).decide("What does p0 speak?", ["Alish", "Klingon"]).to_text()
    assert "Klingon  (no entity of the graph)" in text and "Alish  (no" not in text


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (" ", ["a", "b"]),
        ("q", ["a"]),
        ("q", ["a", " A"]),
        ("q", ["a", ""]),
        ("q", list(map(str, range(101)))),
    ],
)
def test_bad_questions_and_options(question: str, options: list[str]) -> None:
    with pytest.raises(ConfigError) as found:
        Decider(world()).decide(question, options)
    assert found.value.hint


def test_a_very_long_question_is_cut() -> None:
    long = "What does p29 speak? " + "and so on " * 10_000
    assert len(Decider(world()).decide(long, ["Alish", "Blish"]).question) == 2000


def test_stated_rules_decide() -> None:
    graph = build_tiny_graph()
    rules = [
        Rule("next to it", (graph.relation("borders"),), 2.0),
        Rule("its city", (graph.relation("has_city"),), -1.0),
    ]
    decision = Decider(graph, rules=rules).decide(
        "What suffers with Sweden?", ["Norway", "Örebro", "Osaka"]
    )
    assert [o.text for o in decision.options] == ["Norway", "Osaka", "Örebro"]
    assert decision.options[0].supporting[0].weight == 2 and decision.options[2].opposing
    assert decision.options[0].probability == pytest.approx(
        np.exp(2) / (np.exp(2) + 1 + np.exp(-1))
    )


@settings(max_examples=15)
@given(graphs(), st.lists(st.integers(0, 1), min_size=1, max_size=3))
def test_the_evidence_of_a_rule_is_an_unbroken_chain(
    graph: KnowledgeGraph, steps: list[int]
) -> None:
    count = graph.num_relations
    path = tuple((s * count + i) % (2 * count) for i, s in enumerate(steps))
    decider = Decider(graph, rules=[Rule("r", path, 1.0)])
    ids = list(graph.entity_ids)
    options = ids[1:3]
    assume(len({" ".join(o.split()).casefold() for o in options} - {""}) == 2)
    found = decider.decide("?", options, topics=[0])
    for option in found.options:
        for evidence in option.evidence:
            assert len(evidence.citations) == len(path)
            here = {ids[0]}
            for cited in evidence.citations:
                ends = {cited.head, cited.tail}
                assert ends & here and holds(graph, cited)
                here = ends
            assert option.id in here


def test_facts_of_a_case(tmp_path: Path) -> None:
    graph = world()
    file = tmp_path / "facts.tsv"
    file.write_text("# the case\n\nthe guest\twas born in\tBland-1\n", "utf-8")
    known, topics = with_facts(graph, file)
    assert known.num_entities == graph.num_entities + 1 and known.descends_from(graph.hash)
    assert known.num_triples == graph.num_triples + 1
    decision = Decider(known).decide("Which language is spoken?", ["Alish", "Blish"], topics)
    assert decision.options[0].text == "Blish" and not decision.abstained
    file.write_text("Bland\tcontains\tBland-9", "utf-8")
    turned = with_facts(graph, file)[0]
    assert turned.outgoing(turned.entity("Bland-9"))[0, 2] == turned.entity("Bland")


@pytest.mark.parametrize(
    ("text", "said"),
    [("a\tb\n", "2 columns"), ("p0\tlikes\tp1\n", "likes"), ("# nothing\n", "no fact")],
)
def test_facts_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "facts.tsv"
    file.write_text(text, "utf-8")
    with pytest.raises(DataError, match=said):
        with_facts(world(), file)
    with pytest.raises(DataError):
        with_facts(world(), tmp_path / "none.tsv")


@pytest.mark.parametrize(
    "text",
    [
        "", "rule = 3", "[[rule]]\nname = 'a'\npath = ['borders']",
        "[[rule]]\nname = 'a'\npath = ['nope']\nweight = 1",
        "[[rule]]\nname = 'a'\npath = []\nweight = 1",
        "[[rule]]\nname = 'a'\npath = ['borders']\nweight = 'x'",
        "[[rule]]\nname = 'a'\npath = ['borders']\nweight = 1\nwight = 2", "[[rule",
    ],
)  # fmt: skip
def test_rules_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(DataError) as found:
        read_rules(build_tiny_graph(), file)
    assert "rules.toml" in found.value.message and found.value.hint


def test_the_risk_case_of_the_documentation(tmp_path: Path) -> None:
    from accord.graph.load import load_graph

    page = (REPOSITORY / "docs" / "deciding.md").read_text("utf-8")
    text = next(b for b in re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    file = tmp_path / "exposure.toml"
    file.write_text(text, "utf-8")
    graph = load_graph("geography")
    decider = Decider(graph, rules=read_rules(graph, file))
    asked = "Which economy is most exposed if Germany falls into recession?"
    found = decider.decide(asked, ["Austria", "Denmark", "Portugal", "Japan"])
    assert [o.text for o in found.options] == ["Austria", "Portugal", "Denmark", "Japan"]
    assert all(holds(graph, c) for c in found.citations) and found.options[-1].evidence == ()


def test_held_out_relations_and_calibration(tmp_path: Path) -> None:
    graph = world(60)
    config = DecisionsConfig(options=2)
    fitted = evaluate_decisions(Decider(graph, splits=("train",)), config, fit=True)
    assert fitted.to_dict()["accuracy"] == 1 and fitted.majority == pytest.approx(0.5, abs=0.2)
    file = write_calibration(tmp_path / "c.json", fitted.calibration)
    assert read_calibration(file) == fitted.calibration
    again = Decider(graph, None, read_calibration(file), splits=("train",))
    assert evaluate_decisions(again, DecisionsConfig("test", 2)).to_dict()["accuracy"] == 1
    for text, said in (('{"rules": 1}', "without"), ("no json", "no calibration can be read")):
        file.write_text(text, "utf-8")
        with pytest.raises(DataError, match=said) as told:
            read_calibration(file)
        assert "eval decisions --fit --out" in told.value.hint


def test_the_fit_finds_the_temperature() -> None:
    rng = np.random.default_rng(0)
    features = np.zeros((4000, 3, 5))
    features[:, :, 1] = rng.normal(size=(4000, 3)) * 4
    p = np.exp(features[:, :, 1] / 2)
    answers = np.array([rng.choice(3, p=row / row.sum()) for row in p])
    found = fit_calibration(features, answers)
    assert found.rules == pytest.approx(0.5, abs=0.05) and found.lift == 0 and found.fitted


def test_calibration_error_of_closed_forms() -> None:
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == 0
    sure = np.array([0.95] * 10 + [0.55] * 10)
    right = np.array([1.0] * 5 + [0.0] * 5 + [1.0] * 10)
    assert expected_calibration_error(sure, right) == pytest.approx(0.45)


def test_a_models_opinion_counts_where_it_is_wanted() -> None:
    graph = build_tiny_graph()
    with pytest.raises(ConfigError, match="model"):
        Decider(graph, None, Calibration(likelihood=1.0))
    weights = Calibration(likelihood=1.0, model=1.0, threshold=0.0, fitted=True)
    decision = Decider(graph, tiny_model(tiny_recipe()), weights).decide(
        "Is Japan large?", ["yes of course", "no"]
    )
    assert decision.calibrated and not decision.abstained and decision.citations == ()
