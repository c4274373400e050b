"""Entry point: finds the group of commands and loads only that."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from accord.cli.common import run
from accord.errors import ConfigError, nearest

# command -> (module, attribute, one-line help). An attribute is a Typer app (group) or a function.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("accord.cli.demo", "demo", "The whole story on the embedded default."),
    "doctor": ("accord.cli.doctor", "doctor", "What is installed and what fits."),
    "plan": ("accord.cli.plan", "plan", "Memory, disk and time of a run before it starts."),
    "graph": ("accord.cli.graph", "app", "Import, inspect, export and query graphs."),
    "model": ("accord.cli.model", "app", "Fetch, inspect, merge and share models."),
    "train": ("accord.cli.train", "train", "Train a model on a graph with a recipe."),
    "synthesize": ("accord.cli.synthesize", "synthesize", "Questions with checked rationales."),
    "eval": ("accord.cli.evaluate", "app", "Measure a run or a base model."),
    "complete": ("accord.cli.complete", "complete", "Rank tails (or heads) for a query."),
    "link": ("accord.cli.link", "link", "Find the entities that a text names."),
    "ask": ("accord.cli.ask", "ask", "Answer a question from the graph, cited, or abstain."),
    "chat": ("accord.cli.chat", "chat", "Ask, follow up, and see why."),
    "write": ("accord.cli.write", "write", "Write a paragraph about an entity, cited."),
    "decide": ("accord.cli.decide", "decide", "Weigh options by what the graph says."),
    "extract": ("accord.cli.extract", "extract", "Triples that a text states, with evidence."),
    "refine": ("accord.cli.refine", "app", "Find, review, apply and undo changes of a graph."),
    "report": ("accord.cli.report", "report", "One HTML file that shows before and after."),
}


def load_command(name: str) -> Any:
    """Imports one command's module.

    Args:
        name: A key of `COMMANDS`.

    Returns:
        The command or group that Typer makes of it.
    """
    module, attribute, _ = COMMANDS[name]
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return _group(target)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(target)
    return typer.main.get_command(single)


def _group(target: typer.Typer) -> Any:
    """A group whose plain help page wraps what its commands do, where click would cut it."""
    target.rich_markup_mode = None
    group: Any = typer.main.get_command(target)
    for command in group.commands.values():
        command.short_help = " ".join((command.help or "").partition("\n\n")[0].split())
    return group


class LazyGroup(TyperGroup):
    """A group that imports a command's module only when the command is called.

    Help reads the table; only `resolve_command`, on the way to a call, imports. Context and
    command types are `Any` because Typer takes them from click or from its own copy of it,
    depending on its version.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The entry of the help page, or None."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, callback=None, help=COMMANDS[cmd_name][2])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Loads the command that is called.

        Raises:
            ConfigError: There is no such command.
        """
        name = args[0]
        if name.startswith("-"):
            return super().resolve_command(ctx, args)
        if name not in COMMANDS:
            raise ConfigError(f"no command {name!r}", nearest(name, COMMANDS))
        return name, load_command(name), args[1:]


# Help pages as plain text: importing rich for them would take longer than all the rest of a start.
app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Keeps a language model and a knowledge graph in agreement."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: Arguments without the program's name; None for those of the process.

    Returns:
        The exit code: 0 done, 2 the user can mend it, 1 our fault, 130 stopped by Ctrl-C.
    """
    _quiet()
    return run(app, sys.argv[1:] if argv is None else argv)


def _quiet() -> None:
    """Keeps what libraries tell their own developers off a user's screen."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\b")
