"""Structure embeddings: how a triple is scored from vectors of its own, without any text.

A score is that of a query's vector, composed of head and relation, with a candidate's vector; heads
are predicted by vectors of inverse relations. Complex numbers are real parts, then imaginary parts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from accord.errors import DataError
from accord.graph.graph import KnowledgeGraph
from accord.graph.writing import new_folder
from accord.model.memory import EntityMemory, write_tensors

FORMAT = 1
HEADER, ENTITIES, RELATIONS = "structure.json", "entities", "relations.safetensors"
FOLDER = "structure"
"""Where a saved model keeps its structure embeddings."""
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Interaction = Literal["transe", "distmult", "complex", "rotate"]
INTERACTIONS: tuple[Interaction, ...] = ("transe", "distmult", "complex", "rotate")
COMPLEX: tuple[Interaction, ...] = ("complex", "rotate")
"""Their entities are vectors of complex numbers."""
DISTANCES: tuple[Interaction, ...] = ("transe", "rotate")
"""They score by distance, the others by a product."""


def entity_width(interaction: Interaction, dimension: int) -> int:
    """Real numbers of an entity's vector."""
    return 2 * dimension if interaction in COMPLEX else dimension


def relation_width(interaction: Interaction, dimension: int) -> int:
    """Real numbers of a relation's vector; RotatE has one angle a dimension."""
    return 2 * dimension if interaction == "complex" else dimension


def compose(interaction: Interaction, heads: torch.Tensor, relations: torch.Tensor) -> torch.Tensor:
    """The vectors of queries.

    Source: TransE (Bordes et al. 2013), h + r; DistMult (Yang et al. 2015, arXiv 1412.6575), h * r;
    ComplEx (Trouillon et al. 2016, arXiv 1606.06357), h * r in complex numbers; RotatE (Sun et al.
    2019, arXiv 1902.10197), h turned by angles r.

    Args:
        interaction: How triples are scored.
        heads: (..., D).
        relations: (..., Dr).

    Returns:
        (..., D).
    """
    if interaction == "transe":
        return heads + relations
    if interaction == "distmult":
        return heads * relations
    real, imaginary = heads.chunk(2, dim=-1)
    if interaction == "complex":
        a, b = relations.chunk(2, dim=-1)
    else:
        a, b = torch.cos(relations), torch.sin(relations)
    return torch.cat([real * a - imaginary * b, real * b + imaginary * a], dim=-1)


def all_scores(
    interaction: Interaction, queries: torch.Tensor, candidates: torch.Tensor, norm: int
) -> torch.Tensor:
    """Scores of every query with every candidate; higher is better.

    Args:
        interaction: How triples are scored.
        queries: (B, D) from `compose`.
        candidates: (C, D).
        norm: 1 or 2, of distances.

    Returns:
        (B, C).
    """
    if interaction not in DISTANCES:
        return queries @ candidates.T
    if interaction == "rotate" and norm == 1:
        return -moduli(interaction, queries[:, None] - candidates[None]).sum(-1)
    return -torch.cdist(queries, candidates, p=float(norm))


def pair_scores(
    interaction: Interaction, queries: torch.Tensor, tails: torch.Tensor, norm: int
) -> torch.Tensor:
    """(..., D) and (..., D) -> (...) scores of each query with its tail."""
    if interaction not in DISTANCES:
        return (queries * tails).sum(-1)
    gap = queries - tails
    if norm == 1:
        return -moduli(interaction, gap).sum(-1)
    found: torch.Tensor = -torch.linalg.vector_norm(gap, dim=-1)
    return found


def moduli(interaction: Interaction, vectors: torch.Tensor) -> torch.Tensor:
    """Sizes of the numbers of vectors: (..., D) -> (..., D or D / 2)."""
    if interaction not in COMPLEX:
        return vectors.abs()
    real, imaginary = vectors.chunk(2, dim=-1)
    # Clamped, since the root has no gradient at zero.
    return (real.square() + imaginary.square()).clamp_min(1e-20).sqrt()


def inverses(interaction: Interaction, relations: Float32) -> Float32:
    """Relation vectors under which (t, r inverse, h) scores exactly as (h, r, t).

    Args:
        interaction: How triples are scored.
        relations: (R, Dr).

    Returns:
        (R, Dr).
    """
    if interaction == "distmult":
        return relations
    if interaction == "complex":
        half = relations.shape[1] // 2
        return np.concatenate([relations[:, :half], -relations[:, half:]], axis=1)
    return -relations


def first_vectors(
    interaction: Interaction, entities: int, relations: int, dimension: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random vectors to begin with.

    Args:
        interaction: How triples are scored.
        entities: E.
        relations: How many relation vectors.
        dimension: Real or complex numbers of an entity.
        seed: Of the draw.

    Returns:
        (E, D) and (relations, Dr) float32.
    """
    draw = torch.Generator().manual_seed(seed)
    shapes = (
        (entities, entity_width(interaction, dimension)),
        (relations, relation_width(interaction, dimension)),
    )
    if interaction in DISTANCES:
        found = [(2 * torch.rand(shape, generator=draw) - 1) for shape in shapes]
        size = math.sqrt(6 / dimension)
        angles = math.pi if interaction == "rotate" else size
        return found[0] * size, found[1] * angles
    first, second = (torch.randn(shape, generator=draw) for shape in shapes)
    return first * FIRST_SPREAD, second * FIRST_SPREAD


FIRST_SPREAD = 0.1
"""Standard deviation of the first vectors of products."""


@dataclass(frozen=True)
class StructureVectors:
    """Trained structure embeddings of a graph."""

    interaction: Interaction
    norm: int
    """1 or 2, of distances."""
    entities: EntityMemory
    relation_ids: Sequence[str]
    """(R,)"""
    relations: Float32
    """(R, Dr)"""
    inverse_relations: Float32
    """(R, Dr)"""

    def save(self, folder: str | Path) -> Path:
        """Writes them whole or not at all.

        Args:
            folder: Where to; its `entities` folder is an `EntityMemory`.

        Raises:
            DataError: No space left; what was there is untouched.
        """
        header = {
            "format": FORMAT,
            "interaction": self.interaction,
            "norm": self.norm,
            "relations": list(self.relation_ids),
        }
        tensors = {
            "relations": np.ascontiguousarray(self.relations),
            "inverse_relations": np.ascontiguousarray(self.inverse_relations),
        }
        with new_folder(Path(folder)) as work:
            self.entities.save(work / ENTITIES)
            write_tensors(tensors, work / RELATIONS)
            (work / HEADER).write_text(json.dumps(header, indent=2, ensure_ascii=False), "utf-8")
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> StructureVectors:
        """Opens them; entity vectors are mapped, not read.

        Raises:
            DataError: Missing, cut, or of a newer format.
        """
        path = Path(folder)
        try:
            header = json.loads((path / HEADER).read_text("utf-8"))
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']!r}, this version reads {FORMAT}")
            tensors = load_file(path / RELATIONS)
            relations, inverse = tensors["relations"], tensors["inverse_relations"]
            interaction, norm, names = (header[k] for k in ("interaction", "norm", "relations"))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DataError(
                f"no whole structure embeddings ({error})", path, hint="make or copy them again"
            ) from error
        memory = EntityMemory.load(path / ENTITIES)
        return cls(interaction, norm, memory, names, relations, inverse)

    def relation_rows(self, graph: KnowledgeGraph) -> Int64:
        """(R',) for each relation of a graph its row here, -1 for none."""
        own = {name: row for row, name in enumerate(self.relation_ids)}
        return np.array([own.get(name, -1) for name in graph.relation_ids], dtype=np.int64)


def structure_folder(run: str | Path) -> Path | None:
    """The structure embeddings of a run, of a saved model, or the folder itself if it is one."""
    for folder in (Path(run) / "model" / FOLDER, Path(run) / FOLDER, Path(run)):
        if (folder / HEADER).is_file():
            return folder
    return None
