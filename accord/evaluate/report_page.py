"""The report's page: style, tables and figures as HTML text, all of it in one file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from accord.evaluate.report_runs import Group, deviation, mean, numbers

STYLE = """
:root{color-scheme:light dark;--paper:#fbfbf9;--card:#fff;--ink:#1d2329;--soft:#5d6873;
--line:#e3e4df;--good:#18794e;--bad:#b4442c;--c0:#9aa3ad;--c1:#1f6feb;--c2:#d9730d;--c3:#0f8a6c;
--c4:#9b51c9;--c5:#c2255c;--c6:#7a6a00}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1c2024;--ink:#e8eaec;--soft:#9aa5b0;
--line:#30363c;--good:#5cc491;--bad:#f0876d;--c0:#77818b;--c1:#6aa5ff;--c2:#f0a050;--c3:#4cc9a6;
--c4:#c795ec;--c5:#f178a2;--c6:#cdbb4a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:980px;margin:0 auto;padding:48px 24px 80px}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.02em;margin:0 0 .3em}
h2{font-size:1.3rem;letter-spacing:-.01em;margin:2.6em 0 .4em}
h3{font-size:1rem;margin:1.6em 0 .3em}
p{margin:.4em 0 1em;max-width:44em}
.soft,figcaption,.note{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(172px,1fr));gap:14px;margin:26px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 12px}
.tile b{display:block;font-size:1.18rem;line-height:1.4;white-space:nowrap;letter-spacing:-.03em;
font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:.86rem}
.scroll{overflow-x:auto;margin:.8em 0 1.2em}
table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:6px 14px 6px 0;text-align:right;white-space:nowrap;
border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:500;white-space:normal;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:8em}
th.text,td.text{text-align:left;white-space:normal;overflow-wrap:anywhere}
td.good{color:var(--good)}td.bad{color:var(--bad)}
tr.head td{font-weight:600;padding-top:14px}
.pm{color:var(--soft);font-size:.88em}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:14px 16px}
figure+figure{margin-top:14px}.charts figure{margin:0}.charts figure:only-child{max-width:620px}
figcaption{font-size:.88rem;margin-bottom:6px}
.charts.beside{align-items:start}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(330px,1fr));gap:14px;margin:1em 0}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
svg text.name{fill:var(--ink)}
svg .mid{text-anchor:middle}svg .end{text-anchor:end}
svg .grid{stroke:var(--line)}svg .bar{stroke:var(--c0);stroke-width:2;opacity:.5}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
svg .dot{stroke:var(--card);stroke-width:1.5}svg .ring{fill:var(--card);stroke-width:3}
svg .mark{stroke:var(--ink);stroke-width:2}svg text.in{fill:var(--paper)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.88rem;color:var(--soft);margin:.4em 0}
.legend i{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:7px}
pre{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;
overflow-x:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
details{margin:.8em 0}summary{cursor:pointer;color:var(--soft)}
.lost{color:var(--bad)}
@media print{body{background:#fff}main{padding:0}details{display:block}}
"""
COLOUR_RULES = "".join(
    f"svg .line.s{i}{{stroke:var(--c{i})}}svg .dot.s{i}{{fill:var(--c{i})}}"
    f"svg .ring.s{i}{{stroke:var(--c{i})}}.legend .k{i}{{background:var(--c{i})}}"
    for i in range(7)
)


def page(title: str, body: str) -> str:
    """A whole HTML file that needs nothing from anywhere."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{COLOUR_RULES}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading and what is under it; nothing at all where all parts are empty."""
    body = "\n".join(part for part in parts if part)
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def figure(svg: str, caption: str) -> str:
    """A chart with its caption; nothing where there is no chart."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>" if svg else ""


def details(summary: str, body: str) -> str:
    """What is shown on request."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>" if body else ""


def tile(value: str, label: str) -> str:
    """A large figure with what it is."""
    return f'<div class="tile"><b>{escape(value)}</b><span>{escape(label)}</span></div>'


def facts(rows: Mapping[str, Any]) -> str:
    """Two columns: a name and a text."""
    body = "".join(
        f'<tr><td>{escape(key)}</td><td class="text">{escape(str(value))}</td></tr>'
        for key, value in rows.items()
        if value not in (None, "", [], {})
    )
    return f'<div class="scroll"><table>{body}</table></div>' if body else ""


OTHER_FORM = (LookupError, TypeError, ValueError, AttributeError)
"""What reading a result raises that another version recorded, with other keys."""


def told(
    groups: Sequence[Group], kind: str, *tells: Callable[[Mapping[str, Any]], str]
) -> Iterator[str]:
    """What runs found in evaluations of one kind, under the run's name where there are several.

    Args:
        groups: The report's runs.
        kind: Of the evaluation.
        tells: Parts of a result as HTML text; see `readable`.
    """
    several = sum(len(group.runs) for group in groups) > 1
    for name, result in results(groups, kind):
        title = f"<h3>{escape(name)}</h3>" if several else ""
        yield title + readable(result, *tells)


def readable(result: Mapping[str, Any], *tells: Callable[[Mapping[str, Any]], str]) -> str:
    """Parts of a result as HTML text; those that another version recorded otherwise are left out.

    Args:
        result: As it was recorded.
        tells: Each gives one part.
    """
    parts, lost = [], False
    for tell in tells:
        try:
            parts.append(tell(result))
        except OTHER_FORM:
            lost = True
    note = "Recorded by another version of Accord; what it lacks is left out. Measure it again."
    return "\n".join([*(part for part in parts if part), paragraph(note if lost else "", "lost")])


def results(groups: Sequence[Group], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every evaluation of one kind, with its run's name."""
    runs = (run for group in groups for run in group.runs)
    return ((run.name, one.result) for run in runs for one in run.evaluations if one.kind == kind)


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], texts: Collection[int] = ()) -> str:
    """A table of plain text cells.

    Args:
        header: Names of the columns.
        rows: Their cells.
        texts: Columns that hold sentences, which stand at the left and may take several lines.
    """
    if not rows:
        return ""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="text"' if i in texts else "" for i in range(len(cells))]
        shown = zip(cells, kinds, strict=True)
        told = "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in shown)
        return f"<tr>{told}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table>{line("th", header)}{body}</table></div>'


@dataclass(frozen=True)
class Metric:
    """A row of a before/after table."""

    label: str
    path: tuple[str, ...]
    """Where the number is in a result."""
    digits: int = 3
    better: int = 1
    """1 where more is better, -1 where less is, 0 where neither."""


@dataclass(frozen=True)
class Column:
    """A column of a before/after table: the results of one model over its seeds."""

    label: str
    results: Sequence[Mapping[str, Any]]
    base: bool = False
    """Whether it is what a run began from."""


def compare(metrics: Sequence[Metric | str], columns: Sequence[Column]) -> str:
    """A table with one row a metric and one column a model.

    Args:
        metrics: The rows; a string is a heading between rows.
        columns: The models; if they are two, a third column shows the change.

    Returns:
        The table; rows without any number are left out, and so is a table without rows.
    """
    shown = [column for column in columns if column.results]
    rows: list[str] = []
    heading = ""
    for metric in metrics:
        if isinstance(metric, str):
            heading = f'<tr class="head"><td colspan="9">{escape(metric)}</td></tr>'
            continue
        values = [numbers(column.results, metric.path) for column in shown]
        if any(values):
            cells = "".join(f"<td>{cell(found, metric.digits)}</td>" for found in values)
            change = _change(values, metric) if len(shown) == 2 else ""
            rows.append(f"{heading}<tr><td>{escape(metric.label)}</td>{cells}{change}</tr>")
            heading = ""
    if not rows:
        return ""
    names = [*(column.label for column in shown), *(["change"] if len(shown) == 2 else [])]
    head = "".join(f"<th>{escape(name)}</th>" for name in ["", *names])
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def plain(values: list[float], digits: int) -> str:
    """A mean as text, with the deviation over seeds where there are several that differ."""
    middle, spread = mean(values), deviation(values)
    if middle is None:
        return "–"
    return f"{middle:,.{digits}f}" + (f" ± {spread:,.{digits}f}" if spread else "")


def cell(values: list[float], digits: int) -> str:
    """The same as HTML text, the deviation in small letters."""
    text, mark, spread = plain(values, digits).partition(" ± ")
    return f'{text} <span class="pm">± {spread}</span>' if mark else text


def _change(values: list[list[float]], metric: Metric) -> str:
    before, after = mean(values[0]), mean(values[1])
    if before is None or after is None:
        return "<td>–</td>"
    moved = after - before
    direction = metric.better * (1 if moved > 0 else -1) if abs(moved) > 10**-metric.digits else 0
    kind = {1: "good", -1: "bad", 0: ""}[direction]
    return f'<td class="{kind}">{moved:+,.{metric.digits}f}</td>'.replace(">-", ">−")
