"""What the documentation says is held against the code."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from accord.cli.main import COMMANDS, load_command
from accord.config import describe, load_config, recipe_names
from accord.train.recipe import Recipe
from tests.conftest import REPOSITORY

PAGES = sorted(p for place in ("", "docs/", "examples/*/") for p in REPOSITORY.glob(f"{place}*.md"))
FENCE = re.compile(r"^```([\w-]+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, *languages: str) -> Iterator[tuple[int, str]]:
    """(line, text) of the fenced blocks in some languages."""
    text = path.read_text("utf-8")
    for found in FENCE.finditer(text):
        if found[1] in languages:
            yield text.count("\n", 0, found.start()) + 1, found[2]


def commands(path: Path) -> Iterator[str]:
    """Every shell command of a page, continuation lines joined, output left out."""
    for _, text in blocks(path, "console", "bash", "sh"):
        lines = text.replace("\\\n", " ").splitlines()
        shown = any(line.startswith("$ ") for line in lines)
        for line in lines:
            if line.startswith("$ ") or not shown:
                yield line.removeprefix("$ ").split(" #")[0].strip()


ALL_COMMANDS = [
    pytest.param(command, id=f"{path.name}: {command[:60]}")
    for path in PAGES
    for command in commands(path)
    if command and not command.startswith("#")
]


def parse(words: list[str]) -> None:
    """Parses an accord command as the command line does, without running it.

    Raises:
        Exception: What Typer raises for a command or option that does not exist.
    """
    assert words[0] in COMMANDS, f"no command {words[0]!r}"
    command: Any = load_command(words[0])
    name, rest = words[0], words[1:]
    while getattr(command, "commands", None):
        assert rest and rest[0] in command.commands, f"no command {name} {rest[:1]}"
        name, command, rest = rest[0], command.commands[rest[0]], rest[1:]
    with command.make_context(name, list(rest)) as context:
        settings = [s for s in context.params.get("settings") or [] if name == "train"]
        if "recipe" in context.params:
            load_config(Recipe, context.params["recipe"], settings)


def accord_words(command: str) -> list[str] | None:
    """The words after `accord`, past launchers and variables; None for other programs."""
    words = shlex.split(command)
    while words and "=" in words[0]:
        words = words[1:]
    if words[:2] == ["accelerate", "launch"]:
        words = words[words.index("-m") + 1 :]
    return words[1:] if words and Path(words[0]).name == "accord" else None


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_commands_of_the_documentation_exist(command: str) -> None:
    words = accord_words(command)
    if words is not None:
        parse(words)
    elif command.startswith("make "):
        targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        assert set(command.split()[1:]) <= set(targets)
    elif command.split()[0] in ("python", "bash"):
        assert (REPOSITORY / command.split()[1]).exists(), command


def test_the_parser_sees_what_does_not_exist() -> None:
    for wrong in ("nope", "graph nope", "doctor --nope", "train kalm --graph g"):
        with pytest.raises(BaseException, match=r".+"):
            parse(wrong.split())
    with pytest.raises(BaseException, match="no setting"):
        parse(["train", "kalm", "--graph", "g", "--out", "r", "--set", "nope=1"])


PYTHON = [
    pytest.param(text, id=f"{path.name}:{line}")
    for path in PAGES
    for line, text in blocks(path, "python")
]


@pytest.mark.parametrize("text", PYTHON)
def test_python_examples(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples with >>> run; of the others every name taken from accord must exist."""
    monkeypatch.chdir(tmp_path)
    if ">>>" in text:
        test = doctest.DocTestParser().get_doctest(text, {}, "example", None, 0)
        report: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
        assert result.failed == 0, "".join(report)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("accord"):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "accord":
            assert hasattr(importlib.import_module("accord"), node.attr), node.attr


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads(name: str) -> None:
    assert load_config(Recipe, name, []) is not None


def test_every_setting_has_a_help_text() -> None:
    assert [row.key for row in describe(Recipe) if not row.help] == []


def generator() -> ModuleType:
    path = REPOSITORY / "scripts" / "generate_cli_docs.py"
    spec = importlib.util.spec_from_file_location("generate_cli_docs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["command-line.md", "settings.md"])
def test_generated_pages_are_up_to_date(page: str) -> None:
    stored = (REPOSITORY / "docs" / page).read_text("utf-8")
    assert stored == generator().PAGES[page](), "run `make docs`"


def test_papers_page_names_functions_that_exist() -> None:
    text = (REPOSITORY / "docs" / "papers.md").read_text("utf-8")
    for dotted in sorted(set(re.findall(r"`(accord\.[\w.]+)`", text))):
        module, found = dotted, None
        while found is None:
            try:
                found = importlib.import_module(module)
            except ModuleNotFoundError:
                module = module.rpartition(".")[0]
                assert module, dotted
        for name in dotted.removeprefix(module).strip(".").split("."):
            found = getattr(found, name) if name else found


def test_papers_page_names_settings_that_exist() -> None:
    text = (REPOSITORY / "docs" / "papers.md").read_text("utf-8")
    keys = {row.key for row in describe(Recipe)}
    tables = {key.split(".")[0] for key in keys}
    named = {k for k in re.findall(r"`(\w+\.\w+)`", text) if k.split(".")[0] in tables}
    assert named and named <= keys
