"""`accord train`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.common import JsonFlag, emit

if TYPE_CHECKING:
    from accord.api import RunResult


def train(
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.")],
    recipe: Annotated[
        str | None,
        typer.Argument(help="A recipe's name (kalm) or a TOML file; with --resume the run's own."),
    ] = None,
    graph: Annotated[
        str | None,
        typer.Option(
            "--graph", help="Graph folder, file or data set name; with --resume the run's own."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Base model, or a finished run to go on from.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the recipe; repeatable.")
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="Plain text, file or folder; repeatable.")
    ] = None,
    qa: Annotated[
        Path | None, typer.Option("--qa", help="JSONL of questions with answers and rationales.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="Labelled data: a corpus, a choice set or a JSONL file; repeatable."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="Train, scan, review, change a copy of the graph, train on: rounds at most."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on a graph with a recipe.

    With --rounds, --out holds one run a round and a copy of the graph, which the rounds complete
    and clean; the same command again goes on where they stopped or wait for a review.
    """
    from accord.api import train_rounds, train_run

    recipe, graph = _told(recipe, graph, out, resume, rounds)
    said, texts = settings or [], text or []
    try:
        if rounds is None:
            done = train_run(recipe, graph, out, model, said, texts, resume, device, qa, data or [])
            emit(done.to_dict(), as_json, lambda: _run_text(done))
        else:
            told = train_rounds(
                recipe, graph, out, rounds, model, said, texts, device, qa, data or []
            )
            emit(told.to_dict(), as_json, told.to_text)
    except KeyboardInterrupt:
        if rounds is None and not (out / "config.toml").is_file():
            typer.echo("stopped before the run began; give the same command again", err=True)
            raise
        words = ["accord", "train", *([recipe] if recipe else []), "--graph", graph]
        words += ["--out", str(out)]
        words += ["--resume"] if rounds is None else ["--rounds", str(rounds)]
        words += [word for path in text or [] for word in ("--text", str(path))]
        words += ["--device", device] if device else []
        typer.echo(f"stopped; go on with: {shlex.join(words)}{_more(rounds)}", err=True)
        raise


def _told(
    recipe: str | None, graph: str | None, out: Path, resume: bool, rounds: int | None
) -> tuple[str, str]:
    """Recipe and graph; a run that goes on has both, so it need not be told them."""
    from accord.errors import ConfigError
    from accord.train.checkpoint import run_graph

    if (out / "rounds.json").is_file() and None in (rounds, recipe, graph):
        raise ConfigError(
            f"{out} holds rounds",
            "give the command that began them again, with RECIPE, --graph, --rounds and its --set",
        )
    if resume and graph is None and (out / "config.toml").is_file():
        graph = run_graph(out)
    for given, what in ((recipe, "RECIPE"), (graph, "--graph")):
        if given is None and not resume:
            raise ConfigError(
                f"{what} is missing", "only a run that goes on (--resume) has its own"
            )
    return recipe or "", graph or ""


def _more(rounds: int | None) -> str:
    return "" if rounds is None else " and the same --set, --model, --qa and --data"


def _run_text(result: RunResult) -> str:
    from accord.progress import clock

    lines = [f"{result.run}: {result.steps} steps in {clock(result.seconds)}"]
    return "\n".join([*lines, *(f"  {k} {v:,.4g}" for k, v in result.metrics.items())])
