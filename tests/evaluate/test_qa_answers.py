"""Judging written answers: closed forms, and properties for any sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.evaluate.qa_answers import Majority, judge, means
from accord.text.questions import Question

NAMES = st.lists(st.sampled_from(["Peru", "Chile", "Niger", "Nigeria", "Oslo"]), max_size=5)


@pytest.mark.parametrize(
    ("written", "right", "expected"),
    [
        (["Peru"], ["Peru"], (1, 1, 1, 1, 1)),
        ([" peru. "], ["PERU"], (1, 1, 1, 1, 1)),
        (["Chile", "Peru"], ["Peru", "Chile"], (1, 1, 1, 1, 1)),
        (["Peru", "Peru"], ["Peru"], (1, 1, 1, 1, 1)),
        (["Peru", "Oslo"], ["Peru"], (0, 2 / 3, 1, 1, 1)),
        (["Oslo", "Peru"], ["Peru"], (0, 2 / 3, 0, 1, 1)),
        (["Peru"], ["Peru", "Chile", "Oslo"], (0, 0.5, 1, 1, 1)),
        (["Nigeria"], ["Niger"], (0, 0, 0, 0, 1)),
        (["Niger"], ["Nigeria"], (0, 0, 0, 0, 0)),
        ([], ["Peru"], (0, 0, 0, 0, 0)),
        (["..."], ["Peru"], (0, 0, 0, 0, 0)),
    ],
)
def test_closed_forms(
    written: list[str], right: list[str], expected: tuple[float, float, float, float, float]
) -> None:
    score = judge(written, right)
    found = (score.exact_match, score.f1, score.hits_at_1, score.any_right, score.contains)
    assert found == pytest.approx(expected)


@given(written=NAMES, right=NAMES.filter(bool))
def test_measures_agree_with_sets(written: list[str], right: list[str]) -> None:
    score = judge(written, right)
    found, gold = set(written), set(right)
    both = len(found & gold)
    f1 = 0.0 if not both else 2 / (len(found) / both + len(gold) / both)
    assert score.f1 == pytest.approx(f1)
    assert score.exact_match == (found == gold) == (score.f1 > 0.9999)
    assert score.exact_match <= score.hits_at_1 <= score.any_right <= score.contains


def test_means_of_no_questions_are_zero() -> None:
    assert means([])["n"] == 0
    both = means([judge(["Peru"], ["Peru"]), judge([], ["Peru"])])
    assert (both["n"], both["exact_match"], both["hits@1"]) == (2, 0.5, 0.5)


def test_majority_is_by_relation_path_with_all_as_fallback() -> None:
    def made(number: int, pattern: str, *answers: str) -> Question:
        return Question(str(number), "?", answers, pattern=pattern)

    majority = Majority([made(1, "a", "x", "y"), made(2, "a", "y"), made(3, "b", "z"),
                         made(4, "b", "z"), made(5, "b", "z")])  # fmt: skip
    assert majority.best == "z"
    assert (majority.of_pattern("a"), majority.of_pattern("b")) == ("y", "z")
    assert majority.of_pattern("never seen") == "z"
    assert Majority([]).best == ""
    ties = [made(1, "a", "q"), made(2, "a", "p")]
    assert Majority(ties).best == Majority(ties[::-1]).best == "p"
