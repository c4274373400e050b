"""Arms of one experiment on the same questions: measured once, kept, and set side by side."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.evaluate.graph_qa import GraphQaConfig, evaluate_graph_qa, load_questions
from accord.evaluate.records import kept_record, write_record
from accord.evaluate.statistics import paired_bootstrap
from accord.graph.graph import KnowledgeGraph
from accord.model.embedded import file_sha256
from accord.model.saving import WEIGHTS, load_model, model_folder
from accord.text.questions import Hop, Question
from accord.text.render import entity_name

MEASURES = ("exact_match", "f1", "hits@1")
METRIC = "exact_match"


@dataclass(frozen=True)
class ArmAnswers:
    """What one arm answered."""

    result: Mapping[str, Any]
    """As `accord eval qa --json` says it."""
    rows: Sequence[Mapping[str, Any]]
    """The dump's lines, one a question."""
    dump: Path

    @property
    def known(self) -> Mapping[str, Any]:
        """Known and incorrect over what was known before tuning; of the start itself, its own."""
        found = self.result["known"] or {}
        return found.get("before") or found.get("own") or {}


def arm_answers(
    run: Path, graph: KnowledgeGraph, qa: Path, config: GraphQaConfig, known: Path | None = None
) -> ArmAnswers:
    """Asks a run, or reads what it answered before.

    Args:
        run: The finished run; keeps the result and the dump in its `eval/`.
        graph: The graph that the questions' paths are of.
        qa: File of the questions.
        config: How they are put.
        known: Dump of the run whose known facts count; None asks for this run's own.

    Returns:
        The result and every answer.

    Raises:
        AccordError: As of `evaluate_graph_qa`.
    """
    config = replace(config, hops=known is None, known_from=str(known or ""))
    dump = run / "eval" / f"answers-{config.split}.jsonl"
    made_with = _made_with(run, graph, qa, config, known)
    result = kept_record(run, "qa", config.split, "after", made_with)
    if result is None or not dump.is_file():
        found = evaluate_graph_qa(load_model(run), graph, load_questions([qa]), config)
        result = found.to_dict()
        found.dump(dump)
        write_record(run, "qa", "after", result, _command(run, qa, config, dump), made_with)
    rows = [json.loads(line) for line in dump.read_text("utf-8").splitlines()]
    return ArmAnswers(result, rows, dump)


def _made_with(
    run: Path, graph: KnowledgeGraph, qa: Path, config: GraphQaConfig, known: Path | None
) -> dict[str, Any]:
    folder = model_folder(run)
    return {
        **asdict(config),
        "known_from": file_sha256(known) if known else "",
        "weights": file_sha256(folder / WEIGHTS) if folder else "",
        "graph": graph.hash,
        "questions": file_sha256(qa),
    }


def _command(run: Path, qa: Path, config: GraphQaConfig, dump: Path) -> str:
    """The command that measures the same."""
    words = ["accord", "eval", "qa", str(run), "--qa", str(qa), "--split", config.split]
    words += ["--limit", str(config.limit or 0), "--seed", str(config.seed)]
    words += ["--known-from", config.known_from] if config.known_from else ["--hops"]
    return shlex.join([*words, "--out", str(dump)])


def side_by_side(arms: Mapping[str, ArmAnswers], base: str, against: str) -> dict[str, Any]:
    """The arms as one object.

    Args:
        arms: Name -> answers, all to the same questions; the first one is the start.
        base: The arm that another is held against.
        against: That other one.

    Returns:
        {"split", "n", "known": how many questions' facts the start knew, "facts": {"n",
        "accuracy"} of the facts asked one by one, "trivial": the most frequent answer of the
        relation path, "arms": name -> measures, "known_incorrect" and "cells", "difference": of
        exact match, `against` - `base`, with its 95 % interval}.
    """
    start = next(iter(arms.values()))
    shown = {
        name: {
            **{measure: one.result[measure] for measure in MEASURES},
            "known_incorrect": one.known.get("known_incorrect"),
            "cells": one.known.get("cells"),
        }
        for name, one in arms.items()
    }
    before, after = (np.array([row[METRIC] for row in arms[n].rows]) for n in (base, against))
    return {
        "split": start.result["split"],
        "n": start.result["n"],
        "known": start.known.get("known", 0),
        "facts": (start.result["known"] or {}).get("hops"),
        "trivial": start.result["baselines"]["frequent_by_path"],
        "arms": shown,
        "difference": {"base": base, "arm": against, **paired_bootstrap(before, after).to_dict()},
    }


def worked_examples(
    arms: Mapping[str, ArmAnswers],
    questions: Iterable[Question],
    graph: KnowledgeGraph,
    base: str,
    against: str,
    count: int = 3,
) -> list[dict[str, Any]]:
    """Questions that show where two arms differ, for each side, and where both fail.

    Args:
        arms: Name -> answers, all to the same questions.
        questions: Those, with their paths.
        graph: The graph of the paths.
        base: One arm.
        against: The other one.
        count: How many.

    Returns:
        {"question", "path", "rationale", "answers", "known", "written": {arm: answers}, "right":
        {arm: bool}}: first one that only `against` answers rightly, one that only `base` does and
        one that neither does, of questions whose facts are known where there are any; then others.
    """
    known = {question.id: question for question in questions}
    start = next(iter(arms.values())).rows
    right = {name: [row[METRIC] == 1 for row in one.rows] for name, one in arms.items()}
    order = sorted(range(len(start)), key=lambda i: not start[i]["known"])
    chosen: list[int] = []
    for wanted in ((False, True), (True, False), (False, False)):
        chosen += [i for i in order if (right[base][i], right[against][i]) == wanted][:1]
    chosen = [*chosen, *(i for i in order if i not in chosen)][:count]
    return [
        {
            **_shown(known[start[i]["id"]], graph),
            "known": start[i]["known"],
            "written": {name: one.rows[i]["predicted"] for name, one in arms.items()},
            "right": {name: flags[i] for name, flags in right.items()},
        }
        for i in chosen
    ]


def _shown(question: Question, graph: KnowledgeGraph) -> dict[str, Any]:
    return {
        "question": question.question,
        "path": [_named(hop, graph) for hop in (question.paths[0] if question.paths else ())],
        "rationale": question.rationale,
        "answers": list(question.answers),
    }


def _named(hop: Hop, graph: KnowledgeGraph) -> dict[str, Any]:
    """A hop with its entities' names; an attribute's literal stays as it is."""
    ends = {}
    for place, entity_id in (("head", hop.head), ("tail", hop.tail)):
        idx = graph.entity_ids.find(entity_id, graph.entity_order)
        ends[place] = entity_id if idx < 0 else entity_name(graph, idx)
    return {**ends, "relation": hop.relation, "inverse": hop.inverse}
