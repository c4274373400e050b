"""The files of the named data sets: where they are, and proof that they are the right ones.

A file is looked for in the folder given, in `ACCORD_DATA`, then in the cache; else it is fetched
from its public source and kept in the cache in the same layout.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from accord.errors import DataError
from accord.graph.dataset_upstream import FORMATS, Rows, split_rows, triples_hash
from accord.progress import say

Read = Callable[[str], Rows]
"""Gives the rows of a file by its path in the layout."""

TABLE = Path(__file__).with_name("dataset_files.tsv")
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class DataFile:
    """One file of a data set."""

    path: str
    """Where it lies below the data folder."""
    sha256: str
    """Of the file in the mirror's form."""
    triples_sha256: str
    """Of its triples in any order and form, by which a download is known; empty for texts."""
    form: str
    """The public form, a key of `FORMATS`; "none": it can be done without; "mirror": only there."""
    sources: tuple[str, ...]
    """`owner/repository@commit:path` of each public file it is made from."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each source is fetched from; this address also takes shortened commit ids."""
        parts = [source.replace("@", ":", 1).split(":", 2) for source in self.sources]
        return tuple(
            f"https://github.com/{repository}/raw/{commit}/{path}"
            for repository, commit, path in parts
        )


@cache
def data_files() -> dict[str, DataFile]:
    """All files that the data sets are made of, by path."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    return {
        path: DataFile(path, sha256, triples_sha256, form, tuple(sources.split()))
        for path, sha256, triples_sha256, form, sources in rows
    }


def cache_folder() -> Path:
    """Where downloads are kept: `ACCORD_CACHE`, else `~/.cache/accord`."""
    return Path(os.environ.get("ACCORD_CACHE") or Path.home() / ".cache" / "accord")


def verify(path: Path, sha256: str) -> bytes:
    """Reads a file whose sha256 is known.

    Args:
        path: The file.
        sha256: What its bytes must hash to, in hex.

    Returns:
        Its bytes, as they lie on disk.

    Raises:
        DataError: They hash to something else.
    """
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"sha256 differs: expected {sha256}, found {found}",
            path,
            hint="the file is damaged or another version; delete it and fetch it again",
        )
    return content


def write_rows(path: Path, rows: Rows) -> None:
    """Writes rows as TSV, gzipped where the name ends in `.gz`; temporary name, then renamed."""
    content = "".join("\t".join(row) + "\n" for row in rows).encode("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, work = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
        Path(work).rename(path)
    finally:
        Path(work).unlink(missing_ok=True)


def local_file(path: str, folder: Path | None) -> Path | None:
    """The first local copy of a file: in the folder given, else in `ACCORD_DATA`."""
    mirror = os.environ.get("ACCORD_DATA")
    places = [folder] if folder else [Path(mirror)] if mirror else []
    return next((place / path for place in places if (place / path).is_file()), None)


def download(file: DataFile) -> Rows:
    """Fetches the public sources of a file and turns them into the mirror's rows.

    Raises:
        DataError: There is none, one cannot be fetched or read, or the triples are not the set's.
    """
    if file.form == "none":
        return []
    hint = f"set ACCORD_DATA to a folder that holds {file.path}"
    if file.form not in FORMATS:
        raise DataError("not in the data folder, and no public source has it", file.path, hint=hint)
    contents = [fetch(url, file.path, hint) for url in file.urls]
    try:
        rows = FORMATS[file.form](contents)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise DataError(
            f"{file.urls[0]} is not in the expected form ({error!r})", file.path, hint=hint
        ) from error
    if file.triples_sha256 and triples_hash(rows) != file.triples_sha256:
        raise DataError(
            f"{file.urls[0]} holds other triples: expected sha256 {file.triples_sha256}, "
            f"found {triples_hash(rows)}",
            file.path,
            hint=hint,
        )
    return rows


def fetch(url: str, path: str, hint: str) -> bytes:
    """The content of a public file.

    Raises:
        DataError: It cannot be fetched.
    """
    import httpx

    say(f"fetching {url}")
    try:
        reply = httpx.get(url, timeout=TIMEOUT_SECONDS, follow_redirects=True)
        return reply.raise_for_status().content
    except httpx.HTTPError as error:
        raise DataError(
            f"cannot fetch {url} ({error})", path, hint=hint + ", or try again when online"
        ) from error


def rows_of(path: str, folder: Path | None) -> Rows:
    """The rows of one file of a data set.

    Args:
        path: Its path in the layout.
        folder: A folder with that layout; None for `ACCORD_DATA`, the cache and the public source.

    Returns:
        One list of columns a line.

    Raises:
        DataError: The file is missing, damaged, or cannot be fetched.
    """
    file = data_files()[path]
    local = local_file(path, folder)
    if local is not None:
        return split_rows(verify(local, file.sha256), local)
    if folder is not None:
        raise DataError("no such file in the data folder", folder / path, hint="check the layout")
    kept = cache_folder() / "data" / path
    if not kept.is_file():
        rows = download(file)
        try:
            write_rows(kept, rows)
        except OSError as error:
            raise DataError(
                f"a download cannot be kept ({error})",
                kept,
                hint="make room there, or set ACCORD_CACHE to a folder that can be written",
            ) from error
    return split_rows(kept.read_bytes(), kept)
