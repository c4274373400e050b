"""Entity recognition: micro- and macro-F1 over mentions, exact in both ends and in type."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accord.errors import ConfigError
from accord.evaluate.extractor import Extractor
from accord.evaluate.files import write_lines
from accord.evaluate.relations import per_relation, scores
from accord.evaluate.tables import table
from accord.text.examples import MentionExample, RelationExample
from accord.text.tags import words_of

Span = tuple[int, str, int]
"""First character, type, the character behind the last."""


@dataclass(frozen=True)
class NerResult:
    """What is marked and what was found in each text."""

    data: str
    split: str
    examples: tuple[MentionExample, ...]
    found: tuple[frozenset[Span], ...]
    known_names: tuple[frozenset[Span], ...]
    """What a lookup of the names in the run's train texts finds."""
    unknown: tuple[str, ...] = ()
    """Types of the data that the run has not learnt."""

    def to_dict(self) -> dict[str, Any]:
        """{"n", "micro_f1", "macro_f1", "precision", "recall", "baseline", "per_type", ...}."""
        gold = [marked(example) for example in self.examples]
        right = sum(len(a & b) for a, b in zip(gold, self.found, strict=True))
        stated = sum(map(len, gold))
        return {
            "data": self.data,
            "split": self.split,
            "n": stated,
            "texts": len(gold),
            **scores(gold, self.found),
            "precision": right / max(1, sum(map(len, self.found))),
            "recall": right / max(1, stated),
            "baseline": {"names of train": scores(gold, self.known_names)},
            "per_type": per_relation(gold, self.found),
            "unknown_types": list(self.unknown),
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [
            ["all", found["micro_f1"], found["macro_f1"]],
            ["baseline: names of train", *found["baseline"]["names of train"].values()],
            *([name, row["f1"], ""] for name, row in found["per_type"].items()),
        ]
        title = f"mentions of {self.data} {self.split}: {found['n']} in {found['texts']} texts"
        return f"{title}\n{table(['', 'F1 (micro)', 'F1 (macro)'], rows)}"

    def dump(self, path: Path) -> None:
        """Writes each text with its mentions, marked and found, as JSON lines."""
        write_lines(
            path,
            (
                json.dumps(
                    {"text": e.text, "marked": sorted(marked(e)), "found": sorted(spans)},
                    ensure_ascii=False,
                )
                for e, spans in zip(self.examples, self.found, strict=True)
            ),
        )


def marked(example: MentionExample) -> frozenset[Span]:
    """The mentions of a text whose types it was searched for."""
    return frozenset((s.start, s.kind, s.end) for s in example.spans if s.kind in example.kinds)


def evaluate_ner(
    extractor: Extractor,
    examples: Sequence[RelationExample],
    data: str,
    split: str,
    train: Iterable[RelationExample] = (),
) -> NerResult:
    """Recognises the mentions of texts.

    Args:
        extractor: A run that has learnt to.
        examples: Texts; those that were not searched for all mentions are left out.
        data: What the result calls them.
        split: Which part of them they are.
        train: The run's own train texts, for the lookup of their names.

    Raises:
        ConfigError: No such text, or the run knows none of the types.
    """
    extractor.needs("spans")
    texts = [example.mentions for example in examples if example.mentions.kinds]
    stated = {kind for text in texts for kind in text.kinds}
    known = set(extractor.types)
    if not texts or not stated & known:
        what = "no text whose mentions are all marked" if not texts else "none of the run's types"
        raise ConfigError(
            f"{data} {split} has {what}",
            f"the run knows: {', '.join(extractor.types)}" if texts else "name another --data",
        )
    # A type that the run does not know cannot be found; those that it knows compete alone.
    asked = [replace(t, kinds=tuple(k for k in t.kinds if k in known)) for t in texts]
    found = tuple(
        frozenset((s.start, s.kind, s.end) for s in spans) for spans in extractor.spans(asked)
    )
    names = train_names(example.mentions for example in train)
    looked_up = tuple(lookup(text, names) for text in asked)
    return NerResult(data, split, tuple(texts), found, looked_up, tuple(sorted(stated - known)))


Names = dict[tuple[str, ...], str]
"""The type of a name, by its words."""


def train_names(texts: Iterable[MentionExample]) -> Names:
    """Each name of some texts with its most frequent type."""
    seen: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for example in texts:
        for start, kind, end in marked(example):
            name = example.text[start:end]
            seen[tuple(name[w.start : w.end] for w in words_of(name))][kind] += 1
    return {words: min(kinds, key=lambda k: (-kinds[k], k)) for words, kinds in seen.items()}


def lookup(example: MentionExample, names: Names) -> frozenset[Span]:
    """The longest of some names in a text, from left to right."""
    words = words_of(example.text)
    said = [example.text[w.start : w.end] for w in words]
    longest = max(map(len, names), default=0)
    found, at = [], 0
    while at < len(words):
        for size in range(min(longest, len(words) - at), 0, -1):
            kind = names.get(tuple(said[at : at + size]))
            if kind in example.kinds and kind is not None:
                found.append((words[at].start, kind, words[at + size - 1].end))
                at += size - 1
                break
        at += 1
    return frozenset(found)
