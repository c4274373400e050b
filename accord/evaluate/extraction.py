"""Triples out of plain text: names of the graph, their links, and the relations of their pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from accord.errors import ConfigError
from accord.evaluate.extractor import Extractor
from accord.graph.graph import KnowledgeGraph
from accord.progress import say
from accord.text.annotated import all_pairs, group_spans
from accord.text.candidates import Candidates
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.text.mentions import MentionIndex
from accord.text.sentences import Sentence, sentences
from accord.train.extraction import link_items, read_examples

BLOCK = 64
"""Sentences that are read together."""
MOST_NAMES = 24
"""Mentions of a sentence whose pairs are judged together; longer lists are judged in turns."""


@dataclass(frozen=True)
class Extracted:
    """One triple with its evidence."""

    head: str
    relation: str
    tail: str
    probability: float
    """That the sentence states it and that its names are linked right."""
    sentence: str
    start: int
    """Offset of the sentence in the file, in characters."""
    end: int
    known: bool
    """The graph has it already."""
    times: int = 1
    """How many sentences state it; the one given is the surest."""

    @property
    def triple(self) -> tuple[str, str, str]:
        """Ids of head, relation and tail."""
        return self.head, self.relation, self.tail


class TextReader:
    """Extracts triples in a graph's own relations.

    Args:
        extractor: A run that has learnt relations; it links too if it has learnt to.
        graph: The graph; only its entities and relations come out.
        threshold: Least probability of a triple.

    Raises:
        ConfigError: The run has not learnt relations, or none of the graph's.
    """

    def __init__(self, extractor: Extractor, graph: KnowledgeGraph, threshold: float) -> None:
        extractor.needs("relations")
        learnt = extractor.vocabulary.relations
        own = set(graph.relation_ids)
        if not own & set(learnt):
            raise ConfigError(
                f"the run has learnt none of the {len(own)} relations of graph {graph.name!r}",
                "train with --text on this graph, or give the graph it was trained on",
            )
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold is {threshold}", "use 0 to 1")
        if set(learnt) - own:
            say(f"{len(set(learnt) - own)} relations of the run are not the graph's: left out")
        self.extractor = extractor
        self.graph = graph
        self.threshold = threshold
        self.index = MentionIndex(graph)
        self.candidates = Candidates(graph, self.index)
        self.columns = [i for i, name in enumerate(learnt) if name in own]

    def read(
        self, pieces: Iterable[str], advance: Callable[[int], None] | None = None
    ) -> Iterator[Extracted]:
        """Triples sentence by sentence, as they are stated; see `merge`.

        Args:
            pieces: The text's pieces in order.
            advance: Is told how many sentences were read.
        """
        found = sentences(pieces)
        while block := list(itertools.islice(found, BLOCK)):
            yield from self._block(block)
            if advance is not None:
                advance(len(block))

    def _block(self, block: Sequence[Sentence]) -> Iterator[Extracted]:
        found = [self._named(sentence.text) for sentence in block]
        linked = self._linked(found)
        model, vocabulary = self.extractor.model, self.extractor.vocabulary
        twice = self.extractor.recipe.relations.twice
        asked = [
            (sentence, part, sure, read)
            for sentence, (example, sure) in zip(block, linked, strict=True)
            for part in parts_of(example)
            for read in read_examples(model, [part], vocabulary, twice)
        ]
        margins = self.extractor.relations([read for *_, read in asked])
        for (sentence, part, sure, _), rows in zip(asked, margins, strict=True):
            yield from self._triples(sentence, part, sure, rows)

    def _named(self, text: str) -> MentionExample:
        """A sentence with its names, each at first the entity that the name means most often."""
        spans = tuple(
            LabelledSpan(m.start, m.end, "", self.graph.entity_ids[m.candidates[0].entity])
            for m in self.index.find(text)
        )
        return MentionExample(text, spans)

    def _linked(
        self, found: Sequence[MentionExample]
    ) -> list[tuple[MentionExample, dict[str, float]]]:
        """Sentences with links by the run, those to nothing left out, and how sure they are."""
        if not len(self.extractor.link_head):
            return [(example, {}) for example in found]
        bare = [RelationExample(example, (), (), ()) for example in found]
        twice = self.extractor.recipe.linking.twice
        items = list(link_items(self.extractor.model, self.candidates, bare, twice))
        scored = iter(zip(items, self.extractor.links(self.graph, items), strict=True))
        linked = []
        for example in found:
            spans, sure = [], dict[str, float]()
            for span in example.spans:
                item, values = next(scored)
                best = int(values.argmax())
                if best:
                    entity = self.graph.entity_ids[item.candidates[best - 1]]
                    spans.append(replace(span, entity=entity))
                    sure[entity] = max(sure.get(entity, 0.0), float(values[best]))
            linked.append((replace(example, spans=tuple(spans)), sure))
        return linked

    def _triples(
        self,
        sentence: Sentence,
        example: RelationExample,
        sure: dict[str, float],
        margins: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    ) -> Iterator[Extracted]:
        spans = example.mentions.spans
        names = [str(spans[thing[0]].entity) for thing in example.things]
        end = sentence.start + len(sentence.text)
        for row, (head, tail) in enumerate(example.asked):
            for column in self.columns:
                linked = sure.get(names[head], 1.0) * sure.get(names[tail], 1.0)
                probability = linked / (1 + float(np.exp(-margins[row, column])))
                if probability >= self.threshold:
                    relation = self.extractor.vocabulary.relations[column]
                    known = self._is_known(names[head], relation, names[tail])
                    yield Extracted(
                        names[head], relation, names[tail], probability,
                        sentence.text, sentence.start, end, known,
                    )  # fmt: skip

    def _is_known(self, head: str, relation: str, tail: str) -> bool:
        first, last = self.graph.entity(head), self.graph.entity(tail)
        rows = self.graph.outgoing(first)
        return bool(((rows[:, 1] == self.graph.relation(relation)) & (rows[:, 2] == last)).any())


def parts_of(example: MentionExample) -> Iterator[RelationExample]:
    """The pairs of a sentence's things, no more at a time than are read together.

    Args:
        example: A sentence; spans of one entity are one thing.

    Yields:
        Examples that together ask for every ordered pair once.
    """
    things = group_spans(example.spans)
    pairs = all_pairs(len(things))
    size = MOST_NAMES * (MOST_NAMES - 1)
    for start in range(0, len(pairs), size):
        yield RelationExample(example, things, (), tuple(pairs[start : start + size]))


def merge(found: Iterable[Extracted]) -> list[Extracted]:
    """Each triple once, with its surest sentence, in the order in which they first came."""
    kept: dict[tuple[str, str, str], Extracted] = {}
    for item in found:
        before = kept.get(item.triple)
        if before is None:
            kept[item.triple] = item
        else:
            best = max(before, item, key=lambda x: x.probability)
            kept[item.triple] = replace(best, times=before.times + item.times)
    return list(kept.values())
