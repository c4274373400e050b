"""Annotated corpora by name: SemEval-2010 task 8, Re-DocRED, FewRel, CrossNER, WebQSP's entities.

They are looked for below ``ACCORD_DATA``; their counts are checked. A text that
a corpus gives as words is those words with single spaces between them.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accord.errors import ConfigError, DataError, nearest
from accord.text.annotated import all_pairs, checked_span, read_annotated, read_records
from accord.text.examples import LabelledSpan, MentionExample, RelationExample

FOLDER = "relation-extraction"
TAG = re.compile(r"\s*<(/?)e([12])>\s*")
DIRECTED = re.compile(r"(.+)\(e([12]),e([12])\)")
OTHER = "Other"
VALID_EVERY = 10
TRAIN_DOCUMENTS = 450
Parse = Callable[[Any, str], RelationExample]


@dataclass(frozen=True)
class _Part:
    """One file of a corpus."""

    path: str
    count: int
    split: Callable[[int], str]
    """The split of an item by its number."""
    folder: str = FOLDER
    """Below ACCORD_DATA."""


def corpus_names() -> list[str]:
    """All corpora that can be named."""
    return [*_PARSERS, *(f"crossner-{domain}" for domain in _CROSSNER)]


def load_corpus(data: str, split: str | None = None) -> list[RelationExample]:
    """Reads a named corpus, or a file of one's own.

    Args:
        data: A corpus's name, or a JSONL file as `read_annotated` reads it.
        split: train, valid or test; None for all. A file that names no split is read whole.

    Returns:
        The examples.

    Raises:
        ConfigError: No such corpus, or nothing in that split.
        DataError: The files are not there, their counts differ, or a line is wrong.
    """
    examples = _load(data)
    if split is None or not any(example.split for example in examples):
        return examples
    found = [example for example in examples if example.split == split]
    if not found:
        known = ", ".join(sorted({example.split for example in examples}))
        raise ConfigError(f"{data} has nothing in split {split!r}", f"there is: {known}")
    return found


def _load(data: str) -> list[RelationExample]:
    if data.startswith("crossner-") and data.removeprefix("crossner-") in _CROSSNER:
        return with_types(_crossner(data.removeprefix("crossner-")))
    if data in _PARSERS:
        parts, parse = _PARSERS[data]
        return with_types([example for part in parts for example in _read_part(part, parse)])
    if Path(data).is_file() or data.endswith((".jsonl", ".gz")):
        return with_types(with_splits(read_annotated(data)))
    raise ConfigError(
        f"no corpus {data!r}", nearest(data, corpus_names()) + "; or give a JSONL file"
    )


def with_splits(examples: list[RelationExample]) -> list[RelationExample]:
    """Examples of which, where some name their split, those that name none are of train."""
    if not any(example.split for example in examples):
        return examples
    named = (replace(e.mentions, split=e.split or "train") for e in examples)
    return [replace(e, mentions=mentions) for e, mentions in zip(examples, named, strict=True)]


def with_types(examples: list[RelationExample]) -> list[RelationExample]:
    """Examples that say which types are marked in them.

    Where every mention of a corpus has a type, all its texts were searched for all its types. A
    corpus that says so itself, or marks mentions without a type, stays as it is.
    """
    spans = [span for example in examples for span in example.mentions.spans]
    stated = any(example.mentions.kinds for example in examples)
    if stated or not spans or not all(span.kind for span in spans):
        return examples
    kinds = tuple(sorted({span.kind for span in spans}))
    return [replace(e, mentions=replace(e.mentions, kinds=kinds)) for e in examples]


def _read_part(part: _Part, parse: Parse) -> Iterator[RelationExample]:
    path, number = _find(part.path, part.folder), -1
    for number, (line, record) in enumerate(read_records(path)):
        try:
            yield parse(record, part.split(number))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(f"not in the corpus's form ({error})", path, line) from error
    _check_count(path, number + 1, part.count)


def _check_count(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(f"{found} items, there must be {expected}", path, hint="fetch it anew")


def _find(name: str, folder: str = FOLDER) -> Path:
    mirror = os.environ.get("ACCORD_DATA", "")
    path = Path(mirror) / folder / name
    if not mirror or not path.is_file():
        where = str(path) if mirror else f"ACCORD_DATA/{folder}/{name}"
        hint = f"put it at {folder}/{name} below ACCORD_DATA"
        raise DataError("the corpus is not at hand", where, hint=hint)
    return path


class _Words:
    """Words joined by single spaces, with the place of each."""

    def __init__(self, words: Sequence[str]) -> None:
        self.text = " ".join(words)
        self.starts: list[int] = []
        at = 0
        for word in words:
            self.starts.append(at)
            at += len(word) + 1
        self.ends = [start + len(word) for start, word in zip(self.starts, words, strict=True)]

    def span(
        self, first: int, last: int, kind: str = "", entity: str | None = None
    ) -> LabelledSpan:
        """The words from `first` to `last`, both within."""
        if not 0 <= first <= last < len(self.starts):
            raise ValueError(f"words {first}..{last} of {len(self.starts)}")
        return checked_span(self.text, self.starts[first], self.ends[last], kind, entity)


def _semeval(record: dict[str, Any], split: str) -> RelationExample:
    """The tags leave the text; a relation points from its first argument to its second."""
    pieces, text, marks = TAG.split(record["text"]), "", {}
    for i in range(0, len(pieces), 3):
        text += pieces[i]
        if i + 1 < len(pieces):
            closing, number = pieces[i + 1], int(pieces[i + 2])
            if text and not closing:
                text += " "
            marks[number, bool(closing)] = len(text)
            follows = pieces[i + 3][:1]
            text += " " if closing and (follows.isalnum() or follows in "(\"'") and follows else ""
    spans = tuple(checked_span(text, marks[n, False], marks[n, True]) for n in (1, 2))
    label = str(record["relation"])
    found = DIRECTED.fullmatch(label)
    if found is None and label != OTHER:
        raise ValueError(f"relation {label!r}")
    facts = ((int(found[2]) - 1, found[1], int(found[3]) - 1),) if found else ()
    example = MentionExample(text, spans, split)
    return RelationExample(example, ((0,), (1,)), facts, ((0, 1), (1, 0)), single=True)


def _fewrel(record: dict[str, Any], split: str) -> RelationExample:
    words = _Words(record["tokens"])
    spans: list[LabelledSpan] = []
    things: list[tuple[int, ...]] = []
    for side in ("head", "tail"):
        start, item = len(spans), record[side]
        spans += [words.span(min(s), max(s), "", str(item["id"])) for s in item["spans"]]
        things.append(tuple(range(start, len(spans))))
    example = MentionExample(words.text, tuple(spans), split)
    fact = (0, str(record["relation"]), 1)
    return RelationExample(example, tuple(things), (fact,), ((0, 1),), single=True)


def _webqsp(record: dict[str, Any], split: str) -> RelationExample:
    """The main entity of a question; where its place is wrong in the file, or its id is missing,
    it is not known."""
    text, main = str(record["question"]), record["main_entity"]
    start, end = main["pos"]
    spans: tuple[LabelledSpan, ...] = ()
    if 0 <= start < end <= len(text):
        spans = (checked_span(text, start, end, "", main["qid"]),)
    things = tuple((i,) for i in range(len(spans)))
    return RelationExample(MentionExample(text, spans, split), things, (), ())


def _redocred(record: dict[str, Any], split: str) -> RelationExample:
    words = _Words([word for sentence in record["sents"] for word in sentence])
    begins = [0]
    for sentence in record["sents"]:
        begins.append(begins[-1] + len(sentence))
    spans: list[LabelledSpan] = []
    things: list[tuple[int, ...]] = []
    for vertex in record["vertexSet"]:
        start = len(spans)
        for item in vertex:
            base = begins[item["sent_id"]]
            first, last = base + item["pos"][0], base + item["pos"][1] - 1
            spans.append(words.span(first, last, item["type"]))
        things.append(tuple(range(start, len(spans))))
    facts = tuple(dict.fromkeys((x["h"], str(x["r"]), x["t"]) for x in record["labels"]))
    example = MentionExample(words.text, tuple(spans), split)
    pairs = dict.fromkeys([*all_pairs(len(things)), *((h, t) for h, _, t in facts)])
    return RelationExample(example, tuple(things), facts, tuple(pairs))


def _crossner(domain: str) -> list[RelationExample]:
    found: list[RelationExample] = []
    for split, name, count in zip(("train", "valid", "test"), _FILES, _CROSSNER[domain],
                                  strict=True):  # fmt: skip
        path = _find(f"crossner/{domain}_{name}.txt.gz")
        examples = [_tagged(*sentence, path, split) for sentence in _sentences(path)]
        _check_count(path, len(examples), count)
        found += examples
    return found


def _sentences(path: Path) -> Iterator[tuple[int, list[list[str]]]]:
    """(first line, rows) of each block of a CoNLL file."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"cannot read ({error})", path) from error
    rows: list[list[str]] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            rows.append(line.split("\t"))
        elif rows:
            yield number - len(rows), rows
            rows = []


def _tagged(line: int, rows: list[list[str]], path: Path, split: str) -> RelationExample:
    wrong = next((i for i, row in enumerate(rows) if not _is_tagged(row)), None)
    if wrong is not None:
        raise DataError(f"expected WORD<tab>TAG, got {rows[wrong]!r}", path, line + wrong)
    words, tags = _Words([row[0] for row in rows]), [row[1] for row in rows]
    spans = tuple(words.span(*place) for place in tag_spans(tags))
    things = tuple((i,) for i in range(len(spans)))
    return RelationExample(MentionExample(words.text, spans, split), things, (), ())


def _is_tagged(row: list[str]) -> bool:
    return len(row) == 2 and (row[1] == "O" or row[1][:2] in ("B-", "I-"))


def tag_spans(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(first word, last word, type) of BIO tags; an I without its B begins a span.

    Example:
        >>> list(tag_spans(["B-PER", "I-PER", "O", "B-LOC", "I-PER"]))
        [(0, 1, 'PER'), (3, 3, 'LOC'), (4, 4, 'PER')]
    """
    first, kind = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            yield first, i - 1, kind
            kind = ""
        if not kind and tag != "O":
            first, kind = i, tag[2:]


def _tenth(number: int) -> str:
    return "valid" if number % VALID_EVERY == 0 else "train"


def _first_documents(number: int) -> str:
    return "train" if number < TRAIN_DOCUMENTS else "valid"


def _always_test(_: int) -> str:
    return "test"


_FILES = ("train", "dev", "test")
_CROSSNER = {
    "ai": (100, 350, 431),
    "literature": (100, 400, 416),
    "music": (100, 380, 465),
    "politics": (200, 541, 651),
    "science": (200, 450, 543),
}
_PARSERS: dict[str, tuple[tuple[_Part, ...], Parse]] = {
    "semeval-2010-task-8": (
        (
            _Part("semeval2010_task8_train.jsonl.gz", 8000, _tenth),
            _Part("semeval2010_task8_test.jsonl.gz", 2717, _always_test),
        ),
        _semeval,
    ),
    "re-docred": (
        (
            _Part("re_docred_dev.jsonl.gz", 500, _first_documents),
            _Part("re_docred_test.jsonl.gz", 500, _always_test),
        ),
        _redocred,
    ),
    "webqsp": (
        (
            _Part("webqsp_entities_train.jsonl.gz", 3098, _tenth, "kgqa"),
            _Part("webqsp_entities_test.jsonl.gz", 1639, _always_test, "kgqa"),
        ),
        _webqsp,
    ),
    "fewrel-wiki": ((_Part("fewrel_val_wiki.jsonl.gz", 11200, _always_test),), _fewrel),
    "fewrel-nyt": ((_Part("fewrel_val_nyt.jsonl.gz", 2500, _always_test),), _fewrel),
}
