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
from accord.progress import say

Rows = list[list[str]]
Read = Callable[[str], Rows]
"""Gives the rows of a file by its path in the layout."""

TABLE = Path(__file__).with_name("dataset_files.tsv")
RAW = "https://raw.githubusercontent.com"
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class DataFile:
    """One file of a data set."""

    path: str
    """Where it lies below the data folder."""
    sha256: str
    """Of the file in the mirror's form."""
    sources: tuple[str, ...]
    """`owner/repository@commit:path` of each public file it is made from; none: not public."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each source is fetched from."""
        parts = [source.replace("@", ":", 1).split(":", 2) for source in self.sources]
        return tuple(f"{RAW}/{repository}/{commit}/{path}" for repository, commit, path in parts)


@cache
def data_files() -> dict[str, DataFile]:
    """All files that the data sets are made of, by path."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    return {path: DataFile(path, sha256, tuple(sources.split())) for path, sha256, sources in rows}


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


def split_rows(content: bytes, path: str | Path) -> Rows:
    """Bytes of a TSV file, gzipped or not, as rows of columns.

    Raises:
        DataError: The gzip stream is cut or the text is not UTF-8.
    """
    try:
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        lines = raw.decode("utf-8").split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error})", path, hint="fetch the file again") from error
    return [line.rstrip("\r").split("\t") for line in lines if line]


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


def download(file: DataFile) -> list[bytes]:
    """Fetches the public sources of a file.

    Raises:
        DataError: There is none, or one cannot be fetched.
    """
    import httpx

    hint = f"set ACCORD_DATA to a folder that holds {file.path}, or try again when online"
    if not file.sources:
        raise DataError("not in the data folder, and no public source has it", file.path, hint=hint)
    contents = []
    for url in file.urls:
        say(f"fetching {url}")
        try:
            reply = httpx.get(url, timeout=TIMEOUT_SECONDS, follow_redirects=True)
            contents.append(reply.raise_for_status().content)
        except httpx.HTTPError as error:
            raise DataError(f"cannot fetch {url} ({error})", file.path, hint=hint) from error
    return contents


def rows_of(
    path: str, folder: Path | None, convert: Callable[[list[bytes]], Rows] | None = None
) -> Rows:
    """The rows of one file of a data set.

    Args:
        path: Its path in the layout.
        folder: A folder with that layout; None for `ACCORD_DATA`, the cache and the public source.
        convert: Turns the contents of the public sources into the mirror's rows; None where the
            one source has that form.

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
        contents = download(file)
        write_rows(kept, convert(contents) if convert else split_rows(contents[0], file.urls[0]))
    return split_rows(kept.read_bytes(), kept)
