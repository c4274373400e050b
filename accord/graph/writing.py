"""Writing files and folders so that what is there is lost only when the new one is complete."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from accord.errors import AccordError, DataError


@contextmanager
def write_file(target: Path) -> Iterator[IO[bytes]]:
    """A file to write bytes to, compressed for `.gz`; it appears only when complete.

    Raises:
        DataError: No space left; what was at `target` is untouched.
    """
    with disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with disk(target), work.open("wb") as raw:
            if target.suffix.lower() == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
                    yield cast(IO[bytes], stream)
            else:
                yield raw
        work.replace(target)
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its place when all is written.

    Raises:
        DataError: No space left; the old folder is untouched and the temporary one removed.
    """
    with disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    old = work / "old"
    try:
        with disk(target):
            (work / "new").mkdir()
            yield work / "new"
        try:
            if target.exists():
                target.rename(old)
            (work / "new").rename(target)
        except BaseException:  # Ctrl-C between the two would lose the old one
            if old.exists() and not target.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def recover_folder(target: Path) -> None:
    """Puts a folder in its place where `new_folder` was killed between its two renames.

    What is half-written stays where it is; `clear_leftovers` removes it.
    """
    time.sleep(0.1)  # A process that is alive needs less from one rename to the other.
    for work in target.parent.glob(f".{target.name}.*"):
        # The old one is moved away only once the new one is complete.
        if (work / "old").is_dir() and (work / "new").is_dir() and not target.exists():
            with suppress(OSError):
                (work / "new").rename(target)


def clear_leftovers(target: Path) -> None:
    """Removes what a killed `new_folder` left; only for who alone writes to `target`."""
    for work in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def disk(target: Path) -> Iterator[None]:
    """Turns 'no space' and 'not allowed' into errors that say where.

    Raises:
        DataError: The disk is full or may not be written.
    """
    try:
        yield
    except AccordError:
        raise
    except OSError as error:
        text = str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text
        denied = isinstance(error, PermissionError) or error.errno == errno.EROFS
        if not (full or denied or "Permission denied" in text or "Read-only" in text):
            raise
        what = "no space left on the disk" if full else "may not be written (permission denied)"
        mend = "free some space" if full else "change its permissions"
        hint = f"{mend} or choose another place; nothing was changed"
        raise DataError(what, target, hint=hint) from error
