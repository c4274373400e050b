"""Triples and attributes out of plain text, of the graph's entities and of new ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from accord.errors import ConfigError
from accord.evaluate.extraction_names import Named, NameReader
from accord.evaluate.extractor import Extractor, Float32
from accord.graph.builder import XSD_STRING
from accord.graph.graph import KnowledgeGraph
from accord.progress import say
from accord.text.annotated import all_pairs, group_spans
from accord.text.examples import MentionExample, RelationExample
from accord.text.properties import statements, typed_properties
from accord.text.sentences import Sentence, names_of, sentences
from accord.train.extraction import fits, read_examples

BLOCK = 64
"""Sentences that are read together."""
MOST_NAMES = 24
"""Mentions of a sentence whose pairs are judged together; longer lists are judged in turns."""
TYPE = "type"
"""Property that says what a new entity is."""


@dataclass(frozen=True)
class Extracted:
    """One triple or attribute with its evidence."""

    head: str
    relation: str
    """A relation, or an attribute's property."""
    tail: str
    """An entity, or an attribute's value."""
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
    datatype: str = ""
    """The value's datatype; empty for a triple."""
    unit: str = ""
    """The unit that the sentence states the value in; it is not converted."""
    source: str = ""
    """The file."""

    @property
    def triple(self) -> tuple[str, str, str]:
        """Ids of head and relation, and the tail's id or the value."""
        return self.head, self.relation, self.tail


class TextReader:
    """Extracts triples and attributes.

    Args:
        extractor: A run that has learnt relations; it links and recognises new entities too if it
            has learnt to.
        graph: Only its relations and properties come out; None takes all relations that the run
            has learnt.
        threshold: Least probability of a triple.

    Raises:
        ConfigError: The run has not learnt relations, or none of the graph's.
    """

    def __init__(
        self, extractor: Extractor, graph: KnowledgeGraph | None, threshold: float
    ) -> None:
        extractor.needs("relations")
        learnt = extractor.vocabulary.relations
        own = set(learnt) if graph is None else set(graph.relation_ids)
        if graph is not None and not own & set(learnt):
            raise ConfigError(*_no_relation(graph))
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold is {threshold}", "use 0 to 1")
        if set(learnt) - own:
            say(f"{len(set(learnt) - own)} relations of the run are not the graph's: left out")
        self.extractor = extractor
        self.graph = graph
        self.threshold = threshold
        self.names = NameReader(extractor, graph, threshold)
        self.columns = [i for i, name in enumerate(learnt) if name in own]
        self.properties = [] if graph is None else typed_properties(graph)
        self.unread = 0
        """Sentences so far that are longer than the model reads; their pairs are not judged."""

    def read(
        self, pieces: Iterable[str], advance: Callable[[int], None] | None = None
    ) -> Iterator[Extracted]:
        """What a text states, sentence by sentence; see `merge`.

        Args:
            pieces: The text's pieces in order.
            advance: Is told how many sentences were read.
        """
        found = sentences(pieces, names=names_of(self.names.index))
        while block := list(itertools.islice(found, BLOCK)):
            yield from self._block(block)
            if advance is not None:
                advance(len(block))

    def tell_unread(self) -> None:
        """Says how many sentences were too long, if any was."""
        if self.unread:
            say(
                f"no relations are read in {self.unread:,} sentences: they are longer than the "
                f"{self.extractor.model.longest:,} tokens that the model reads at once"
            )

    def _block(self, block: Sequence[Sentence]) -> Iterator[Extracted]:
        named = self.names.read([sentence.text for sentence in block])
        for sentence, one in zip(block, named, strict=True):
            yield from self._types(sentence, one)
            yield from self._attributes(sentence, one)
        model, vocabulary = self.extractor.model, self.extractor.vocabulary
        twice = self.extractor.recipe.relations.twice
        parts = [
            (sentence, part, one.sure)
            for sentence, one in zip(block, named, strict=True)
            for part in parts_of(one.example)
        ]
        asked = [item for item in parts if fits(model, item[1], twice)]
        self.unread += len({item[0] for item in parts} - {item[0] for item in asked})
        read = read_examples(model, (part for _, part, _ in asked), vocabulary, twice)
        margins = self.extractor.relations(list(read))
        for (sentence, part, sure), rows in zip(asked, margins, strict=True):
            yield from self._triples(sentence, part, sure, rows)

    def _types(self, sentence: Sentence, named: Named) -> Iterator[Extracted]:
        """What new entities are."""
        ids = dict.fromkeys(str(span.entity) for span in named.example.spans)
        for entity in ids:
            if entity in self.names.new.found:
                kind = self.names.new.found[entity].kind
                yield self._said(sentence, (entity, TYPE, kind), named.sure[entity], XSD_STRING)

    def _attributes(self, sentence: Sentence, named: Named) -> Iterator[Extracted]:
        spans = named.example.spans
        for item in statements(sentence.text, spans, self.properties):
            entity = str(spans[item.span].entity)
            probability = named.sure.get(entity, 1.0)
            if probability >= self.threshold:
                said = (entity, item.property, item.text)
                yield self._said(sentence, said, probability, item.datatype, item.unit)

    def _triples(
        self,
        sentence: Sentence,
        example: RelationExample,
        sure: dict[str, float],
        margins: Float32,
    ) -> Iterator[Extracted]:
        spans = example.mentions.spans
        names = [str(spans[thing[0]].entity) for thing in example.things]
        for row, (head, tail) in enumerate(example.asked):
            for column in self.columns:
                linked = sure.get(names[head], 1.0) * sure.get(names[tail], 1.0)
                probability = linked / (1 + float(np.exp(-margins[row, column])))
                if probability >= self.threshold:
                    relation = self.extractor.vocabulary.relations[column]
                    yield self._said(sentence, (names[head], relation, names[tail]), probability)

    def _said(
        self,
        sentence: Sentence,
        triple: tuple[str, str, str],
        probability: float,
        datatype: str = "",
        unit: str = "",
    ) -> Extracted:
        return Extracted(
            *triple,
            probability,
            sentence.text,
            sentence.start,
            sentence.start + len(sentence.text),
            self._is_known(triple, bool(datatype)),
            datatype=datatype,
            unit=unit,
        )

    def _is_known(self, triple: tuple[str, str, str], literal: bool) -> bool:
        graph, (head, relation, tail) = self.graph, triple
        if graph is None or head in self.names.new.found:
            return False
        first = graph.entity(head)
        if literal:
            known = graph.attributes_of(first)
            return any((item.property, item.value) == (relation, tail) for item in known)
        if tail in self.names.new.found:
            return False
        rows = graph.outgoing(first)
        same = (rows[:, 1] == graph.relation(relation)) & (rows[:, 2] == graph.entity(tail))
        return bool(same.any())


def _no_relation(graph: KnowledgeGraph) -> tuple[str, str]:
    """What is wrong with a graph none of whose relations a run has learnt, and what to do."""
    if not graph.num_relations:
        return f"graph {graph.name!r} has no relations", "give a graph that has some"
    return (
        f"the run has learnt none of the {graph.num_relations} relations of graph {graph.name!r}",
        "train with --text on this graph, or give the graph it was trained on",
    )


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
    kept: dict[tuple[tuple[str, str, str], str], Extracted] = {}
    for item in found:
        key = (item.triple, item.datatype)
        before = kept.get(key)
        if before is None:
            kept[key] = item
        else:
            best = max(before, item, key=lambda x: x.probability)
            kept[key] = replace(best, times=before.times + item.times)
    return list(kept.values())
