"""Opens what RUN and --graph name, and keeps results where the report finds them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accord.graph.graph import KnowledgeGraph


def open_graph(run: str, graph: str | None) -> KnowledgeGraph:
    """The graph that was asked for, else the run's own.

    Args:
        run: RUN of the command line.
        graph: --graph, if given.

    Returns:
        The graph.

    Raises:
        ConfigError: Neither.
    """
    from accord.graph.load import load_graph
    from accord.train.checkpoint import run_graph

    return load_graph(graph if graph is not None else run_graph(run))


def is_run(name: str) -> bool:
    """Whether RUN is a run folder and not a base model's name."""
    return (Path(name) / "config.toml").is_file()


def record(kind: str, run: str, before: Path | None, result: Mapping[str, Any]) -> Path | None:
    """Keeps a measurement in a run folder's `eval/`, for `accord report`.

    Args:
        kind: link-prediction, triples, qa or retention.
        run: What was measured: a run folder or a base model.
        before: The run whose 'before' it is, if it is one.
        result: What --json prints.

    Returns:
        The file, or None where there is no run to keep it in, or it may not be written.
    """
    from accord.errors import DataError
    from accord.evaluate.records import write_record
    from accord.progress import say

    folder = before if before is not None else Path(run) if is_run(run) else None
    if folder is None:
        return None
    command = "accord " + shlex.join(sys.argv[1:])
    try:
        return write_record(folder, kind, "after" if before is None else "before", result, command)
    except DataError as error:  # what took minutes to measure is printed all the same
        say(f"the result is not kept for `accord report`: {error.message}")
        return None
