"""Which entities a text's tokens may look up: those mentioned near them, and their neighbours.

A text becomes *slots*: an entity, the tokens that see it, and how much it counts for. A causal
model's token sees a mention from the token behind it, where it is known that the name has ended;
an encoder's token sees mentions on either side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accord.graph.graph import KnowledgeGraph
from accord.graph.strings import StringTable
from accord.text.mentions import Mention, MentionConfig, MentionIndex
from accord.text.render import entity_name

MENTIONED, NEIGHBOUR = 1, 2
"""Kinds of slots; 0 is none."""
SPACE = "\u2581"
"""What some tokenizers put for a space, and take out again when they give a text back."""
FOREVER = 1 << 40
"""A position behind every text."""
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Offsets = Sequence[tuple[int, int]]


class Slot(NamedTuple):
    """An entity that some tokens of a text see."""

    entity: int
    """Entity idx."""
    start: int
    """The first token that sees it; tokens are counted from 0, padding left out."""
    stop: int
    """The token behind the last that sees it."""
    weight: float
    """Its share of the mention, above 0 to 1."""
    kind: int
    """`MENTIONED` or `NEIGHBOUR`."""


Slots = tuple[Slot, ...]


class Neighbours:
    """The first few neighbours of an entity in train, in graph order.

    Args:
        graph: The graph.
        count: How many at most; 0 gives none.
    """

    def __init__(self, graph: KnowledgeGraph, count: int) -> None:
        self.graph = graph
        self.count = count
        self.of = lru_cache(maxsize=1 << 16)(self._of)

    def _of(self, entity: int) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for rows, column in self._edges(entity):
            for other in self.graph.triples[rows[self.graph.split[rows] == 0], column].tolist():
                if len(found) == self.count:
                    return tuple(found)
                if other != entity:
                    found[other] = None
        return tuple(found)

    def _edges(self, entity: int) -> Iterable[tuple[npt.NDArray[np.int32], int]]:
        """Blocks of edges, so that an entity of a million edges is not read whole."""
        if not self.count:
            return
        size = 16 * self.count
        graph = self.graph
        sides = ((graph.out_offsets, graph.out_edges, 2), (graph.in_offsets, graph.in_edges, 0))
        for offsets, edges, column in sides:
            start, end = int(offsets[entity]), int(offsets[entity + 1])
            for at in range(start, end, size):
                yield edges[at : min(at + size, end)], column


@dataclass(frozen=True)
class SlotRules:
    """Which tokens see what."""

    causal: bool
    """Tokens see only mentions that end before them; otherwise mentions on either side."""
    reach: int
    """Tokens from a mention up to which it is seen."""
    neighbours: int
    """Neighbours of a mentioned entity that are seen with it, at most."""
    candidates: int
    """Entities that a mention may stand for, at most."""


class SlotFinder:
    """Finds the slots of texts.

    Args:
        graph: Whose entities count.
        tokenizer: A fast tokenizer, which says where tokens stand in a text.
        rules: Which tokens see what.
    """

    def __init__(self, graph: KnowledgeGraph, tokenizer: Any, rules: SlotRules) -> None:
        self.graph = graph
        self.tokenizer = tokenizer
        self.rules = rules
        config = MentionConfig(max_candidates=rules.candidates)
        self.index = MentionIndex(as_read(graph, tokenizer), config)
        self.neighbours = Neighbours(graph, rules.neighbours)
        self.of_ids = lru_cache(maxsize=1 << 16)(self._of_ids)

    def of_text(self, text: str, offsets: Offsets) -> Slots:
        """The slots of a text whose tokens are given.

        Args:
            text: The text.
            offsets: First character of each token and the one behind its last; (0, 0) where a
                token, such as a special one, stands for no text.

        Returns:
            Slots in the order of the mentions.
        """
        found: list[Slot] = []
        starts, ends = _edges_of(offsets)
        for mention in self.index.find(text):
            # Tokens that share a character with the mention.
            inside = np.flatnonzero((ends > mention.start) & (starts < mention.end))
            if len(inside):
                found += self._slots(mention, int(inside[0]), int(inside[-1]))
        return tuple(found)

    def _of_ids(self, ids: tuple[int, ...]) -> Slots:
        """The slots of a text given as token ids without special tokens around it."""
        text, offsets = decoded(self.tokenizer, ids)
        return self.of_text(text, offsets)

    def _slots(self, mention: Mention, first: int, last: int) -> Iterable[Slot]:
        start = last + 1 if self.rules.causal else max(0, first - self.rules.reach)
        stop = last + 1 + self.rules.reach
        for candidate in mention.candidates:
            weight = max(candidate.score, 1e-6)
            yield Slot(candidate.entity, start, stop, weight, MENTIONED)
            for other in self.neighbours.of(candidate.entity):
                yield Slot(other, start, stop, weight, NEIGHBOUR)


def as_read(graph: KnowledgeGraph, tokenizer: Any) -> KnowledgeGraph:
    """A graph whose names are spelt as a tokenizer gives texts back.

    An uncased one drops accents too: what it read of "München" is "munchen".

    Args:
        graph: The graph.
        tokenizer: A fast tokenizer; None reads texts as they are.

    Returns:
        The graph with other names and aliases, or itself where the tokenizer changes nothing.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    normalizer = None if backend is None else backend.normalizer
    if normalizer is None:
        return graph

    def spelt(name: str) -> str:
        return str(normalizer.normalize_str(name)).replace(SPACE, " ").strip()

    names = (spelt(entity_name(graph, entity)) for entity in range(graph.num_entities))
    aliases = StringTable.of(map(spelt, graph.aliases))
    return replace(graph, entity_names=StringTable.of(names), aliases=aliases)


def _edges_of(offsets: Offsets) -> tuple[Int64, Int64]:
    pairs = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def decoded(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """A text from its token ids, and where each token stands in it.

    Args:
        tokenizer: A fast tokenizer.
        ids: Token ids, as the tokenizer cuts the text or in any other way.

    Returns:
        The text, and for each token its first character and the one behind its last. A character
        that several tokens make together belongs to all of them.
    """
    text = str(tokenizer.decode(list(ids), skip_special_tokens=False))
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if list(read["input_ids"]) == list(ids):
        return text, [tuple(pair) for pair in read["offset_mapping"]]
    # Texts of several pieces are cut at the pieces' ends; the beginnings of the text tell where.
    ends = [len(str(tokenizer.decode(list(ids[: n + 1])))) for n in range(len(ids))]
    ends = [min(end, len(text)) for end in ends]
    starts = [0, *ends[:-1]]
    return text, [(min(a, max(0, b - 1)), b) for a, b in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class SlotBatch:
    """The slots of several texts, padded."""

    entities: Int64
    """(B, K) entity idx; -1 where there is none."""
    starts: Int64
    """(B, K)."""
    stops: Int64
    """(B, K)."""
    weights: Float32
    """(B, K); 1 where there is none."""
    kinds: Int64
    """(B, K); 0 where there is none."""
    open_from: Int64
    """(B,) from this token on all slots of a text are seen: where writing begins."""

    @classmethod
    def of(cls, texts: Sequence[Slots], open_from: Sequence[int] | None = None) -> SlotBatch:
        """Pads the slots of texts.

        Args:
            texts: The slots of each.
            open_from: Where writing begins in each; None for texts that are only read.

        Returns:
            The batch; K is the largest number of slots.
        """
        shape = (len(texts), max(map(len, texts), default=0))
        entities = np.full(shape, -1, dtype=np.int64)
        starts, stops, kinds = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        weights = np.ones(shape, dtype=np.float32)
        for row, slots in enumerate(texts):
            if slots:
                arrays: list[npt.NDArray[Any]] = [entities, starts, stops, weights, kinds]
                for array, column in zip(arrays, zip(*slots, strict=True), strict=True):
                    array[row, : len(slots)] = column
        opens = [FOREVER] * len(texts) if open_from is None else list(open_from)
        return cls(entities, starts, stops, weights, kinds, np.array(opens, dtype=np.int64))

    def __len__(self) -> int:
        """B."""
        return len(self.entities)


def shared_slots(texts: Sequence[Slots], count: int) -> bool:
    """Whether the first tokens of all texts see the same.

    Args:
        texts: The slots of each text.
        count: How many first tokens.

    Returns:
        True where reading those tokens once serves all texts.
    """
    early = [tuple(slot for slot in slots if slot.start < count) for slots in texts]
    return all(slots == early[0] for slots in early)
