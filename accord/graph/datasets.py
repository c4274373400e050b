"""Named benchmark data sets as graphs: `load_dataset("umls")`.

Each comes from a local mirror (`ACCORD_DATA`) or from its public source, is checked against the
published counts, and gets readable names and relation phrases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from accord.errors import DataError, nearest
from accord.graph import dataset_texts as texts
from accord.graph.builder import GraphBuilder
from accord.graph.dataset_files import Read, rows_of
from accord.graph.geography import META, geography
from accord.graph.graph import SPLITS, KnowledgeGraph


@dataclass(frozen=True)
class DatasetSpec:
    """What a named data set is and how to know it."""

    title: str
    triples: tuple[int, int, int]
    """Train, valid, test; exact repeats within a split counted once."""
    entities: int
    relations: int
    licence: str
    source: str
    build: Callable[[GraphBuilder, Read], None] | None = field(repr=False, default=None)
    """Fills a builder from the set's files; None: made from packages, whose versions decide."""


DATASETS: dict[str, DatasetSpec] = {
    "umls": DatasetSpec(
        "UMLS semantic network",
        (5_216, 652, 661),
        135,
        46,
        "none stated; texts from Wikipedia, CC BY-SA",
        "https://github.com/pykeen/pykeen",
        texts.umls,
    ),
    "geography": DatasetSpec(
        META["title"], (3_190, 398, 400), 1_904, 7, META["licence"], META["source"]
    ),
}


def load_dataset(name: str, folder: Path | None = None) -> KnowledgeGraph:
    """Loads a named data set.

    Args:
        name: One of `DATASETS`.
        folder: A data folder; None for `ACCORD_DATA`, the cache, then the public source.

    Returns:
        The graph, with splits, texts, and licence and source in `meta`.

    Raises:
        DataError: No such set; a file is missing, damaged or cannot be fetched; or the counts
            differ from the published ones.
    """
    if name not in DATASETS:
        raise DataError(f"no data set {name!r}", hint=nearest(name, DATASETS))
    spec = DATASETS[name]
    if spec.build is None:
        graph = geography()
    else:
        builder = GraphBuilder(name)
        spec.build(builder, lambda path: rows_of(path, folder))
        graph = builder.build({"title": spec.title, "licence": spec.licence, "source": spec.source})
    check_counts(graph, spec)
    return graph


def check_counts(graph: KnowledgeGraph, spec: DatasetSpec) -> None:
    """Compares a graph with the published counts.

    Raises:
        DataError: One differs.
    """
    found = [len(graph.triples_of(split)) for split in SPLITS]
    names = [*(f"{split} triples" for split in SPLITS), "entities", "relations"]
    wanted = [*spec.triples, spec.entities, spec.relations]
    found = [*found, graph.num_entities, graph.num_relations]
    for what, expected, given in zip(names, wanted, found, strict=True):
        if expected != given:
            raise DataError(
                f"data set {graph.name!r} has {given:,} {what}, published are {expected:,}",
                hint="the source is another version; point ACCORD_DATA at the right one",
            )
