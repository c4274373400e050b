"""`accord refine`: find, review, apply and undo changes of a graph."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import JsonFlag, emit
from accord.cli.refine_scan import scan

if TYPE_CHECKING:
    from accord.graph.patches import LogEntry
    from accord.refine.choice import Choice
    from accord.refine.entry import Entry
    from accord.refine.patch import Applied
    from accord.refine.queue import Queue

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Find, review, apply and undo changes of a graph.",
)
app.command()(scan)
Folder = Annotated[Path, typer.Option("--graph", help="Graph folder with its record.")]


Who = Annotated[str, typer.Option(help="Who does this, for the log; default: the user's name.")]


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
    kind: Annotated[str, typer.Option(help="Only items of this kind: flag or proposal.")] = "",
    relation: Annotated[
        str, typer.Option(help="Only items with this relation or property (id or phrase).")
    ] = "",
    about: Annotated[
        str, typer.Option(help="Only items about this entity (id or name), at either end.")
    ] = "",
    show: Annotated[bool, typer.Option("--show", help="Print what is open; ask nothing.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the items to .jsonl or .csv, after deciding."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Write all that is accepted as a patch: .rdfp, .ru, .cypher or .csv.",
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why, for the log of the patch.")] = "",
    who: Annotated[str, typer.Option(help="Who decides; default: the user's name.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Decides about flags and proposals: by file, above a probability, or else by keyboard.

    Every decision is kept at once; what was rejected is not proposed again. Accepting changes
    nothing yet: `--out` writes a patch, and `accord refine apply` applies it. `--kind`,
    `--relation` and `--about` say which items are asked about, shown, exported, or accepted by
    `--above`; a file and a patch are always taken whole.
    """
    from accord.refine.choice import Choice
    from accord.refine.patch_files import patch_form
    from accord.refine.queue import Queue
    from accord.refine.queue_files import is_csv, take_file, write_entries

    if out is not None:
        patch_form(out)
    if export is not None:
        is_csv(export)
    choice = Choice(kind, relation, about)
    quiet = decisions is None and above is None and export is None and out is None
    result: dict[str, Any] = {"queue": str(queue)}
    with Queue(queue, who or _user()) as opened:
        if decisions is not None:
            result["taken"] = asdict(take_file(opened, decisions))
        if above is not None:
            chosen = _open(opened, choice)
            result["accepted_now"] = len(opened.decide(opened.above(above, chosen)))
        if quiet and not show:
            _by_keyboard(opened, choice)
        if show:
            result |= _shown(opened, choice)
        result |= _counts(opened, choice)
        if export is not None:
            write_entries(choice.of(opened.graph, opened.entries(None)), export)
            result["export"] = export
        if out is not None:
            result |= _patched(opened, note, out)
    emit(_without_texts(result), as_json, lambda: _review_text(result))


def _open(queue: Queue, choice: Choice) -> list[Entry]:
    """The open items that are meant; what no item at all is about is an error."""
    found = choice.of(queue.graph, queue.entries(None))
    return [entry for entry in found if entry.state == "proposed"]


def _by_keyboard(queue: Queue, choice: Choice) -> None:
    """Asks at the terminal, where there is one.

    Raises:
        ConfigError: There is something to decide and nobody to ask.
    """
    from accord.errors import ConfigError
    from accord.progress import say
    from accord.refine.review import review as ask_all

    entries = _open(queue, choice)
    if not entries:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "there is no terminal to ask at",
            "use --decisions FILE or --above P; --show prints what is to decide, --export FILE "
            "writes it",
        )
    try:
        ask_all(queue, _ask, say, entries)
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


def _shown(queue: Queue, choice: Choice) -> dict[str, Any]:
    from accord.refine.queue_files import as_row
    from accord.refine.review import describe

    entries = _open(queue, choice)
    return {
        "items": [as_row(entry) for entry in entries],
        "texts": [describe(queue.graph, entry) for entry in entries],
    }


def _without_texts(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "texts"}


def _patched(queue: Queue, note: str, out: Path) -> dict[str, Any]:
    """Writes the patch, whose note also says where its items came from."""
    from accord.refine.patch_files import write_patch
    from accord.refine.telling import told_origin

    origin = told_origin(queue.waiting())
    patch = queue.patch(f"{note} ({origin})" if note and origin else note or origin)
    sizes = {"add": len(patch.add), "remove": len(patch.remove)}
    return {"patch": write_patch(patch, out), **sizes}


def _counts(queue: Queue, choice: Choice) -> dict[str, Any]:
    import numpy as np

    from accord.refine.calibrate import next_precision
    from accord.refine.entry import STATES

    counts: dict[str, Any] = {state: len(queue.entries(state)) for state in STATES}
    chosen = _open(queue, choice)
    chances = [entry.item.probability for entry in chosen]
    known = np.array([chance for chance in chances if chance is not None])
    return {
        **counts,
        "chosen": len(chosen),
        "not_applied": len(queue.waiting()),
        "expected_precision_next": next_precision(known),
    }


def _review_text(result: dict[str, Any]) -> str:
    states = ("proposed", "accepted", "rejected")
    lines = [*result.get("texts", ()), *_taken_lines(result)]
    if not any(result[state] for state in states):
        lines.append("the queue is empty; `accord refine scan RUN --out QUEUE` fills it")
        return "\n".join([*lines, *_written_lines(result)])
    counts = ", ".join(f"{result[state]:,} {state}" for state in states)
    chosen = result["chosen"]
    lines.append(counts + (f"; {chosen:,} of the open ones chosen" * (chosen < result["proposed"])))
    if told := result["expected_precision_next"]:
        shares = ", ".join(f"{count}: {share:.0%}" for count, share in told.items())
        lines.append(f"right of the likeliest that are open, as stated: of {shares}")
    if result["not_applied"] and "patch" not in result:
        lines.append(
            f"{result['not_applied']:,} accepted and not in the graph yet: "
            f"`accord refine review {result['queue']} --out patch.rdfp`"
        )
    return "\n".join([*lines, *_written_lines(result)])


def _taken_lines(result: dict[str, Any]) -> list[str]:
    lines = []
    if "taken" in result:
        taken = result["taken"]
        lines.append(
            f"decided {taken['decided']:,}, new {taken['new']:,}, without a (new) verdict "
            f"{taken['skipped']:,}"
        )
    if "accepted_now" in result:
        lines.append(f"accepted {result['accepted_now']:,}")
    return lines


def _written_lines(result: dict[str, Any]) -> list[str]:
    lines = [f"written to {result['export']}"] if "export" in result else []
    if "patch" in result:
        sizes = f"{result['add']:,} to add, {result['remove']:,} to remove"
        none = "" if result["add"] or result["remove"] else "; there is nothing to apply"
        lines.append(f"{result['patch']}: {sizes}{none}")
    return lines


@app.command()
def apply(
    patch: Annotated[Path, typer.Argument(help="Patch: .rdfp, .ru, .cypher or .csv.")],
    graph: Folder,
    who: Who = "",
    as_json: JsonFlag = False,
) -> None:
    """Applies a patch: all of it or nothing, once only, and only to the graph it was made for."""
    from accord.refine.patch import apply_patch

    done = apply_patch(graph, patch, who or _user())
    said = "was applied already as" if done.already else "applied as"
    emit(_applied(done), as_json, lambda: f"{said} {_line(done.entry)}")


@app.command()
def rollback(
    patch_id: Annotated[str, typer.Argument(metavar="ID", help="Id as `refine log` shows it.")],
    graph: Folder,
    who: Who = "",
    as_json: JsonFlag = False,
) -> None:
    """Undoes a patch exactly; the items that it came from are open again."""
    from accord.refine.queue import rollback_patch

    done = rollback_patch(graph, patch_id, who or _user())
    emit(_applied(done), as_json, lambda: f"undone as {_line(done.entry)}")


def _applied(done: Applied) -> dict[str, Any]:
    return {**asdict(done.entry), "already": done.already, "graph": done.graph.hash}


@app.command()
def log(graph: Folder, as_json: JsonFlag = False) -> None:
    """What was done to a graph, oldest first, and the hash that a patch has to name."""
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
    who = f"  {entry.who}" if entry.who else ""
    return f"{entry.id}  {entry.time}{who}  +{entry.added:,} -{entry.removed:,}{marks}{note}"
