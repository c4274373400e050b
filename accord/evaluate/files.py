"""Writing item-by-item results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def write_lines(path: str | Path, lines: Iterable[str]) -> Path:
    """Writes lines to a file: under another name first, then renamed.

    Args:
        path: The file.
        lines: Its lines, without line breaks.

    Returns:
        The path.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}.part")
    try:
        with work.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        work.replace(target)
    finally:
        work.unlink(missing_ok=True)
    return target
