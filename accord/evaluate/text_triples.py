"""Triples out of bare texts against those that are marked in them: nothing is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.evaluate.extraction import TextReader, merge
from accord.evaluate.extractor import Extractor
from accord.evaluate.relations import f1
from accord.progress import track
from accord.text.examples import RelationExample
from accord.text.folding import fold

Said = tuple[str, str, str]
"""Folded name of the head, relation, folded name of the tail."""
LEAST = 0.05
"""Probability from which triples are looked at."""


@dataclass(frozen=True)
class DocumentTriples:
    """What a text states and what was found in it."""

    stated: tuple[tuple[frozenset[str], str, frozenset[str]], ...]
    """Each fact once, with all names that its text has for head and tail."""
    found: tuple[tuple[Said, float], ...]
    """Each triple once, with its probability."""

    def counts(self, threshold: float) -> npt.NDArray[np.int64]:
        """(3,) right, found and stated; of several finds of one fact only the first counts."""
        claimed = [said for said, sure in self.found if sure >= threshold]
        right = sum(
            any(h in heads and r == relation and t in tails for h, r, t in claimed)
            for heads, relation, tails in self.stated
        )
        return np.array([right, len(claimed), len(self.stated)], dtype=np.int64)


def read_documents(
    extractor: Extractor, examples: Sequence[RelationExample]
) -> list[DocumentTriples]:
    """Reads bare texts, each by itself.

    Args:
        extractor: A run that has learnt relations and spans.
        examples: Texts with the facts that they state; their mentions are only compared with.

    Returns:
        For each text its triples; names are compared as linking folds them.
    """
    found = []
    with track("reading texts", len(examples), "texts") as advance:
        for example in examples:
            reader = TextReader(extractor, None, LEAST)
            new = reader.names.new.found
            triples = [x for x in merge(reader.read([example.mentions.text])) if not x.datatype]
            said = tuple(
                ((_folded(new[x.head].name), x.relation, _folded(new[x.tail].name)), x.probability)
                for x in triples
            )
            found.append(DocumentTriples(_stated(example), said))
            advance(1)
    return found


def best_threshold(documents: Sequence[DocumentTriples]) -> float:
    """The probability from which triples of these texts have the highest F1."""
    steps = np.linspace(LEAST, 0.95, 19).tolist()
    return float(max(steps, key=lambda step: text_scores(documents, step)["f1"]))


def text_scores(documents: Iterable[DocumentTriples], threshold: float) -> dict[str, float]:
    """Micro precision, recall and F1 over facts, a text each.

    Args:
        documents: What was read.
        threshold: Least probability of a triple.
    """
    right, found, stated = np.sum([d.counts(threshold) for d in documents], axis=0).tolist()
    return {
        "precision": right / max(1, found),
        "recall": right / max(1, stated),
        "f1": f1(right, found, stated),
    }


def _stated(example: RelationExample) -> tuple[tuple[frozenset[str], str, frozenset[str]], ...]:
    text, spans = example.mentions.text, example.mentions.spans
    names = [
        frozenset(_folded(text[spans[i].start : spans[i].end]) for i in thing)
        for thing in example.things
    ]
    return tuple((names[h], r, names[t]) for h, r, t in example.facts)


def _folded(name: str) -> str:
    return fold(name).text
