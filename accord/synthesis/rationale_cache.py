"""What models wrote, kept by content: one JSON object a line, appended and never rewritten.

A line is written by a single call to the system, and one that a crash has cut is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from accord.graph.dataset_files import cache_folder
from accord.graph.writing import disk
from accord.text.questions import Question

FILE = "rationales.jsonl"
KEY_FORMAT = 1
"""Part of every key; raised when what a key covers changes."""


def draft_key(settings: str, question: Question, statements: Sequence[str]) -> str:
    """sha256 of all that a rationale follows from.

    Args:
        settings: The writer's model, prompt and limits.
        question: The question with answers and paths.
        statements: The paths as sentences, since names may change where ids do not.
    """
    hops = [[[h.head, h.relation, h.tail, h.inverse] for h in path] for path in question.paths]
    content = [KEY_FORMAT, settings, question.question, question.answers, hops, list(statements)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class RationaleCache:
    """Texts by key, in memory and in a file; use `open`."""

    def __init__(self, file: Path, descriptor: int, texts: dict[str, str]) -> None:
        self.file, self._descriptor, self._texts = file, descriptor, texts

    @classmethod
    @contextmanager
    def open(cls, folder: str | Path | None = None) -> Iterator[RationaleCache]:
        """Opens or makes the cache in a folder.

        Args:
            folder: Where it is kept; None for `rationales` in the user's cache.

        Raises:
            DataError: The folder may not be written, or the disk is full.
        """
        place = Path(folder) if folder else cache_folder() / "rationales"
        file = place / FILE
        with disk(file):
            place.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                yield cls(file, descriptor, _read(file))
            finally:
                os.close(descriptor)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def __getitem__(self, key: str) -> str:
        return self._texts[key]

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, key: str, text: str) -> None:
        """Keeps a text, in the file at once."""
        line = json.dumps({"key": key, "text": text}) + "\n"
        size = os.fstat(self._descriptor).st_size
        cut = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        os.write(self._descriptor, ("\n" * cut + line).encode())
        self._texts[key] = text


def _read(file: Path) -> dict[str, str]:
    """The whole lines of a cache; a line that was cut or is no record is passed over."""
    texts: dict[str, str] = {}
    with file.open("rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                texts[str(record["key"])] = str(record["text"])
            except (ValueError, KeyError, TypeError):
                continue
    return texts
