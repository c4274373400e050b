"""Files of annotated text: JSON lines with spans, things and relations, held against their text."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from accord.errors import DataError
from accord.graph.writing import write_file
from accord.text.examples import LabelledSpan, MentionExample, RelationExample

SPLITS = ("train", "valid", "test", "")


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSONL file, plain or gzipped; blank lines are passed over.

    Raises:
        DataError: The file cannot be read, or a line is no JSON object or holds half a character;
            the message names it.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if "\\u" in line:  # an escape may be half of a character, which no model reads
                    json.dumps(record, ensure_ascii=False).encode()
                if not isinstance(record, dict):
                    raise DataError("a line must be one JSON object", path, number)
                yield number, record
    except FileNotFoundError as error:
        raise DataError("no such file", path, hint="check the path") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"cannot read ({error})", path, max(1, number)) from error


def read_annotated(path: str | Path) -> list[RelationExample]:
    """Examples of one's own.

    A line is ``{"text", "spans": [{"start", "end", "type", "entity"}], "relations": [{"head",
    "relation", "tail"}], "split"}``. Offsets count characters; head and tail are numbers of spans;
    spans of one `entity` are one thing. Without `relations` no pair is judged; with it all are,
    or only those that `asked` lists as [head, tail]. `types` says of which types every mention is
    marked, for entity recognition.

    Args:
        path: The file.

    Returns:
        One example a line.

    Raises:
        DataError: A line is wrong, such as an offset out of range; the message names it.
    """
    file = Path(path)
    found = [_example(record, file, number) for number, record in read_records(file)]
    if not found:
        raise DataError("no example in it", file, hint="one JSON object a line")
    return found


def write_annotated(path: str | Path, examples: Iterable[RelationExample]) -> None:
    """Writes examples so that `read_annotated` gives them back."""
    with write_file(Path(path)) as file:
        for example in examples:
            file.write((json.dumps(to_record(example), ensure_ascii=False) + "\n").encode())


def to_record(example: RelationExample) -> dict[str, Any]:
    """The JSON object of an example's line."""
    spans = [
        {"start": s.start, "end": s.end, "type": s.kind, "entity": s.entity}
        for s in example.mentions.spans
    ]
    relations = [{"head": h, "relation": r, "tail": t} for h, r, t in example.facts]
    return {
        "text": example.mentions.text,
        "spans": spans,
        "things": [list(thing) for thing in example.things],
        "relations": relations,
        "asked": [list(pair) for pair in example.asked],
        "single": example.single,
        "types": list(example.mentions.kinds),
        "split": example.split,
    }


def _example(record: dict[str, Any], path: Path, line: int) -> RelationExample:
    try:
        return _read(record)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"no field {error}" if isinstance(error, KeyError) else str(error)
        hint = 'a line has "text", "spans" with "start" and "end", and "relations"'
        raise DataError(what, path, line, hint) from error


def _read(record: dict[str, Any]) -> RelationExample:
    text, split = record["text"], record.get("split") or ""
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, not {text!r}")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; use train, valid or test")
    spans = tuple(_span(item, text) for item in _objects(record["spans"], "spans"))
    things = _things(record, spans)
    owner = {number: i for i, thing in enumerate(things) for number in thing}
    # Lines written by hand name spans, those written by us name things.
    place = {i: i for i in range(len(things))} if "things" in record else owner
    stated = _objects(record.get("relations", []), "relations")
    facts = tuple((_at(place, f["head"]), _name(f["relation"]), _at(place, f["tail"]))
                  for f in stated)  # fmt: skip
    asked = [(_at(place, h), _at(place, t)) for h, t in _pairs(record.get("asked", []))]
    if "relations" in record and "asked" not in record:
        asked = all_pairs(len(things))
    pairs = dict.fromkeys([*asked, *((head, tail) for head, _, tail in facts)])
    kinds = tuple(map(_name, _list(record.get("types", []), "types")))
    example = MentionExample(text, spans, split, kinds)
    return RelationExample(example, things, facts, tuple(pairs), bool(record.get("single")))


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, not {value!r}")
    return value


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    wrong = next((item for item in _list(value, name) if not isinstance(item, dict)), None)
    if wrong is not None:
        raise ValueError(f"{name} must hold objects, not {wrong!r}")
    return list(value)


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    for item in _list(value, "asked"):
        if not (isinstance(item, list) and len(item) == 2):
            raise ValueError(f"asked must hold [head, tail], not {item!r}")
        yield item[0], item[1]


def _name(value: Any) -> str:
    """A relation or a type."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise ValueError(f"a relation or type must be a name, not {value!r}")
    return str(value)


def _at(place: dict[int, int], number: Any) -> int:
    """The thing that a relation's head or tail names."""
    if type(number) is not int or number not in place:
        raise ValueError(f"head or tail is {number!r}: not one of the {len(place)} spans, from 0")
    return place[number]


def _span(item: dict[str, Any], text: str) -> LabelledSpan:
    entity = item.get("entity")
    return checked_span(text, item["start"], item["end"], str(item.get("type") or ""), entity)


def checked_span(
    text: str, start: Any, end: Any, kind: str = "", entity: str | None = None
) -> LabelledSpan:
    """A span that lies in a text.

    Raises:
        ValueError: It does not, or is empty.
    """
    if not (type(start) is int and type(end) is int and 0 <= start < end <= len(text)):
        raise ValueError(f"span {start!r}..{end!r} is not within the {len(text)} characters")
    return LabelledSpan(start, end, kind, None if entity is None else str(entity))


def _things(record: dict[str, Any], spans: tuple[LabelledSpan, ...]) -> tuple[tuple[int, ...], ...]:
    if "things" in record:
        things = tuple(tuple(int(i) for i in thing) for thing in record["things"])
        if any(not thing or min(thing) < 0 or max(thing) >= len(spans) for thing in things):
            raise ValueError(f"things name spans that do not exist (there are {len(spans)})")
        return things
    return group_spans(spans)


def group_spans(spans: tuple[LabelledSpan, ...]) -> tuple[tuple[int, ...], ...]:
    """Spans of one entity as one thing; a span of no known entity is a thing of its own."""
    groups: dict[object, list[int]] = {}
    for number, span in enumerate(spans):
        groups.setdefault(span.entity or number, []).append(number)
    return tuple(map(tuple, groups.values()))


def all_pairs(count: int) -> list[tuple[int, int]]:
    """Every ordered pair of different things."""
    return [(i, j) for i in range(count) for j in range(count) if i != j]
