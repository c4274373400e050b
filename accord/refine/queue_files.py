"""A queue as a file to read, to decide in, and to take into another queue: JSONL or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from accord.errors import ConfigError, DataError, nearest
from accord.graph.writing import write_file
from accord.refine.entry import Decision, Entry, State, Verdict, now
from accord.refine.items import Item
from accord.refine.queue import Queue

FIRST = ("id", "verdict", "kind", "head", "relation", "tail", "probability", "score", "reason")
REST = ("evidence", "attribute", "datatype", "language", "replaces")
ABOUT = ("run", "graph", "time", "who", "decided", "original")
COLUMNS = (*FIRST, *REST, *ABOUT)
AS_JSON = ("probability", "score", "evidence", "attribute", "replaces", "original")
"""Columns that a CSV file holds as JSON."""


@dataclass(frozen=True)
class Taken:
    """What a file did to a queue."""

    decided: int
    new: int
    """Items that the queue did not have."""
    skipped: int


def export_queue(queue: Queue, path: str | Path, state: State | None = None) -> int:
    """Writes a queue's items, with an empty verdict where nothing is decided.

    Args:
        queue: An open queue.
        path: `.jsonl` or `.csv`.
        state: Only those of one state; None for all.

    Returns:
        How many items were written.

    Raises:
        DataError: An unknown suffix, or no space on the disk.
    """
    target = Path(path)
    as_csv = _is_csv(target)
    rows = [_row(entry) for entry in queue.entries(state)]
    with write_file(target) as stream:
        for text in _csv_lines(rows) if as_csv else map(_json_line, rows):
            stream.write(text.encode())
    return len(rows)


def take_file(queue: Queue, path: str | Path) -> Taken:
    """Keeps the verdicts of a file, all of them or none, and takes in items that are new.

    Args:
        queue: An open queue.
        path: `.jsonl` or `.csv` with the columns `id` and `verdict` (accept, reject, edit, skip
            or empty); `edit` also with head, relation and tail. A row about an item that the
            queue lacks must be as `export_queue` writes it.

    Returns:
        How many were decided, new, and skipped.

    Raises:
        DataError: An unknown verdict or id, or a row that is not complete (with its line);
            nothing was changed.
    """
    source = Path(path)
    known = {entry.id: entry for entry in queue.entries(None)}
    decisions: dict[str, Decision] = {}
    new: dict[str, Entry] = {}
    skipped = 0
    for line, row in _rows(source):
        try:
            identifier, verdict = str(row.get("id", "")), _verdict(row)
            if identifier in known:
                decision = _decision(known[identifier], verdict, row)
                decisions[identifier] = decision
                skipped += decision.verdict == "skip"
            else:
                new[identifier] = _entry(row, verdict, queue.who)
        except ConfigError as error:
            raise DataError(error.message, source, line, error.hint or "nothing was kept") from None
    decided = queue.decide(list(decisions.values()), list(new.values()))
    return Taken(len(decided), len(new), skipped)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    text = str(row.get("verdict") or "skip").strip().lower()
    for verdict in get_args(Verdict):
        if text == verdict:
            found: Verdict = verdict
            return found
    hint = nearest(text, get_args(Verdict)) or "accept, reject, edit, skip or nothing"
    raise ConfigError(f"unknown verdict {row['verdict']!r}", hint)


def _decision(entry: Entry, verdict: Verdict, row: Mapping[str, Any]) -> Decision:
    parts = [row.get(key) for key in ("head", "relation", "tail")]
    said = (str(parts[0]), str(parts[1]), str(parts[2])) if None not in parts else None
    if verdict == "edit":
        if said is None or said == entry.item.triple:
            raise ConfigError(
                f"the edit of {entry.id} does not say what is to stand there",
                "change head, relation or tail of the row",
            )
        return Decision(entry.id, verdict, said)
    if verdict != "skip" and said not in (None, entry.item.triple):
        raise ConfigError(
            f"the row says {said}, the item {entry.id} is {entry.item.triple}",
            "the verdict `edit` changes a statement",
        )
    return Decision(entry.id, verdict)


def _entry(row: Mapping[str, Any], verdict: Verdict, who: str) -> Entry:
    fields = {key: value for key, value in row.items() if key in (*FIRST[2:], *REST)}
    missing = [key for key in ("head", "relation", "tail", "score") if fields.get(key) is None]
    if missing or not row.get("id"):
        raise ConfigError(
            f"the queue has no item {row.get('id', '')!r}", "ids are in the queue's export"
        )
    state: State = {"accept": "accepted", "reject": "rejected", "edit": "accepted"}.get(
        verdict, "proposed"
    )  # type: ignore[assignment]
    original = row.get("original")
    entry = Entry(
        id=str(row["id"]),
        state=state,
        item=Item.from_dict(fields),
        run=str(row.get("run") or ""),
        graph=str(row.get("graph") or ""),
        time=str(row.get("time") or now()),
        who="" if state == "proposed" else str(row.get("who") or who),
        decided="" if state == "proposed" else str(row.get("decided") or now()),
        original=tuple(original) if original else None,
    )
    if not entry.check_id():
        raise ConfigError(
            f"the queue has no item {entry.id!r}, and that is not the id of {entry.item.triple}",
            "edit only what was exported from this queue",
        )
    return entry


def _row(entry: Entry) -> dict[str, Any]:
    about = {key: getattr(entry, key) for key in ABOUT}
    row = {"id": entry.id, "verdict": entry.verdict, **entry.item.to_dict(), **about}
    return {key: row[key] for key in COLUMNS}


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _csv_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            json.dumps(row[key], ensure_ascii=False) if key in AS_JSON else row[key]
            for key in COLUMNS
        )
    yield sink.getvalue()


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", ".csv"):
        raise DataError(
            f"no form of a queue has the suffix {path.suffix!r}", path, hint="known: .jsonl .csv"
        )
    return suffix == ".csv"


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, columns by name) of each row that is not empty."""
    as_csv = _is_csv(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError("there is no such file", path, hint="check the path") from error
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8", path, hint="convert it to UTF-8") from error
    return _csv_rows(text, path) if as_csv else _json_rows(text, path)


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"not JSON ({error})", path, number) from error
            if not isinstance(row, dict):
                raise DataError("a row is an object", path, number, 'e.g. {"id": ..., "verdict"}')
            yield number, row


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not {"id", "verdict"} <= {*(reader.fieldnames or ())}:
        raise DataError("the first row must name id and verdict", path, 1, "see an export")
    for row in reader:
        if None in row or None in row.values():
            raise DataError("the row has another number of columns", path, reader.line_num)
        try:
            for key in AS_JSON:
                if key in row:
                    row[key] = json.loads(row[key] or "null")
        except ValueError as error:
            raise DataError(f"{key}: not JSON ({error})", path, reader.line_num) from error
        yield reader.line_num, dict(row)
