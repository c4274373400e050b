"""Relation extraction with given mentions: micro- and macro-F1 over facts.

A fact is (text, head, relation, tail), so a relation in the wrong direction is wrong. Texts that
state at most one fact get the best one above the threshold. With SemEval-2010 task 8 the macro-F1
is then its official score: the mean over its nine relations, direction counted, without Other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, nearest
from accord.evaluate.extractor import Extractor, Float32
from accord.evaluate.files import write_lines
from accord.evaluate.tables import table
from accord.text.examples import RelationExample
from accord.train.extraction import fits, read_examples

Fact = tuple[int, str, int]
"""Head thing, relation, tail thing."""


@dataclass(frozen=True)
class RelationsResult:
    """What was stated and what was found in each text."""

    data: str
    split: str
    examples: tuple[RelationExample, ...]
    found: tuple[frozenset[Fact], ...]
    unknown: tuple[str, ...] = ()
    """Relations of the data that the run has not learnt."""
    unread: int = 0
    """Texts that are longer than the model reads; nothing is found in them."""

    def to_dict(self) -> dict[str, Any]:
        """{"n", "micro_f1", "macro_f1", "baseline", "per_relation", ...}."""
        gold = [frozenset(example.facts) for example in self.examples]
        majority = [_majority_of(e, _most_common(self.examples)) for e in self.examples]
        return {
            "data": self.data,
            "split": self.split,
            "n": sum(1 if e.single else len(e.asked) for e in self.examples),
            "texts": len(self.examples),
            "facts": sum(map(len, gold)),
            "unread": self.unread,
            **scores(gold, self.found),
            "baseline": {"majority": scores(gold, majority)},
            "per_relation": per_relation(gold, self.found),
            "unknown_relations": list(self.unknown),
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [
            ["all", found["micro_f1"], found["macro_f1"]],
            ["baseline: majority", *found["baseline"]["majority"].values()],
            *([name, row["f1"], ""] for name, row in found["per_relation"].items()),
        ]
        title = f"relations of {self.data} {self.split}: {found['n']} judged"
        return f"{title}\n{table(['', 'F1 (micro)', 'F1 (macro)'], rows)}"

    def dump(self, path: Path) -> None:
        """Writes each text with its facts, stated and found, as JSON lines."""
        write_lines(
            path,
            (
                json.dumps(
                    {"text": e.mentions.text, "stated": sorted(e.facts), "found": sorted(facts)},
                    ensure_ascii=False,
                )
                for e, facts in zip(self.examples, self.found, strict=True)
            ),
        )


def evaluate_relations(
    extractor: Extractor, examples: Sequence[RelationExample], data: str, split: str
) -> RelationsResult:
    """Finds the relations of texts whose mentions are given.

    Of a text that is longer than the model's context all facts count as missed.

    Args:
        extractor: A run that has learnt relations.
        examples: Texts with judged pairs.
        data: What the result calls them.
        split: Which part of them they are.

    Raises:
        ConfigError: No judged pair, or the run knows none of the relations.
    """
    extractor.needs("relations")
    judged = [example for example in examples if example.asked]
    known = set(extractor.vocabulary.relations)
    stated = {relation for e in judged for _, relation, _ in e.facts}
    if not judged or not stated & known:
        what = "no judged pair" if not judged else "none of the relations that the run has learnt"
        wrong = min(stated, default="")
        raise ConfigError(f"{data} {split} has {what}", nearest(wrong, known) if wrong else "")
    model, vocabulary = extractor.model, extractor.vocabulary
    twice = extractor.recipe.relations.twice
    fitting = [fits(model, example, twice) for example in judged]
    read = list(read_examples(model, compress(judged, fitting), vocabulary, twice))
    margins = iter(extractor.relations(read))
    found = tuple(
        facts_of(e, next(margins), vocabulary.relations) if fit else frozenset[Fact]()
        for e, fit in zip(judged, fitting, strict=True)
    )
    missing = tuple(sorted(stated - known))
    return RelationsResult(data, split, tuple(judged), found, missing, fitting.count(False))


def facts_of(
    example: RelationExample, margins: Float32, relations: Sequence[str]
) -> frozenset[Fact]:
    """The facts above the threshold; the best one alone where a text states at most one.

    Args:
        example: Its pairs are the rows of `margins`.
        margins: (P, R) logits above the threshold.
        relations: (R,) their names.
    """
    places = np.argwhere(holding(margins, example.single)).tolist()
    return frozenset((example.asked[p][0], relations[r], example.asked[p][1]) for p, r in places)


def holding(margins: Float32, single: bool) -> npt.NDArray[np.bool_]:
    """Which relations are taken to hold.

    Args:
        margins: (P, R) logits above the threshold.
        single: At most one does, the best one.

    Returns:
        (P, R).
    """
    found: npt.NDArray[np.bool_] = margins > 0
    if single and margins.size:
        found = found & (np.arange(margins.size).reshape(margins.shape) == margins.argmax())
    return found


def scores(gold: Sequence[frozenset[Fact]], found: Sequence[frozenset[Fact]]) -> dict[str, float]:
    """Micro-F1 over facts and macro-F1 over the relations that are stated.

    Args:
        gold: What each text states.
        found: What was found in it.
    """
    single = per_relation(gold, found)
    right = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    micro = f1(right, sum(map(len, found)), sum(map(len, gold)))
    macro = float(np.mean([row["f1"] for row in single.values()])) if single else 0.0
    return {"micro_f1": micro, "macro_f1": macro}


def per_relation(
    gold: Sequence[frozenset[Fact]], found: Sequence[frozenset[Fact]]
) -> dict[str, dict[str, float]]:
    """Facts, precision, recall and F1 of every relation that is stated."""
    right = _count(a & b for a, b in zip(gold, found, strict=True))
    stated, claimed = _count(gold), _count(found)
    return {
        name: {
            "n": stated[name],
            "precision": right[name] / max(1, claimed[name]),
            "recall": right[name] / stated[name],
            "f1": f1(right[name], claimed[name], stated[name]),
        }
        for name in sorted(stated)
    }


def f1(right: int, found: int, stated: int) -> float:
    """Harmonic mean of precision and recall; 0 where nothing is right."""
    return 2 * right / (found + stated) if right else 0.0


def _count(facts: Any) -> Counter[str]:
    return Counter(relation for some in facts for _, relation, _ in some)


def _most_common(examples: Sequence[RelationExample]) -> tuple[str, bool]:
    """The most frequent relation, and whether its head comes before its tail."""
    seen = Counter((r, h < t) for e in examples for h, r, t in e.facts)
    return min(seen, key=lambda key: (-seen[key], key))


def _majority_of(example: RelationExample, most: tuple[str, bool]) -> frozenset[Fact]:
    """The most frequent relation of the judged data itself for every pair in its direction."""
    relation, forward = most
    return frozenset((h, relation, t) for h, t in example.asked if (h < t) == forward)
