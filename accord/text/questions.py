"""Questions with answers, paths and rationales: what `--qa FILE` reads and `synthesize` writes.

One JSON object a line. `question` and `answers` (or `answer`) are needed; the rest is optional.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accord.errors import DataError
from accord.graph.graph import SPLITS

TEXT_FIELDS = ("id", "question", "rationale", "pattern", "split", "source")
LIST_FIELDS = ("answers", "topics", "answer_ids")


@dataclass(frozen=True)
class Hop:
    """One triple of a path, by ids; head and tail are always the stored triple's own."""

    head: str
    relation: str
    tail: str
    inverse: bool = False
    """True where it was walked from tail to head."""

    @property
    def start(self) -> str:
        """Where the step begins."""
        return self.tail if self.inverse else self.head

    @property
    def end(self) -> str:
        """Where the step leads."""
        return self.head if self.inverse else self.tail


HopPath = tuple[Hop, ...]


@dataclass(frozen=True)
class Question:
    """A question, what answers it, and why."""

    id: str
    question: str
    answers: tuple[str, ...]
    """Every right answer as text: names or literals."""
    topics: tuple[str, ...] = ()
    """Ids of the entities that the question starts from."""
    answer_ids: tuple[str, ...] = ()
    """Ids of the entities that answer it; empty for literals."""
    paths: tuple[HopPath, ...] = ()
    """Paths from topics to answers, in the order in which a rationale says them."""
    rationale: str = ""
    hops: int = 0
    """Steps of its paths; 0 where that is not known."""
    pattern: str = ""
    """The relation path, such as ``capital of > ~located in``; ``~`` marks an inverse step."""
    split: str = ""
    """train, valid, test, or empty; a file may say dev for valid."""
    source: str = ""
    """Where it comes from, and who wrote its rationale."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of its line; empty fields are left out."""
        found = dict(vars(self))
        found["paths"] = [{"hops": [dict(vars(hop)) for hop in path]} for path in self.paths]
        return {k: v for k, v in found.items() if v or k in ("question", "answers")}


def pattern_of(path: HopPath) -> str:
    """The relation path of a path, ``~`` before the relation of an inverse step."""
    return " > ".join(f"{'~' if hop.inverse else ''}{hop.relation}" for hop in path)


def read_questions(path: str | Path) -> Iterator[Question]:
    """Questions of a JSONL file, plain or gzipped, one after the other.

    Args:
        path: The file. Fields of public question sets are understood too: `answer`, `topic`,
            `path` as a list ``[entity, relation, entity, ...]``, and `qtype` as the pattern.

    Yields:
        One question a line; blank lines are passed over.

    Raises:
        DataError: The file cannot be read, a line is no JSON object, or a field is missing or of
            the wrong kind; the message names the line.
    """
    file = Path(path)
    number = 0
    try:
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _parse(line, file, number)
    except FileNotFoundError as error:
        raise DataError("no such file", file, hint="check the path") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read questions ({error})", file, number + 1) from error


def write_questions(path: str | Path, questions: Iterable[Question]) -> int:
    """Writes questions to a temporary name and renames it; ``.gz`` is gzipped.

    Returns:
        How many were written.
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    opened = gzip.open if file.suffix == ".gz" else open
    count = 0
    try:
        with opened(partial, "wt", encoding="utf-8") as out:
            for question in questions:
                out.write(json.dumps(question.to_dict(), ensure_ascii=False) + "\n")
                count += 1
        partial.replace(file)
    except OSError as error:
        raise DataError(f"cannot write questions ({error})", file) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def question_of(record: Mapping[str, Any]) -> Question:
    """The question that `Question.to_dict` gave a JSON object for.

    Raises:
        KeyError: A field is missing.
        ValueError: A field is of the wrong kind.
    """
    return _question({"id": "", **record})


def _parse(line: str, file: Path, number: int) -> Question:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise DataError(f"not JSON ({error})", file, number) from error
    if not isinstance(record, dict):
        raise DataError("a line must be one JSON object", file, number)
    try:
        return _question({"id": str(number), **_renamed(record)})
    except (KeyError, TypeError, ValueError) as error:
        said = f"no field {error}" if isinstance(error, KeyError) else str(error)
        hint = 'a line needs at least {"question": "...", "answers": ["..."]}'
        raise DataError(said, file, number, hint) from error


def _renamed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields under our names; lists where one value was given."""
    found = dict(record)
    for name, other in (("answers", "answer"), ("topics", "topic"), ("pattern", "qtype")):
        if name not in found and other in found:
            found[name] = found[other]
    for name in LIST_FIELDS:
        value = found.get(name)
        if isinstance(value, (str, int, float)):
            found[name] = [str(value)]
    return found


def _question(record: Mapping[str, Any]) -> Question:
    for name in ("question", "answers"):
        if not record[name] or not str(record[name]).strip():
            raise ValueError(f"field {name!r} is empty")
    texts = {name: _text(record, name) for name in TEXT_FIELDS if name in record}
    if texts.get("split") == "dev":
        texts["split"] = "valid"
    if texts.get("split", "") not in ("", *SPLITS):
        raise ValueError(f"field 'split' is {texts['split']!r}, not train, valid or test")
    lists = {name: _texts(record, name) for name in LIST_FIELDS if record.get(name)}
    paths = tuple(_path(path) for path in record.get("paths") or ())
    walked = record.get("path")
    if not paths and isinstance(walked, list) and walked:
        paths = (_walk([str(part) for part in walked]),)
    hops = record.get("hops") or max((len(path) for path in paths), default=0)
    if not str(hops).isdecimal():
        raise ValueError(f"field 'hops' must be a number, not {hops!r}")
    texts.setdefault("pattern", pattern_of(paths[0]) if paths else "")
    return Question(**texts, **lists, paths=paths, hops=int(hops))  # type: ignore[arg-type]  # by name


def _text(record: Mapping[str, Any], name: str) -> str:
    if not isinstance(record[name], (str, int)):
        raise ValueError(f"field {name!r} must be text, not {type(record[name]).__name__}")
    return str(record[name])


def _texts(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = record[name]
    if not isinstance(values, list) or not all(isinstance(v, (str, int, float)) for v in values):
        raise ValueError(f"field {name!r} must be a list of texts")
    if not all(str(v).strip() for v in values):
        raise ValueError(f"field {name!r} has an empty text")
    return tuple(dict.fromkeys(str(v) for v in values))


def _path(value: Any) -> HopPath:
    hops = value["hops"] if isinstance(value, dict) else value
    if not isinstance(hops, list) or not all(isinstance(hop, dict) for hop in hops):
        raise ValueError("a path must be a list of hops {head, relation, tail, inverse}")
    return tuple(
        Hop(str(h["head"]), str(h["relation"]), str(h["tail"]), bool(h.get("inverse")))
        for h in hops
    )


def _walk(parts: list[str]) -> HopPath:
    """A path given as entity, relation, entity, ...; every step from head to tail."""
    if len(parts) % 2 == 0:
        raise ValueError("field 'path' must be entity, relation, entity, ..., entity")
    starts = range(0, len(parts) - 2, 2)
    return tuple(Hop(parts[i], parts[i + 1], parts[i + 2]) for i in starts)
