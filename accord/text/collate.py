"""Examples and a tokenizer to token sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.graph.graph import KnowledgeGraph
from accord.text import render
from accord.text.examples import QueryForm, Segment, Sequence, View

TOKENIZE_BLOCK = 4096
SIMILAR = 0.8


class GraphTexts:
    """Token sequences of a graph's entities, queries and completions.

    Every distinct text is tokenised once and kept.

    Args:
        graph: The graph.
        tokenizer: A fast tokenizer of transformers.
        config: How entities become text.
    """

    def __init__(self, graph: KnowledgeGraph, tokenizer: Any, config: render.TextConfig) -> None:
        self.graph = graph
        self.tokenizer = tokenizer
        self.config = config
        self._entity: dict[int, Segment] = {}
        self._name: dict[int, Segment] = {}
        self._neighbour: dict[int, Segment] = {}
        self._relation: dict[int, Segment] = {}
        self._marks = {
            mark: tokens(tokenizer, mark)
            for mark in (render.QUERY_OPEN, render.TAIL_OPEN, render.TAIL_CLOSE)
        }
        end = tokenizer.eos_token_id  # encoders close a text in another way
        self.end: Segment = (int(tokenizer.sep_token_id if end is None else end),)
        self._neighbours = _NeighbourTable(graph, config.neighbours)

    def prepare(self, entities: Iterable[int]) -> None:
        """Tokenises the texts of entities in blocks; later calls find them ready."""
        missing = [e for e in dict.fromkeys(int(e) for e in entities) if e not in self._entity]
        for start in range(0, len(missing), TOKENIZE_BLOCK):
            block = missing[start : start + TOKENIZE_BLOCK]
            texts = [" " + render.entity_text(self.graph, e, self.config) for e in block]
            self._entity.update(zip(block, self._cut(texts), strict=True))

    def _cut(self, texts: list[str]) -> list[Segment]:
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [tuple(row[: self.config.entity_tokens]) for row in ids]

    def entity(self, entity: int) -> Segment:
        """Tokens of an entity's text."""
        if entity not in self._entity:
            self.prepare([entity])
        return self._entity[entity]

    def name(self, entity: int) -> Segment:
        """Tokens of an entity's name as it is written after a query."""
        if entity not in self._name:
            text = render.completion_part(render.entity_name(self.graph, entity))
            self._name[entity] = tokens(self.tokenizer, text)
        return self._name[entity]

    def relation(self, number: int) -> Segment:
        """Tokens of a relation's phrase with the closing bracket."""
        if number not in self._relation:
            phrase = render.relation_text(self.graph, number)
            self._relation[number] = tokens(self.tokenizer, render.query_parts("", phrase, [])[-1])
        return self._relation[number]

    def query(self, head: int, relation: int) -> Sequence:
        """View 1 of a query.

        Args:
            head: Entity idx.
            relation: Relation number.

        Returns:
            The sequence; its embedding is read at the last token.
        """
        around = tuple(self._around(e) for e in self._neighbours.of(head, relation))
        start = self._marks[render.QUERY_OPEN]
        return (start, self.entity(head), *around, self.relation(relation))

    def query_of_text(self, text: str, relation: int) -> Sequence:
        """View 1 of a query whose head is given as text, for entities not in the graph."""
        head = self._cut([" " + render.one_line(text)])[0]
        return (self._marks[render.QUERY_OPEN], head, self.relation(relation))

    def tail_of_text(self, text: str) -> Sequence:
        """View 2 of an entity given as text, for entities not in the graph."""
        entity = self._cut([" " + render.one_line(text)])[0]
        return (self._marks[render.TAIL_OPEN], entity, self._marks[render.TAIL_CLOSE])

    def relation_alone(self, number: int) -> Sequence:
        """A relation's phrase read without a head: ``[ , RELATION ]``."""
        return (self._marks[render.QUERY_OPEN], self.relation(number))

    def query_readings(
        self, queries: npt.NDArray[np.int64], form: QueryForm
    ) -> dict[View, list[Sequence]]:
        """What is read for queries.

        Args:
            queries: (N, 2) entity idx and relation number.
            form: How a query's embedding comes about.

        Returns:
            For each view that the form needs, N sequences.
        """
        pairs = queries.tolist()
        if form == "text":
            return {"query": [self.query(head, relation) for head, relation in pairs]}
        return {
            "head": [self.tail(head) for head, _ in pairs],
            "relation": [self.relation_alone(relation) for _, relation in pairs],
        }

    def readings_once(self, queries: npt.NDArray[np.int64], form: QueryForm) -> Iterator[Sequence]:
        """What `query_readings` holds for distinct queries, in its order, but each reading once.

        Args:
            queries: (N, 2) distinct entity idx and relation number; as products they share heads
                and relations, of which a large graph has far fewer than pairs.
            form: How a query's embedding comes about.
        """
        if form == "text":
            yield from (self.query(head, relation) for head, relation in queries.tolist())
            return
        heads, relations = (_first_seen(column) for column in queries.T)
        yield from map(self.tail, heads)
        yield from map(self.relation_alone, relations)

    def tail(self, entity: int) -> Sequence:
        """View 2 of an entity."""
        open_, close = self._marks[render.TAIL_OPEN], self._marks[render.TAIL_CLOSE]
        return (open_, self.entity(entity), close)

    def completion(self, head: int, relation: int, tail: int) -> Sequence:
        """View 1 followed by the tail's name and the end token."""
        return (*self.query(head, relation), self.name(tail) + self.end)

    def _around(self, entity: int) -> Segment:
        if entity not in self._neighbour:
            text = render.query_parts("", "", [render.entity_name(self.graph, entity)])[2]
            self._neighbour[entity] = tokens(self.tokenizer, text)
        return self._neighbour[entity]


class _NeighbourTable:
    """Neighbours in train, without the known answers of the query.

    SimKGC drops the target while training only, so that a query reads differently when it is
    tested; here a query never names any of its known answers, in training or later.
    """

    def __init__(self, graph: KnowledgeGraph, count: int) -> None:
        self.count = count
        self.graph = graph
        self.train = np.asarray(graph.split) == 0

    def of(self, entity: int, number: int) -> list[int]:
        """At most `count` distinct neighbours in graph order."""
        if not self.count:
            return []
        relation, inverse = number % self.graph.num_relations, number >= self.graph.num_relations
        out, into = self._edges(entity, "out"), self._edges(entity, "in")
        asked = into if inverse else out
        answers = set(asked[asked[:, 1] == relation, 0 if inverse else 2].tolist())
        around = dict.fromkeys([*out[:, 2].tolist(), *into[:, 0].tolist()])
        return [e for e in around if e not in answers and e != entity][: self.count]

    def _edges(self, entity: int, side: str) -> npt.NDArray[np.int32]:
        offsets, edges = (
            getattr(self.graph, f"{side}_offsets"),
            getattr(self.graph, f"{side}_edges"),
        )
        rows = edges[offsets[entity] : offsets[entity + 1]]
        triples: npt.NDArray[np.int32] = self.graph.triples[rows[self.train[rows]]]
        return triples


def _first_seen(values: npt.NDArray[np.int64]) -> list[int]:
    """Distinct values in the order in which they first come."""
    first = np.unique(values, return_index=True)[1]
    found: list[int] = values[np.sort(first)].tolist()
    return found


def token_windows(ids: Segment, limit: int) -> list[Segment]:
    """Tokens in runs that a model can read, each beginning with the last token of the one before.

    So every token but the first is predicted once, whatever the context.

    Args:
        ids: Tokens.
        limit: Tokens of a run at most; below 2 nothing is cut.

    Example:
        >>> token_windows((1, 2, 3, 4, 5), 3)
        [(1, 2, 3), (3, 4, 5)]
    """
    if limit < 2 or len(ids) <= limit:
        return [ids]
    return [ids[i : i + limit] for i in range(0, len(ids) - 1, limit - 1)]


def tokens(tokenizer: Any, text: str) -> Segment:
    """Token ids of a text without special tokens."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def pad(
    sequences: list[Sequence], fill: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Right-padded token ids.

    Args:
        sequences: N sequences.
        fill: Token id of the padding.

    Returns:
        ids (N, L) int64 and mask (N, L) bool, True = keep.
    """
    flat = [[token for segment in sequence for token in segment] for sequence in sequences]
    longest = max(len(row) for row in flat)
    ids = np.full((len(flat), longest), fill, dtype=np.int64)
    for i, row in enumerate(flat):
        ids[i, : len(row)] = row
    lengths = np.array([len(row) for row in flat])
    return ids, np.arange(longest)[None, :] < lengths[:, None]


def chunks_by_length(
    lengths: npt.NDArray[np.integer[Any]], budget: int
) -> list[npt.NDArray[np.int64]]:
    """Groups texts of like length so that little padding is read.

    Args:
        lengths: (N,) tokens of each text.
        budget: Padded tokens of a group at most (a longer text is a group of its own).

    Returns:
        Index arrays that together hold each of 0..N-1 once, longest texts first. No text is
        shorter than about four fifths of the longest one of its group.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    falling = -lengths[order]  # ascending, so that searchsorted finds where a group ends
    groups, start = [], 0
    while start < len(order):
        longest = max(1, int(-falling[start]))
        similar = int(np.searchsorted(falling, -(longest * SIMILAR - 2), side="right"))
        end = min(start + max(1, budget // longest), max(similar, start + 1))
        groups.append(order[start:end])
        start = end
    return groups
