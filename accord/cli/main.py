"""Entry point: finds the group of commands and loads only that."""

from __future__ import annotations

import importlib
import sys

import click
import typer
from typer.core import TyperGroup

from accord.cli.common import run

# command -> (module, attribute, one-line help). An attribute is a Typer app (group) or a function.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "graph": ("accord.cli.graph", "app", "Import, inspect, export and query graphs."),
    "model": ("accord.cli.model", "app", "Fetch, inspect, merge and share models."),
    "train": ("accord.cli.train", "train", "Train a model on a graph with a recipe."),
    "eval": ("accord.cli.evaluate", "app", "Measure a run or a base model."),
    "complete": ("accord.cli.complete", "complete", "Rank tails (or heads) for a query."),
    "report": ("accord.cli.report", "report", "One HTML file that shows before and after."),
    "plan": ("accord.cli.plan", "plan", "Memory, disk and time of a run before it starts."),
    "doctor": ("accord.cli.doctor", "doctor", "What is installed and what fits."),
    "demo": ("accord.cli.demo", "demo", "The whole story on the embedded default."),
}


class LazyGroup(TyperGroup):
    """A group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        target = getattr(importlib.import_module(module), attribute)
        if isinstance(target, typer.Typer):
            return typer.main.get_command(target)
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(target)
        return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Keeps a language model and a knowledge graph in agreement.",
)


@app.callback()
def _root() -> None:
    """Keeps a language model and a knowledge graph in agreement."""


def main() -> None:
    """Runs the command line; the process exits with its code."""
    sys.exit(run(app, sys.argv[1:]))
