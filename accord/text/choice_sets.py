"""Multiple-choice data: the sets that KALE is measured on, OpenBookQA, and files of one's own.

The sets are looked for below ``ACCORD_DATA/mc``. A set that lies there in its public form is read
as it is; one that does not says where to put it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accord.errors import ConfigError, DataError, nearest
from accord.graph.writing import write_file
from accord.text.render import one_line

SPLITS = ("train", "valid", "test")
VALID_EVERY = 10
LABEL = re.compile(r"(?:^|\s)\(?([A-Z])[).]\s+")
LISTED = re.compile(r"^(?:\(([A-Z])\)|-)\s*(.*)$")


@dataclass(frozen=True)
class ChoiceItem:
    """One question with choices."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    """Index of the right choice."""
    subject: str = ""
    context: str = ""
    """What is to be read before the question, such as a passage."""
    split: str = ""
    """train, valid, test, or empty where it is not stated."""


@dataclass(frozen=True)
class ChoiceSet:
    """The items of one split."""

    name: str
    split: str
    items: tuple[ChoiceItem, ...]
    left_out: int = 0
    """Items of the file that have no choices."""


@dataclass(frozen=True)
class _Source:
    """Where a set's items are, and how many there must be."""

    files: Mapping[str, tuple[str, int | None]]
    """Split -> path below ``mc`` and number of items, None where that is not known; train also
    gives valid where there is none."""
    read: Callable[[Path], Iterator[ChoiceItem | None]]
    train_allowed: bool = True


def load_choices(data: str, split: str = "valid") -> ChoiceSet:
    """Reads a named set or a file, for evaluation.

    Args:
        data: A set's name, or a JSONL file with `question`, `choices` and `answer` (index or text).
        split: train, valid or test. Valid is a tenth of train where a set has none of its own;
            a file is read whole unless its lines name splits.

    Returns:
        The items.

    Raises:
        ConfigError: No such set or split.
        DataError: The data is not there, or a line is wrong; the message names the line.
    """
    if data not in SETS and (Path(data).is_file() or data.endswith((".jsonl", ".gz"))):
        return _own_file(Path(data), split)
    if data not in SETS:
        hint = nearest(data, SETS) + "; or give a JSONL file"
        raise ConfigError(f"no multiple-choice set {data!r}", hint)
    if split not in SPLITS:
        raise ConfigError(f"no split {split!r}", "choose from " + ", ".join(SPLITS))
    source = SETS[data]
    part = split if split in source.files or split == "test" else "train"
    if part not in source.files:
        known = ", ".join(source.files)
        raise ConfigError(f"{data} has no {split} split", f"there is: {known}")
    path, count = source.files[part]
    read = list(source.read(_find(path, data)))
    if count is not None and len(read) != count:
        raise DataError(f"{len(read)} items, {data} {part} has {count}", path, hint="fetch anew")
    items = [item for item in read if item is not None]
    if part == "train" and "valid" not in source.files:
        items = [x for i, x in enumerate(items) if (i % VALID_EVERY == 0) == (split == "valid")]
    return ChoiceSet(data, split, tuple(items), sum(item is None for item in read))


def training_items(data: str) -> ChoiceSet:
    """The train split, for training; sets that must not be trained on are refused.

    Raises:
        ConfigError: The set is for evaluation only (BBH).
    """
    if data in SETS and not SETS[data].train_allowed:
        raise ConfigError(
            f"{data} is for evaluation only", "its authors ask that no model is trained on it"
        )
    return load_choices(data, "train")


def _find(path: str, name: str) -> Path:
    mirror = os.environ.get("ACCORD_DATA", "")
    found = Path(mirror) / "mc" / path
    if not mirror or not found.exists():
        where = str(found) if mirror else f"ACCORD_DATA/mc/{path}"
        raise DataError(
            f"{name} is not at hand", where, hint=f"put it at mc/{path} below ACCORD_DATA"
        )
    return found


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """(line number, JSON value) of a JSONL file, plain or gzipped."""
    opened = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"cannot read ({error})", path, max(1, number)) from error


def read_choices(path: str | Path) -> list[ChoiceItem]:
    """The items of a file of one's own, of all splits.

    Raises:
        DataError: A line is wrong; the message names it.
    """
    file, found = Path(path), []
    for number, record in _records(file):
        if not isinstance(record, dict):
            raise DataError("a line must be one JSON object", file, number)
        item = _item(record, file, number)
        found.append(replace(item, split=str(record.get("split") or "")))
    return found


def write_choices(path: str | Path, items: Iterable[ChoiceItem]) -> None:
    """Writes items so that `read_choices` gives them back."""
    with write_file(Path(path)) as file:
        for item in items:
            file.write((json.dumps(vars(item), ensure_ascii=False) + "\n").encode())


def items_to_learn(data: str) -> list[ChoiceItem]:
    """The items of a set or file that may be trained on or held out: those of train and valid.

    Args:
        data: As for `load_choices`; what a file without splits holds is all train.

    Raises:
        ConfigError: The set is for evaluation only (BBH), or has no train split.
    """
    if data not in SETS:
        items = read_choices(data)
        named = any(item.split for item in items)
        known = items if named else [replace(item, split="train") for item in items]
        return [item for item in known if item.split in ("train", "valid")]
    parts = (training_items(data), load_choices(data, "valid"))
    return [replace(item, split=part.split) for part in parts for item in part.items]


def _own_file(path: Path, split: str) -> ChoiceSet:
    found = read_choices(path)
    whole = all(not item.split for item in found)
    items = tuple(item for item in found if whole or item.split == split)
    if not items:
        known = ", ".join(sorted({item.split for item in found} - {""}))
        raise DataError(f"no items in split {split!r}", path, hint=f"there are: {known or 'none'}")
    return ChoiceSet(path.name.split(".")[0], "" if whole else split, items)


def _plain(path: Path) -> Iterator[ChoiceItem | None]:
    for number, record in _records(path):
        yield _item(record, path, number)


def _item(record: Mapping[str, Any], path: Path, number: int) -> ChoiceItem:
    hint = 'a line needs {"question": "...", "choices": ["...", "..."], "answer": 0 or "..."}'
    try:
        question, choices = record["question"], record["choices"]
        if not isinstance(question, str) or not question.strip():
            raise ValueError("field 'question' must be text")
        if not isinstance(choices, list) or not all(isinstance(c, (str, int)) for c in choices):
            raise ValueError("field 'choices' must be a list of texts")
        texts = tuple(one_line(str(choice)) for choice in choices)
        if len(texts) < 2 or not all(texts):
            raise ValueError(f"two or more choices are needed, not empty: {list(texts)}")
        found = _answer(record["answer"], texts)
    except KeyError as error:
        raise DataError(f"no field {error}", path, number, hint) from error
    except ValueError as error:
        raise DataError(str(error), path, number, hint) from error
    return ChoiceItem(
        str(record.get("id", number)), question.strip(), texts, found,
        str(record.get("subject", "")), str(record.get("context", "")).strip(),
    )  # fmt: skip


def _answer(stated: Any, choices: Sequence[str]) -> int:
    if isinstance(stated, int) and not isinstance(stated, bool):
        if not 0 <= stated < len(choices):
            raise ValueError(f"answer {stated} is no index of {len(choices)} choices, from 0")
        return stated
    count = choices.count(one_line(str(stated)))
    if count != 1:
        raise ValueError(f"answer {stated!r} is {count} of the choices, not one")
    return choices.index(one_line(str(stated)))


def _bbh(path: Path) -> Iterator[ChoiceItem | None]:
    """BIG-Bench Hard: listed options, or the answers of a task that has only a few.

    Tasks with free answers give None, and so do the four items whose answer is not listed.
    """
    for _, record in _records(path):
        question, _, listed = record["input"].partition("\nOptions:\n")
        found = [LISTED.match(line.strip()) for line in listed.splitlines() if line.strip()]
        labels = [f"({one[1]})" if one[1] else one[2].strip() for one in found if one]
        if not listed:
            labels = list(BBH_ANSWERS.get(record["task"], ()))
        if record["target"] not in labels:
            yield None
            continue
        lettered = any(one and one[1] for one in found)
        yield ChoiceItem(
            record["id"], record["input"] if lettered else question, tuple(labels),
            labels.index(record["target"]), record["task"],
        )  # fmt: skip


def _race(path: Path) -> Iterator[ChoiceItem | None]:
    """RACE's folders: one JSON object a passage, with several questions."""
    for file in sorted(path.glob("*.txt"), key=lambda p: (len(p.stem), p.stem)):
        for _, record in _records(file):
            try:
                parts = list(
                    zip(record["questions"], record["options"], record["answers"], strict=True)
                )
                for i, (question, options, letter) in enumerate(parts):
                    item = {"question": question, "choices": options, "answer": _index(letter)}
                    made = _item({**item, "id": f"{file.stem}-{i}"}, file, i + 1)
                    yield replace(made, context=one_line(record["article"]))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"not a passage of RACE ({error!r})", file) from error


def _index(letter: str) -> int:
    return ord(letter.strip()) - ord("A")


def _absr(path: Path) -> Iterator[ChoiceItem | None]:
    """AbsR: `test_ppl.json` is number -> the question with each label, and the right one."""
    if path.suffix == ".jsonl":
        yield from _absr_train(path)
        return
    try:
        records = json.loads(path.read_text("utf-8"))
        for number, record in records.items():
            text = record["label: A"]["testing input"]
            yield _lettered(number, text.rpartition("\nAnswer:")[0], record["gold"], path)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError(f"not AbsR's test file ({error!r})", path) from error


def _absr_train(path: Path) -> Iterator[ChoiceItem | None]:
    """AbsR's other files: each question alone and again with its fact; the latter is left out."""
    for number, record in _records(path):
        try:
            if record["input"].startswith("Fact:"):
                yield None
                continue
            answer = record["output"].rpartition("Answer:")[2].strip()[:1]
            yield _lettered(str(number), record["input"], answer, path)
        except (KeyError, AttributeError, TypeError) as error:
            raise DataError(f"not an item of AbsR ({error!r})", path, number) from error


def _lettered(name: str, text: str, letter: str, path: Path) -> ChoiceItem:
    """An item of ``Question: ... Options: A) ... B) ...``."""
    asked, _, listed = text.partition("Options:")
    marks: list[re.Match[str]] = []
    for mark in LABEL.finditer(listed):
        # Labels follow one another: a capital inside a choice is none.
        if ord(mark[1]) == ord("A") + len(marks):
            marks.append(mark)
    ends = [mark.start() for mark in marks[1:]] + [len(listed)]
    labels = [mark[1] for mark in marks]
    choices = [listed[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    line = int(name) if name.isdigit() else None
    if letter not in labels:
        raise DataError(f"item {name}: answer {letter!r} is not among {labels}", path, line)
    question = asked.rpartition("Question:")[2].strip()
    record = {"id": name, "question": question, "choices": choices}
    return _item({**record, "answer": labels.index(letter)}, path, line or 1)


BBH_ANSWERS = {
    "boolean_expressions": ("False", "True"),
    "sports_understanding": ("no", "yes"),
    "web_of_lies": ("No", "Yes"),
}


def _files(**counts: tuple[str, int | None]) -> Mapping[str, tuple[str, int | None]]:
    return counts


SETS: Mapping[str, _Source] = {
    "arc-easy": _Source(
        _files(train=("arc_easy_train.jsonl.gz", 2251), test=("arc_easy_test.jsonl.gz", 2376)),
        _plain,
    ),
    "arc-challenge": _Source(
        _files(
            train=("arc_challenge_train.jsonl.gz", 1119),
            test=("arc_challenge_test.jsonl.gz", 1172),
        ),
        _plain,
    ),
    "commonsenseqa": _Source(
        _files(
            train=("commonsenseqa_train.jsonl.gz", 9741), test=("commonsenseqa_dev.jsonl.gz", 1221)
        ),
        _plain,
    ),
    "openbookqa": _Source(
        _files(train=("openbookqa_train.jsonl.gz", 4957), test=("openbookqa_test.jsonl.gz", 500)),
        _plain,
    ),
    "mmlu": _Source(
        _files(valid=("mmlu_dev.jsonl.gz", 285), test=("mmlu_test.jsonl.gz", 14042)), _plain
    ),
    "bbh": _Source(_files(test=("bbh.jsonl.gz", 6511)), _bbh, train_allowed=False),
    "absr": _Source(
        _files(
            train=("absr/train.jsonl", None),
            valid=("absr/dev.jsonl", None),
            test=("absr/test_ppl.json", None),
        ),
        _absr,
    ),
    "race-m": _Source(
        _files(
            train=("RACE/train/middle", 25421),
            valid=("RACE/dev/middle", 1436),
            test=("RACE/test/middle", 1436),
        ),
        _race,
    ),
    "race-h": _Source(
        _files(
            train=("RACE/train/high", 62445),
            valid=("RACE/dev/high", 3451),
            test=("RACE/test/high", 3498),
        ),
        _race,
    ),
}
"""Named sets. CommonsenseQA's test labels are not public: its dev part stands as test."""
