"""Hidden states of frozen layers, computed once and kept in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from accord.errors import ConfigError, DataError
from accord.model.load import hidden_width
from accord.model.reading import Key, Reader
from accord.progress import track
from accord.text.collate import chunks_by_length
from accord.text.examples import Sequence

FILL_BLOCK = 65_536
GIGABYTE = 1e9
STATES, PIECES, RECORD = "hidden.npy", "pieces.npz", "hidden.json"
PROGRESS = ".hidden.progress.json"


class HiddenCache:
    """Rows of hidden states by piece of text.

    Args:
        rows: (T, D) float32 or float16, memory-mapped.
        starts: First row of every piece.
    """

    def __init__(self, rows: npt.NDArray[np.generic], starts: dict[Key, int]) -> None:
        self.rows = rows
        self.starts = starts

    def start(self, key: Key) -> int:
        """First row of a piece, or -1."""
        return self.starts.get(key, -1)

    def take(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """(n, D) rows, as stored."""
        return torch.from_numpy(np.asarray(self.rows[rows]))


def plan_pieces(reader: Reader, sequences: Iterable[Sequence]) -> list[Key]:
    """Every distinct piece that the frozen layers read for some sequences, in first-seen order."""
    return list(dict.fromkeys(key for s in sequences for key in reader.pieces(s)))


def build_cache(
    reader: Reader,
    pieces: list[Key],
    folder: Path,
    cache_gb: float,
    identity: str,
    others: Iterable[Path] = (),
) -> HiddenCache:
    """Reads all pieces through the frozen layers, or opens what an earlier run kept.

    The order and grouping depend on the pieces alone, so a rebuilt cache is bit-identical, unless
    other runs' states served: those were read in other groups and may differ in the last bit.

    Args:
        reader: Reads pieces.
        pieces: Distinct pieces.
        folder: Where the cache lies.
        cache_gb: Hard cap on its size, in 10^9 bytes.
        identity: Says which model and layers the states are of.
        others: Folders of other caches; what fits is copied from them.

    Returns:
        The cache; float32 where that fits the cap, else float16.

    Raises:
        ConfigError: Not even float16 fits.
    """
    lengths = np.array([len(tokens) for _, tokens in pieces], dtype=np.int64)
    width = hidden_width(reader.lm)
    dtype = _fitting_dtype(int(lengths.sum()) * width, cache_gb)
    starts = dict(zip(pieces, (np.cumsum(lengths) - lengths).tolist(), strict=True))
    mark = _fingerprint(pieces, identity, dtype)
    path, record = folder / STATES, folder / RECORD
    if _read_record(record).get("mark") != mark:
        folder.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        kept = [cache for other in others if (cache := open_cache(other, identity))]
        with _open_rows(path, (int(lengths.sum()), width), dtype) as rows:
            _fill(reader, pieces, lengths, path, rows, kept, mark)
        _write_pieces(folder / PIECES, pieces, lengths)
        _write_record(record, {"mark": mark, "identity": identity, "tokens": int(lengths.sum())})
    return HiddenCache(np.load(path, mmap_mode="r"), starts)


def open_cache(folder: Path, identity: str) -> HiddenCache | None:
    """The states that a run kept, so that what it read is not read again.

    Args:
        folder: Where the cache lies.
        identity: The model and layers that are asked for.

    Returns:
        The cache; None where there is none, or it is of another model or other layers.
    """
    if _read_record(folder / RECORD).get("identity") != identity:
        return None
    try:
        rows = np.load(folder / STATES, mmap_mode="r")
        with np.load(folder / PIECES) as kept:
            sinks, lengths, tokens = (kept[name] for name in ("sinks", "lengths", "tokens"))
    except (OSError, ValueError, KeyError):
        return None
    ends = np.cumsum(lengths)
    if len(rows) != len(tokens) or int(ends[-1]) != len(tokens):
        return None
    keys = zip(sinks.tolist(), np.split(tokens, ends[:-1]), strict=True)
    starts = ((sink, tuple(piece.tolist())) for sink, piece in keys)
    return HiddenCache(rows, dict(zip(starts, (ends - lengths).tolist(), strict=True)))


def _write_pieces(path: Path, pieces: list[Key], lengths: npt.NDArray[np.int64]) -> None:
    work = path.with_name(f".{path.name}")
    np.savez(
        work,
        sinks=np.array([sink for sink, _ in pieces], dtype=np.bool_),
        lengths=lengths,
        tokens=np.array([token for _, tokens in pieces for token in tokens], dtype=np.int32),
    )
    work.replace(path)


def _read_record(record: Path) -> dict[str, Any]:
    """What the kept states are of; empty where there are none or the record was cut."""
    try:
        found = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_record(record: Path, value: dict[str, object]) -> None:
    work = record.with_name(f".{record.name}")
    work.write_text(json.dumps(value))
    work.replace(record)


def _fitting_dtype(values: int, cache_gb: float) -> np.dtype[np.generic]:
    for name in ("float32", "float16"):
        dtype: np.dtype[np.generic] = np.dtype(name)
        if values * dtype.itemsize <= cache_gb * GIGABYTE:
            return dtype
    raise ConfigError(
        f"the cache of frozen layers needs {values * 2 / GIGABYTE:.1f} GB, cache_gb is {cache_gb}",
        "raise cache_gb, set cache_gb=0 to read without a cache, shorten text.entity_tokens, or "
        "set model.reading=segments",
    )


def _fingerprint(pieces: list[Key], identity: str, dtype: np.dtype[np.generic]) -> str:
    digest = hashlib.sha256(f"{identity} {dtype} {len(pieces)}".encode())
    for sink, tokens in pieces:
        digest.update(bytes([sink]) + np.array(tokens, dtype=np.int32).tobytes() + b"|")
    return digest.hexdigest()


def _reserve(path: Path) -> None:
    """Takes the file's space on the disk now: a map written to a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _fill(
    reader: Reader,
    pieces: list[Key],
    lengths: npt.NDArray[np.int64],
    path: Path,
    rows: npt.NDArray[np.generic],
    kept: list[HiddenCache],
    mark: str,
) -> None:
    """Copies what others kept and reads the rest; a killed reading goes on at its last group."""
    starts = np.cumsum(lengths) - lengths
    fresh = _copy(rows, pieces, starts, lengths, kept)
    groups = list(chunks_by_length(lengths[fresh], FILL_BLOCK)) if len(fresh) else []
    progress, mark = path.with_name(PROGRESS), f"{mark} {len(fresh)}"
    found = _read_record(progress)
    done = int(str(found["groups"])) if found.get("mark") == mark else 0
    rest = int(sum(lengths[fresh[group]].sum() for group in groups[done:]))
    with track("reading frozen layers", rest, "tokens") as advance:
        for number, group in enumerate(groups[done:], done + 1):
            chosen = fresh[group]
            states = reader.read_pieces([pieces[i] for i in chosen]).float().cpu().numpy()
            _put(rows, states, starts[chosen], lengths[chosen], path)
            cast(np.memmap, rows).flush()
            _write_record(progress, {"mark": mark, "groups": number})
            advance(int(lengths[chosen].sum()))
    progress.unlink(missing_ok=True)


@contextmanager
def _open_rows(
    path: Path, shape: tuple[int, int], dtype: np.dtype[np.generic]
) -> Iterator[npt.NDArray[np.generic]]:
    """Rows to fill, under another name until they are whole; a begun file is taken up again."""
    work = path.with_name(f".{path.name}")
    try:
        begun = np.load(work, mmap_mode="r+") if work.is_file() else None
    except (OSError, ValueError):
        begun = None
    try:
        if begun is None or begun.shape != shape or begun.dtype != dtype:
            path.with_name(PROGRESS).unlink(missing_ok=True)
            begun = np.lib.format.open_memmap(work, mode="w+", dtype=dtype, shape=shape)
            _reserve(work)
        yield begun
        work.replace(path)
    except OSError as error:
        raise DataError(
            f"cannot write the cache ({error})", path, hint="free disk space"
        ) from error


def _copy(
    rows: npt.NDArray[np.generic],
    pieces: list[Key],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    kept: list[HiddenCache],
) -> npt.NDArray[np.int64]:
    """Takes what other caches hold; gives the pieces that none of them does."""
    fresh = np.ones(len(pieces), dtype=np.bool_)
    for cache in kept:
        for i in np.flatnonzero(fresh).tolist():
            found = cache.start(pieces[i])
            if found >= 0:
                rows[starts[i] : starts[i] + lengths[i]] = cache.rows[found : found + lengths[i]]
                fresh[i] = False
    return np.flatnonzero(fresh)


def _put(
    rows: npt.NDArray[np.generic],
    states: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    path: Path,
) -> None:
    limit = float(np.finfo(np.float16 if rows.dtype == np.float16 else np.float32).max)
    if not np.isfinite(states).all() or np.abs(states).max() > limit:
        raise DataError("the frozen layers gave NaN or values beyond float16", path)
    at = np.cumsum(lengths) - lengths
    for start, offset, size in zip(starts.tolist(), at.tolist(), lengths.tolist(), strict=True):
        rows[start : start + size] = states[offset : offset + size]
