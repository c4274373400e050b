"""Questions over a graph: modes, groups, baselines, and known and incorrect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from accord.errors import ConfigError, DataError, GraphError
from accord.evaluate.graph_qa import GraphQaConfig, evaluate_graph_qa, load_questions
from accord.evaluate.hops import Cells, Hops, fact_questions
from accord.evaluate.protocol import Int64
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.questions import Hop, Question, write_questions
from accord.text.render import entity_name

COUNT = 6


def world() -> tuple[KnowledgeGraph, list[Question]]:
    """Cities in countries with a currency; even ones are train, odd ones test."""
    builder = GraphBuilder("world")
    builder.relation("capital", "has the capital", "is the capital of")
    builder.relation("currency", "uses the currency", "is the currency of")
    questions = []
    for i in range(COUNT):
        coin = f"coin{i % 2}" if i else "common"
        builder.triple(f"land{i}", "capital", f"town{i}")
        builder.triple(f"land{i}", "currency", coin)
        builder.attribute(f"land{i}", "population", f"{i}000")
        path = (
            Hop(f"land{i}", "capital", f"town{i}", True),
            Hop(f"land{i}", "currency", coin),
        )
        questions.append(
            Question(
                f"q{i}", f"Which coin in the land of town{i}?", (coin,), (f"town{i}",), (coin,),
                (path,), f"town{i} is the capital of land{i}. land{i} uses {coin}.", 2,
                "~capital > currency", "test" if i % 2 else "train",
            )
        )  # fmt: skip
    return builder.build(), questions


class Knower:
    """Answers from a table of question to answer, where a question stands in the prompt's end."""

    def __init__(self, table: dict[str, str]) -> None:
        self.table = table
        self.prompts: list[str] = []

    def generate(self, prompts: list[str], max_new_tokens: int = 32, stop: str = "\n") -> list[str]:
        self.prompts += prompts
        asked = [prompt.rpartition("Question: ")[2].partition("\n")[0] for prompt in prompts]
        return [self.table.get(question, " nothing") for question in asked]

    def complete_names(
        self, graph: KnowledgeGraph, queries: Int64, max_new_tokens: int = 24
    ) -> list[str]:
        return [self.table.get(f"{graph.entity_ids[e]} {r}", "nothing") for e, r in queries]


def hop_questions(i: int) -> tuple[str, str]:
    graph, questions = world()
    model = Knower({})
    Hops(model, graph, "question").ask([questions[i]])
    first, second = (p.removeprefix("Question: ").split("\n")[0] for p in model.prompts)
    return first, second


def asked(model: Knower, **settings: object) -> dict[str, object]:
    graph, questions = world()
    config = GraphQaConfig(split="test", **settings)  # type: ignore[arg-type]
    return evaluate_graph_qa(model, graph, questions, config).to_dict()


def test_right_answers_score_one_and_only_the_split_is_asked() -> None:
    _, questions = world()
    model = Knower({q.question: f" {q.answers[0].upper()}." for q in questions})
    found = asked(model)
    assert (found["n"], found["exact_match"], found["f1"], found["hits@1"]) == (3, 1, 1, 1)
    assert set(found["by_hops"]) == {"2"}  # type: ignore[call-overload]
    assert set(found["by_path"]) == {"~capital > currency"}  # type: ignore[call-overload]
    assert all(prompt.endswith("\nAnswer:") for prompt in model.prompts)


def test_baselines_come_from_train_alone() -> None:
    baselines = asked(Knower({}))["baselines"]
    # train: common, coin0, coin0; test: coin1 three times
    assert baselines["frequent"]["exact_match"] == 0.0  # type: ignore[index]
    graph, questions = world()
    turned = [replace(q, split="train" if q.split == "test" else "test") for q in questions]
    result = evaluate_graph_qa(Knower({}), graph, turned, GraphQaConfig(split="train"))
    assert result.baselines["frequent_by_path"]["exact_match"] == 1.0
    whole = [replace(q, split="") for q in questions]
    assert evaluate_graph_qa(Knower({}), graph, whole).baselines == {}


def test_modes_put_the_rationale_where_it_belongs() -> None:
    _, questions = world()
    model = Knower({})
    asked(model, mode="rationale-given")
    assert all("\nRationale: town" in p and p.endswith("\nAnswer:") for p in model.prompts)
    written = {q.question: f" Said so.\nAnswer: {q.answers[0]}\nmore" for q in questions}
    model = Knower(written)
    assert asked(model, mode="rationale-written")["exact_match"] == 1
    assert all(p.endswith("\nRationale:") for p in model.prompts)
    silent = Knower({q.question: f" {q.answers[0]}" for q in questions})
    assert asked(silent, mode="rationale-written")["exact_match"] == 0  # never comes to an answer


def test_shots_are_solved_train_questions() -> None:
    model = Knower({})
    asked(model, shots=2, mode="rationale-written")
    prompt = model.prompts[0]
    assert prompt.count("Question:") == 3 and prompt.count("Rationale:") == 3
    assert "town1" not in prompt.rpartition("Question:")[0]
    asked(model, shots=2)
    assert "Rationale:" not in model.prompts[-1]
    with pytest.raises(ConfigError, match="4 examples wanted, 3 train questions"):
        asked(model, shots=4)


def test_known_and_incorrect_counts_four_cells() -> None:
    _, questions = world()
    table: dict[str, str] = {}
    for i in (1, 3):  # both facts known
        first, second = hop_questions(i)
        table |= {first: f" land{i}", second: " coin1"}
    table[hop_questions(5)[0]] = " land5"  # one of two
    table |= {questions[3].question: " coin1", questions[5].question: " coin1"}
    found = asked(Knower(table), hops=True)["known"]
    own = found["own"]  # type: ignore[index]
    assert own["cells"] == {
        "known_right": 1, "known_wrong": 1, "unknown_right": 1, "unknown_wrong": 0,
    }  # fmt: skip
    assert own["known_incorrect"] == 0.5 and own["not_asked"] == 0
    assert found["hops"] == {"n": 6, "accuracy": 5 / 6}  # type: ignore[index]
    assert found["before"] is None  # type: ignore[index]


def test_an_arm_that_forgets_gains_only_by_its_own_count(tmp_path: Path) -> None:
    graph, questions = world()
    full = {q: a for i in (1, 3, 5) for q, a in zip(hop_questions(i), (f" land{i}", " coin1"),
                                                   strict=True)}  # fmt: skip
    config = GraphQaConfig(split="test", hops=True)
    dump = evaluate_graph_qa(Knower(full), graph, questions, config).dump(tmp_path / "d.jsonl")
    forgetful = {questions[1].question: " coin1"} | dict.fromkeys(hop_questions(1), " coin1")
    forgetful[hop_questions(1)[0]] = " land1"
    config = replace(config, known_from=str(dump))
    known = evaluate_graph_qa(Knower(forgetful), graph, questions, config).known()
    assert known is not None
    assert known["own"]["known_incorrect"] == 0.0 and known["own"]["known"] == 1
    assert known["before"]["known_incorrect"] == pytest.approx(2 / 3)
    assert known["before"]["known"] == 3


def test_completions_are_asked_by_query_and_attributes_in_words_only() -> None:
    graph, questions = world()
    table = {"town1 2": "land1", "land1 1": "coin1"}
    assert [h.right for h in Hops(Knower(table), graph, "completion").ask(questions[1:2])[0]] == [
        True,
        True,
    ]
    path = (*questions[1].paths[0][:1], Hop("land1", "population", "1000"))
    ends = replace(questions[1], paths=(path,), answers=("1000",))
    assert Hops(Knower(table), graph, "completion").ask([ends]) == [()]
    model = Knower({"What is the population of land1?": " 1000"})
    assert [hop.right for hop in Hops(model, graph, "question").ask([ends])[0]] == [False, True]


def test_an_intersection_needs_the_hops_of_every_topic() -> None:
    graph, questions = world()
    paths = (questions[1].paths[0], questions[3].paths[0], questions[5].paths[0])
    both = replace(questions[1], topics=("town1", "town3"), paths=paths)
    assert len(Hops(Knower({}), graph, "question").ask([both])[0]) == 4
    assert len(Hops(Knower({}), graph, "question").ask([replace(both, topics=())])[0]) == 2
    assert Hops(Knower({}), graph, "question").ask([replace(both, paths=())]) == [()]


def test_facts_of_paths_are_asked_once_with_a_path_to_every_answer() -> None:
    graph, questions = world()
    asked = {question.question: question for question in fact_questions(graph, questions)}
    assert sorted(q.pattern for q in asked.values()) == ["currency"] * COUNT + ["~capital"] * COUNT
    shared = Hop("land2", "currency", "coin0"), Hop("land4", "currency", "coin0")
    turned = replace(questions[2], paths=((replace(shared[0], inverse=True),),))
    fact = fact_questions(graph, [turned])[0]
    assert fact.answers == ("land2", "land4")
    assert fact.paths == tuple((replace(hop, inverse=True),) for hop in shared)
    for question in (fact, *asked.values()):
        names = [entity_name(graph, graph.entity(p[0].end)) for p in question.paths]
        assert list(question.answers) == names
    valued = replace(questions[1], paths=((Hop("land1", "population", "1000"),),))
    assert fact_questions(graph, [valued])[0].paths == valued.paths


def test_facts_that_are_worded_alike_are_one_with_all_their_answers() -> None:
    builder = GraphBuilder("map")
    builder.relation("borders", "borders", "borders")
    builder.triple("Peru", "borders", "Chile")
    builder.triple("Chile", "borders", "Argentina")
    graph = builder.build()
    hops = Hop("Peru", "borders", "Chile", True), Hop("Chile", "borders", "Argentina")
    questions = [Question(h.end, "?", (h.end,), ("Chile",), paths=((h,),)) for h in hops]
    (fact,) = fact_questions(graph, questions)
    assert set(fact.answers) == {"Peru", "Argentina"}
    assert {path[0] for path in fact.paths} == set(hops)
    # Either neighbour is a right answer, whichever way the path walks.
    model = Knower({fact.question: " Argentina"})
    assert all(
        hop.right for asked in Hops(model, graph, "question").ask(questions) for hop in asked
    )


def test_a_property_with_literals_and_entities_is_asked_for_as_the_path_has_it() -> None:
    builder = GraphBuilder("books")
    builder.triple("book", "author", "ann")
    builder.attribute("book", "author", "Bob, a friend")
    graph = builder.build()
    hops = Hop("book", "author", "ann"), Hop("book", "author", "Bob, a friend")
    questions = [Question(h.tail, "?", (h.tail,), ("book",), paths=((h,),)) for h in hops]
    answers = [question.answers for question in fact_questions(graph, questions)]
    assert answers == [("ann",), ("Bob, a friend",)]


def test_cells_by_count() -> None:
    cells = Cells.of([True, True, False, True], [True, False, False, False])
    assert vars(cells) == {
        "known_right": 1, "known_wrong": 2, "unknown_right": 0, "unknown_wrong": 1,
    }  # fmt: skip
    assert cells.known_incorrect == pytest.approx(2 / 3)
    assert Cells.of([False], [True]).known_incorrect is None


def test_sample_is_seeded_and_keeps_shares() -> None:
    graph, questions = world()
    many = [
        replace(questions[i % 2], id=f"{i}", split="", pattern="ab"[i % 10 == 0])
        for i in range(100)
    ]
    first, again, other = (
        evaluate_graph_qa(Knower({}), graph, many, GraphQaConfig(limit=20, seed=seed)).items
        for seed in (0, 0, 1)
    )
    assert [i.question.id for i in first] == [i.question.id for i in again]
    assert [i.question.id for i in first] != [i.question.id for i in other]
    assert sum(i.question.pattern == "b" for i in first) == 2


def test_bad_input_is_named(tmp_path: Path) -> None:
    graph, questions = world()
    with pytest.raises(ConfigError, match="no mode 'direkt'") as error:
        GraphQaConfig(mode="direkt")
    assert "direct" in error.value.hint
    with pytest.raises(DataError, match="no questions in split 'valid'"):
        evaluate_graph_qa(Knower({}), graph, questions)
    bare = [replace(q, rationale="") for q in questions]
    config = GraphQaConfig(split="test", mode="rationale-given")
    with pytest.raises(ConfigError, match="3 of 3 questions have no rationale"):
        evaluate_graph_qa(Knower({}), graph, bare, config)
    with pytest.raises(ConfigError, match="over a graph"):
        evaluate_graph_qa(Knower({}), None, questions, GraphQaConfig(split="test", hops=True))
    with pytest.raises(ConfigError, match="no form of hops"):
        Hops(Knower({}), graph, "sung")
    lost = replace(questions[1], paths=((Hop("land1", "currency", "land2"),),))
    with pytest.raises(GraphError, match="question 'q1'"):
        Hops(Knower({}), graph, "question").ask([lost])
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="no questions in it"):
        load_questions([tmp_path / "empty.jsonl"])
    (tmp_path / "cut.jsonl").write_text('{"question": "?", "answers": ["x"]}\n{"question": "?"}\n')
    with pytest.raises(DataError, match=r"cut\.jsonl:2: no field 'answers'"):
        load_questions([tmp_path / "cut.jsonl"])


def test_a_dump_of_other_questions_is_refused(tmp_path: Path) -> None:
    graph, questions = world()
    config = GraphQaConfig(split="train", hops=True)
    dump = evaluate_graph_qa(Knower({}), graph, questions, config).dump(tmp_path / "d.jsonl")
    rows = [json.loads(line) for line in dump.read_text("utf-8").splitlines()]
    assert [row["known"] for row in rows] == [False] * 3
    assert {len(row["asked_hops"]) for row in rows} == {2}
    with pytest.raises(DataError, match="3 of 3 questions are not in it"):
        asked(Knower({}), known_from=str(dump))
    questions_file = tmp_path / "q.jsonl"
    write_questions(questions_file, questions)
    assert load_questions([questions_file]) == questions
    with pytest.raises(DataError, match=r"q\.jsonl:1: not a dump"):
        asked(Knower({}), known_from=str(questions_file))
