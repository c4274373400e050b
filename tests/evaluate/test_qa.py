"""Generative tasks: the questions, what counts as right, and the baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accord.errors import ConfigError, GraphError
from accord.evaluate.known import KnownAnswers
from accord.evaluate.protocol import Int64
from accord.evaluate.qa import evaluate_qa
from accord.evaluate.qa_items import TASKS, Asker, QaConfig, normalise
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.prompts import PromptConfig
from tests.evaluate.fakes import random_graph


class Parrot:
    """Answers by a table from prompt to answer, else always the same."""

    def __init__(self, table: dict[str, str], default: str = "nothing") -> None:
        self.table, self.default = table, default

    def generate(self, prompts: list[str], max_new_tokens: int = 32, stop: str = "\n") -> list[str]:
        return [self.table.get(prompt, self.default) for prompt in prompts]

    def complete_names(
        self, graph: KnowledgeGraph, queries: Int64, max_new_tokens: int = 24
    ) -> list[str]:
        known = KnownAnswers.of(graph.triples, graph.num_relations)
        return [graph.entity_names[int(known.of_query(e, r)[0])] for e, r in queries.tolist()]


def config(style: str = "bracket", shots: int = 3, **settings: object) -> QaConfig:
    prompt = PromptConfig(style=style, shots=shots)
    return QaConfig(prompt=prompt, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["bracket", "instruction"])
def test_right_answers_score_one_in_every_task(style: str) -> None:
    graph = random_graph(entities=20, relations=4, triples=120)
    asker = Asker(graph, "test", config(style))
    table = {i.prompt: f" {i.answer.upper()}. " for task in TASKS for i in asker.items(task)}
    result = evaluate_qa(Parrot(table), graph, "test", config(style)).to_dict()
    for task in TASKS:
        assert result[task]["n"] == len(graph.triples_of("test"))
        # two triples may ask the same question and have different answers
        assert result[task]["accuracy"] > 0.7
        assert result[task]["accuracy_any"] == 1.0


def test_baseline_answers_what_is_most_frequent_in_train() -> None:
    builder = GraphBuilder("skewed")
    for number in range(6):
        builder.triple(f"h{number}", "r", "common", "train" if number < 3 else "test")
        builder.triple(f"h{number}", "rare", f"h{number}", "train" if number < 2 else "valid")
    builder.triple("h5", "r", "uncommon", "test")
    result = evaluate_qa(Parrot({}), builder.build(), "test").to_dict()
    assert result["tail"]["baseline"] == 3 / 4
    assert result["head"]["baseline"] == 0.0  # h0 stands first in train, none in test
    assert result["relation"]["baseline"] == 1.0
    assert result["classification"]["baseline"] == 1 / 2


def test_as_trained_asks_by_query_and_not_by_prompt() -> None:
    graph = random_graph()
    settings = QaConfig(tasks=("head", "tail"), as_trained=True)
    result = evaluate_qa(Parrot({}), graph, "test", settings).to_dict()
    assert result["head"]["accuracy_any"] == result["tail"]["accuracy_any"] == 1.0
    assert result["prompt"] == "as trained"
    with pytest.raises(ConfigError, match="only head and tail"):
        QaConfig(as_trained=True)


def test_silence_scores_zero() -> None:
    result = evaluate_qa(Parrot({}), random_graph(), "test").to_dict()
    assert {result[task]["accuracy_any"] for task in TASKS} == {0.0}


def test_bracket_prompt_is_the_text_that_alignment_trains(tiny_graph: KnowledgeGraph) -> None:
    item = Asker(tiny_graph, "test", config(shots=0)).items("tail")[0]
    assert item.prompt == "[ Örebro: A city of Sweden., is a city of ]"
    assert item.answer == "Sweden"
    head = Asker(tiny_graph, "test", config(shots=0)).items("head")[0]
    assert head.prompt == "[ Sweden: A country in northern Europe., has the city ]"
    assert head.answer == "Örebro"


def test_shots_come_from_train_with_different_relations() -> None:
    graph = random_graph(relations=4, triples=120)
    asker = Asker(graph, "test", config(shots=4))
    train = {tuple(t) for t in graph.triples_of("train").tolist()}
    assert {tuple(row) for row in asker.shots.tolist()} <= train
    assert set(asker.shots[:, 1].tolist()) == {0, 1, 2, 3}
    prompt = asker.items("tail")[0].prompt
    assert prompt.count("\n") == 4 and prompt.endswith(" ]")


def test_descriptions_can_be_left_out_and_are_cut(tiny_graph: KnowledgeGraph) -> None:
    bare = PromptConfig(describe=False, shots=0)
    assert (
        Asker(tiny_graph, "test", QaConfig(prompt=bare)).items("tail")[0].prompt
        == "[ Örebro, is a city of ]"
    )
    short = PromptConfig(words=2, shots=0)
    assert (
        Asker(tiny_graph, "test", QaConfig(prompt=short)).items("tail")[0].prompt
        == "[ Örebro: A, is a city of ]"
    )


def test_relation_choices_hold_the_answer_and_those_of_the_examples() -> None:
    graph = random_graph(entities=15, relations=12, triples=200)
    asker = Asker(graph, "test", config(choices=5, shots=2))
    for item in asker.items("relation"):
        listed = item.prompt.split("\n")[0].removeprefix("Relations: ").split("; ")
        assert len(listed) == len(set(listed)) == 5
        assert item.answer in listed
        assert all(asker.phrases[int(s[1])] in listed for s in asker.shots)


def test_half_of_the_judged_triples_are_false() -> None:
    graph = random_graph(entities=20, triples=120)
    items = Asker(graph, "test", config()).items("classification")
    false = sum(item.answer == "no" for item in items)
    assert false == len(items) // 2


def test_sample_is_seeded_and_questions_are_the_same_each_time() -> None:
    graph = random_graph(entities=20, triples=300)
    first, again, other = (
        Asker(graph, "train", config(limit=30, seed=seed)).items("classification")
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 30


def test_normalise_keeps_what_matters() -> None:
    assert normalise(' "The  Hague". ') == "the hague"
    assert normalise("Niger") != normalise("Nigeria")
    assert normalise("C++") != ""
    assert normalise("ＡＢＣ") == "abc"


def test_dump_has_a_line_a_question(tmp_path: Path) -> None:
    graph = random_graph()
    result = evaluate_qa(Parrot({}, "yes"), graph, "test")
    lines = [json.loads(line) for line in result.dump(tmp_path / "a.jsonl").open()]
    assert len(lines) == 4 * len(graph.triples_of("test"))
    right = [x["correct"] for x in lines if x["task"] == "classification"]
    assert sum(right) / len(right) == result.to_dict()["classification"]["accuracy"] > 0


def test_bad_settings_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match="no prompt style 'brackets'") as error:
        PromptConfig(style="brackets")
    assert "did you mean 'bracket'" in error.value.hint
    with pytest.raises(ConfigError, match="no task 'tails'"):
        QaConfig(tasks=("tails",))
    with pytest.raises(GraphError, match="0 test"):
        evaluate_qa(Parrot({}), random_graph(triples=3), "test")
