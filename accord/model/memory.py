"""Entity memory: a vector for each entity, found by the entity's id.

A memory is a folder: `memory.json` says what it is, `vectors.safetensors` holds vectors and ids.
Opening one reads the JSON and the ids and maps the vectors. It is bound to the graph it was made
for and to every descendant of that; there, entities that came later have no vector until one is
added, and vectors whose entity has changed since are named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import nn

from accord.errors import DataError, GraphError
from accord.graph.graph import KnowledgeGraph
from accord.graph.strings import StringTable
from accord.graph.writing import new_folder

FORMAT = 1
HEADER, VECTORS = "memory.json", "vectors.safetensors"
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Kind = Literal["structure", "text"]
"""What the vectors come from, and so what makes one stale: triples, or name and description."""


@dataclass(frozen=True)
class EntityMemory:
    """Vectors of entities. Make one with `of` or `load`, use it with `bind`."""

    ids: Sequence[str]
    """(N,) entity ids."""
    vectors: Float32
    """(N, D) float32; a read-only memory map where it was loaded."""
    marks: UInt64
    """(N,) what each vector was made from, as a number."""
    kind: Kind
    source: str
    """Who made the vectors, such as `complex`."""
    graph_name: str
    graph_hash: str
    """The graph that the vectors are for."""

    @classmethod
    def of(
        cls,
        graph: KnowledgeGraph,
        vectors: npt.NDArray[Any],
        kind: Kind,
        source: str,
        ids: Sequence[str] | None = None,
    ) -> EntityMemory:
        """A memory for a graph.

        Args:
            graph: The graph.
            vectors: (N, D) numbers.
            kind: What the vectors come from.
            source: Who made them.
            ids: (N,) entity ids of the rows, in any order; those not in the graph are left out.
                None: row i is the entity with idx i.

        Raises:
            DataError: Shapes that do not fit, an id twice, or a number that is not finite.
            GraphError: None of the ids is in the graph.
        """
        names = list(graph.entity_ids) if ids is None else list(ids)
        _check(vectors, names)
        places = graph.entities(names)
        known = np.flatnonzero(places >= 0)
        if not len(known):
            raise GraphError(
                f"none of {len(names)} ids, such as {names[:3]}, is an entity of {graph.name!r}",
                "the ids must be those of the graph (`accord graph info`)",
            )
        return cls(
            ids=[names[i] for i in known],
            vectors=np.ascontiguousarray(vectors[known], dtype=np.float32),
            marks=entity_marks(graph, kind)[places[known]],
            kind=kind,
            source=source,
            graph_name=graph.name,
            graph_hash=graph.hash,
        )

    @property
    def width(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.ids)

    def check_graph(self, graph: KnowledgeGraph) -> None:
        """Makes sure that a graph is the memory's own or descends from it.

        Raises:
            GraphError: It is unrelated.
        """
        if not graph.descends_from(self.graph_hash):
            raise GraphError(
                f"the memory was made for graph {self.graph_name!r} ({self.graph_hash[:12]}), "
                f"{graph.name!r} ({graph.hash[:12]}) does not descend from it",
                "use that graph or a descendant of it, or make a memory for this one",
            )

    def missing(self, graph: KnowledgeGraph) -> list[str]:
        """Ids of a descendant's entities that have no vector, in the graph's order."""
        self.check_graph(graph)
        rows = self._rows(graph)
        return [graph.entity_ids[i] for i in np.flatnonzero(rows < 0)]

    def stale(self, graph: KnowledgeGraph) -> list[str]:
        """Ids whose vector is older than what the graph says of the entity, in row order."""
        self.check_graph(graph)
        places = graph.entities(list(self.ids))
        found = np.where(places >= 0, entity_marks(graph, self.kind)[places], 0)
        return [self.ids[int(i)] for i in np.flatnonzero((places < 0) | (found != self.marks))]

    def extended(
        self, graph: KnowledgeGraph, ids: Sequence[str], vectors: npt.NDArray[Any]
    ) -> EntityMemory:
        """A memory with vectors put in by id: of new entities, or anew for stale ones.

        Args:
            graph: The memory's graph or a descendant; the result is bound to it.
            ids: (n,) ids of entities of the graph.
            vectors: (n, D).

        Returns:
            The new memory; this one stays as it is. Vectors that are not replaced stay stale.

        Raises:
            GraphError: An unrelated graph, or an id that it lacks.
            DataError: Another width, an id twice, or a number that is not finite.
        """
        self.check_graph(graph)
        names = list(ids)
        _check(vectors, names, self.width)
        absent = [name for name, i in zip(names, graph.entities(names), strict=True) if i < 0]
        if absent:
            raise GraphError(f"graph {graph.name!r} has no entity {absent[0]!r}")
        own = {name: row for row, name in enumerate(self.ids)}
        fresh = [name for name in names if name not in own]
        own |= {name: len(self) + i for i, name in enumerate(fresh)}
        at = np.array([own[name] for name in names], dtype=np.int64)
        merged = np.concatenate([self.vectors, np.zeros((len(fresh), self.width), np.float32)])
        marks = np.concatenate([self.marks, np.zeros(len(fresh), np.uint64)])
        merged[at] = vectors
        marks[at] = entity_marks(graph, self.kind)[graph.entities(names)]
        return replace(
            self,
            ids=[*self.ids, *fresh],
            vectors=merged,
            marks=marks,
            graph_name=graph.name,
            graph_hash=graph.hash,
        )

    def bind(self, graph: KnowledgeGraph, trained: bool = False) -> BoundMemory:
        """The memory by idx of a graph.

        Args:
            graph: The memory's graph or a descendant.
            trained: The vectors are parameters and can be updated; else they are frozen and stay
                memory-mapped.

        Raises:
            GraphError: An unrelated graph.
        """
        self.check_graph(graph)
        return BoundMemory(self, self._rows(graph), trained)

    def _rows(self, graph: KnowledgeGraph) -> Int64:
        """(E,) the row of each entity, -1 for none."""
        places = graph.entities(list(self.ids))
        rows = np.full(graph.num_entities, -1, dtype=np.int64)
        rows[places[places >= 0]] = np.flatnonzero(places >= 0)
        return rows

    def save(self, folder: str | Path) -> Path:
        """Writes the memory: to a temporary folder first, then renamed.

        Args:
            folder: Where to; a memory that is there is replaced.

        Raises:
            DataError: No space left; what was there is untouched.
        """
        target, table = Path(folder), StringTable.of(self.ids)
        header = {
            "format": FORMAT,
            "kind": self.kind,
            "source": self.source,
            "graph": {"name": self.graph_name, "hash": self.graph_hash},
        }
        tensors: dict[str, npt.NDArray[Any]] = {
            "vectors": np.ascontiguousarray(self.vectors),
            "marks": self.marks.view(np.int64),
            "id_bytes": table.data,
            "id_offsets": table.offsets,
        }
        with new_folder(target) as work:
            write_tensors(tensors, work / VECTORS)
            (work / HEADER).write_text(json.dumps(header, indent=2, ensure_ascii=False), "utf-8")
        return target

    @classmethod
    def load(cls, folder: str | Path) -> EntityMemory:
        """Opens a memory; its vectors are mapped, not read.

        Raises:
            DataError: No memory, cut, or of a newer format.
        """
        path = Path(folder)
        if not (path / HEADER).is_file():
            own = path / "model" / "structure" / "entities"
            where = own if (own / HEADER).is_file() else "RUN/model/structure/entities"
            hint = f"a run that has learnt structure has one: {where}"
            raise DataError(f"no whole entity memory ({HEADER} is not there)", path, hint=hint)
        try:
            header = json.loads((path / HEADER).read_text("utf-8"))
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']!r}, this version reads {FORMAT}")
            with safe_open(path / VECTORS, "np") as file:
                names = ("marks", "id_bytes", "id_offsets")
                marks, data, offsets = (file.get_tensor(name) for name in names)
            found = cls(
                ids=list(StringTable(data, offsets)),
                vectors=mapped_tensor(path / VECTORS, "vectors"),
                marks=marks.view(np.uint64),
                kind=header["kind"],
                source=header["source"],
                graph_name=header["graph"]["name"],
                graph_hash=header["graph"]["hash"],
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise DataError(
                f"no whole entity memory ({error})", path, hint="make or copy it again"
            ) from error
        return found


class BoundMemory(nn.Module):
    """A memory by idx of one graph.

    Args:
        memory: The memory.
        places: (E,) its row of each entity, -1 for none.
        trained: Whether the vectors are parameters.
    """

    def __init__(self, memory: EntityMemory, places: Int64, trained: bool) -> None:
        super().__init__()
        self.memory = memory
        self.places = places
        self.vectors: nn.Parameter | None = None
        if trained:
            self.vectors = nn.Parameter(torch.from_numpy(np.array(memory.vectors)))

    @property
    def width(self) -> int:
        """D."""
        return self.memory.width

    def known(self, entities: Int64) -> npt.NDArray[np.bool_]:
        """(n,) which of (n,) entity idx have a vector."""
        found: npt.NDArray[np.bool_] = self.places[entities] >= 0
        return found

    def rows(self, entities: Int64) -> torch.Tensor:
        """Vectors of entities.

        Args:
            entities: (n,) idx.

        Returns:
            (n, D) float32, zeros where there is none; with gradient where they are trained.
        """
        at = self.places[entities]
        known = torch.from_numpy(at >= 0)[:, None]
        safe = np.maximum(at, 0)
        if self.vectors is None:
            return torch.from_numpy(np.array(self.memory.vectors[safe])) * known
        device = self.vectors.device
        return self.vectors[torch.from_numpy(safe).to(device)] * known.to(device)

    def updated(self) -> EntityMemory:
        """The memory with the vectors as they are now."""
        if self.vectors is None:
            return self.memory
        return replace(self.memory, vectors=self.vectors.detach().cpu().numpy().copy())


def write_tensors(tensors: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """Writes a safetensors file.

    Raises:
        OSError: The disk is full; safetensors has an error of its own for that.
    """
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def mapped_tensor(path: Path, name: str) -> Float32:
    """A float32 tensor of a safetensors file as a read-only memory map.

    Raises:
        ValueError: The file has no such tensor, of another type, or is cut.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
    if entry["dtype"] != "F32":
        raise ValueError(f"{name} is {entry['dtype']}, expected F32")
    shape, start = tuple(entry["shape"]), 8 + length + entry["data_offsets"][0]
    if 0 in shape:
        return np.zeros(shape, dtype=np.float32)
    return np.memmap(path, dtype=np.float32, mode="r", offset=start, shape=shape)


def entity_marks(graph: KnowledgeGraph, kind: Kind) -> UInt64:
    """A number an entity that changes when its train triples (or its texts) do.

    Numbers of a graph and its descendants can be compared, since their idx are the same.

    Args:
        graph: The graph.
        kind: structure: triples of train; text: name and description.

    Returns:
        (E,) uint64.
    """
    if kind == "text":
        digests = [
            hashlib.blake2b(name.encode() + b"\0" + text.encode(), digest_size=8).digest()
            for name, text in zip(graph.entity_names, graph.entity_descriptions, strict=True)
        ]
        return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
    heads, relations, tails = graph.triples_of("train").astype(np.uint64).T
    marks = np.zeros(graph.num_entities, dtype=np.uint64)
    np.add.at(marks, heads.astype(np.int64), _mixed(2 * relations, tails))
    np.add.at(marks, tails.astype(np.int64), _mixed(2 * relations + np.uint64(1), heads))
    return marks


def _mixed(first: UInt64, second: UInt64) -> UInt64:
    """Pairs of numbers below 2^31 to well spread numbers; sums of them tell sets apart."""
    mixed = (first << np.uint64(32)) | second
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _check(vectors: npt.NDArray[Any], ids: list[str], width: int | None = None) -> None:
    fits = vectors.ndim == 2 and len(vectors) == len(ids) and vectors.shape[1:] > (0,)
    if not fits or (width is not None and vectors.shape[1] != width):
        wanted = f"({len(ids)}, {'D' if width is None else width})"
        raise DataError(f"vectors of shape {vectors.shape}, expected {wanted}")
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError(f"the id {twice!r} has two vectors")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise DataError(f"the vector of {ids[row]!r} has numbers that are not finite")
