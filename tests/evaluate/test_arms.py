"""Arms side by side: what is compared, which examples are shown, and how the page draws them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from accord.evaluate.arms import ArmAnswers, side_by_side, worked_examples
from accord.evaluate.report_kale import BARS, kale, path_line
from accord.evaluate.report_runs import Evaluation, Group, Run
from accord.graph.graph import KnowledgeGraph
from accord.text.questions import Hop, Question

PATH = (Hop("tokyo", "city_of", "japan"), Hop("japan", "has_city", "osaka"))
KNOWN = (True, True, True, False)


def arm(name: str, right: tuple[int, ...]) -> ArmAnswers:
    """Answers to four questions, the first three of which the start knew the facts of."""
    rows = [
        {"id": str(i), "known": KNOWN[i], "exact_match": float(fine), "predicted": [f"{name} {i}"]}
        for i, fine in enumerate(right)
    ]
    wrong = sum(1 - fine for fine, known in zip(right, KNOWN, strict=True) if known)
    cells = {"known_right": 3 - wrong, "known_wrong": wrong}
    known = {"known_incorrect": wrong / 3, "known": 3, "cells": cells}
    mean = sum(right) / len(right)
    result = {
        "split": "test", "n": 4, "exact_match": mean, "f1": mean, "hits@1": mean,
        "baselines": {"frequent_by_path": {"exact_match": 0.25, "f1": 0.25}},
        "known": {"own" if name == "vanilla" else "before": known, "hops": {"n": 5}},
    }  # fmt: skip
    return ArmAnswers(result, rows, Path(f"{name}.jsonl"))


@pytest.fixture
def arms() -> dict[str, ArmAnswers]:
    """sft alone is right in 1, kale alone in 2 and 3, neither in 0."""
    found = {"vanilla": (0, 0, 0, 0), "sft": (0, 1, 0, 0), "kale": (0, 0, 1, 1)}
    return {name: arm(name, right) for name, right in found.items()}


def test_arms_stand_beside_each_other(arms: dict[str, ArmAnswers]) -> None:
    found = side_by_side(arms, "sft", "kale")
    assert (found["n"], found["known"], found["trivial"]["exact_match"]) == (4, 3, 0.25)
    shares = {name: one["known_incorrect"] for name, one in found["arms"].items()}
    assert shares == pytest.approx({"vanilla": 1.0, "sft": 2 / 3, "kale": 2 / 3})
    assert found["difference"]["difference"] == pytest.approx(0.25)
    assert found["difference"]["low"] <= 0.25 <= found["difference"]["high"]


def examples(arms: dict[str, ArmAnswers], graph: KnowledgeGraph, count: int) -> list[Any]:
    asked = [Question(str(i), f"Q{i}?", ("Osaka",), paths=(PATH,)) for i in range(4)]
    return worked_examples(arms, asked, graph, "sft", "kale", count)


def test_examples_show_each_side_and_prefer_known_facts(
    arms: dict[str, ArmAnswers], tiny_graph: KnowledgeGraph
) -> None:
    found = examples(arms, tiny_graph, 3)
    assert [one["question"] for one in found] == ["Q2?", "Q1?", "Q0?"]
    assert [one["right"]["kale"] for one in found] == [True, False, False]
    assert found[0]["written"] == {name: [f"{name} 2"] for name in arms}
    assert path_line(found[0]["path"]) == "Tōkyō → city_of → Japan → has_city → Osaka"
    assert [one["question"] for one in examples(arms, tiny_graph, 9)][3:] == ["Q3?"]


def page(result: dict[str, Any]) -> str:
    record = Evaluation("kale", "after", "test", "", result)
    run = Run(Path("run"), {}, {}, {}, (), {}, (record,))
    return kale([Group("run", (run,))])


def test_the_page_draws_every_share_to_scale(
    arms: dict[str, ArmAnswers], tiny_graph: KnowledgeGraph
) -> None:
    result = side_by_side(arms, "sft", "kale")
    for one in result["arms"].values():
        one |= {"steps": 8, "seconds": 61.0}
    result["arms"]["vanilla"]["known_incorrect"] = None  # nothing was known
    result |= {"teacher_accuracy": 0.5, "examples": examples(arms, tiny_graph, 3)}
    text = page(result)
    # Two bars an arm, one for the trivial answer, none where there is no figure.
    widths = [float(width) for width in re.findall(r'<rect .*?width="([\d.]+)"', text)]
    assert len(widths) == len(BARS) * len(arms)
    values = [0.0, 0.25, 2 / 3, 0.5, 2 / 3, 0.25]
    full = widths[3] / 0.5
    assert widths == pytest.approx([full * value for value in values], abs=0.1)
    assert "2 of 3" in text and "50% of the questions to learn" in text
    assert text.count("✓") == 2 and "Tōkyō → city_of → Japan" in text


def test_without_the_act_there_is_no_section() -> None:
    assert kale([Group("run", (Run(Path("run"), {}, {}, {}, (), {}, ()),))]) == ""
