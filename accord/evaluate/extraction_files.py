"""What was extracted as JSON lines, CSV, or N-Quads: one proposal a named graph with its source."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from accord.errors import DataError
from accord.evaluate.extraction import Extracted
from accord.graph.iris import PROPOSED, TERM, XSD, to_iri
from accord.graph.reading import suffix_of
from accord.graph.writing import write_file

COLUMNS = (
    *("head", "relation", "tail", "probability", "sentence", "start", "end", "known", "times"),
    *("datatype", "unit", "source"),
)
PROV = "http://www.w3.org/ns/prov#"
SUFFIXES = (".jsonl", ".csv", ".nq")
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def check_target(target: Path) -> None:
    """Makes sure that a file's form is known, before anything is read.

    Raises:
        DataError: Its suffix is not.
    """
    if suffix_of(target) not in SUFFIXES:
        raise DataError(
            f"cannot write the form {suffix_of(target)!r}",
            target,
            hint="use " + ", ".join(SUFFIXES) + ", each also .gz",
        )


def write_triples(target: Path, found: Iterable[Extracted]) -> None:
    """Writes triples; the file appears only when complete.

    Args:
        target: A .jsonl, .csv or .nq file, also .gz.
        found: The triples and attributes.

    Raises:
        DataError: Another suffix, or no space.
    """
    check_target(target)
    with write_file(target) as file:
        for line in _lines(suffix_of(target), found):
            file.write((line + "\n").encode())


def _lines(suffix: str, found: Iterable[Extracted]) -> Iterator[str]:
    if suffix == ".csv":
        yield ",".join(COLUMNS)
    for item in found:
        record = {name: getattr(item, name) for name in COLUMNS}
        if suffix == ".jsonl":
            yield json.dumps(record, ensure_ascii=False)
        elif suffix == ".csv":
            row = io.StringIO()
            csv.writer(row, lineterminator="").writerow(record.values())
            yield row.getvalue()
        else:
            yield from quads(item)


def quads(item: Extracted) -> Iterator[str]:
    """A triple or attribute in a named graph of its own, which says where it comes from.

    Args:
        item: It.

    Yields:
        Lines of N-Quads.
    """
    head, relation, tail = (f"<{to_iri(key)}>" for key in item.triple)
    if item.datatype:
        tail = f'"{item.tail.translate(ESCAPES)}"^^<{to_iri(item.datatype)}>'
    digest = hashlib.sha256("\x00".join((*item.triple, item.datatype)).encode()).hexdigest()[:32]
    graph = f"<{PROPOSED}{digest}>"
    yield f"{head} {relation} {tail} {graph} ."
    facts = (
        (PROV + "value", _literal(item.sentence)),
        (PROV + "hadPrimarySource", f"<{to_iri(item.source)}>"),
        (TERM + "probability", _literal(f"{item.probability:.6f}", "decimal")),
        (TERM + "start", _literal(str(item.start), "integer")),
        (TERM + "end", _literal(str(item.end), "integer")),
        *([(TERM + "unit", _literal(item.unit))] if item.unit else ()),
    )
    for term, value in facts:
        yield f"{graph} <{term}> {value} {graph} ."


def _literal(text: str, kind: str = "") -> str:
    return f'"{text.translate(ESCAPES)}"' + (f"^^<{XSD}{kind}>" if kind else "")
