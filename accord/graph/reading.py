"""Opening source files: plain or gzipped, line by line, with errors that name the line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from accord.errors import DataError

LINE_LIMIT = 8 * 2**20
"""Longest line of a table in bytes; a longer one is a damaged or mistaken file."""


def suffix_of(path: str | Path) -> str:
    """The suffix that tells the format, lower case, without `.gz`: `.nt` for `a.nt.gz`."""
    suffixes = [s.lower() for s in Path(path).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def stem_of(path: str | Path) -> str:
    """A file's name without `.gz` and the format's suffix."""
    name = Path(path).name
    for suffix in (".gz", suffix_of(path)):
        if suffix and name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


@contextmanager
def open_source(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file for reading bytes, decompressing `.gz`.

    Raises:
        DataError: Missing, empty, unreadable, or a gzip file that is cut or damaged.
    """
    if not path.is_file():
        raise DataError("no such file", path, hint="check the path")
    if path.stat().st_size == 0:
        raise DataError("the file is empty", path, hint="was it written or downloaded completely?")
    try:
        with path.open("rb") as raw:
            packed = path.suffix.lower() == ".gz"
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"the gzip file is cut or damaged ({error})", path, hint="download or pack it again"
        ) from error
    except PermissionError as error:
        raise DataError("may not be read (permission denied)", path) from error


def position(stream: IO[bytes]) -> int:
    """How many bytes of the file itself were read; of a gzipped one, the packed bytes."""
    file: IO[bytes] = getattr(stream, "fileobj", stream)
    return file.tell()


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file.

    Args:
        path: A UTF-8 file, perhaps gzipped, perhaps with a byte order mark.

    Yields:
        1-based line number and the line without its end; blank lines too.

    Raises:
        DataError: As `open_source`; bytes that are not UTF-8; a line over `LINE_LIMIT`.
    """
    with open_source(path) as stream:
        number = 0
        while raw := stream.readline(LINE_LIMIT + 1):
            number += 1
            if len(raw) > LINE_LIMIT:
                raise DataError(
                    f"the line is longer than {LINE_LIMIT // 2**20} MB",
                    path,
                    number,
                    "is this the right file? long values belong in RDF or shorter texts",
                )
            yield number, _decode(raw, path, number)


def _decode(raw: bytes, path: Path, number: int) -> str:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {raw[error.start]:#04x} at column {error.start + 1} is not UTF-8",
            path,
            number,
            "convert the file to UTF-8, e.g. with iconv",
        ) from error
    return text.removesuffix("\n").removesuffix("\r")
