"""The report's section on the questions of a file: answers, hops, paths, known and incorrect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from accord.evaluate.report_charts import Row, legend, stack_chart
from accord.evaluate.report_page import (
    Column,
    Metric,
    compare,
    details,
    figure,
    paragraph,
    section,
)
from accord.evaluate.report_parts import Dot, Parts, dots
from accord.evaluate.report_runs import Group, mean, numbers
from accord.evaluate.report_sections import columns, kinds, splits

EXACT = ("exact_match",)
HOPS, PATHS = Parts("by_hops", EXACT), Parts("by_path", EXACT)
STRICT = {"exact_match": "Exact match", "f1": "F1", "hits@1": "Hits@1"}
LOOSE = {
    "any_right": "One of the answers is right",
    "contains": "A right answer stands in the text",
}
TRIVIAL = {
    "frequent": "The most frequent answer of train",
    "frequent_by_path": "The most frequent answer of the relation path in train",
}
BEST = "frequent_by_path"
"""The strongest of them."""
MODES = {
    "direct": "answered straight away",
    "rationale-given": "answered after a rationale that is given",
    "rationale-written": "answered after a rationale that the model writes",
}
KNOWN = {"before": "before tuning", "own": "to the model itself"}
"""Whose knowledge counts; in results of `eval qa --hops` and `--known-from`."""
CELLS = {
    "known_right": ("known, answered rightly", 3),
    "known_wrong": ("known, answered wrongly", 5),
    "unknown_right": ("not known, answered rightly", 1),
    "unknown_wrong": ("not known, answered wrongly", 0),
}
"""Cell -> what it is called, and its colour."""
CALLED, COLOURS = zip(*CELLS.values(), strict=True)
TEXT = (
    "The questions of a file, answered in words. Exact match: all right answers were written and "
    "no other. F1 compares the two sets; Hits@1 looks at the answer written first."
)
CELLS_TEXT = (
    "The facts that a question needs were asked too, one by one. Known and answered wrongly: the "
    "model has what it takes and does not use it."
)


def questions(groups: list[Group]) -> str:
    """Questions of files, before and after; nothing where none were asked."""
    parts = [
        part
        # The arms of one experiment keep theirs as qa, beside answers about triples.
        for kind in [*kinds(groups, "questions"), "qa"]
        for split in splits(groups, kind)
        for part in _asked(kind, split, _of_files(columns(groups, kind, split)))
    ]
    return section("Answering questions", *([paragraph(TEXT)] if parts else []), *parts)


def _of_files(models: list[Column]) -> list[Column]:
    """The models with their results on questions, without those on triples."""
    return [
        Column(model.label, [r for r in model.results if EXACT[0] in r], model.base)
        for model in models
    ]


def _asked(kind: str, split: str, models: list[Column]) -> Iterator[str]:
    found = [result for model in models for result in model.results]
    if not found:
        return
    name = kind.removeprefix("questions-")
    title = "Over paths of the graph" if kind == "qa" else f"File “{name}”"
    asked = numbers(found, ("n",))[-1:]
    count = f" ({asked[0]:,.0f} questions)" if asked else ""
    yield f"<h3>{escape(title)}, {escape(split or 'all')}{count}</h3>"
    yield paragraph(_how(models), "soft")
    whole = Dot("all questions", EXACT, f"{sum(asked):,.0f}", ("baselines", BEST, *EXACT))
    hops = sorted(HOPS.dots(models, _hops), key=lambda row: row.label)
    rows = [whole, *_several(hops), *_several(PATHS.dots(models))]
    yield dots(rows, models, "Exact match of all, by number of hops, by relation path")
    yield compare(_metrics(), models)
    yield details("By number of hops", compare(_by_hops(models), models))
    yield details("Every relation path, exact match", PATHS.table(models, "questions"))
    yield from _known(models)


def _several(rows: list[Dot]) -> list[Dot]:
    """The rows; none where the only one would say what all together say."""
    return rows if len(rows) > 1 else []


def _hops(name: str) -> str:
    return {"0": "hops not told", "1": "1 hop"}.get(name, f"{name} hops")


def _how(models: list[Column]) -> str:
    """How the questions were put, and to which models where that differs."""
    ways: dict[str, list[str]] = {}
    for model in models:
        for way in dict.fromkeys(map(_way, model.results)):
            ways.setdefault(way, []).append(model.label)
    if len(ways) == 1:
        return "".join(f"All {way}." for way in ways if way)
    told = "; ".join(f"{', '.join(labels)}: {way}" for way, labels in ways.items() if way)
    return f"How they were put – {told}." if told else ""


def _way(result: Mapping[str, Any]) -> str:
    way = MODES.get(str(result.get("mode")), "")
    shots = sum(numbers([result], ("shots",)))
    return way + (f" ({shots:.0f} solved examples shown)" if way and shots else "")


def _metrics() -> list[Metric | str]:
    found: list[Metric | str] = [Metric(label, (key,)) for key, label in STRICT.items()]
    found += ["Looser", *(Metric(label, (key,)) for key, label in LOOSE.items())]
    found.append("Trivial baselines, exact match")
    found += [Metric(x, ("baselines", name, *EXACT), better=0) for name, x in TRIVIAL.items()]
    found.append("Single facts, asked one by one")
    found.append(Metric("Known", ("known", "hops", "accuracy")))
    found.append("Answered wrongly, of the questions whose facts were known")
    for name, label in KNOWN.items():
        found.append(Metric(f"Known {label}", ("known", name, "known_incorrect"), better=-1))
    return found


def _by_hops(models: list[Column]) -> list[Metric | str]:
    found: list[Metric | str] = []
    for name in sorted(HOPS.sizes(models)):
        found.append(_hops(name))
        found += [Metric(label, (HOPS.key, name, key)) for key, label in STRICT.items()]
    return found


def _known(models: list[Column]) -> Iterator[str]:
    """The four cells as bars, by what was known before and by what each model knows."""
    told = False
    for name, label in KNOWN.items():
        rows = [_cells(model, name) for model in models if model.results]
        chart = stack_chart(rows, CALLED, COLOURS)
        if chart and not told:
            told = True
            yield paragraph(CELLS_TEXT)
        if chart:
            chart = legend(CALLED, colours=COLOURS) + chart
        yield figure(chart, f"All questions, by whether their facts were known {label}")


def _cells(model: Column, name: str) -> Row:
    """The mean sizes of the cells over seeds."""
    path = ("known", name, "cells")
    sizes = tuple(mean(numbers(model.results, (*path, cell))) for cell in CELLS)
    total = sum(size or 0 for size in sizes)
    return Row(model.label, f"{total:,.0f}", sizes)
