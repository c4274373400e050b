"""One result of every kind that a command keeps in a run folder; most made by the code itself."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from accord.decode.confidence import Confidence
from accord.decode.decision import Calibration
from accord.decode.soft import SoftWeights
from accord.evaluate.abstention import AbstentionResult
from accord.evaluate.asking import AskingResult, judged
from accord.evaluate.choice import ChoiceConfig, ChoiceResult
from accord.evaluate.decisions import DecisionItem, DecisionsConfig, DecisionsResult
from accord.evaluate.graph_qa import Answered, GraphQaConfig, GraphQaResult
from accord.evaluate.hops import AskedHop
from accord.evaluate.qa_answers import judge, means
from accord.evaluate.soft_fusion import SoftResult
from accord.text.choice_sets import ChoiceItem, ChoiceSet
from accord.text.questions import Question

PATHS = ("capital", "capital > ~continent", "~country of > currency <&>")


def recorded(after: bool, noise: random.Random) -> list[tuple[str, str, dict[str, Any]]]:
    """(kind, split, result) as `accord eval` keeps them, with `before` where it can measure that.

    Args:
        after: Of the run, else of its base model.
        noise: Makes the figures of several seeds differ.
    """
    both = [
        ("questions-mine", "test", questions(0.6 if after else 0.2, noise, after)),
        ("choice-mine", "test", choices(0.7 if after else 0.4, noise)),
    ]
    if not after:
        return both
    return [
        *both,
        ("asking", "test", asking(0.8, noise)),
        ("abstention", "test", abstention(noise)),
        ("decisions", "test", decisions(noise)),
        ("soft-fusion", "", soft_fusion(noise)),
        ("linking-mine", "test", linking(0.7 + noise.uniform(-0.05, 0.05))),
    ]


def keep(run: Path, seed: int = 0) -> Path:
    """Puts all of them into a run folder."""
    noise = random.Random(seed)
    for model in ("before", "after"):
        for kind, split, result in recorded(model == "after", noise):
            keep_one(run, kind, split, result, model)
    return run


def keep_one(
    run: Path, kind: str, split: str, result: dict[str, Any], model: str = "after"
) -> Path:
    """Puts one result into a run folder."""
    entry = {"kind": kind, "model": model, "split": split, "command": f"accord eval {kind}"}
    file = run / "eval" / f"{kind}-{split}-{model}.json"
    file.write_text(json.dumps({**entry, "result": result}))
    return file


def questions(share: float, noise: random.Random, after: bool) -> dict[str, Any]:
    items = []
    for i in range(60):
        pattern = PATHS[min(2, i // 25)]
        question = Question(
            str(i), f"Q{i}?", ("Lima",), hops=1 + (">" in pattern), pattern=pattern, split="test"
        )
        written = ("Lima",) if noise.random() < share else ("Quito",)
        hops = (AskedHop(f"F{i}?", ("Lima",), "Lima", i % 3 > 0),)
        known = (i % 3 > 0, i % 2 > 0 if after else None)
        score = judge(written, question.answers)
        items.append(Answered(question, "", "", written, score, hops, *known))
    trivial = means([judge(["Lima"] if i % 9 == 0 else ["Bonn"], ["Lima"]) for i in range(60)])
    config = GraphQaConfig(split="test", mode="rationale-written" if after else "direct", shots=3)
    beside = {"frequent": trivial, "frequent_by_path": trivial}
    return GraphQaResult(config, tuple(items), beside, 1.0).to_dict()


def choices(share: float, noise: random.Random) -> dict[str, Any]:
    items = tuple(
        ChoiceItem(str(i), "Q?", ("ice", "snow!", "fire"), i % 3, ("maths", "law <b>")[i % 2])
        for i in range(40)
    )
    scores = tuple(
        np.array([float(place == item.answer) * (noise.random() < share) for place in range(3)])
        for item in items
    )
    return ChoiceResult(
        ChoiceSet("mine", "test", items), ChoiceConfig(), items, scores, 1.0
    ).to_dict()


def asking(share: float, noise: random.Random) -> dict[str, Any]:
    question = Question("", "Who?", ("Ann", "Bo"))
    answers = [[("Ann",), ("Bo",)] if noise.random() < share else [("Cy",)] for _ in range(50)]
    answers[-5:] = [[] for _ in range(5)]
    items = tuple(judged(question, found) for found in answers)
    return AskingResult("test", "plan", items, 1.0).to_dict()


def abstention(noise: random.Random) -> dict[str, Any]:
    sure = np.array([noise.random() for _ in range(200)])
    right = np.array([noise.random() < 0.35 + 0.65 * value for value in sure])
    answerable = np.arange(200) % 5 > 0
    confidence = Confidence(threshold=0.62 + noise.uniform(0, 0.1))
    return AbstentionResult("test", sure, right, answerable, confidence, 1.0).to_dict()


def decisions(noise: random.Random) -> dict[str, Any]:
    items = tuple(DecisionItem(0, 0, (0, 1, 2, 3), i % 4) for i in range(80))
    signs = np.zeros((80, 4, 5))
    for row, item in zip(signs, items, strict=True):
        row[item.answer if noise.random() < 0.8 else 0, 1] = noise.uniform(0, 4)
    config = DecisionsConfig("test")
    return DecisionsResult(config, items, signs, Calibration(), 0.55, 1.0).to_dict()


def soft_fusion(noise: random.Random) -> dict[str, Any]:
    signs = np.array([[noise.random() for _ in range(5)] for _ in range(30)])
    return SoftResult(3, signs, SoftWeights(), 1.0).to_dict()


def linking(accuracy: float) -> dict[str, Any]:
    prior = {"accuracy": 0.6, "nil_f1": 0.3, "accuracy_in_graph": 0.5, "accuracy_ambiguous": None}
    trivial = {"name prior": prior, "always none": {**prior, "accuracy": 0.25}}
    return {
        "data": "mine.jsonl", "split": "test", "n": 1200, "in_graph": 900,
        "accuracy": accuracy, "nil_f1": 0.4, "accuracy_in_graph": 0.7, "accuracy_ambiguous": 0.5,
        "recall@16": 0.95, "baseline": trivial, "learnt_from": 3,
    }  # fmt: skip


def acts() -> list[tuple[str, str, dict[str, Any]]]:
    """(kind, split, result) of the demo's acts and of a round, as small as they can be."""
    arm = {"exact_match": 0.5, "f1": 0.5, "known_incorrect": 0.25, "steps": 60, "seconds": 13.0}
    cells = {"known_right": 3, "known_wrong": 1, "unknown_right": 2, "unknown_wrong": 4}
    hop = {"head": "Peru", "relation": "capital", "tail": "Lima", "inverse": False}
    example = {
        "question": "Q?", "path": [hop], "rationale": "R.", "answers": ["Lima"], "known": True,
        "written": {"sft": ["Lima"], "kale": []}, "right": {"sft": True, "kale": False},
    }  # fmt: skip
    kale = {
        "n": 10, "known": 4, "facts": {"n": 5, "accuracy": 0.5}, "trivial": {"exact_match": 0.1},
        "arms": {"sft": {**arm, "cells": cells}, "kale": arm}, "teacher_accuracy": 0.2,
        "difference": {"arm": "kale", "base": "sft", "difference": 0.1, "low": -0.1, "high": 0.2},
        "examples": [example],
    }  # fmt: skip
    asked = {
        "question": "What?", "abstained": False, "reason": "", "answers": [{"name": "Lima"}],
        "confidence": 0.9, "read_as": "What?", "topic": "Peru", "drawn": [hop],
    }  # fmt: skip
    silent = {**asked, "abstained": True, "reason": "none"}
    decided = {
        "question": "Which?", "warning": "Perhaps.",
        "options": [{"text": "Peru", "probability": 0.7, "for": [{"text": "a rule"}]}],
    }  # fmt: skip
    counted = {"n": 9, "unanswerable": 3, "coverage": 0.5, "precision": 0.9}
    ask = {
        "asked": [asked, silent], "talk": [{"question": "Q", "reply": "R"}], "decided": decided,
        "written": {"entity": "Peru", "text": "T.", "citations": ["C."], "unsupported": 0},
        "counted": {**counted, "abstention": {"f1": 0.8}},
    }  # fmt: skip
    truth = {"errors": 5, "error_rate": 0.05, "missing": 4, "missing_rate": 0.04}
    left = {"planted_left": 1, "wrongly_added": 0, "removed_left": 2, "wrongly_removed": 1}
    change = {
        "change": "edit", "head": "Peru", "relation": "capital", "tail": "Lima",
        "probability": 0.9, "reason": "because", "instead": "Peru → capital → Quito", "right": True,
    }  # fmt: skip
    side = {"n": 3, "right": 2, "expected": 2.5}
    loop = {
        "before": {**truth, **left}, "after": {**truth, **left}, "removed": side, "added": side,
        "text_model": "folds", "changes": [change], "seconds": 9.0, "above": 0.5,
    }  # fmt: skip
    turn = {
        "round": 1, "steps": 9, "seconds": 3.0, "metrics": {"valid": 0.5}, "added": 1, "removed": 2,
        "truth": truth, "changes": [change],
    }  # fmt: skip
    return [("kale", "test", kale), ("ask", "", ask), ("loop", "", loop), ("round", "", turn)]
