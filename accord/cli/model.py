"""`accord model`: fetch, info, merge, push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from accord.cli.common import JsonFlag, emit

app = typer.Typer(no_args_is_help=True, help="Fetch, inspect, merge and share models.")
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")]


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Embedded model or Hub name.")],
    as_json: JsonFlag = False,
) -> None:
    """Fetch a base model once, so that later runs need no network."""
    from accord.model.sharing import fetch as fetch_model

    folder = fetch_model(name)
    emit({"model": name, "folder": str(folder)}, as_json, lambda: f"{name}: {folder}")


@app.command()
def info(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder or a base model.")],
    as_json: JsonFlag = False,
) -> None:
    """Show what a run's model or a base model is."""
    from accord.model.sharing import info as model_info

    found = model_info(run)
    emit(found, as_json, lambda: _lines(found))


def _lines(found: dict[str, Any], indent: str = "") -> str:
    rows = []
    for key, value in found.items():
        if isinstance(value, dict):
            rows.append(f"{indent}{key}\n{_lines(value, indent + '  ')}")
        else:
            shown = f"{value:,}" if isinstance(value, int) else value
            rows.append(f"{indent}{key:<20} {shown}")
    return "\n".join(rows)


@app.command()
def merge(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    as_json: JsonFlag = False,
) -> None:
    """Add the adapter to the base model's weights: a plain model that needs no Accord."""
    from accord.model.sharing import merge as merge_model

    found = merge_model(run, out)
    note = "" if found["ranks"] else " (it writes as the run does; ranking stays with the run)"
    emit(found, as_json, lambda: f"{found['model']}: {found['bytes'] / 1e6:,.0f} MB{note}")


@app.command()
def push(
    run: Run,
    repo: Annotated[str, typer.Argument(metavar="REPO", help="owner/name on the Hub.")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Upload a run's adapter, heads and model card; the token comes from HF_TOKEN."""
    from accord.model.sharing import push as push_model

    found = push_model(run, repo, not public)
    emit(found, as_json, lambda: f"{found['repo']}: {len(found['files'])} files")
