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


@app.command("import-pykeen")
def import_pykeen(
    folder: Annotated[Path, typer.Argument(help="vectors.npz and PyKEEN's two maps of ids.")],
    graph: Annotated[str, typer.Option("--graph", help="Graph folder, file or data set name.")],
    interaction: Annotated[str, typer.Option(help="transe, distmult, complex or rotate.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    norm: Annotated[int, typer.Option(min=1, max=2, help="Of distances; TransE's own.")] = 2,
    as_json: JsonFlag = False,
) -> None:
    """Take over structure embeddings that PyKEEN trained; they rank like a run's own."""
    from accord.errors import ConfigError, nearest
    from accord.graph.load import load_graph
    from accord.model.pykeen import import_pykeen as read
    from accord.model.structure import INTERACTIONS

    kind = next((name for name in INTERACTIONS if name == interaction), None)
    if kind is None:
        raise ConfigError(f"no interaction {interaction!r}", nearest(interaction, INTERACTIONS))
    if out.exists():
        raise ConfigError(f"{out} exists already", "choose another --out")
    opened = load_graph(graph)
    vectors = read(folder, opened, kind, 1 if norm == 1 else 2)
    vectors.save(out)
    found = {
        "out": str(out),
        "interaction": kind,
        "entities": len(vectors.entities),
        "relations": len(vectors.relation_ids),
        "missing": len(vectors.entities.missing(opened)),
    }
    emit(found, as_json, lambda: _lines(found))
