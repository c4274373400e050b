"""Mentions of a corpus joined with a graph: which entity each stands for, or none."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph
from accord.text.corpora import load_corpus
from accord.text.examples import LabelledSpan, RelationExample

OTHER_IDS = "wikidata_id"
PARTS = {"train": range(6), "valid": range(6, 7), "test": range(7, 10)}


def load_links(data: str, split: str, graph: KnowledgeGraph) -> list[RelationExample]:
    """The mentions of a corpus whose entities are known, in a graph's ids.

    Entities are those of the graph by its ids or by their attribute `wikidata_id`; see also
    `is_split_by_entity`.

    Args:
        data: A corpus's name or a file.
        split: train, valid or test.
        graph: The graph.

    Returns:
        Examples whose spans have an id of the graph, or "" where the graph lacks the entity;
        others have None.

    Raises:
        ConfigError: Nothing is in that split.
        GraphError: No mention has an entity that the graph knows.
    """
    examples = load_corpus(data)
    whole = is_split_by_entity(examples)
    kept = examples if whole else load_corpus(data, split)
    known = other_ids(graph)
    joined = [with_entities(e, known, split if whole else None) for e in kept]
    spans = [s for e in joined for s in e.mentions.spans if s.entity is not None]
    if not any(span.entity for span in spans):
        raise GraphError(
            f"no mention of {data} {split} stands for an entity of graph {graph.name!r}",
            "the ids of its entities must be the graph's, or its attribute wikidata_id",
        )
    return joined


def is_split_by_entity(examples: Sequence[RelationExample]) -> bool:
    """Whether a corpus is all test, or names no split.

    Then its *entities* are split, so that none is trained on and tested.
    """
    return {example.split for example in examples} in ({""}, {"test"})


def other_ids(graph: KnowledgeGraph) -> dict[str, str]:
    """Id of the graph by its own id and by `wikidata_id`."""
    found = {key: key for key in graph.entity_ids}
    for row in range(len(graph.attributes)):
        item = graph.attribute(row)
        if item.property == OTHER_IDS:
            found.setdefault(item.value, graph.entity_ids[int(graph.attributes[row, 0])])
    return found


def with_entities(
    example: RelationExample, known: dict[str, str], part: str | None
) -> RelationExample:
    """An example whose spans carry ids of a graph.

    Args:
        example: With ids of its corpus.
        known: Id of the graph by id of the corpus.
        part: Keep only entities of this part of a split by entity; None keeps all.
    """

    def joined(span: LabelledSpan) -> LabelledSpan:
        if span.entity is None or (part is not None and entity_part(span.entity) != part):
            return replace(span, entity=None)
        return replace(span, entity=known.get(span.entity, ""))

    spans = tuple(joined(span) for span in example.mentions.spans)
    return replace(example, mentions=replace(example.mentions, spans=spans))


def entity_part(entity: str) -> str:
    """The part of a split by entity: always the same for an id."""
    bucket = zlib.crc32(entity.encode()) % 10
    return next(name for name, buckets in PARTS.items() if bucket in buckets)


def labelled(examples: Iterable[RelationExample]) -> int:
    """How many mentions have a known answer, NIL among them."""
    return sum(s.entity is not None for e in examples for s in e.mentions.spans)
