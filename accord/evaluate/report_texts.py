"""The report's section on what a run reads out of texts: relations, links, mentions, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from accord.evaluate.report_page import Column, Metric, compare, details, grid, paragraph, section
from accord.evaluate.report_runs import Group, mean, numbers
from accord.evaluate.report_sections import columns, splits

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
    "accuracy_in_graph": "Accuracy where the graph has the entity",
    "accuracy_ambiguous": "Accuracy where names are ambiguous",
    "recall@16": "Recall of the 16 candidates",
    "nil_f1": "F1 of 'none'",
}
SINGLE = ("per_relation", "per_type", "per_label")
"""Where a result has each relation, type or label alone."""


def texts(groups: list[Group]) -> str:
    """What was measured on labelled texts, each beside its trivial baselines."""
    parts = [part for task in TASKS for part in _task(groups, task)]
    text = "What a run reads out of labelled texts, and beside it what needs no model."
    return section("Reading texts", *([paragraph(text)] if parts else []), *parts)


def _task(groups: list[Group], task: str) -> Iterator[str]:
    made = [e for group in groups for run in group.runs for e in run.evaluations]
    for kind in sorted({e.kind for e in made if e.kind.startswith(f"{task}-")}):
        for split in splits(groups, kind):
            models = columns(groups, kind, split)
            first = next(result for column in models for result in column.results)
            data = str(first.get("data", kind.removeprefix(f"{task}-")))
            count, seen = int(first.get("n", 0)), int(first.get("learnt_from", 0))
            title = f"{TASKS[task]}: {data}, {split or 'all'} ({count:,} items)"
            title += f", {seen:,} of what is measured was learnt from" if seen else ""
            yield f"<h3>{escape(title)}</h3>"
            yield compare(_metrics(first), models)
            yield details("Each alone, F1", _single(first, models))


def _metrics(result: Mapping[str, Any]) -> list[Metric | str]:
    found: list[Metric | str] = [Metric(label, (key,)) for key, label in SCORES.items()]
    for name, value in (result.get("baseline") or {}).items():
        path = ("baseline", name)
        if isinstance(value, Mapping):
            found.append(f"Baseline: {name}")
            found += [Metric(label, (*path, key), better=0) for key, label in SCORES.items()]
        else:
            found.append(Metric(f"Baseline: {name}", path, better=0))
    return found


def _single(result: Mapping[str, Any], models: list[Column]) -> str:
    """Each relation, type or label with its number of items, the most frequent first."""
    key = next((key for key in SINGLE if result.get(key)), "")
    sizes = {name: int(entry.get("n", 0)) for name, entry in (result.get(key) or {}).items()}
    shown = [column for column in models if column.results]
    rows = []
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        values = [mean(numbers(column.results, (key, name, "f1"))) for column in shown]
        cells = ("–" if value is None else f"{value:.3f}" for value in values)
        rows.append([name, f"{sizes[name]:,}", *cells])
    return grid(["", "items", *(column.label for column in shown)], rows)
