#!/usr/bin/env python3
"""Writes docs/command-line.md and docs/settings.md from the code; --check only compares."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from accord.cli.main import COMMANDS, load_command
from accord.config import describe, field_docs, recipe_names
from accord.train.recipe import Recipe

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Made from the code by scripts/generate_cli_docs.py (`make docs`); do not edit. -->\n"
HEAD = """# Command line

Results go to stdout, progress to stderr. Every command takes `--help`. With `--json` a command
prints exactly one JSON object, and an error is `{"error", "hint"}`. The exit code is 0 when done, 2
when you can mend it (the message says what, where and how), 1 for a defect of Accord, and 130 after
Ctrl-C.

- GRAPH is a folder that `accord graph import` made, a graph file, or a
  [data set's name](data-sets.md).
- RUN is a folder that `accord train` made. Where a RUN is measured, a base model's name may stand
  in its place, so that *before* is measured by the same command as *after*.
"""
SETTINGS = """# Settings of a recipe

`accord train RECIPE` takes the defaults below, then the recipe's TOML file, then each
`--set key=value`. A key is a dotted path, or its last part where that is unique:
`--set freeze_layers=26` is `--set model.freeze_layers=26`. An unknown key is an error that names
the nearest one. The settings that a run was made with are in its `config.toml`, which is itself a
recipe.

Recipes that come with Accord: {recipes}.
"""


def command_line() -> str:
    """The reference of all commands as Markdown."""
    parts = [NOTE + HEAD]
    for name in COMMANDS:
        parts.extend(_command(name, load_command(name)))
    return "\n".join(parts)


def _command(path: str, command: Any) -> Iterator[str]:
    children = getattr(command, "commands", {})
    for child, inner in children.items():
        yield from _command(f"{path} {child}", inner)
    if children:
        return
    yield f"## accord {path}\n\n{_plain(command.help)}\n"
    shown = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    required = [f"{o.opts[0]} {o.name.upper()}" for o in options if o.required]
    rest = ["[OPTIONS]"] if len(options) > len(required) else []
    usage = " ".join(["accord", path, *map(_placeholder, arguments), *required, *rest])
    yield f"```\n{usage}\n```\n"
    rows = [f"| `{_name(p)}` | {_cell(p.help)} | {_default(p)} |" for p in (*arguments, *options)]
    if rows:
        yield "| | | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper().replace("_", "-")
    many = "..." if argument.nargs == -1 and not name.endswith("...") else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _placeholder(parameter).strip("[]")
    return " / ".join([*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if callable(value):
        value = value()
    if value is None or value is False or value in ((), ""):
        return ""
    return "on" if value is True else f"`{value}`"


def _plain(text: str | None) -> str:
    return (text or "").split("\f")[0].strip()


def _cell(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").replace("|", "\\|")


def settings() -> str:
    """The reference of all settings as Markdown."""
    recipes = ", ".join(f"`{name}`" for name in recipe_names())
    parts, table = [NOTE + SETTINGS.format(recipes=recipes)], None
    for row in describe(Recipe):
        group = row.key.rpartition(".")[0]
        if group != table:
            table = group
            title = f"\n## {group}\n\n{_cell(_about(group))}\n" if group else ""
            parts.append(f"{title}\n| key | what | default |\n| --- | --- | --- |")
        default = f"`{row.default}`" if row.default else ""
        parts.append(f"| `{row.key}` | {_cell(row.help)} ({_cell(row.type)}) | {default} |")
    return "\n".join(parts) + "\n"


def _about(group: str) -> str:
    """The help text of a table, which may lie inside another one."""
    owner, text = Recipe, ""
    for name in group.split("."):
        text = field_docs(owner).get(name, "")
        kind = get_type_hints(owner)[name]
        owner = next((part for part in (*get_args(kind), kind) if is_dataclass(part)), owner)
    return text


PAGES = {"command-line.md": command_line, "settings.md": settings}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    check = parser.parse_args().check
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                work = path.with_name(f".{name}.part")
                work.write_text(text, encoding="utf-8")
                work.replace(path)
    print(f"{'stale' if check else 'written'}: {', '.join(stale) or 'nothing'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
