"""Measurements kept in a run folder's `eval/`, where the report finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accord.errors import DataError
from accord.train.checkpoint import RunFolder


def record_path(kind: str, split: str, moment: str) -> Path:
    """Where a measurement is kept, seen from the run folder.

    Args:
        kind: link-prediction, triples, qa or retention.
        split: What was measured on; empty where that means nothing.
        moment: before or after.

    Returns:
        `eval/KIND-SPLIT-MOMENT.json`.
    """
    return Path("eval") / f"{'-'.join(part for part in (kind, split, moment) if part)}.json"


def write_record(
    folder: str | Path,
    kind: str,
    moment: str,
    result: Mapping[str, Any],
    command: str,
    made_with: Mapping[str, Any] | None = None,
) -> Path:
    """Keeps a measurement in a run folder.

    Args:
        folder: The run folder.
        kind: link-prediction, triples, qa or retention.
        moment: before (its base model was measured) or after.
        result: What `--json` prints.
        command: The command that gives it.
        made_with: What the result depends on, for `kept_record`.

    Returns:
        The file.
    """
    split = str(result.get("split", ""))
    target = record_path(kind, split, moment)
    entry = {"kind": kind, "model": moment, "split": split, "command": command}
    extra = {"made_with": dict(made_with)} if made_with else {}
    RunFolder(folder).write_json(str(target), {**entry, **extra, "result": dict(result)})
    return Path(folder) / target


def kept_record(
    folder: str | Path, kind: str, split: str, moment: str, made_with: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The result that was kept before, if it depends on the same things.

    Args:
        folder: The run folder.
        kind: As for `write_record`.
        split: As for `record_path`.
        moment: before or after.
        made_with: What the result would depend on if it were measured now.

    Returns:
        The result; None where there is none, or one of something else, or a cut file.
    """
    name = str(record_path(kind, split, moment))
    try:
        found = RunFolder(folder).read_json(name)
    except DataError:
        return None
    return found.get("result") if found.get("made_with") == dict(made_with) else None
