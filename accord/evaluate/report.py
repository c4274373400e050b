"""One HTML file that shows what a run changed: better, worse, forgotten, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from accord.evaluate.files import write_lines
from accord.evaluate.report_ask import ask
from accord.evaluate.report_kale import kale
from accord.evaluate.report_loop import loop
from accord.evaluate.report_page import (
    details,
    facts,
    grid,
    page,
    paragraph,
    section,
    tile,
)
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
        texts(groups),
        kale(groups),
        ask(groups),
        loop(groups),
        rounds(groups),
        retention(groups),
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
        + (" Each figure was measured by the same command before and after." if twice else "")
    )


def _pair(group: Group, kind: str, path: tuple[str, ...]) -> tuple[float | None, float | None]:
    for split in splits([group], kind):
        found = [
            mean(numbers(group.evaluations(kind, split, model), path))
            for model in ("before", "after")
        ]
        if found[1] is not None:
            return found[0], found[1]
    return None, None


def _tiles(group: Group) -> str:
    tiles = []
    for label, kind, path in (
        ("link prediction, MRR", "link-prediction", MRR),
        ("tails written exactly right", "qa", TAIL_ACCURACY),
    ):
        before, after = _pair(group, kind, path)
        if after is not None:
            shown = f"{after:.3f}" if before is None else f"{before:.3f} → {after:.3f}"
            tiles.append(tile(shown, label))
    before, after = _pair(group, "retention", ("perplexity_word",))
    if before and after:
        tiles.append(tile(f"{100 * (after / before - 1):+.1f} %", "perplexity on other text"))
    seconds = mean(numbers([run.result for run in group.runs], ("seconds",)))
    if seconds is not None:
        tiles.append(tile(clock(seconds), "of training"))
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _summary(groups: list[Group]) -> str:
    rows = []
    for group in groups:
        cells = [group.label]
        for kind, path, digits in (
            ("link-prediction", MRR, 3),
            ("qa", TAIL_ACCURACY, 3),
            ("retention", ("perplexity_word",), 2),
        ):
            before, after = _pair(group, kind, path)
            cells += ["–" if v is None else f"{v:.{digits}f}" for v in (before, after)]
        seconds = mean(numbers([run.result for run in group.runs], ("seconds",)))
        rows.append([*cells, "–" if seconds is None else clock(seconds)])
    names = [
        f"{name} {when}" for name in ("MRR", "tail", "perplexity") for when in ("before", "after")
    ]
    changed = differences(groups)
    shown = [[key, *map(str, values)] for key, values in changed.items()]
    names = ["", *names, "training"]
    told = [i for i, name in enumerate(names) if not name or any(row[i] != "–" for row in rows)]
    labels = ["setting", *(group.label for group in groups)]
    some = [[row[i] for i in told] for row in rows]
    return grid([names[i] for i in told], some) + (
        "<h3>Settings that differ</h3>" + grid(labels, shown) if shown else ""
    )


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
