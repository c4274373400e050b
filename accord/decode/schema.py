"""Which steps follow one another anywhere in a graph: relation paths without their entities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from accord.decode.plans import Step
from accord.graph.graph import Int64, KnowledgeGraph
from accord.text.render import humanise, relation_text

Bools = npt.NDArray[np.bool_]


class Schema:
    """The steps of one graph and what may follow each.

    Args:
        graph: The graph.
        groups: For each relation number the step that it is part of.

    Example:
        >>> from accord.decode.plans import Plans
        >>> from accord.graph.builder import GraphBuilder
        >>> builder = GraphBuilder("g")
        >>> builder.relation("capital", "has the capital", "is the capital of")
        0
        >>> builder.triple("Peru", "capital", "Lima")
        >>> builder.attribute("Lima", "population", "7737002")
        >>> graph = builder.build()
        >>> schema = Schema(graph, Plans(graph).groups)
        >>> [schema.texts[step] for step in schema.after(0).tolist()]
        ['is the capital of', 'population']
    """

    def __init__(self, graph: KnowledgeGraph, groups: Sequence[Step]) -> None:
        self.graph = graph
        self.steps = tuple(dict.fromkeys(groups))
        """Steps between entities, in the order of the graph."""
        self.texts = [relation_text(graph, step[0]).casefold() for step in self.steps]
        self.texts += [humanise(name).casefold() for name in graph.properties]
        """(S + P,) each step in words, then each property."""
        place = {step: i for i, step in enumerate(self.steps)}
        self._of_number = np.array([place[step] for step in groups], dtype=np.int64)
        self._offsets, self._around = self._entities()
        self._follows = self._composed()

    def __len__(self) -> int:
        """Steps and properties."""
        return len(self.texts)

    def at(self, entity: int) -> Int64:
        """(n,) what goes on from an entity: steps, and properties from `len(steps)` on."""
        return self._around[self._offsets[entity] : self._offsets[entity + 1]]

    def after(self, step: int) -> Int64:
        """(n,) what may follow a step somewhere; nothing follows a property."""
        return np.flatnonzero(self._follows[step])

    def is_property(self, step: int) -> bool:
        """Whether a number stands for a property."""
        return step >= len(self.steps)

    def step_of(self, number: int) -> int:
        """The step that a relation number is part of."""
        return int(self._of_number[number])

    def longer(self, paths: Int64) -> tuple[Int64, Int64]:
        """Every path that is one step longer.

        Args:
            paths: (N, k) paths.

        Returns:
            (M,) the path that each goes on from, and (M, k + 1) the longer ones.
        """
        which, following = np.nonzero(self._follows[paths[:, -1]])
        return which, np.column_stack([paths[which], following])

    def _entities(self) -> tuple[Int64, Int64]:
        """CSR from entities to what goes on from them."""
        graph, count = self.graph, len(self)
        triples = graph.triples.astype(np.int64)
        ahead = triples[:, 0] * count + self._of_number[triples[:, 1]]
        back = triples[:, 2] * count + self._of_number[triples[:, 1] + graph.num_relations]
        rows = graph.attributes[:, :2].astype(np.int64)
        stated = rows[:, 0] * count + len(self.steps) + rows[:, 1]
        keys = np.unique(np.concatenate([ahead, back, stated]))
        bounds = np.arange(graph.num_entities + 1, dtype=np.int64) * count
        return np.searchsorted(keys, bounds), keys % count

    def _composed(self) -> Bools:
        """(S + P, S + P) whether the second goes on from something that the first leads to."""
        found = np.zeros((len(self), len(self)), dtype=np.bool_)
        half = self.graph.num_relations
        for around in self._signatures():
            steps = around[around < len(self.steps)].tolist()
            # A step leads here where its inverse goes on from here.
            turned = {
                int(self._of_number[(number + half) % (2 * half)])
                for step in steps
                for number in self.steps[step]
            }
            found[np.ix_(np.array(sorted(turned), dtype=np.int64), around)] = True
        return found

    def _signatures(self) -> list[Int64]:
        """What goes on from entities, each set once."""
        pairs = zip(self._offsets[:-1].tolist(), self._offsets[1:].tolist(), strict=True)
        kinds = {self._around[a:b].tobytes() for a, b in pairs}
        return [np.frombuffer(kind, dtype=np.int64) for kind in sorted(kinds)]
