"""Links the names of a text by what a run has learnt, "none of them" included."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from accord.evaluate.extractor import Extractor
from accord.text.candidates import Candidates
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.text.mentions import Candidate, MentionIndex
from accord.text.sentences import names_of, sentences
from accord.train.extraction import link_items

BLOCK = 64
"""Sentences that are read together."""


@dataclass(frozen=True)
class Linked:
    """A name in a text."""

    start: int
    """Offset of its first character in the whole text."""
    end: int
    text: str
    none: float
    """How probable it is that the graph lacks what it stands for."""
    candidates: tuple[Candidate, ...]
    """Entities with their probabilities, the best first; these and `none` sum to 1."""

    @property
    def best(self) -> Candidate | None:
        """The most probable entity; None where none of them is more probable."""
        top = self.candidates[0] if self.candidates else None
        return top if top is not None and top.score > self.none else None


def link_text(extractor: Extractor, index: MentionIndex, pieces: Iterable[str]) -> Iterator[Linked]:
    """The names of a text, linked within their sentences.

    Args:
        extractor: A run that has learnt to link.
        index: The names of the graph.
        pieces: The text's pieces in order, cut anywhere; a large text is not held as a whole.

    Yields:
        Names from left to right, those that stand for nothing in the graph too.
    """
    extractor.needs("linking")
    candidates = Candidates(index.graph, index)
    found = sentences(pieces, names=names_of(index))
    twice = extractor.recipe.linking.twice
    while block := list(itertools.islice(found, BLOCK)):
        # An empty id: known to be asked for, and which entity is not said.
        spans = [
            (start + m.start, LabelledSpan(m.start, m.end, "", ""), row)
            for row, (start, text) in enumerate(block)
            for m in index.find(text)
        ]
        examples = [
            MentionExample(text, tuple(span for _, span, r in spans if r == row))
            for row, (_, text) in enumerate(block)
        ]
        bare = [RelationExample(example, (), (), ()) for example in examples]
        items = list(link_items(extractor.model, candidates, bare, twice))
        scores = extractor.links(index.graph, items)
        for (start, span, row), item, values in zip(spans, items, scores, strict=True):
            ranked = sorted(
                map(Candidate, item.candidates, values[1:].tolist()), key=lambda c: -c.score
            )
            said = block[row].text[span.start : span.end]
            yield Linked(start, start + len(said), said, float(values[0]), tuple(ranked))
