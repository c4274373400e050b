"""The report's sections on grounded generation: asking, silence, decisions, statements mixed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from accord.evaluate.report_charts import (
    COLOURS,
    Mark,
    Row,
    Series,
    dot_chart,
    legend,
    line_chart,
    ticks,
)
from accord.evaluate.report_page import (
    Column,
    Metric,
    compare,
    details,
    figure,
    grid,
    paragraph,
    section,
)
from accord.evaluate.report_parts import Dot, dots
from accord.evaluate.report_runs import Group, mean, numbers
from accord.evaluate.report_sections import columns, splits

ASKED = {
    "given": "Questions that were answered",
    "exact_match": "All right answers, no other",
    "f1": "F1 of the set of answers",
    "hits@1": "First answer right",
}
SILENCE = (
    Metric("Questions that were answered", ("coverage",), better=0),
    Metric("Exactly right, of these", ("precision",)),
    Metric("Least confidence of an answer", ("confidence", "threshold"), better=0),
    "Silence where no right answer was found",
    Metric("Precision: silent, and rightly so", ("abstention", "precision")),
    Metric("Recall: of where it should be silent", ("abstention", "recall")),
    Metric("F1", ("abstention", "f1")),
)
DECIDED = {
    "accuracy": "Right option the most probable",
    "accuracy_answered": "The same, where it decided",
    "answered": "Items that it decided",
}
FORESEEN = {"nats_model": "The model alone", "nats_mixture": "With statements mixed in"}
ASKED_TEXT = (
    "Answers are read off the graph by the path that a question was found to ask for. A question "
    "without an answer counts as wrong."
)
SILENCE_TEXT = (
    "Answers that are less sure than a threshold are held back. The line shows how many answers "
    "are right where so many are given; the ring is the threshold that was chosen."
)
DECIDED_TEXT = (
    "Which of several entities stands in a held-out relation. Calibration error: how far stated "
    "probabilities are from the share that is right."
)
FORESEEN_TEXT = (
    "Texts that tell known statements are read word by word. Nats a token say how surprising they "
    "are, less is better: to the model alone, and where the graph's statements may be copied."
)


def asking(groups: list[Group]) -> str:
    """How often questions to the graph are answered rightly, and when nothing is said."""
    right = [part for split in splits(groups, "asking") for part in _asked(groups, split)]
    silent = [part for split in splits(groups, "abstention") for part in _silent(groups, split)]
    return section(
        "Asking the graph: how often right, when silent",
        paragraph(ASKED_TEXT if right else ""),
        *right,
        paragraph(SILENCE_TEXT if silent else ""),
        *silent,
    )


def _asked(groups: list[Group], split: str) -> Iterator[str]:
    models = columns(groups, "asking", split)
    rankings = {str(r["ranking"]) for m in models for r in m.results if r.get("ranking")}
    by = f", paths ranked by {' or '.join(sorted(rankings))}" if rankings else ""
    yield _titled(f"Answers, {split or 'all'}", models, "questions", by)
    rows = [Dot(label, (key,)) for key, label in ASKED.items()]
    yield dots(rows, models, "As shares of all questions")
    yield compare([Metric(label, (key,)) for key, label in ASKED.items()], models)


def _silent(groups: list[Group], split: str) -> Iterator[str]:
    models = columns(groups, "abstention", split)
    lacking = [n for m in models for n in numbers(m.results, ("unanswerable",))][-1:]
    without = f", {lacking[0]:,.0f} without an answer in the graph" if any(lacking) else ""
    yield _titled(f"Silence, {split or 'all'}", models, "questions", without)
    drawn = _curve(groups, split)
    labels = legend([group.label for group in groups[:COLOURS]], 1) if len(groups) > 1 else ""
    chart = figure(labels + drawn if drawn else "", "Right answers, as a share of those given")
    table = compare(SILENCE, models)
    # A table of one column fits beside the chart.
    inside, below = (table, "") if len(groups) == 1 else ("", table)
    yield f'<div class="charts beside">{chart}{inside}</div>{below}'
    yield details("Questions answered, by how many answers shall be right", _reached(models))


def _curve(groups: list[Group], split: str) -> str:
    """A line a group, and a ring where the threshold lies that was chosen."""
    lines, rings = [], []
    for colour, group in enumerate(groups[:COLOURS], 1):
        found = group.evaluations("abstention", split, "after")
        lines.append(Series(group.label, _line(found), colour))
        x, y = (mean(numbers(found, (key,))) for key in ("coverage", "precision"))
        least = mean(numbers(found, ("confidence", "threshold")))
        if x is not None and y is not None:
            # Rings of several groups may lie close; their table has the words.
            words = len(groups) == 1 and least is not None
            rings.append(Mark(x, y, f"threshold {least:.2f}" if words else "", colour))
    title = "share of right answers by share of questions answered"
    return line_chart(lines, "share of questions answered", title, dots=True, marks=rings)


def _line(found: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    """(coverage, precision) of what can be reached, from few answers to many."""
    best: dict[float, float] = {}
    for share in _shares(found):
        coverage = mean(_at(found, share, "coverage"))
        if coverage:
            best[coverage] = max(share, best.get(coverage, 0.0))
    return tuple(sorted(best.items()))


def _points(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = result.get("curve")
    return (
        [point for point in found if isinstance(point, Mapping)] if isinstance(found, list) else []
    )


def _shares(found: Iterable[Mapping[str, Any]]) -> list[float]:
    """The shares of right answers that curves were made for."""
    return sorted({v for result in found for v in numbers(_points(result), ("precision",))})


def _at(found: Iterable[Mapping[str, Any]], share: float, key: str) -> list[float]:
    """What curves have at one share of right answers."""
    points = (point for result in found for point in _points(result))
    return numbers((point for point in points if point.get("precision") == share), (key,))


def _reached(models: list[Column]) -> str:
    """Share of questions answered for each share of right answers that may be asked for."""
    shown = [model for model in models if model.results]
    rows = []
    for share in _shares(result for model in shown for result in model.results):
        pairs = ((model.results, key) for model in shown for key in ("coverage", "threshold"))
        values = (mean(_at(found, share, key)) for found, key in pairs)
        rows.append([f"{share:.0%}", *("–" if v is None else f"{v:.3f}" for v in values)])
    heads = [f"{model.label}: {name}" for model in shown for name in ("answered", "threshold")]
    return grid(["right", *heads], rows)


def decisions(groups: list[Group]) -> str:
    """How often the right option was the most probable, and how honest the probabilities are."""
    parts = [part for split in splits(groups, "decisions") for part in _decided(groups, split)]
    return section("Deciding between options", paragraph(DECIDED_TEXT if parts else ""), *parts)


def _decided(groups: list[Group], split: str) -> Iterator[str]:
    models = columns(groups, "decisions", split)
    options = [n for m in models for n in numbers(m.results, ("options",))][-1:]
    of = f" of {options[0]:.0f} options" if options else ""
    yield _titled(f"Decisions, {split or 'all'}", models, "items", of)
    majority = ("baseline", "majority")
    rows = [
        Dot(label, (key,), trivial=majority if key == "accuracy" else ())
        for key, label in DECIDED.items()
    ]
    yield dots(rows, models, "As shares of the items")
    metrics: list[Metric | str] = [Metric(label, (key,)) for key, label in DECIDED.items()]
    metrics += [
        Metric("Expected calibration error", ("ece",), better=-1),
        "Without a model or a path",
        Metric("The option that stands most often in the relation", majority, better=0),
        Metric("Chance", ("baseline", "random"), better=0),
    ]
    yield compare(metrics, models)


def soft_fusion(groups: list[Group]) -> str:
    """How much better texts are foreseen with the statements that they tell."""
    parts = [part for split in splits(groups, "soft-fusion") for part in _foreseen(groups, split)]
    text = paragraph(FORESEEN_TEXT if parts else "")
    return section("Foreseeing texts: statements mixed in", text, *parts)


def _foreseen(groups: list[Group], split: str) -> Iterator[str]:
    models = columns(groups, "soft-fusion", split)
    read = [n for m in models for n in numbers(m.results, ("tokens",))][-1:]
    tokens = f", {read[0]:,.0f} tokens" if read else ""
    yield _titled(f"Texts, {split or 'all'}", models, "texts", tokens)
    rows = [
        Row(m.label, "", tuple(mean(numbers(m.results, (key,))) for key in FORESEEN))
        for m in models
        if m.results
    ]
    most = max((v for row in rows for v in row.values if v is not None), default=0.0)
    names, caption = list(FORESEEN.values()), "Nats a token, less is better"
    if most > 0:
        drawn = dot_chart(rows, names, caption, ticks(0, most)[-1])
        yield figure(legend(names) + drawn, caption)
    yield compare([Metric(label, (key,), better=-1) for key, label in FORESEEN.items()], models)


def _titled(title: str, models: list[Column], items: str, more: str = "") -> str:
    """A heading with how many items there were."""
    found = [n for model in models for n in numbers(model.results, ("n",))][-1:]
    count = f" ({found[0]:,.0f} {items}{more})" if found else more
    return f"<h3>{escape(title + count)}</h3>"
