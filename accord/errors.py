"""One tree of errors. Each says what went wrong, where, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class AccordError(Exception):
    """Base of all errors that a user can mend.

    Args:
        message: What is wrong, where, and the offending value.
        hint: What to do next; shown on its own line.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ConfigError(AccordError):
    """A setting, recipe or option that does not exist or is out of range."""


class DataError(AccordError):
    """Input data that cannot be read.

    Args:
        message: What is wrong and the offending value.
        path: The file it is in.
        line: 1-based line number in that file.
        hint: What to do next.
    """

    def __init__(
        self,
        message: str,
        path: str | Path | None = None,
        line: int | None = None,
        hint: str = "",
    ) -> None:
        where = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
        super().__init__(where + message, hint)
        self.path = None if path is None else Path(path)
        self.line = line


class GraphError(AccordError):
    """A graph that lacks what was asked of it, or is not the graph a run was made for."""


class ModelError(AccordError):
    """A model that cannot be found, read or trusted."""


class DecodingError(AccordError):
    """Generation that cannot go on."""


class ServeError(AccordError):
    """A server that cannot start or answer."""


def nearest(value: str, known: Iterable[str], count: int = 3) -> str:
    """Says which known names are near a misspelt one.

    Args:
        value: The name that was not found.
        known: The names that exist.
        count: How many to suggest at most.

    Returns:
        A hint such as ``did you mean 'umls'?``, or the list of names, or an empty string.

    Example:
        >>> nearest("ulms", ["umls", "wn18rr"])
        "did you mean 'umls'?"
    """
    names = list(known)
    close = difflib.get_close_matches(value, names, n=count, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    return "known: " + ", ".join(sorted(names)) if 0 < len(names) <= 40 else ""
