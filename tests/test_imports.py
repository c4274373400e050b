"""The house's rules about imports, held by reading the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, build_tiny_graph

PACKAGE = REPOSITORY / "accord"
# A part imports only from parts of a lower or equal level; errors, config and progress serve all.
LEVEL = {
    "errors": 0,
    "progress": 0,
    "config": 0,
    "config_values": 0,
    "graph": 1,
    "text": 2,
    "synthesis": 3,
    "model": 3,
    "objectives": 4,
    "train": 5,
    "decode": 6,
    "evaluate": 7,
    "refine": 8,
    "training": 8,
    "api": 9,
    "applications": 9,
    "demo": 10,
    "serve": 10,
    "cli": 11,
}
HEAVY = {"torch", "transformers", "peft", "accelerate"}
OPTIONAL = ("pyoxigraph", "gguf", "ahocorasick", "rapidfuzz", "pykeen")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of every import, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, ("." * node.level) + (node.module or "")
            if node.module == "accord":
                yield from ((node.lineno, f"accord.{alias.name}") for alias in node.names)


def part(dotted: str) -> str | None:
    names = dotted.split(".")
    return names[1] if names[0] == "accord" and len(names) > 1 else None


def arrows_back(source: str, own: str) -> list[str]:
    """The imports of one module of part `own` that go against the order."""
    found = []
    for line, name in imports(ast.parse(source)):
        target = part(name)
        if name.startswith("."):
            found.append(f"line {line}: relative import {name}")
        elif target in LEVEL and LEVEL[target] > LEVEL[own]:
            found.append(f"line {line}: {own} imports {target}")
        elif target in LEVEL and target != own and LEVEL[target] == LEVEL[own] > 0:
            found.append(f"line {line}: {own} imports its neighbour {target}")
    return found


def test_the_checker_sees_an_arrow_that_goes_back() -> None:
    assert arrows_back("from accord.train.loop import fit", "graph")
    assert arrows_back("def f():\n    import accord.cli.main", "model")
    assert arrows_back("from accord import evaluate", "text")
    assert arrows_back("from accord.cli.main import x", "serve")
    assert not arrows_back("from accord.graph.graph import KnowledgeGraph", "train")


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own in ("__init__", "__main__"):
        return
    assert own in LEVEL, f"{own} is not a part of the house"
    assert arrows_back(path.read_text("utf-8"), own) == []


@pytest.mark.parametrize("folder", ["graph"])
def test_graph_never_imports_torch(folder: str) -> None:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for line, name in imports(ast.parse(path.read_text("utf-8"))):
            assert name.split(".")[0] not in HEAVY, f"{path.name}:{line} imports {name}"


def run_blocking(code: str, blocked: tuple[str, ...]) -> str:
    """Runs code in a process where some packages cannot be imported; gives its output."""
    guard = (
        "import sys\n"
        "class Guard:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {blocked!r}:\n"
        "            raise ModuleNotFoundError(f'blocked: {name}', name=name)\n"
        "sys.meta_path.insert(0, Guard())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", guard + code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import accord\nprint(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    assert run_blocking(code, ()) == "[]"


def test_portable_core(tmp_path: Path) -> None:
    """Training and evaluation work from a snapshot without any of the optional packages."""
    folder = build_tiny_graph().save(tmp_path / "tiny")
    code = (
        "import importlib, pkgutil, accord.train, accord.evaluate\n"
        "for package in (accord.train, accord.evaluate):\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(found.name)\n"
        "from accord import KnowledgeGraph\n"
        f"print(KnowledgeGraph.load({str(folder)!r}).num_entities)\n"
    )
    assert run_blocking(code, OPTIONAL) == "8"
