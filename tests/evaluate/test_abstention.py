"""Thresholds reach the precision that was asked for, and say nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from accord.decode.confidence import Confidence, find_confidence
from accord.decode.guided import Guide
from accord.errors import ConfigError, DataError
from accord.evaluate.abstention import (
    evaluate_abstention,
    evaluate_gaps,
    remove_relations,
    write_confidence,
)
from accord.text.questions import Hop, Question
from tests.decode.test_dialogue import GRAPH

LANDS = {
    "Peru": ("Lima", "Sol"),
    "Chile": ("Santiago", "Chilean Peso"),
    "Bolivia": ("Sucre", "Boliviano"),
}


def questions() -> list[Question]:
    found = []
    for land, ends in LANDS.items():
        for relation, end in zip(("capital", "currency"), ends, strict=True):
            path = ((Hop(land, relation, end),),)
            asked = f"What is the {relation} of {land}?"
            found.append(Question(asked, asked, (end,), (land,), (end,), path))
            wrong = f"Who likes the food of {land}?"
            found.append(Question(wrong, wrong, ("nobody",), (land,), ("nobody",), path))
    return found


def test_a_learnt_threshold_reaches_the_precision() -> None:
    guide = Guide(GRAPH, confidence=Confidence(threshold=0))
    plain = evaluate_abstention(guide, questions()).to_dict()
    assert plain["coverage"] == 1 and plain["precision"] == pytest.approx(0.5)
    found = evaluate_abstention(guide, questions(), precision=0.9)
    result = found.to_dict()
    assert result["precision"] >= 0.9 and 0.4 <= result["coverage"] < 0.7
    assert result["abstention"]["f1"] > 0.9
    assert [p["coverage"] for p in result["curve"]] == sorted(
        (p["coverage"] for p in result["curve"]), reverse=True
    )


def test_removed_relations_leave_questions_without_answers() -> None:
    asked = questions()[::2]
    graph, empty = remove_relations(GRAPH, asked, 0.5)
    gone = {q.paths[0][0].relation for q, none in zip(asked, empty, strict=True) if none}
    assert len(gone) == 1 and sum(empty) == 3
    left = set(np.unique(graph.triples[:, 1]).tolist())
    assert graph.relation(gone.pop()) not in left and GRAPH.num_triples > graph.num_triples
    result = evaluate_abstention(Guide(graph), asked, unanswerable=empty)
    assert not (result.right & ~result.answerable).any() and result.to_dict()["unanswerable"] == 3
    for share in (0.0, 1.0):
        with pytest.raises(ConfigError):
            remove_relations(GRAPH, asked, share)


def test_each_graph_with_gaps_lacks_other_relations() -> None:
    asked = questions()[::2]
    found = evaluate_gaps(Guide(GRAPH), asked, 0.5, draws=6)
    assert len(found.sure) == 6 * len(asked)
    gone = {tuple(part) for part in (~found.answerable).reshape(6, -1)}
    assert len(gone) > 1, "not the same relation each time"
    one = evaluate_gaps(Guide(GRAPH), asked, 0.5, seed=3, draws=1)
    graph, empty = remove_relations(GRAPH, asked, 0.5, 3)
    alone = evaluate_abstention(Guide(graph), asked, unanswerable=empty)
    assert np.array_equal(one.sure, alone.sure) and np.array_equal(one.right, alone.right)
    with pytest.raises(DataError):
        evaluate_gaps(Guide(GRAPH), [], 0.5)


def test_a_confidence_file(tmp_path: Path) -> None:
    stated = Confidence(-1.0, 0.5, 3.0, 0.7, -2.0)
    run = tmp_path / "run"
    run.mkdir()
    file = write_confidence(run / "confidence.json", stated)
    assert find_confidence(run) == stated == find_confidence("any", file)
    assert find_confidence(run, None, 0.2).threshold == 0.2
    assert find_confidence(tmp_path / "none") == Confidence()
    file.write_text(json.dumps({"constant": 1}), "utf-8")
    with pytest.raises(DataError, match="confidence"):
        find_confidence(run)
    with pytest.raises(DataError):
        find_confidence("any", tmp_path / "nope.json")


def test_bad_input() -> None:
    with pytest.raises(DataError):
        evaluate_abstention(Guide(GRAPH), [])
    with pytest.raises(ConfigError):
        evaluate_abstention(Guide(GRAPH), questions(), precision=1.5)
