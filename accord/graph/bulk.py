"""Loading a new store from lines of RDF, in as many threads as help."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pyoxigraph import RdfFormat, Store

MOST_THREADS = 4
"""Each holds its part of the file, sorted three ways."""
LEAST, MOST = 4 * 2**20, 64 * 2**20
"""Bytes loaded at a time: small parts cost files that are merged later, large ones memory."""


def part_size(size: int) -> int:
    """How much to load at a time so that every thread gets work early.

    Args:
        size: Bytes of the whole.

    Returns:
        Bytes of a part.
    """
    return min(max(size // (2 * _threads()), LEAST), MOST)


class BulkLoader:
    """Loads parts side by side; the interpreter is free meanwhile.

    Args:
        store: The new store.
        form: The format of what is added: one whole statement a line.
        part: Bytes to load at a time.
    """

    def __init__(self, store: Store, form: RdfFormat, part: int) -> None:
        self._store, self._format, self._part = store, form, part
        self._pool = ThreadPoolExecutor(_threads())
        self._jobs: deque[Future[None]] = deque()
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, lines: bytes) -> None:
        """Adds whole lines, each with its end.

        Raises:
            OSError: The disk is full (of an earlier part too).
        """
        self._lines.append(lines)
        self._size += len(lines)
        if self._size >= self._part:
            self.send()

    def send(self) -> None:
        """Begins to load what was added so far."""
        if not self._lines:
            return
        # What waits is held in memory: one part beside those that are being loaded.
        while len(self._jobs) > _threads():
            self._jobs.popleft().result()
        part, self._lines, self._size = b"".join(self._lines), [], 0
        self._jobs.append(self._pool.submit(self._load, part))

    def _load(self, part: bytes) -> None:
        # Lenient: whoever gives lines has checked them, or checks them now.
        self._store.bulk_load(part, format=self._format, lenient=True)

    def finish(self) -> None:
        """Loads the rest and waits.

        Raises:
            OSError: The disk is full.
        """
        self.send()
        while self._jobs:
            self._jobs.popleft().result()

    def close(self) -> None:
        """Ends the threads, giving up what has not begun, and closes the store."""
        self._pool.shutdown(cancel_futures=True)
        del (
            self._store
        )  # whoever still holds this loader (an error's trace) does not lock the store


@contextmanager
def bulk_loader(folder: Path, form: RdfFormat, part: int) -> Iterator[BulkLoader]:
    """A loader for a new store; all is loaded when the block ends well.

    Args:
        folder: Where the store is made.
        form: As in `BulkLoader`.
        part: As in `BulkLoader`.
    """
    loader = BulkLoader(Store(str(folder)), form, part)
    try:
        yield loader
        loader.finish()
    finally:
        loader.close()


def _threads() -> int:
    return min(os.cpu_count() or 1, MOST_THREADS)
