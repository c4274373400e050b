"""Writing item-by-item results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from accord.graph.writing import write_file


def write_lines(path: str | Path, lines: Iterable[str]) -> Path:
    """Writes lines to a file: under another name first, then renamed.

    Args:
        path: The file.
        lines: Its lines, without line breaks.

    Returns:
        The path.

    Raises:
        DataError: The disk is full or may not be written; what was there is untouched.
    """
    target = Path(path)
    with write_file(target) as file:
        file.writelines(f"{line}\n".encode() for line in lines)
    return target
