"""What GRAPH means on the command line: a graph folder, a file, or a data set's name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from accord.errors import DataError, nearest
from accord.graph.graph import PENDING, SNAPSHOT_FORMAT, KnowledgeGraph


def load_graph(spec: str | Path) -> KnowledgeGraph:
    """Opens a graph however it is given.

    Args:
        spec: A folder that `accord graph import` made, a file or folder that it could import, or
            the name of a data set (its snapshot is kept in the cache folder).

    Returns:
        The graph.

    Raises:
        DataError: There is no such thing, or it cannot be read.
    """
    path = Path(spec)
    if (path / PENDING).is_file():
        from accord.graph.store import mend

        mend(path)
    for folder in (path / "snapshot", path):
        if (folder / "graph.json").is_file():
            return KnowledgeGraph.load(folder)
    if path.exists():
        from accord.graph.formats import import_graph

        return import_graph(path)
    return _dataset(str(spec))


def _dataset(name: str) -> KnowledgeGraph:
    from accord.graph.dataset_files import cache_folder
    from accord.graph.datasets import DATASETS, load_dataset

    if name not in DATASETS:
        path = Path(name)
        hint = "check the path" if path.suffix or len(path.parts) > 1 else nearest(name, DATASETS)
        if "://" in name:
            hint = f"import it first: accord graph import {name} --out GRAPH"
        raise DataError(
            f"{name!r} is neither a graph folder, nor a file, nor a data set", hint=hint
        )
    folder = cache_folder() / "graphs" / f"{name}-{SNAPSHOT_FORMAT}-{_loaders()}"
    if (folder / "graph.json").is_file():
        return KnowledgeGraph.load(folder)
    graph = load_dataset(name)
    try:
        graph.save(folder)
    except OSError:
        return graph  # A read-only cache costs time only.
    return KnowledgeGraph.load(folder)


def _loaders() -> str:
    """A digest of the code that makes the graphs: when it changes, cached snapshots are stale."""
    here = Path(__file__).parent
    files = sorted([*here.glob("dataset*"), here / "geography.py", here / "builder.py"])
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    return hashlib.sha256(content).hexdigest()[:12]
