"""What a stopped run leaves behind, so that the same command goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from accord.errors import DataError
from accord.graph.writing import disk


class ProgressFile:
    """Records appended beside the output until it is whole.

    Args:
        out: The output; the records are kept in ``OUT.progress``.
        key: What the records follow from; a run with another key does not go on with them.

    Raises:
        DataError: Records of another run are there, or they cannot be read.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.path = out.with_name(out.name + ".progress")
        self.done = self._open(key)

    def _open(self, key: str) -> int:
        """Records that are there already; a last line that was cut is removed."""
        with disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = self.path.read_bytes() if self.path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            if whole.count(b"\n") < 2:  # nothing would be lost
                self.path.write_bytes(json.dumps({"key": key}).encode() + b"\n")
                return 0
            if json.loads(whole.split(b"\n", 1)[0]).get("key") != key:
                raise DataError(
                    "an unfinished run with other questions or settings is here",
                    self.path,
                    hint="repeat that command to finish it, delete the file, or use another --out",
                )
            if len(whole) < len(content):
                self.path.write_bytes(whole)
        return whole.count(b"\n") - 1

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Appends records; they are on disk when this returns."""
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        with disk(self.path), self.path.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def read(self) -> Iterator[dict[str, Any]]:
        """All records so far, in order."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            yield from map(json.loads, file)

    def remove(self) -> None:
        """Removes the file once the output is whole."""
        self.path.unlink(missing_ok=True)
