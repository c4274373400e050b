"""`accord plan`: memory, disk and time of a run before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from accord.cli.common import JsonFlag, emit


def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe's name (kalm) or a TOML file.")],
    graph: Annotated[str, typer.Option("--graph", help="Graph folder, file or data set name.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the run will be; default: here.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Base model, or a finished run.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the recipe; repeatable.")
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="Plain text to stay fluent in; repeatable.")
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
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Memory, disk and time of a run before it starts, from a few real steps.

    Takes the options of `accord train`; nothing is written.
    """
    from accord.graph.load import load_graph
    from accord.text.questions import read_questions
    from accord.train.environment import check_device
    from accord.train.extraction import text_files
    from accord.train.missing import NO_QUESTIONS, without_data
    from accord.train.plan import plan_run
    from accord.train.start import settings_of

    check_device(device)
    resolved = settings_of(recipe, model, settings or [])
    if qa is None:
        resolved = without_data(resolved, settings or [], NO_QUESTIONS)
    asked = list(read_questions(qa)) if qa else []
    files = text_files(text or [])
    found = plan_run(resolved, load_graph(graph), files, device, out, asked, data or [])
    emit({"recipe": recipe, **found}, as_json, lambda: _text(found))


def _text(found: dict[str, Any]) -> str:
    from accord.progress import clock

    memory = found["memory_here_gb"]
    rows = {
        "time": clock(found["seconds"]),
        "  steps": f"{clock(found['train_seconds'])} ({found['steps']:,} of "
        f"{found['step_seconds']:.2f} s, {found['tokens_per_second']:,.0f} tokens/s)",
        "  frozen layers": f"{clock(found['cache_seconds'])} ({found['cache_tokens']:,} tokens)",
        "  own texts": clock(found["text_seconds"]),
        "  teacher": clock(found["teacher_seconds"]),
        "  first map": clock(found["start_seconds"]),
        "  validation": clock(found["validation_seconds"]),
        "memory": f"{found['peak_memory_gb']:.1f} GB"
        + ("" if memory is None else f" ({memory:.1f} here)"),
        "disk": f"{found['disk_gb']:.1f} GB ({found['disk_here_gb']:.1f} free)",
    }
    lines = [f"{key:<16} {value}" for key, value in rows.items()]
    return "\n".join([*lines, *(found["problems"] or ["fits this machine"])])
