"""The report's section on asking: questions with the paths that answer them, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from accord.evaluate.report_charts import svg
from accord.evaluate.report_page import details, figure, grid, paragraph, section, told
from accord.evaluate.report_runs import Group

KIND = "ask"
SHOWN = 6
"""Entities of a column that are drawn at most."""
COLUMN, ROW, TOP, MARGIN = 250, 26, 18, 8
WIDEST = 3
"""Columns that a drawing has room for at least."""
LONGEST = 26
"""Letters of a name that are drawn."""


def ask(groups: list[Group]) -> str:
    """What was asked, said, written and decided; nothing where a run has none of it."""
    return section(
        "Asking the graph", *told(groups, KIND, _counted, _asked, _talk, _written, _decision)
    )


def _asked(found: Mapping[str, Any]) -> str:
    return "\n".join(_question(one) for one in found["asked"])


def _talk(found: Mapping[str, Any]) -> str:
    turns = [[turn["question"], turn["reply"]] for turn in found["talk"]]
    return f"<h3>A conversation</h3>{grid(['asked', 'said'], turns, {1})}" if turns else ""


def _counted(found: Mapping[str, Any]) -> str:
    counted = found["counted"]
    right = counted["precision"]
    share = "none" if right is None else f"{right:.1%}"
    return paragraph(
        "Answers are read off the graph, whole sets of them, and every statement that they rest on "
        f"is cited and was looked up again. Of {counted['n']} questions made from the graph, "
        f"{counted['unanswerable']} of which it cannot answer because their relations were taken "
        f"out, {counted['coverage']:.1%} were answered and {share} of these answers were exactly "
        f"right; abstention F1 {counted['abstention']['f1']:.3f}. These questions are worded by "
        "the program itself: people word theirs in other ways."
    )


def _question(one: Mapping[str, Any]) -> str:
    title = f"<p><b>{escape(one['question'])}</b></p>"
    if one["abstained"]:
        return title + paragraph(f"No answer: {one['reason']}", "soft")
    names = [answer["name"] for answer in one["answers"]]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    said = paragraph(f"{'; '.join(names[:SHOWN])}{more} (confidence {one['confidence']:.2f})")
    return title + said + figure(draw(one["topic"], one["drawn"]), f"read as: {one['read_as']}")


def draw(topic: str, cited: Sequence[Mapping[str, str]]) -> str:
    """The statements of an answer as columns of entities from the topic on.

    Args:
        topic: Name of the entity that the question is about.
        cited: {"head", "relation", "tail"} of each statement, by names, in the order of the path.

    Returns:
        An svg element; empty where nothing is cited.
    """
    if not cited:
        return ""
    depth = _depths(topic, cited)
    columns: dict[int, list[str]] = {}
    for name, column in depth.items():
        columns.setdefault(column, []).append(name)
    place = {
        name: (MARGIN + column * COLUMN, TOP + row * ROW)
        for column, names in columns.items()
        for row, name in enumerate(names[:SHOWN])
    }
    # What holds both ways is cited twice and drawn once.
    lines = {(frozenset((c["head"], c["tail"])), c["relation"]): c for c in cited}
    body = [
        _edge(place[c["head"]], place[c["tail"]], c, depth)
        for c in lines.values()
        if _both(c, place)
    ]
    body += [_node(name, *at) for name, at in place.items()]
    for column, names in columns.items():
        if len(names) > SHOWN:
            y = TOP + SHOWN * ROW
            body.append(
                f'<text x="{MARGIN + column * COLUMN}" y="{y}">+{len(names) - SHOWN}</text>'
            )
    height = TOP + ROW * min(SHOWN + 1, max(map(len, columns.values())))
    width = COLUMN * max(WIDEST, len(columns))  # so that letters are equally large in all
    return svg("".join(body), width, height, f"the path from {topic}")


def _depths(topic: str, cited: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """Steps from the topic to each name; statements are in the order of the path."""
    found = {topic: 0}
    for one in cited:
        head, tail = one["head"], one["tail"]
        if head in found:
            found.setdefault(tail, found[head] + 1)
        else:
            found.setdefault(tail, 0)
            found.setdefault(head, found[tail] + 1)
    return found


def _both(cited: Mapping[str, str], place: Mapping[str, tuple[int, int]]) -> bool:
    return cited["head"] in place and cited["tail"] in place


def _edge(
    head: tuple[int, int], tail: tuple[int, int], cited: Mapping[str, str], depth: Mapping[str, int]
) -> str:
    """A line between two names; an arrow in its label says which way the statement reads."""
    ahead = depth[cited["head"]] <= depth[cited["tail"]]
    (x1, y1), (x2, y2) = (head, tail) if ahead else (tail, head)
    label = escape(cited["relation"].replace("_", " ")[:LONGEST])
    start, middle = x1 + COLUMN * 0.45, x2 - COLUMN * 0.22
    said = f"{label} →" if ahead else f"← {label}"
    return (
        f'<line class="grid" x1="{start:.0f}" x2="{x2 - 4}" y1="{y1 - 4}" y2="{y2 - 4}"/>'
        f'<text class="mid" x="{middle:.0f}" y="{y2 - 7}">{said}</text>'
    )


def _node(name: str, x: int, y: int) -> str:
    shown = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return f'<text class="name" x="{x}" y="{y}"><title>{escape(name)}</title>{escape(shown)}</text>'


def _written(found: Mapping[str, Any]) -> str:
    written = found["written"]
    if not written["text"]:
        return ""
    cited = [[str(number), text] for number, text in enumerate(written["citations"], 1)]
    note = f"{written['unsupported']} names or numbers without support in what is cited"
    return (
        f"<h3>Written about {escape(written['entity'])}</h3>"
        + paragraph(written["text"])
        + paragraph(note, "soft")
        + details("What it cites", grid(["", "statement"], cited, {1}))
    )


def _decision(found: Mapping[str, Any]) -> str:
    decided = found["decided"]
    if not decided["options"]:
        return ""
    rows = []
    for option in decided["options"]:
        reasons = "; ".join(piece["text"] for piece in option["for"])
        rows.append([option["text"], f"{option['probability']:.2f}", reasons or "nothing"])
    return (
        "<h3>A decision by stated rules</h3>"
        + paragraph(decided["question"])
        + grid(["option", "probability", "speaks for it"], rows, {2})
        + paragraph(decided.get("warning", ""), "soft")
    )
