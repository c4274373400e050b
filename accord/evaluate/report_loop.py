"""The report's section on a graph that was damaged and cleaned: every change with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from accord.evaluate.report_page import details, grid, paragraph, section, tile, told
from accord.evaluate.report_runs import Group
from accord.progress import clock

KIND = "loop"
SHOWN = 25
"""Changes of each kind that are open to view; the others are shown on request."""
TITLES = {"remove": "Taken out", "add": "Put in", "edit": "Put right"}


def loop(groups: list[Group]) -> str:
    """A graph cleaned by a scan; nothing where a run has none."""
    shown = told(
        groups, KIND, _what, _tiles, _rates, _sure, lambda found: changes(found["changes"])
    )
    return section("The loop: a damaged graph, cleaned", *shown)


def _what(found: Mapping[str, Any]) -> str:
    before = found["before"]
    read = {
        "in-sample": "The run read the most suspicious ones as well; it had learnt the graph "
        "before the damage, which rules and vectors had not seen.",
        "folds": "So did heads on what the run's frozen layers say of the texts, each without the "
        "triples that it had learnt.",
    }.get(found["text_model"] or "", "The run itself was not asked.")
    return paragraph(
        f"{before['errors']:,} wrong triples were put into a copy of the graph and "
        f"{before['missing']:,} true ones taken out, by chance. A scan of {clock(found['seconds'])}"
        f" judged every triple by rules that the damaged graph teaches and by vectors that were "
        f"not trained on it. {read} What was right with a probability of {found['above']:.0%} or "
        "more was changed without asking; everything else stays in the queue for people."
    )


def _tiles(found: Mapping[str, Any]) -> str:
    before, after = found["before"], found["after"]
    shown = [
        tile(f"{100 * before[key]:.1f} % → {100 * after[key]:.1f} %", label)
        for key, label in (
            ("error_rate", "of the triples are wrong"),
            ("missing_rate", "of the true triples are missing"),
        )
    ]
    return f'<div class="tiles">{"".join(shown)}</div>'


def _rates(found: Mapping[str, Any]) -> str:
    rows = [
        [label, f"{found['before'][key]:,}", f"{found['after'][key]:,}"]
        for key, label in (
            ("planted_left", "planted errors still there"),
            ("wrongly_added", "added, and not known to be true"),
            ("removed_left", "gaps still open"),
            ("wrongly_removed", "true triples taken out by the scan"),
        )
    ]
    return grid(["", "damaged", "cleaned"], rows)


def _sure(found: Mapping[str, Any]) -> str:
    parts = [
        f"{words} {side['n']:,}, expected to be right {side['expected']:.1f}, right "
        f"{side['right']:,}"
        for words, side in (("taken out", found["removed"]), ("put in", found["added"]))
        if side["n"]
    ]
    text = "; ".join(parts)
    return paragraph(
        f"{text[:1].upper()}{text[1:]}. What was put in counts as right only if it had been taken "
        "out before, so that is a lower bound. One seed."
        if text
        else "Nothing was sure enough to be changed.",
        "soft",
    )


def changes(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was done to a graph, by kind, each change with its reason.

    Args:
        rows: As `accord.refine.telling` gives them; "right" where it is known.
    """
    return "\n".join(
        _changes([row for row in rows if row["change"] == kind], kind) for kind in TITLES
    )


def _changes(rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    if not rows:
        return ""
    more = _table(rows[SHOWN:])
    rest = details(f"{len(rows) - SHOWN:,} more", more) if more else ""
    return f"<h3>{TITLES[kind]} ({len(rows):,})</h3>{_table(rows[:SHOWN])}{rest}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    right = "<th>right</th>" if "right" in rows[0] else ""
    head = f'<th>triple</th><th>sure to</th>{right}<th class="text">because</th>'
    body = "".join(_row(row) for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _row(row: Mapping[str, Any]) -> str:
    triple = f"{row['head']} → {row['relation']} → {row['tail']}"
    if "instead" in row:
        triple += f", instead of {row['instead']}"
    chance = row["probability"]
    cells = [
        f'<td class="text">{escape(triple)}</td>',
        f"<td>{'–' if chance is None else f'{chance:.2f}'}</td>",
    ]
    if "right" in row:
        mark = ("good", "✓") if row["right"] else ("bad", "✗")
        cells.append(f'<td class="{mark[0]}">{mark[1]}</td>')
    cells.append(f'<td class="text">{escape(row["reason"])}</td>')
    return f"<tr>{''.join(cells)}</tr>"
