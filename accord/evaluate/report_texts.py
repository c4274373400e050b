"""The report's section on what a run reads out of texts: relations, links, mentions, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from accord.evaluate.report_page import Column, Metric, compare, details, paragraph, section
from accord.evaluate.report_parts import Dot, Parts, dots
from accord.evaluate.report_runs import Group, numbers
from accord.evaluate.report_sections import columns, kinds, splits

TASKS = {
    "relations": "Relations between given mentions",
    "linking": "Entities of given mentions, none among them",
    "ner": "Mentions and their types",
    "typing": "Types of given mentions",
    "pairs": "Labels of sentence pairs",
    "choice": "Multiple choice",
}
SCORES = {
    "micro_f1": "F1 (micro)",
    "macro_f1": "F1 (macro)",
    "precision": "Precision",
    "recall": "Recall",
    "accuracy": "Accuracy",
    "accuracy_norm": "Accuracy, by bytes",
    "accuracy_in_graph": "Accuracy where the graph has it",
    "accuracy_ambiguous": "Accuracy of ambiguous names",
    "recall@16": "Recall of the 16 candidates",
    "nil_f1": "F1 of 'none'",
}
SINGLE = (
    Parts("per_relation", ("f1",)),
    Parts("per_type", ("f1",)),
    Parts("per_label", ("f1",)),
    Parts("by_subject", ("accuracy",)),
)
"""Where a result has each relation, type, label or subject alone."""


def texts(groups: list[Group]) -> str:
    """What was measured on labelled texts, each beside its trivial baselines."""
    parts = [part for task in TASKS for part in _task(groups, task)]
    text = "What a run reads out of labelled texts, and beside it what needs no model."
    return section("Reading texts", *([paragraph(text)] if parts else []), *parts)


def _task(groups: list[Group], task: str) -> Iterator[str]:
    for kind in kinds(groups, task):
        for split in splits(groups, kind):
            models = columns(groups, kind, split)
            first = next((result for column in models for result in column.results), {})
            yield f"<h3>{escape(_title(task, kind, split, first))}</h3>"
            yield _drawn(first, models)
            yield compare(_metrics(first), models)
            for single in SINGLE:
                word = "F1" if single.measure == ("f1",) else "accuracy"
                yield details(f"Each alone, {word}", single.table(models))


def _title(task: str, kind: str, split: str, first: Mapping[str, Any]) -> str:
    data = str(first.get("data") or kind.removeprefix(f"{task}-"))
    count, seen = (sum(numbers([first], (key,))) for key in ("n", "learnt_from"))
    form = ", by letters" if first.get("form") == "letters" else ""
    title = f"{TASKS[task]}: {data}, {split or 'all'} ({count:,.0f} items{form})"
    return title + (f", {seen:,.0f} of what is measured was learnt from" if seen else "")


def _drawn(first: Mapping[str, Any], models: list[Column]) -> str:
    """All measures of a result that the strongest trivial answer has too, as dots."""
    best: dict[str, tuple[str, ...]] = {}
    for path in _trivial(first):
        for key in ("accuracy", "accuracy_norm") if len(path) == 2 else path[2:]:
            if numbers([first], path) > numbers([first], best.get(key, ("",))):
                best[key] = path
    rows = [Dot(SCORES[key], (key,), trivial=path) for key, path in best.items()]
    return dots(rows, models, "As shares of all")


def _trivial(first: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where the figures of trivial answers are."""
    found = first.get("baseline")
    for name, value in found.items() if isinstance(found, Mapping) else ():
        if isinstance(value, Mapping):
            yield from (("baseline", name, key) for key in SCORES)
        else:
            yield ("baseline", name)


def _metrics(result: Mapping[str, Any]) -> list[Metric | str]:
    found: list[Metric | str] = [Metric(label, (key,)) for key, label in SCORES.items()]
    for path in _trivial(result):
        name = path[1]
        if len(path) == 2:
            found.append(Metric(f"Baseline: {name}", path, better=0))
            continue
        if (heading := f"Baseline: {name}") not in found:
            found.append(heading)
        found.append(Metric(SCORES[path[2]], path, better=0))
    return found
