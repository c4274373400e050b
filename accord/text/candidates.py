"""Which entities a mention may stand for: those called so, then names that hold its words."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.text.folding import name_key
from accord.text.mentions import Candidate, MentionIndex
from accord.text.render import entity_name

MOST = 16
PARTIAL = 1e-3
"""Prior of all entities together that are not called so."""
COMMON = 2000
"""A word in more names than this says too little to look for."""


class Candidates:
    """Candidates of mentions by their words.

    Args:
        graph: The graph.
        index: Its names.
        most: Candidates of a mention at most.
    """

    def __init__(self, graph: KnowledgeGraph, index: MentionIndex, most: int = MOST) -> None:
        self.graph = graph
        self.index = index
        self.most = most
        self._by_word: dict[str, set[int]] = defaultdict(set)
        for entity in range(graph.num_entities):
            for name in (entity_name(graph, entity), *graph.aliases_of(entity)):
                for word in name_key(name).split():
                    self._by_word[word].add(entity)
        self.of = lru_cache(maxsize=1 << 16)(self._of)

    def _of(self, text: str) -> tuple[Candidate, ...]:
        """The candidates of a mention, best first.

        Args:
            text: The mention as it is written.

        Returns:
            At most `most`; their scores, the name prior, sum to at most 1.
        """
        whole = [m for m in self.index.find(text) if name_key(m.text) == name_key(text)]
        called = whole[0].candidates if whole else ()
        known = {candidate.entity for candidate in called}
        others = sorted(self._holders(text) - known, key=lambda e: (-self._degree(e), e))
        room = max(0, self.most - len(called))
        mass = np.array([1.0 + self._degree(e) for e in others])
        shares = PARTIAL * mass / mass.sum() if len(mass) else mass
        partial = map(Candidate, others[:room], shares.tolist()[:room])
        return (*called[: self.most], *partial)

    def _holders(self, text: str) -> set[int]:
        """Entities one of whose names holds every word of a text that is not common."""
        found = [self._by_word.get(word, set()) for word in name_key(text).split()]
        rare = sorted((entities for entities in found if len(entities) <= COMMON), key=len)
        return set.intersection(*rare) if rare else set()

    def _degree(self, entity: int) -> int:
        out, into = self.graph.out_offsets, self.graph.in_offsets
        return int(out[entity + 1] - out[entity] + into[entity + 1] - into[entity])
