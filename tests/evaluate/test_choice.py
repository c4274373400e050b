"""Multiple choice: closed forms of scores and baselines, and the data sets' forms."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accord.errors import ConfigError, DataError, ModelError
from accord.evaluate.choice import (
    ChoiceConfig,
    baselines,
    credit,
    evaluate_choice,
)
from accord.evaluate.protocol import Float64
from accord.text.choice_prompts import continuations_of, prompt_of
from accord.text.choice_sets import (
    SETS,
    ChoiceItem,
    ChoiceSet,
    load_choices,
    training_items,
)

LOCAL = {
    "arc-easy": (2025, 226, 2376),
    "arc-challenge": (1007, 112, 1172),
    "commonsenseqa": (8766, 975, 1221),
    "openbookqa": (4461, 496, 500),
}


class Lengths:
    """The log-likelihood of a continuation is minus its bytes, times a factor a letter."""

    def __init__(self, factors: dict[str, float]) -> None:
        self.factors = factors
        self.prompts: list[str] = []

    def score_continuations(self, prompts: list[str], continuations: list[str]) -> Float64:
        self.prompts += prompts
        return np.array([-len(c.strip()) * self.factors.get(c[1], 1.0) for c in continuations])


def made(*items: ChoiceItem) -> ChoiceSet:
    return ChoiceSet("mine", "", items)


def test_raw_favours_short_choices_and_bytes_do_not() -> None:
    items = made(
        ChoiceItem("1", "?", ("a", "bbbb"), 0),
        ChoiceItem("2", "?", ("a", "bbbb"), 1),
        ChoiceItem("3", "?", ("ccc", "cc", "c"), 1),
    )
    result = evaluate_choice(Lengths({"b": 0.5}), items)
    assert result.correct.tolist() == [1, 0, 0]
    assert result.correct_norm.tolist() == [0, 1, pytest.approx(1 / 3)]
    found = result.to_dict()
    assert found["n"] == 3 and found["accuracy"] == pytest.approx(1 / 3)
    assert found["accuracy_norm"] == pytest.approx(4 / 9)
    assert "bytes" in found["norm"]


def test_bytes_are_counted_and_not_characters() -> None:
    result = evaluate_choice(Lengths({}), made(ChoiceItem("1", "?", ("日本", "abc"), 0)))
    # -2 / 6 bytes is above -3 / 3 bytes
    assert result.correct_norm.tolist() == [1]


def test_baselines_of_known_items() -> None:
    items = [
        ChoiceItem("1", "?", ("aa", "b"), 0, "x"),
        ChoiceItem("2", "?", ("aa", "b"), 0, "x"),
        ChoiceItem("3", "?", ("aa", "b"), 1, "x"),
        ChoiceItem("4", "?", ("a", "b", "c", "d"), 3, "y"),
    ]
    found = baselines(items)
    assert found["random"] == pytest.approx((0.5 * 3 + 0.25) / 4)
    assert found["majority"] == pytest.approx(3 / 4)
    assert found["longest"] == pytest.approx((1 + 1 + 0 + 0.25) / 4)
    assert credit(np.array([1.0, 1.0, 0.0]), 2) == 0


def test_prompts_share_everything_before_the_choice() -> None:
    item = ChoiceItem("1", "Where?", ("here", "there"), 0, context="A text.")
    assert prompt_of(item, "text") == "A text.\nQuestion: Where?\nAnswer:"
    assert continuations_of(item, "text") == [" here", " there"]
    assert prompt_of(item, "letters").endswith("Question: Where?\nA. here\nB. there\nAnswer:")
    assert continuations_of(item, "letters") == [" A", " B"]
    with pytest.raises(ConfigError, match="27 choices"):
        continuations_of(ChoiceItem("1", "?", ("x",) * 27, 0), "letters")


def test_sample_keeps_each_subjects_share_and_dump_has_a_line_an_item(tmp_path: Path) -> None:
    items = made(*(ChoiceItem(f"{i}", "?", ("a", "b"), 0, "st"[i % 5 == 0]) for i in range(50)))
    result = evaluate_choice(Lengths({}), items, ChoiceConfig(limit=10))
    assert sum(item.subject == "t" for item in result.items) == 2
    lines = [json.loads(line) for line in result.dump(tmp_path / "d.jsonl").open()]
    assert len(lines) == 10 and lines[0]["scores"] == [-1, -1]
    assert set(result.to_dict()["by_subject"]) == {"s", "t"}


def test_a_likelihood_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ModelError, match="not a number"):
        evaluate_choice(Lengths({"a": float("nan")}), made(ChoiceItem("1", "?", ("a", "b"), 0)))
    with pytest.raises(ConfigError, match="no form 'letter'"):
        ChoiceConfig(form="letter")


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_of_ones_own_has_answers_by_index_or_text(tmp_path: Path) -> None:
    rows = [
        {"question": "1 + 1?", "choices": ["1", "2"], "answer": "2"},
        {"question": "2 + 2?", "choices": [3, 4], "answer": 1, "split": ""},
    ]
    found = load_choices(str(write(tmp_path / "mine.jsonl", *rows)))
    assert [item.answer for item in found.items] == [1, 1]
    assert (found.name, found.split, found.items[1].choices) == ("mine", "", ("3", "4"))
    with gzip.open(tmp_path / "zipped.jsonl.gz", "wt") as out:
        out.write(json.dumps(rows[0]) + "\n")
    assert len(load_choices(str(tmp_path / "zipped.jsonl.gz")).items) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "?", "choices": ["only"], "answer": 0}, "two or more choices"),
        ({"question": "?", "choices": ["a", " "], "answer": 0}, "not empty"),
        ({"question": "?", "choices": ["a", "b"]}, "no field 'answer'"),
        ({"question": "?", "choices": ["a", "b"], "answer": 2}, "answer 2 is no index"),
        ({"question": "?", "choices": ["a", "b"], "answer": -1}, "answer -1 is no index"),
        ({"question": "?", "choices": ["a", "b"], "answer": "c"}, "'c' is 0 of the choices"),
        ({"question": "?", "choices": ["a", "a"], "answer": "a"}, "'a' is 2 of the choices"),
        ({"question": "", "choices": ["a", "b"], "answer": 0}, "'question' must be text"),
        ({"question": "?", "choices": "ab", "answer": 0}, "must be a list"),
        (["?"], "must be one JSON object"),
    ],
)
def test_wrong_lines_are_named(row: Any, message: str, tmp_path: Path) -> None:
    good = {"question": "?", "choices": ["a", "b"], "answer": 0}
    file = write(tmp_path / "mine.jsonl", good, row)
    with pytest.raises(DataError, match=message) as error:
        load_choices(str(file))
    assert "mine.jsonl:2:" in error.value.message


def test_unknown_sets_and_missing_data_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no multiple-choice set 'arc-esy'") as error:
        load_choices("arc-esy")
    assert "arc-easy" in error.value.hint
    monkeypatch.setenv("ACCORD_DATA", str(tmp_path))
    for name, place in (("race-m", "mc/RACE/test/middle"), ("absr", "mc/absr/test_ppl.json")):
        with pytest.raises(DataError, match="not at hand") as missing:
            load_choices(name, "test")
        assert place in missing.value.hint
    with pytest.raises(ConfigError, match="bbh has no valid split"):
        load_choices("bbh", "valid")
    with pytest.raises(ConfigError, match="for evaluation only"):
        training_items("bbh")
    assert [name for name, source in SETS.items() if not source.train_allowed] == ["bbh"]


@pytest.mark.parametrize("name", LOCAL)
def test_counts_of_the_local_sets(
    name: str, accord_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    parts = {split: load_choices(name, split).items for split in ("train", "valid", "test")}
    assert tuple(len(items) for items in parts.values()) == LOCAL[name]
    texts = {split: {item.id for item in items} for split, items in parts.items()}
    assert not texts["train"] & texts["valid"]


def test_bbh_has_choices_for_all_tasks_but_the_free_ones(
    accord_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    found = load_choices("bbh", "test")
    assert len(found.items) + found.left_out == 6511
    tasks = {item.subject for item in found.items}
    assert len(tasks) == 23 and "word_sorting" not in tasks
    assert found.left_out < 1010  # four free tasks of 250, and a few answers that are not listed
    yes_no = next(item for item in found.items if item.subject == "navigate")
    assert yes_no.choices == ("Yes", "No") and "Options" not in yes_no.question
    dates = next(item for item in found.items if item.subject == "date_understanding")
    assert dates.choices[:2] == ("(A)", "(B)") and "(B) " in dates.question


def test_damaged_data_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(tmp_path))
    (tmp_path / "mc").mkdir()
    with gzip.open(tmp_path / "mc" / "openbookqa_test.jsonl.gz", "wt") as out:
        out.write(json.dumps({"question": "?", "choices": ["a", "b"], "answer": 0}) + "\n")
    with pytest.raises(DataError, match="1 items, openbookqa test has 500"):
        load_choices("openbookqa", "test")


def test_race_and_absr_are_read_in_their_public_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passage = {
        "article": "A long\ntext.",
        "questions": ["Who?", "Where?"],
        "options": [["I", "you", "he", "she"], ["a", "b", "c", "d"]],
        "answers": ["B", "D"],
        "id": "high1.txt",
    }
    write(tmp_path / "one" / "1.txt", passage)
    items = [item for item in SETS["race-h"].read(tmp_path / "one") if item is not None]
    assert [(i.id, i.answer, i.context) for i in items] == [
        ("1-0", 1, "A long text."),
        ("1-1", 3, "A long text."),
    ]
    asked = (
        "Task.\n\nQuestion: Which vitamin?\nOptions:\nA) vitamin A) or B. so\nB. none\nAnswer: A"
    )
    test = {"0": {"label: A": {"testing input": asked}, "gold": "B"}}
    monkeypatch.setenv("ACCORD_DATA", str(tmp_path))
    folder = tmp_path / "mc" / "absr"
    folder.mkdir(parents=True)
    (folder / "test_ppl.json").write_text(json.dumps(test))
    question = "Question: What?\nOptions: A) one thing B) another C) none"
    write(
        folder / "dev.jsonl",
        {"input": question, "output": "Explanation: so.\nAnswer: C) none"},
        {"input": "Fact: so.\n" + question, "output": "Explanation: so.\nAnswer: C) none"},
    )
    valid = load_choices("absr", "valid")
    assert [item.choices for item in valid.items] == [("one thing", "another", "none")]
    assert valid.items[0].answer == 2 and valid.left_out == 1
    found = load_choices("absr", "test").items[0]
    assert found.question == "Which vitamin?" and len(found.choices) == 2 and found.answer == 1


def test_a_split_that_a_file_lacks_says_which_it_has(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    row = {"question": "?", "choices": ["a", "b"], "answer": 0, "split": "dev"}
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError) as caught:
        load_choices(str(file), "valid")
    assert caught.value.hint == "there are: dev"
