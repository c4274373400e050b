"""The report's section on questions of several hops: the arms, known and wrong, examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from accord.evaluate.report_charts import legend, number, svg, ticks
from accord.evaluate.report_page import figure, grid, paragraph, section, told
from accord.evaluate.report_runs import Group
from accord.progress import clock

KIND = "kale"
LABELS = {
    "vanilla": "as it was",
    "sft": "tuned on answers",
    "kale": "KALE",
}
TRIVIAL = "trivial"
BARS = ("exact match", "known and wrong")
"""What is drawn; bars take the page's colours from the second on."""
WIDTH, LEFT, RIGHT, BAR, GAP, BOTTOM = 860, 170, 60, 16, 14, 30


def kale(groups: list[Group]) -> str:
    """Arms that answer questions of several hops; nothing where a run has none."""
    shown = told(groups, KIND, _what, _drawn, _table, _difference, _examples)
    return section("Using what it knows: questions of two hops", *shown)


def _what(found: Mapping[str, Any]) -> str:
    known, facts = found["known"], found.get("facts") or {}
    share = facts.get("accuracy")
    asked = f" ({share:.0%} of {facts['n']} facts, asked one by one)" if share is not None else ""
    teacher = found.get("teacher_accuracy")
    taught = (
        f" Its teacher, which sees the rationale, answered {teacher:.0%} of the questions to learn "
        "rightly before the first step."
        if teacher is not None
        else ""
    )
    return paragraph(
        "All arms start from one run that has learnt every fact on the questions' paths, and those "
        "that are tuned take the same number of steps. Only an answer that is exactly right "
        f"counts. Before tuning the model knew all facts of {known} of the {found['n']} "
        f"questions{asked}; known and wrong is the share of these that an arm answers wrongly. "
        "KALE learns to answer without the rationale as with it, and reads facts of the graph "
        f"beside, which tuning on answers alone does not.{taught} Trivial is the most frequent "
        "answer of the relation path in the questions to learn."
    )


def _label(name: str) -> str:
    return LABELS.get(name, name)


def _values(found: Mapping[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """Bar group -> exact match, known and wrong."""
    rows: dict[str, tuple[float | None, float | None]] = {
        _label(name): (arm["exact_match"], arm["known_incorrect"])
        for name, arm in found["arms"].items()
    }
    return {**rows, TRIVIAL: (found["trivial"]["exact_match"], None)}


def _drawn(found: Mapping[str, Any]) -> str:
    return figure(_chart(found), f"{found['n']} held-out questions, each arm asked the same")


def _chart(found: Mapping[str, Any]) -> str:
    """Two bars an arm, one below the other."""
    rows = _values(found)
    step = len(BARS) * BAR + GAP
    height = len(rows) * step + BOTTOM
    body = [_axis(height)]
    for index, (label, values) in enumerate(rows.items()):
        top = index * step + GAP / 2
        middle = top + len(BARS) * BAR / 2 + 4
        body.append(f'<text x="{LEFT - 12}" y="{middle}" class="end name">{escape(label)}</text>')
        for place, value in enumerate(values):
            if value is not None:
                body.append(_bar(value, top + place * BAR, place))
    return legend(BARS, 1) + svg("".join(body), WIDTH, height, " and ".join(BARS))


def _bar(value: float, y: float, place: int) -> str:
    width = value * (WIDTH - LEFT - RIGHT)
    at = f'x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}"'
    text = f'<text x="{LEFT + width + 6:.1f}" y="{y + BAR - 4}">{value:.3f}</text>'
    return f'<rect class="dot s{place + 1}" {at}/>{text}'


def _axis(height: int) -> str:
    parts = []
    for value in ticks(0, 1):
        x = LEFT + value * (WIDTH - LEFT - RIGHT)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="2" y2="{height - 24}"/>')
        parts.append(f'<text x="{x}" y="{height - 8}" class="mid">{number(value)}</text>')
    return "".join(parts)


def _table(found: Mapping[str, Any]) -> str:
    rows = [[TRIVIAL, *(_cell(found["trivial"].get(key)) for key in ("exact_match", "f1"))]]
    rows[0] += ["–"] * 4
    for name, arm in found["arms"].items():
        cells = arm.get("cells") or {}
        wrong, right = cells.get("known_wrong"), cells.get("known_right")
        of = "–" if wrong is None or right is None else f"{wrong} of {wrong + right}"
        measures = [_cell(arm[key]) for key in ("exact_match", "f1", "known_incorrect")]
        rows.append([_label(name), *measures, of, str(arm["steps"]), clock(arm["seconds"])])
    header = ["", "exact match", "F1", "known and wrong", "questions", "steps", "training"]
    note = "Steps and training of the first arm are those in which the facts were learnt."
    return grid(header, rows) + paragraph(note, "soft")


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _difference(found: Mapping[str, Any]) -> str:
    told = found["difference"]
    points, low, high = (100 * told[key] for key in ("difference", "low", "high"))
    return paragraph(
        f"{_label(told['arm'])} against {_label(told['base'])}: {points:+.1f} points of exact "
        f"match, 95 % interval over the questions {low:+.1f} to {high:+.1f} (paired bootstrap, one "
        "seed).",
        "soft",
    )


def _examples(found: Mapping[str, Any]) -> str:
    shown = [_example(example) for example in found["examples"]]
    return "\n".join(["<h3>Worked examples</h3>", *shown]) if shown else ""


def _example(example: Mapping[str, Any]) -> str:
    known = "known before tuning" if example["known"] else "not all known before tuning"
    rows = [["path", path_line(example["path"])], ["facts", known]]
    rows += [["rationale", example["rationale"]], ["right", "; ".join(example["answers"])]]
    for name, written in example["written"].items():
        mark = "✓" if example["right"][name] else "✗"
        rows.append([_label(name), f"{mark} {'; '.join(written) or '(nothing)'}"])
    body = "".join(
        f'<tr><td>{escape(label)}</td><td class="text">{escape(text)}</td></tr>'
        for label, text in rows
        if text
    )
    title = f"<p><b>{escape(example['question'])}</b></p>"
    return f'{title}<div class="scroll"><table>{body}</table></div>'


def path_line(hops: Sequence[Mapping[str, Any]]) -> str:
    """A path in one line; an inverse step's arrow points back.

    Example:
        >>> path_line([{"head": "Peru", "relation": "capital", "tail": "Lima", "inverse": True}])
        'Lima ← capital ← Peru'
    """
    line = ""
    for hop in hops:
        start, end = (hop["tail"], hop["head"]) if hop["inverse"] else (hop["head"], hop["tail"])
        arrow = "←" if hop["inverse"] else "→"
        line += f"{'' if line else start} {arrow} {hop['relation']} {arrow} {end}"
    return line
