"""One HTML file that shows what a run changed: better, worse, forgotten, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from accord.evaluate.files import write_lines
from accord.evaluate.report_ask import ask
from accord.evaluate.report_grounded import asking, decisions, soft_fusion
from accord.evaluate.report_kale import kale
from accord.evaluate.report_loop import loop
from accord.evaluate.report_others import others
from accord.evaluate.report_page import (
    details,
    facts,
    grid,
    page,
    paragraph,
    plain,
    section,
    tile,
)
from accord.evaluate.report_questions import questions
from accord.evaluate.report_rounds import rounds
from accord.evaluate.report_runs import (
    Group,
    Run,
    differences,
    flat,
    group_runs,
    mean,
    numbers,
    read_run,
    run_folders,
)
from accord.evaluate.report_sections import (
    cost,
    generation,
    kinds,
    link_prediction,
    relations,
    retention,
    splits,
    training,
    triples,
)
from accord.evaluate.report_texts import texts
from accord.progress import clock

MRR = ("both", "realistic", "mrr")
TAIL_ACCURACY = ("tail", "accuracy")
LONG = 24
"""Letters of a setting's value that stand on one line."""


def write_report(folders: Sequence[str | Path], out: str | Path) -> dict[str, Any]:
    """Writes the report of one or several runs.

    Args:
        folders: Run folders, or folders of rounds. Runs that differ in their seed only are shown
            as mean and deviation; others side by side.
        out: The HTML file; written under another name first, then renamed.

    Returns:
        {"report": path, "runs": how many, "groups": how many, "bytes": size of the file}.

    Raises:
        DataError: A folder is no run, or a file in one is damaged.
    """
    runs = [read_run(run) for folder in folders for run in run_folders(folder)]
    groups = group_runs(runs)
    target = write_lines(out, [render(groups)])
    size = target.stat().st_size
    return {"report": str(target), "runs": len(runs), "groups": len(groups), "bytes": size}


def render(groups: list[Group]) -> str:
    """The whole page as HTML text."""
    parts = [
        _opening(groups),
        link_prediction(groups),
        relations(groups),
        triples(groups),
        generation(groups),
        questions(groups),
        texts(groups),
        kale(groups),
        ask(groups),
        asking(groups),
        decisions(groups),
        soft_fusion(groups),
        loop(groups),
        rounds(groups),
        retention(groups),
        others(groups),
        training(groups),
        cost(groups),
        _making(groups),
    ]
    return page(_title(groups), "\n".join(part for part in parts if part))


def _title(groups: list[Group]) -> str:
    run = groups[0].runs[0]
    graph, model = run.graph.get("name", ""), run.base_model
    return f"{graph}: what {model or 'the model'} learned" if graph else f"Report of {run.name}"


def _opening(groups: list[Group]) -> str:
    runs = [run for group in groups for run in group.runs]
    seeds = {run.seed for run in runs}
    note = (
        "One seed: the figures are an illustration, not a measurement."
        if len(groups) == len(runs)
        else f"Mean ± standard deviation over {len(seeds)} seeds."
    )
    lost = [run.name for run in runs if not run.result]
    warning = f"Not finished: {', '.join(lost)}." if lost else ""
    tiles = _tiles(groups[0]) if len(groups) == 1 else ""
    return "\n".join(
        [
            f"<h1>{escape(_title(groups))}</h1>",
            paragraph(_what(runs[0]), "soft"),
            paragraph(note, "note"),
            paragraph(warning, "lost"),
            tiles,
            section("Runs side by side", _summary(groups)) if len(groups) > 1 else "",
        ]
    )


def _what(run: Run) -> str:
    graph, settings = run.graph, flat(run.config)
    sizes = [
        f"{graph[k]:,} {k}" for k in ("entities", "relations") if isinstance(graph.get(k), int)
    ]
    twice = any(one.model == "before" for one in run.evaluations)
    recipe = settings.get("recipe") or settings.get("name") or ""
    return (
        f"The language model {run.base_model or 'of this run'} was trained with the knowledge "
        f"graph {graph.get('name', '')}"
        + (f" ({', '.join(sizes)})" if sizes else "")
        + (f" by the recipe {recipe}" if isinstance(recipe, str) and recipe else "")
        + "."
        + (" What stands before and after was measured by the same code." if twice else "")
    )


@dataclass(frozen=True)
class _Headline:
    """A figure that stands at the top."""

    label: str
    short: str
    name: str
    """Of the kind of measurement; data sets' names may stand behind it."""
    path: tuple[str, ...]
    digits: int = 3

    def pair(self, group: Group, groups: list[Group]) -> tuple[list[float], list[float]]:
        """Before and after of a group, on the first set and split that any of the groups has."""
        for kind in kinds(groups, self.name):
            for split in splits(groups, kind):
                if any(numbers(g.evaluations(kind, split, "after"), self.path) for g in groups):
                    before, after = (
                        numbers(group.evaluations(kind, split, model), self.path)
                        for model in ("before", "after")
                    )
                    return before, after
        return [], []

    def text(self, group: Group, groups: list[Group]) -> str:
        """Both as a text; empty where there is no after."""
        before, after = self.pair(group, groups)
        first = f"{mean(before):.{self.digits}f} → " if before else ""
        return first + plain(after, self.digits) if after else ""


HEADLINES = (
    _Headline("link prediction, MRR", "MRR", "link-prediction", MRR),
    _Headline("tails written exactly right", "tails", "qa", TAIL_ACCURACY),
    _Headline("questions answered exactly right", "questions", "questions", ("exact_match",)),
)
KEPT = _Headline("perplexity on other text", "perplexity", "retention", ("perplexity_word",), 2)


def _tiles(group: Group) -> str:
    tiles = []
    for one in HEADLINES:
        value, _, spread = one.text(group, [group]).partition(" ± ")
        if value:
            tiles.append(tile(value, one.label + (f" (± {spread})" if spread else "")))
    before, after = (mean(values) for values in KEPT.pair(group, [group]))
    if before and after:
        tiles.append(tile(f"{100 * (after / before - 1):+.1f} %", KEPT.label))
    seconds = mean(numbers([run.result for run in group.runs], ("seconds",)))
    if seconds is not None:
        tiles.append(tile(clock(seconds), "of training"))
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _summary(groups: list[Group]) -> str:
    rows = []
    for group in groups:
        seconds = mean(numbers([run.result for run in group.runs], ("seconds",)))
        told = [one.text(group, groups) for one in (*HEADLINES, KEPT)]
        rows.append([*told, "" if seconds is None else clock(seconds)])
    names = [*(one.short for one in (*HEADLINES, KEPT)), "training"]
    kept = [i for i in range(len(names)) if any(row[i] for row in rows)]
    some = [
        [group.label, *(row[i] or "–" for i in kept)]
        for group, row in zip(groups, rows, strict=True)
    ]
    return grid(["", *(names[i] for i in kept)], some) + _differing(groups)


def _differing(groups: list[Group]) -> str:
    rows = [[key, *map(str, values)] for key, values in differences(groups).items()]
    labels = ["setting", *(group.label for group in groups)]
    # A long list in a cell would push the others out of sight.
    long = [i for i in range(1, len(labels)) if any(len(row[i]) > LONG for row in rows)]
    table = grid(labels, rows, long)
    return f"<h3>Settings that differ</h3>{table}" if table else ""


def _making(groups: list[Group]) -> str:
    run = groups[0].runs[0]
    machine: Mapping[str, Any] = run.environment.get("machine") or {}
    packages: Mapping[str, Any] = run.environment.get("packages") or {}
    commit: Mapping[str, Any] = run.environment.get("commit") or {}
    gpu = ", ".join(str(card.get("name", "")) for card in machine.get("gpu") or [])
    host = {
        "CPU": machine.get("cpu"),
        "Cores": machine.get("cores"),
        "Memory": f"{machine['memory_gb']} GiB" if machine.get("memory_gb") else None,
        "GPU": gpu or ("none" if machine else None),
        "System": run.environment.get("system"),
        "Python": run.environment.get("python"),
        "Commit": (commit.get("id", "") + (", with changes" if commit.get("changed") else "")),
        "Packages": ", ".join(f"{name} {version}" for name, version in packages.items() if version),
    }
    meta = run.graph.get("meta") or {}
    # Where the graph lay on the machine is nobody else's business.
    graph = {key: value for key, value in run.graph.items() if key not in ("meta", "path")}
    if "/" in str(graph.get("spec", "")):
        graph["spec"] = Path(str(graph["spec"])).name
    data = graph | dict(meta)
    seeds = ", ".join(str(one.seed) for group in groups for one in group.runs)
    commands = dict.fromkeys(
        e.command for g in groups for one in g.runs for e in one.evaluations if e.command
    )
    settings = details("Settings", _settings(groups))
    again = details("Commands", f"<pre>{escape(chr(10).join(commands))}</pre>" if commands else "")
    return (
        section("Data", facts({k: v for k, v in data.items() if not isinstance(v, (dict, list))}))
        + section("Machine and versions", facts(host))
        + section("To make it again", paragraph(f"Seeds: {seeds}."), settings, again)
    )


def _settings(groups: list[Group]) -> str:
    parts = []
    for group in groups:
        path = group.runs[0].folder / "config.toml"
        if path.is_file():
            title = f"<h3>{escape(group.label)}</h3>" if len(groups) > 1 else ""
            parts.append(f"{title}<pre>{escape(path.read_text('utf-8'))}</pre>")
    return "".join(parts)
