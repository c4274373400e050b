"""`accord refine`: find, review, apply and undo changes of a graph."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import JsonFlag, emit
from accord.cli.refine_scan import scan

if TYPE_CHECKING:
    from accord.graph.patches import LogEntry
    from accord.refine.patch import Applied
    from accord.refine.queue import Queue

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Find, review, apply and undo changes of a graph.",
)
app.command()(scan)
Folder = Annotated[Path, typer.Option("--graph", help="Graph folder with its record.")]


@app.command()
def review(
    queue: Annotated[Path, typer.Argument(help="Graph folder that holds the queue.")],
    decisions: Annotated[
        Path | None,
        typer.Option(help="JSONL or CSV with id and verdict (accept, reject, edit, skip)."),
    ] = None,
    above: Annotated[
        float | None,
        typer.Option(help="Accept what is right with at least this probability, e.g. 0.95."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the items to .jsonl or .csv, after deciding."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write what is accepted as a patch: .rdfp, .ru, .cypher or .csv."
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why, for the log of the patch.")] = "",
    who: Annotated[str, typer.Option(help="Who decides; default: the user's name.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Decides about flags and proposals: by file, above a probability, or else by keyboard.

    Every decision is kept at once; what was rejected is not proposed again. Accepting changes
    nothing yet: `--out` writes a patch, and `accord refine apply` applies it.
    """
    from accord.refine.patch_files import patch_form, write_patch
    from accord.refine.queue import Queue
    from accord.refine.queue_files import export_queue, is_csv, take_file

    if out is not None:
        patch_form(out)
    if export is not None:
        is_csv(export)
    with Queue(queue, who or _user()) as opened:
        if decisions is not None:
            take_file(opened, decisions)
        if above is not None:
            opened.decide(opened.above(above))
        if decisions is None and above is None and export is None and out is None:
            _by_keyboard(opened)
        result = _counts(opened)
        if export is not None:
            export_queue(opened, export)
            result["export"] = export
        if out is not None:
            patch = opened.patch(note)
            result |= {"patch": write_patch(patch, out)}
            result |= {"add": len(patch.add), "remove": len(patch.remove)}
    emit({"queue": str(queue), **result}, as_json, lambda: _review_text(result))


def _by_keyboard(queue: Queue) -> None:
    """Asks at the terminal, where there is one.

    Raises:
        ConfigError: There is something to decide and nobody to ask.
    """
    from accord.errors import ConfigError
    from accord.progress import say
    from accord.refine.review import review as ask_all

    if not queue.entries():
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "there is no terminal to ask at",
            "use --decisions FILE or --above P; --export FILE writes what is to decide",
        )
    try:
        ask_all(queue, _ask, say)
    except KeyboardInterrupt:
        say("\nstopped; what was decided is kept")
        raise


def _ask(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user, as in some containers
        return ""


def _counts(queue: Queue) -> dict[str, Any]:
    import numpy as np

    from accord.refine.calibrate import next_precision
    from accord.refine.entry import STATES

    counts: dict[str, Any] = {state: len(queue.entries(state)) for state in STATES}
    chances = [entry.item.probability for entry in queue.entries()]
    known = np.array([chance for chance in chances if chance is not None])
    return {**counts, "expected_precision_next": next_precision(known)}


def _review_text(result: dict[str, Any]) -> str:
    states = ("proposed", "accepted", "rejected")
    lines = [", ".join(f"{result[state]:,} {state}" for state in states)]
    if not any(result[state] for state in states):
        lines = ["the queue is empty; `accord refine scan RUN --out QUEUE` fills it"]
    if told := result["expected_precision_next"]:
        shares = ", ".join(f"{count}: {share:.0%}" for count, share in told.items())
        lines.append(f"right of the likeliest that are open, as stated: of {shares}")
    if "export" in result:
        lines.append(f"written to {result['export']}")
    if "patch" in result:
        lines.append(f"{result['patch']}: {result['add']:,} to add, {result['remove']:,} to remove")
    return "\n".join(lines)


@app.command()
def apply(
    patch: Annotated[Path, typer.Argument(help="Patch: .rdfp, .ru, .cypher or .csv.")],
    graph: Folder,
    as_json: JsonFlag = False,
) -> None:
    """Applies a patch: all of it or nothing, once only, and only to the graph it was made for."""
    from accord.refine.patch import apply_patch

    done = apply_patch(graph, patch)
    said = "was applied already as" if done.already else "applied as"
    emit(_applied(done), as_json, lambda: f"{said} {_line(done.entry)}")


@app.command()
def rollback(
    patch_id: Annotated[str, typer.Argument(metavar="ID", help="Id as `refine log` shows it.")],
    graph: Folder,
    as_json: JsonFlag = False,
) -> None:
    """Undoes a patch exactly; the items that it came from are open again."""
    from accord.refine.queue import rollback_patch

    done = rollback_patch(graph, patch_id)
    emit(_applied(done), as_json, lambda: f"undone as {_line(done.entry)}")


def _applied(done: Applied) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(done.entry), "already": done.already, "graph": done.graph.hash}


@app.command()
def log(graph: Folder, as_json: JsonFlag = False) -> None:
    """What was done to a graph, oldest first, and the hash that a patch has to name."""
    from dataclasses import asdict

    from accord.graph.load import load_graph
    from accord.refine.patch import patch_log

    entries = patch_log(graph)
    loaded = load_graph(graph)
    head = f"graph {loaded.hash}"
    emit(
        {"graph": loaded.hash, "log": [asdict(entry) for entry in entries]},
        as_json,
        lambda: "\n".join([head, *map(_line, entries)] if entries else [head, "no patches"]),
    )


def _line(entry: LogEntry) -> str:
    marks = " (undone)" if entry.undone else ""
    note = f"  {' '.join(entry.note.split())}" if entry.note else ""
    return f"{entry.id}  {entry.time}  +{entry.added:,} -{entry.removed:,}{marks}{note}"
