"""A graph folder to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph


@pytest.fixture
def folder(tiny_graph: KnowledgeGraph, tmp_path: Path) -> Path:
    """The tiny graph as a folder with its record."""
    write_graph(tiny_graph, tmp_path / "graph")
    return tmp_path / "graph"
