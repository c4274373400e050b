"""Rules that a person states: what speaks for an option, and how strongly."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accord.errors import ConfigError, DataError, GraphError, nearest
from accord.graph.graph import KnowledgeGraph
from accord.graph.lookup import find_relation

MOST_STEPS = 4
KEYS = ("name", "path", "weight")


@dataclass(frozen=True)
class Rule:
    """A path from the topic of a question to an option, and what it says about the option."""

    name: str
    path: tuple[int, ...]
    """Relation numbers, from the topic on."""
    weight: float
    """Log-odds that it adds to the option, once however many ways there are; below 0 it speaks
    against it."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.path) <= MOST_STEPS:
            raise ConfigError(f"a rule of {len(self.path)} steps", f"use 1 to {MOST_STEPS}")
        if not -20 <= self.weight <= 20:
            raise ConfigError(f"a rule's weight is {self.weight}", "use -20 to 20")


def read_rules(graph: KnowledgeGraph, path: str | Path) -> tuple[Rule, ...]:
    """Rules from a TOML file: tables `[[rule]]` with name, path (relations) and weight.

    Args:
        graph: Whose relations they walk: by id, phrase or inverse phrase.
        path: The file.

    Returns:
        The rules in the order of the file.

    Raises:
        DataError: No such file, no TOML, another key, an unknown relation, a wrong weight.
    """
    try:
        tree = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(
            f"no rules can be read: {error}", path, hint="see docs/deciding.md"
        ) from error
    tables = tree.get("rule")
    if not isinstance(tables, list) or not tables or set(tree) != {"rule"}:
        raise DataError("no table [[rule]], or others beside", path, hint="see docs/deciding.md")
    return tuple(_rule(graph, path, i, table) for i, table in enumerate(tables, 1))


def _rule(graph: KnowledgeGraph, path: str | Path, place: int, table: Mapping[str, Any]) -> Rule:
    for key in set(table) - set(KEYS):
        raise DataError(f"rule {place} has a key {key!r}", path, hint=nearest(key, KEYS))
    try:
        steps = tuple(find_relation(graph, str(step)) for step in table["path"])
        return Rule(str(table["name"]), steps, float(table["weight"]))
    except KeyError as error:
        raise DataError(f"rule {place} has no {error}", path, hint=f"give {KEYS}") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"rule {place}: {error}", path, hint="see docs/deciding.md") from error
    except (GraphError, ConfigError) as error:
        raise DataError(f"rule {place}: {error.message}", path, hint=error.hint) from error
