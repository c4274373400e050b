"""Structure embeddings that PyKEEN trained, from exported arrays; PyKEEN itself is not needed."""

from __future__ import annotations

import csv
import gzip
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from accord.errors import DataError, GraphError
from accord.graph.graph import KnowledgeGraph
from accord.model.memory import EntityMemory
from accord.model.structure import COMPLEX, Interaction, StructureVectors, inverses

ARRAYS = "vectors.npz"
MAPS = ("entity_to_id.tsv.gz", "relation_to_id.tsv.gz")
PLACES = (".", "training_triples")
"""Where the maps lie: PyKEEN's `to_path_binary` writes them, as does a pipeline's result."""
UNIT = 1e-3
"""How far from 1 the sizes of RotatE's relations may be."""
Float32 = npt.NDArray[np.float32]


def import_pykeen(
    folder: str | Path, graph: KnowledgeGraph, interaction: Interaction, norm: Literal[1, 2] = 2
) -> StructureVectors:
    """Opens vectors that PyKEEN trained; scores are then PyKEEN's.

    Args:
        folder: Holds `vectors.npz` with the arrays `entities` and `relations`, and the maps
            `entity_to_id.tsv.gz` and `relation_to_id.tsv.gz`, here or in `training_triples`.
        graph: The graph whose ids PyKEEN was given.
        interaction: PyKEEN's model.
        norm: Of distances: TransE's `scoring_fct_norm`; RotatE has 2.

    Returns:
        The embeddings. Without inverse triples in PyKEEN, heads are scored by its own formula.

    Raises:
        DataError: A file is missing, cut, pickled, or does not fit the others.
        GraphError: Entities or relations are none of the graph's.
    """
    path = Path(folder)
    entities, relations = (_array(path, name) for name in ("entities", "relations"))
    entity_ids, relation_ids = (_ids(path, name) for name in MAPS)
    if len(entities) != len(entity_ids) or len(relations) not in (
        len(relation_ids),
        2 * len(relation_ids),
    ):
        raise DataError(
            f"{len(entities)} and {len(relations)} vectors for {len(entity_ids)} entities and "
            f"{len(relation_ids)} relations",
            path,
            hint="export the vectors and the maps of the same model",
        )
    if not set(relation_ids) & set(graph.relation_ids):
        raise GraphError(f"none of the relations, such as {relation_ids[:3]}, is in {graph.name!r}")
    rows = _relation_rows(path, interaction, relations)
    if len(rows) == len(relation_ids):
        forth, back = rows, inverses(interaction, rows)
    else:  # PyKEEN puts each inverse after its relation
        forth, back = rows[::2], rows[1::2]
    vectors = _reals(path, interaction, entities)
    if interaction != "rotate" and forth.shape[1] != vectors.shape[1]:
        raise DataError(f"vectors of widths {vectors.shape[1]} and {forth.shape[1]}", path)
    source = f"pykeen {interaction}"
    memory = EntityMemory.of(graph, vectors, "structure", source, entity_ids)
    return StructureVectors(interaction, norm, memory, relation_ids, forth, back)


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        with np.load(path / ARRAYS, allow_pickle=False) as file:
            found: npt.NDArray[Any] = file[name]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"no array {name!r} to read ({error})",
            path / ARRAYS,
            hint="export as docs/structure.md says; pickled files are not read",
        ) from error
    if found.ndim != 2 or found.dtype.kind not in "fc" or not np.isfinite(found).all():
        raise DataError(
            f"{name!r} is {found.dtype} of shape {found.shape}, expected a finite (N, D)",
            path / ARRAYS,
        )
    return found


def _ids(path: Path, name: str) -> list[str]:
    """Labels in the order of their numbers."""
    for place in PLACES:
        file = path / place / name
        if file.is_file():
            return _read_map(file)
    raise DataError(
        "PyKEEN's map of ids is missing", path / name, hint="write it with to_path_binary"
    )


def _read_map(file: Path) -> list[str]:
    found: dict[int, str] = {}
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.reader(stream, delimiter="\t"), start=1):
                if number > 1:
                    found[int(row[0])] = row[1]
    except (OSError, EOFError, ValueError, IndexError, csv.Error) as error:
        raise DataError(f"no map of ids ({error})", file, hint="write it anew") from error
    if sorted(found) != list(range(len(found))):
        raise DataError(f"the ids of {len(found)} labels are not 0 to {len(found) - 1}", file)
    return [found[i] for i in range(len(found))]


def _reals(path: Path, interaction: Interaction, vectors: npt.NDArray[Any]) -> Float32:
    """Complex numbers as real parts, then imaginary parts."""
    if (vectors.dtype.kind == "c") != (interaction in COMPLEX):
        raise DataError(
            f"numbers of type {vectors.dtype}, which {interaction} does not have",
            path / ARRAYS,
            hint="name PyKEEN's model with the interaction; export what its representations give",
        )
    if interaction not in COMPLEX:
        return vectors.astype(np.float32)
    return np.concatenate([vectors.real, vectors.imag], axis=1).astype(np.float32)


def _relation_rows(path: Path, interaction: Interaction, relations: npt.NDArray[Any]) -> Float32:
    rows = _reals(path, interaction, relations)
    if interaction != "rotate":
        return rows
    if np.abs(np.abs(relations) - 1).max(initial=0) > UNIT:
        raise DataError("relations of RotatE are not of size 1", path / ARRAYS)
    turns: Float32 = np.angle(relations).astype(np.float32)
    return turns
