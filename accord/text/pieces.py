"""A text file in pieces, so that its size does not matter."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from accord.errors import DataError

PIECE_BYTES = 1 << 20
READ_BYTES = 1 << 13
"""Of a text that a model reads: about a second of its time, so that progress is seen."""


def read_pieces(
    path: str | Path, advance: Callable[[int], None] | None = None, size: int = PIECE_BYTES
) -> Iterator[str]:
    """The text of a UTF-8 file, plain or gzipped (``.gz``), piece by piece.

    Line ends and a byte order mark stay as they are, so that offsets fit the file's own text.

    Args:
        path: The file.
        advance: Is told the bytes just used of the file as it lies on the disk.
        size: Bytes of a piece.

    Yields:
        Pieces of about that size, cut anywhere but never inside a character.

    Raises:
        DataError: The file cannot be read or is not UTF-8; the message names the line.
    """
    file, line = Path(path), 1
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with file.open("rb") as raw:
            stream = gzip.GzipFile(fileobj=raw) if file.suffix.lower() == ".gz" else raw
            done = 0
            for piece in iter(lambda: cast(IO[bytes], stream).read(size), b""):
                text = decoder.decode(piece)
                line += text.count("\n")
                yield text
                if advance is not None:
                    advance(raw.tell() - done)
                    done = raw.tell()
            yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        raise DataError(f"not UTF-8 ({error.reason})", file, line, "convert it to UTF-8") from error
    except FileNotFoundError as error:
        raise DataError("no such file", file, hint="check the path") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read it ({error})", file) from error
