"""The report's section on what no other section knows: every number that was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from accord.evaluate.report_ask import KIND as ASK
from accord.evaluate.report_kale import KIND as KALE
from accord.evaluate.report_loop import KIND as LOOP
from accord.evaluate.report_page import Metric, compare, details, paragraph, section
from accord.evaluate.report_rounds import KIND as ROUND
from accord.evaluate.report_runs import Group
from accord.evaluate.report_sections import columns, kinds, splits
from accord.evaluate.report_texts import TASKS

ELSEWHERE = (
    "link-prediction", "triples", "qa", "questions", "retention", "asking", "abstention",
    "decisions", "soft-fusion", *TASKS, ASK, KALE, LOOP, ROUND,
)  # fmt: skip
"""Kinds that have a section of their own."""
SHOWN = 20
"""Numbers that are open to view; the others are shown on request."""


def others(groups: list[Group]) -> str:
    """Measurements of kinds that this version does not know, number by number."""
    known = {kind for name in ELSEWHERE for kind in kinds(groups, name)}
    found = {e.kind for group in groups for run in group.runs for e in run.evaluations}
    parts = [part for kind in sorted(found - known) for part in _numbers(groups, kind)]
    text = "Kinds of measurement that another version of Accord, or another program, recorded."
    return section("Also measured", *([paragraph(text)] if any(parts) else []), *parts)


def _numbers(groups: list[Group], kind: str) -> Iterator[str]:
    for split in splits(groups, kind):
        models = columns(groups, kind, split)
        every = [path for model in models for result in model.results for path in _paths(result)]
        metrics = [Metric(" ".join(p), p, better=0) for p in dict.fromkeys(every)]
        told = compare(metrics[:SHOWN], models)
        if told:
            yield f"<h3>{escape(kind)}, {escape(split or 'all')}</h3>{told}"
            yield details(f"{len(metrics) - SHOWN:,} more", compare(metrics[SHOWN:], models))


def _paths(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a result has numbers."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, key))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield *above, key
