"""A graph folder to change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph


@pytest.fixture(scope="session")
def template(tiny_graph: KnowledgeGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny graph as a folder, to be copied: a store takes longer to make than to copy."""
    folder = tmp_path_factory.mktemp("template") / "graph"
    write_graph(tiny_graph, folder)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """The tiny graph as a folder with its record, to be changed."""
    return Path(shutil.copytree(template, tmp_path / "graph"))
