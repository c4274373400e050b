"""A planner learns which words ask for which steps, and tells what a question does not ask."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from accord.decode.confidence import Confidence
from accord.decode.guided import Guide
from accord.decode.likeness import Likeness, WordVectors
from accord.decode.planner import Planner, PlannerWeights, find_planner
from accord.decode.planner_features import (
    Columns,
    masked,
    outwards,
    path_features,
    question_features,
)
from accord.decode.planner_gold import Gold, plan_of
from accord.decode.planner_training import PAIR, PlannerConfig, seen_of, train_planner
from accord.decode.plans import Plan, Plans
from accord.decode.retrieve import RetrieveConfig
from accord.decode.schema import Schema
from accord.errors import ConfigError, DataError
from accord.evaluate.asking import evaluate_asking, judged, learn_planner
from accord.graph.graph import KnowledgeGraph
from accord.text.mentions import MentionIndex
from accord.text.questions import Question
from tests.decode.test_dialogue import GRAPH
from tests.decode.test_guided import every_plan
from tests.graph.random_graphs import graphs

FORMS = {
    "capital": ("What is the seat of {x}?", "{x}'s seat of government"),
    "currency": ("What do people pay with in {x}?", "Which money has {x}?"),
    "population": ("How many live in {x}?", "{x} inhabitants"),
    "capital > population": ("How many live in the seat of {x}?",),
}
LANDS = ("Peru", "Chile", "Bolivia")
QUICK = PlannerConfig(hops=2, steps=120)


def answers(pattern: str, land: str) -> tuple[str, ...]:
    plans = Plans(GRAPH)
    schema = Schema(GRAPH, plans.groups)
    path = Gold(plans, schema, MentionIndex(GRAPH), 2).read(pattern)
    assert path is not None
    reached = plans.reach(plan_of(schema, GRAPH.entity(land), path))
    if len(reached.attributes):
        return tuple(GRAPH.attribute(row).value for row in reached.attributes.tolist())
    return tuple(GRAPH.entity_ids[e] for e in reached.entities.tolist())


def questions(with_path: bool) -> list[Question]:
    found = []
    for pattern, forms in FORMS.items():
        for land in LANDS:
            right = answers(pattern, land)
            for form in forms:
                said, path = form.format(x=land), pattern if with_path else ""
                found += [Question(said, said, right, (land,), pattern=path)] if right else []
    return found


@pytest.fixture(scope="module")
def learnt() -> PlannerWeights:
    return learn_planner(GRAPH, questions(True), QUICK)


def guide(weights: PlannerWeights, threshold: float = 0.0) -> Guide:
    config = RetrieveConfig("plan")
    return Guide(GRAPH, None, config, Confidence(threshold=threshold), weights)


def test_it_answers_what_it_learnt_and_new_mixtures_of_it(learnt: PlannerWeights) -> None:
    result = evaluate_asking(guide(learnt), questions(False)).to_dict()
    assert result["exact_match"] == 1 and result["hits@1"] == 1
    said = guide(learnt).ask("Which money has the seat of Peru?")
    assert said.read_as and "Peru" in said.read_as
    assert [a.name for a in guide(learnt).ask("people pay with in Chile").answers] == [
        "Chilean Peso"
    ]


def test_paths_are_found_from_answers_alone(learnt: PlannerWeights) -> None:
    plans = Plans(GRAPH)
    schema = Schema(GRAPH, plans.groups)
    gold = Gold(plans, schema, MentionIndex(GRAPH), 2)
    for stated, bare in zip(gold(questions(True)), gold(questions(False)), strict=True):
        assert stated.question.question == bare.question.question
        assert stated.paths <= bare.paths
    weights = learn_planner(GRAPH, questions(False), QUICK)
    assert evaluate_asking(guide(weights), questions(False)).to_dict()["exact_match"] == 1


def test_what_a_question_does_not_ask_costs_confidence(learnt: PlannerWeights) -> None:
    asked = guide(learnt).retriever("How many live in Peru?").signs
    strange = guide(learnt).retriever("Who cooks the best soup in Peru?").signs
    assert asked is not None and strange is not None
    assert asked.coverage > 0.9 > 0.5 > strange.coverage
    assert asked.missed < 0.1 < 0.5 < strange.missed
    planner = guide(learnt).retriever._planning
    assert planner is not None
    schema, said = planner.schema, masked("How many live in Peru?", 17, 21)
    people = schema.texts.index("population")
    further = (schema.texts.index("has the capital"), people)
    assert planner.planner.signs(said, (people,)).asked == pytest.approx(1, abs=0.05)
    assert planner.planner.signs(said, further).asked < 0.8
    # One word that says much is not made up for by others that fit.
    capital = schema.texts.index("has the capital")
    whose = masked("How many live in the capital of Peru?", 32, 36)
    assert planner.planner.signs(whose, (people,)).missed > 0.5
    assert planner.planner.signs(whose, (capital, people)).missed < 0.3


@pytest.mark.parametrize("question", ["Peru", "And Peru?", "No, Peru.", "Thanks, Peru!"])
def test_words_of_grammar_ask_nothing(learnt: PlannerWeights, question: str) -> None:
    found = guide(learnt).retriever(question)
    assert found.signs is not None and found.signs.coverage < 0.1
    assert guide(learnt, 0.5).ask(question).abstained


def test_a_word_that_a_planner_has_learnt_is_one_that_a_path_says() -> None:
    learnt = [
        Question(f"{land}-{prop}", said.format(x=land), answers(prop, land), (land,), pattern=prop)
        for land in LANDS
        for prop, said in (
            ("capital", "What is the first city of {x}?"),
            ("population", "How many live in {x}?"),
        )
    ]
    weights = learn_planner(GRAPH, learnt, QUICK)
    assert guide(weights).retriever("What is the first city of Peru?").beyond == ""
    assert "'second'" in guide(weights).retriever("What is the second city of Peru?").beyond


def test_words_alone_see_the_hop_that_is_not_asked_for() -> None:
    plain = Guide(GRAPH, None, RetrieveConfig("words"))
    near, far = (plain.retriever(q).signs for q in ("population of Peru", "population of Sol"))
    assert near is not None and far is not None
    assert near.asked == 1 and far.asked == 0.5


def test_it_is_kept_whole(learnt: PlannerWeights, tmp_path: Path) -> None:
    vectors = WordVectors(("money", "cash"), np.eye(2, 4, dtype=np.float32))
    weights = PlannerWeights(**{**vars(learnt), "vectors": vectors, "returns": True})
    again = PlannerWeights.load(weights.save(tmp_path / "planner.safetensors"))
    assert again.rows == learnt.rows and again.columns == learnt.columns
    assert np.array_equal(again.weight, learnt.weight) and again.returns
    assert again.vectors is not None and again.vectors.words == vectors.words
    found = find_planner(tmp_path)
    assert found is not None and np.array_equal(found.topic, learnt.topic)
    assert find_planner(tmp_path / "none") is None


def test_bad_input_is_named(learnt: PlannerWeights, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    for path in (tmp_path / "cut", tmp_path / "missing"):
        with pytest.raises(DataError, match="no planner"):
            PlannerWeights.load(path)
    with pytest.raises(ConfigError, match="needs a planner"):
        Guide(GRAPH, None, RetrieveConfig("plan"))
    foreign = {f"any {i}": i for i in range(len(learnt.columns))}
    with pytest.raises(ConfigError, match="knows no relation"):
        guide(PlannerWeights(**{**vars(learnt), "columns": foreign}))
    with pytest.raises(DataError, match="no question"):
        learn_planner(GRAPH, [Question("1", "Who?", ("Ann",), ("Peru",))])
    with pytest.raises(ConfigError):
        guide(learnt).ask("  ")
    for setting in ({"hops": 0}, {"steps": 0}, {"dropout": 1.0}, {"learning_rate": 0.0}):
        with pytest.raises(ConfigError):
            PlannerConfig(**setting)


def test_a_seed_gives_the_same_planner() -> None:
    asked = questions(True)
    twice = [learn_planner(GRAPH, asked, PlannerConfig(hops=2, steps=5)) for _ in range(2)]
    assert np.array_equal(twice[0].weight, twice[1].weight)


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_the_schema_allows_every_plan_that_exists(graph: KnowledgeGraph) -> None:
    plans = Plans(graph)
    schema = Schema(graph, plans.groups)
    place = {step: i for i, step in enumerate(schema.steps)}
    properties = list(graph.properties)
    for topic in range(graph.num_entities):
        for known in every_plan(plans, topic):
            path = [place[step] for step in known.plan.steps]
            path += [len(place) + properties.index(p) for p in [known.plan.attribute] if p]
            assert path[0] in schema.at(topic)
            assert all(b in schema.after(a) for a, b in pairwise(path))
            assert plans.exists(known.plan)
            assert plan_of(schema, topic, path) == known.plan


def test_a_path_may_return_to_its_topic_where_that_is_wanted() -> None:
    plans = Plans(GRAPH)
    border = plans.groups[GRAPH.relation("borders")]
    peru = GRAPH.entity("Peru")
    for returns in (False, True):
        plan = Plan(peru, (border, border), returns=returns)
        assert (peru in plans.reach(plan).entities.tolist()) == returns


def test_what_is_seen_of_a_question() -> None:
    said = masked("Who is the wife of Bob's son?", 19, 22)
    assert outwards(said) == ["son", "wife"]
    features = question_features(said)
    assert {"wife", "#0 son", "#1 wife", "of _", "wife of _"} <= set(features)
    assert len(features) == len(set(features))


def test_words_are_like_by_letters_or_by_vectors() -> None:
    schema = Schema(GRAPH, Plans(GRAPH).groups)
    money = schema.texts.index("uses the currency")
    letters = Likeness(schema)
    assert letters.of("currencies")[money] > 0.5 and not letters.of("cash").any()
    both = WordVectors(("cash", "currency"), np.array([[1, 0], [1, 0]], dtype=np.float32))
    assert Likeness(schema, both).of("cash").argmax() in (
        money, schema.texts.index("is the currency of"),
    )  # fmt: skip


def test_answers_are_judged_as_sets() -> None:
    question = Question("1", "Who?", ("Ann", "Bo"))
    assert judged(question, []).f1 == 0 and not judged(question, []).given
    assert judged(question, [("Bo",), ("Ann",)]).exact == 1
    assert judged(question, [("Cy",), ("Ann",)]).hits_at_1 == 0


def test_training_needs_a_question() -> None:
    schema = Schema(GRAPH, Plans(GRAPH).groups)
    with pytest.raises(DataError):
        train_planner([], schema)
    with pytest.raises(ConfigError):
        Planner(
            PlannerWeights({}, {}, np.zeros((0, 0), np.float32), np.zeros(7, np.float32),
                           np.zeros(4, np.float32), 1), schema,
        )  # fmt: skip


def test_paths_are_scored_as_they_are_learnt_where_steps_come_twice() -> None:
    texts = ["borders", "river"]
    paths = np.array(list(product(range(2), repeat=3)))
    said = [[texts[step] for step in path] for path in paths.tolist()]
    names = dict.fromkeys(feature for path in said for feature in path_features(path))
    columns = {name: i for i, name in enumerate(names)}
    weight = np.random.default_rng(0).normal(size=len(columns) + 1).astype(np.float32)
    weight[-1] = 0
    scored = Columns(texts, columns, 3)
    found = scored.ending(paths, weight)
    for length in range(1, 4):
        found = found + scored.lasting(paths[:, :length], weight)
    trusted = np.array([1 / PAIR if c.startswith("pair ") else 1 for c in columns])
    expected = seen_of(said, columns) * trusted @ weight[:-1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
