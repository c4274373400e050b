"""Labelled sentence pairs, and which kind of labelled data a name or a file stands for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from accord.errors import ConfigError, DataError
from accord.graph.writing import write_file
from accord.text.annotated import SPLITS, read_records
from accord.text.choice_sets import SETS

Kind = Literal["annotated", "pairs", "choice"]
HINT = 'a line needs {"first": "...", "second": "...", "label": "..."}'


@dataclass(frozen=True)
class PairExample:
    """Two texts and what holds between them."""

    first: str
    second: str
    label: str
    split: str = ""
    """train, valid, test, or empty."""


def read_pairs(path: str | Path) -> list[PairExample]:
    """Pairs of one's own.

    A line is ``{"first", "second", "label", "split"}``; the split may be left out.

    Args:
        path: JSON lines, plain or gzipped.

    Returns:
        One pair a line.

    Raises:
        DataError: A line is wrong; the message names it.
    """
    file = Path(path)
    found = []
    for number, record in read_records(file):
        try:
            found.append(_pair(record))
        except KeyError as error:
            raise DataError(f"no field {error}", file, number, HINT) from error
        except ValueError as error:
            raise DataError(str(error), file, number, HINT) from error
    if not found:
        raise DataError("no pair in it", file, hint=HINT)
    return found


def _pair(record: dict[str, Any]) -> PairExample:
    texts = {name: record[name] for name in ("first", "second")}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name} must be text, not {text!r}")
    label, split = record["label"], record.get("split") or ""
    if isinstance(label, (bool, int, str)) and str(label).strip():
        if split in SPLITS:
            return PairExample(texts["first"], texts["second"], str(label).strip(), split)
        raise ValueError(f"split is {split!r}; use train, valid or test")
    raise ValueError(f"label must be a name or a number, not {label!r}")


def load_pairs(path: str | Path, split: str) -> list[PairExample]:
    """The pairs of one split; a file that names no split is read whole.

    Raises:
        ConfigError: Nothing is in that split.
        DataError: The file cannot be read, or a line is wrong.
    """
    pairs = read_pairs(path)
    known = sorted({pair.split for pair in pairs} - {""})
    found = [pair for pair in pairs if not known or pair.split == split]
    if not found:
        raise ConfigError(f"{path} has nothing in split {split!r}", f"there is: {known}")
    return found


def write_pairs(path: str | Path, pairs: Iterable[PairExample]) -> None:
    """Writes pairs so that `read_pairs` gives them back."""
    with write_file(Path(path)) as file:
        for pair in pairs:
            file.write((json.dumps(asdict(pair), ensure_ascii=False) + "\n").encode())


def kind_of(data: str) -> Kind:
    """Which kind of labelled data a name or file of `--data` stands for.

    A file's kind is told by the fields of its first line; what has neither those of a pair nor
    those of a multiple-choice item is taken for annotated text, whose reader says what is wrong.

    Args:
        data: A corpus's or set's name, or a JSONL file.
    """
    if data in SETS:
        return "choice"
    path = Path(data)
    if not path.is_file():
        return "annotated"
    first: dict[str, Any] = next((record for _, record in read_records(path)), {})
    if {"first", "second"} & first.keys():
        return "pairs"
    return "choice" if {"question", "choices"} & first.keys() else "annotated"
