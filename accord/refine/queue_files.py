"""A queue as a file to read, to decide in, and to take into another queue: JSONL or CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from accord.errors import ConfigError, DataError, GraphError, nearest
from accord.graph.graph import KnowledgeGraph
from accord.graph.writing import write_file
from accord.refine.entry import Decision, Entry, State, Verdict, now
from accord.refine.items import Item
from accord.refine.naming import meant
from accord.refine.queue import Queue

FIRST = ("id", "verdict", "kind", "head", "relation", "tail", "probability", "score", "reason")
REST = ("evidence", "attribute", "datatype", "language", "replaces")
ABOUT = ("run", "graph", "time", "who", "decided", "original")
COLUMNS = (*FIRST, *REST, *ABOUT)
_NUMBER = re.compile(r"[\d.,]+([eE][+-]?\d+)?$")
"""What a spreadsheet takes for a number: of 16 hex digits about one id in a thousand."""
AS_JSON = ("probability", "score", "evidence", "attribute", "replaces", "original")
"""Columns that a CSV file holds as JSON."""


@dataclass(frozen=True)
class Taken:
    """What a file did to a queue."""

    decided: int
    new: int
    """Items that the queue did not have."""
    skipped: int
    """Rows that decide nothing: without a verdict, or with the one that was given already."""


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
    return write_entries(queue.entries(state), path)


def write_entries(entries: Sequence[Entry], path: str | Path) -> int:
    """As `export_queue`, for some items.

    Args:
        entries: The items.
        path: `.jsonl` or `.csv`.
    """
    target = Path(path)
    as_csv, rows = is_csv(target), [as_row(entry) for entry in entries]
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
    told, new, skipped = _told(queue, source)
    decisions = [decision for _, decision in told.values()]
    try:
        decided = queue.decide(decisions, list(new.values()))
    except (GraphError, ConfigError) as error:
        where = next((line for line, each in told.values() if not queue.accepts(each)), None)
        raise DataError(error.message, source, where, error.hint) from None
    return Taken(len(decided), len(new), skipped)


def _told(
    queue: Queue, source: Path
) -> tuple[dict[str, tuple[int, Decision]], dict[str, Entry], int]:
    """What a file says: lines and decisions by id, entries that the queue lacks, other rows."""
    known = {entry.id: entry for entry in queue.entries(None)}
    damaged = {(e.item.kind, *e.item.triple): e.id for e in known.values() if _NUMBER.match(e.id)}
    told: dict[str, tuple[int, Decision]] = {}
    new: dict[str, Entry] = {}
    skipped = 0
    for line, row in _rows(source):
        try:
            identifier, verdict = _id(row, known, damaged), _verdict(row)
            if identifier not in known:
                new[identifier] = _entry(row, verdict, queue.who)
                continue
            decision = _decision(queue.graph, known[identifier], verdict, row)
            if _is_new(known[identifier], decision):
                _refuse_contradiction(told.get(identifier), decision)
                told[identifier] = line, decision
            else:
                skipped += 1
        except (ConfigError, GraphError) as error:
            raise DataError(error.message, source, line, error.hint or "nothing was kept") from None
    return told, new, skipped


def _id(row: Mapping[str, Any], known: Mapping[str, Entry], damaged: Mapping[Any, str]) -> str:
    """A row's id; what a spreadsheet took for a number is found again by what the row says."""
    identifier = str(row.get("id") or "").strip()
    if identifier in known or not _NUMBER.match(identifier):
        return identifier
    said = tuple(row.get(key) for key in ("kind", "head", "relation", "tail"))
    return damaged.get(said, identifier)


def _is_new(entry: Entry, decision: Decision) -> bool:
    """Whether a decision says more than is decided; whoever decided first stays the one who did."""
    return decision.verdict != "skip" and decision.verdict != entry.verdict


def _refuse_contradiction(before: tuple[int, Decision] | None, decision: Decision) -> None:
    if before is not None and before[1] != decision:
        raise ConfigError(
            f"{decision.verdict!r} for {decision.id}, for which line {before[0]} says "
            f"{before[1].verdict!r}",
            "leave one of the two rows; nothing was kept",
        )


def _verdict(row: Mapping[str, Any]) -> Verdict:
    text = str(row.get("verdict") or "skip").strip().lower()
    for verdict in get_args(Verdict):
        if text == verdict:
            found: Verdict = verdict
            return found
    hint = nearest(text, get_args(Verdict)) or "accept, reject, edit, skip or nothing"
    raise ConfigError(f"unknown verdict {row['verdict']!r}", hint)


def _decision(
    graph: KnowledgeGraph, entry: Entry, verdict: Verdict, row: Mapping[str, Any]
) -> Decision:
    parts = [row.get(key) for key in ("head", "relation", "tail")]
    said = (str(parts[0]), str(parts[1]), str(parts[2])) if None not in parts else None
    if verdict == "edit":
        said = said and meant(graph, said, entry.item)
        if entry.state == "accepted" and entry.original and said == entry.item.triple:
            return Decision(entry.id, "accept")  # the same file a second time
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
    read = {key: _read(key, value) for key, value in row.items()}
    fields = {key: value for key, value in read.items() if key in (*FIRST[2:], *REST)}
    if not row.get("id"):
        raise ConfigError("the row has no id", "the column `id` says which item a verdict is about")
    missing = [key for key in ("head", "relation", "tail", "score") if fields.get(key) is None]
    if missing:
        raise ConfigError(
            f"the queue has no item {row.get('id', '')!r}", "ids are in the queue's export"
        )
    state: State = {"accept": "accepted", "reject": "rejected", "edit": "accepted"}.get(
        verdict, "proposed"
    )  # type: ignore[assignment]  # a State by its text
    original = read.get("original")
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


def _read(key: str, value: Any) -> Any:
    """A column as it is meant: of a CSV file all are text."""
    if key not in AS_JSON or not isinstance(value, str):
        return value
    try:
        # Spreadsheets write truth values in capitals.
        return json.loads(value.lower() if value in ("TRUE", "FALSE") else value or "null")
    except ValueError as error:
        raise ConfigError(f"{key} is {value!r}, not JSON ({error})") from error


def as_row(entry: Entry) -> dict[str, Any]:
    """An item as a file has it, by columns."""
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


def is_csv(path: Path) -> bool:
    """Whether a queue's file is CSV and not JSONL, by its suffix.

    Raises:
        DataError: It is neither.
    """
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", ".csv"):
        raise DataError(
            f"no form of a queue has the suffix {path.suffix!r}", path, hint="known: .jsonl .csv"
        )
    return suffix == ".csv"


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, columns by name) of each row that is not empty."""
    as_csv = is_csv(path)
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
                hint = "mend the line, or save the file again where it was cut; nothing was kept"
                raise DataError(f"not JSON ({error})", path, number, hint) from error
            if not isinstance(row, dict):
                raise DataError("a row is an object", path, number, 'e.g. {"id": ..., "verdict"}')
            yield number, row


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_separator(text))
    if not {"id", "verdict"} <= {*(reader.fieldnames or ())}:
        hint = "separated by commas, semicolons or tabs, as `accord refine review --export` writes"
        raise DataError("the first row must name the columns id and verdict", path, 1, hint)
    for row in reader:
        if None in row or None in row.values():
            raise DataError(
                "the row has another number of columns than the first",
                path,
                reader.line_num,
                "mend the row, or save the file again where it was cut; nothing was kept",
            )
        if any(row.values()):  # spreadsheets leave rows of nothing but separators
            yield reader.line_num, dict(row)


def _separator(text: str) -> str:
    """What stands between columns: spreadsheets of many countries write semicolons."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)
