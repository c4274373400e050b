"""Distant supervision: any text with any graph, mentions by name and facts by pair.

Source: Mintz et al. 2009: a sentence that names two entities of a triple is taken to state it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from accord.errors import GraphError
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.text.annotated import all_pairs, group_spans
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.text.mentions import Mention, MentionIndex
from accord.text.render import entity_name, one_line
from accord.text.sentences import names_of, sentences

SURE = 0.5


class DistantSource:
    """Labels sentences by a graph.

    Args:
        graph: The graph; only its train triples are facts.
        index: Its names.
        sure: A mention counts for an entity whose share of its name is at least this.

    Raises:
        GraphError: The graph has no train triple.
    """

    def __init__(self, graph: KnowledgeGraph, index: MentionIndex, sure: float = SURE) -> None:
        self.graph = graph
        self.index = index
        self.sure = sure
        train = graph.triples[np.asarray(graph.split) == SPLITS.index("train")]
        if not len(train):
            raise GraphError(
                f"graph {graph.name!r} has no train triple", "distant supervision needs some"
            )
        self._facts: dict[tuple[int, int], list[int]] = defaultdict(list)
        for head, relation, tail in train.tolist():
            self._facts[head, tail].append(relation)

    def label(self, text: str) -> RelationExample:
        """A sentence with the entities that it names and the facts that join them."""
        return self._example(text, self._spans(self.index.find(text)))

    def texts(self, pieces: Iterable[str]) -> Iterator[RelationExample]:
        """The sentences of a text that name at least two entities."""
        for sentence in sentences(pieces, names=names_of(self.index)):
            example = self.label(sentence.text)
            if len(example.things) > 1:
                yield example

    def descriptions(self) -> Iterator[RelationExample]:
        """Each entity's description behind its name, which there stands for that entity."""
        for entity in range(self.graph.num_entities):
            description = one_line(self.graph.entity_descriptions[entity])
            name = one_line(entity_name(self.graph, entity))
            if not description:
                continue
            own = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", description)  # no part of a word
            text = description if own else f"{name}: {description}"
            start = own.start() if own else 0
            span = LabelledSpan(start, start + len(name), "", self.graph.entity_ids[entity])
            around = [
                s for s in self._spans(self.index.find(text))
                if s.end <= span.start or s.start >= span.end
            ]  # fmt: skip
            yield self._example(text, [span, *around])

    def _spans(self, mentions: Iterable[Mention]) -> list[LabelledSpan]:
        return [
            LabelledSpan(m.start, m.end, "", self.graph.entity_ids[m.candidates[0].entity])
            for m in mentions
            if m.candidates[0].score >= self.sure
        ]

    def _example(self, text: str, spans: list[LabelledSpan]) -> RelationExample:
        things = group_spans(tuple(spans))
        entities = self.graph.entities([str(spans[thing[0]].entity) for thing in things]).tolist()
        pairs = all_pairs(len(things))
        facts = tuple(
            (i, self.graph.relation_ids[relation], j)
            for i, j in pairs
            for relation in self._facts.get((entities[i], entities[j]), ())
        )
        example = MentionExample(text, tuple(spans), "train")
        return RelationExample(example, things, facts, tuple(pairs))
