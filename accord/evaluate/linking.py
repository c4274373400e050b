"""Entity linking with given mentions: accuracy, recall of candidates, F1 of 'not in the graph'."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError
from accord.evaluate.extractor import Extractor, Float32
from accord.evaluate.files import write_lines
from accord.evaluate.relations import f1
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.objectives.linking import NIL, LinkItem
from accord.text.candidates import MOST, PARTIAL, Candidates
from accord.text.examples import RelationExample
from accord.text.mentions import MentionIndex
from accord.train.extraction import link_items

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LinkingResult:
    """Every mention with what it stands for and what it was taken for."""

    graph: KnowledgeGraph
    data: str
    split: str
    items: tuple[LinkItem, ...]
    probabilities: tuple[Float32, ...]
    """(1 + C,) of NIL and of each candidate."""

    @property
    def gold(self) -> Int64:
        """(M,) entity idx, or -1."""
        return np.array([item.entity for item in self.items], dtype=np.int64)

    @property
    def found(self) -> Int64:
        """(M,) the most probable entity idx, or -1."""
        best = [int(values.argmax()) for values in self.probabilities]
        pairs = zip(self.items, best, strict=True)
        return np.array([(NIL, *item.candidates)[i] for item, i in pairs], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """{"n", "accuracy", "recall@16", "nil_f1", "baseline", ...}."""
        gold = self.gold
        held = np.array([item.entity in item.candidates for item in self.items])
        inside = gold != NIL
        nothing = np.full_like(gold, NIL)
        return {
            "data": self.data,
            "split": self.split,
            "n": len(self.items),
            "in_graph": int(inside.sum()),
            **self._scores(self.found),
            f"recall@{MOST}": float(held[inside].mean()) if inside.any() else None,
            "baseline": {
                "name prior": self._scores(by_prior(self.items)),
                "always none": self._scores(nothing),
            },
        }

    def _scores(self, found: Int64) -> dict[str, float | None]:
        gold, nil = self.gold, NIL
        inside = gold != nil
        ambiguous = inside & np.array([len(item.candidates) > 1 for item in self.items])
        right = gold == found
        both = int((right & ~inside).sum())
        return {
            "accuracy": float(right.mean()),
            "nil_f1": f1(both, int((found == nil).sum()), int((~inside).sum())),
            "accuracy_in_graph": float(right[inside].mean()) if inside.any() else None,
            "accuracy_ambiguous": float(right[ambiguous].mean()) if ambiguous.any() else None,
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        names = ("accuracy", "nil_f1", "accuracy_in_graph", "accuracy_ambiguous")
        rows: list[list[object]] = [["all", *(found[name] for name in names)]]
        for name, values in found["baseline"].items():
            rows.append([f"baseline: {name}", *(values[key] for key in names)])
        title = f"linking of {self.data} {self.split}: {found['n']} mentions, "
        title += f"{found['in_graph']} in the graph, recall@{MOST} {found[f'recall@{MOST}']}"
        return f"{title}\n{table(['', 'accuracy', 'NIL F1', 'in graph', 'ambiguous'], rows)}"

    def dump(self, path: Path) -> None:
        """Writes each mention's entity, what was found, and its probability as JSON lines."""
        ids = self.graph.entity_ids
        rows = zip(self.gold.tolist(), self.found.tolist(), self.probabilities, strict=True)
        write_lines(
            path,
            (
                json.dumps(
                    {
                        "entity": None if gold == NIL else ids[gold],
                        "found": None if best == NIL else ids[best],
                        "probability": float(values.max()),
                    },
                    ensure_ascii=False,
                )
                for gold, best, values in rows
            ),
        )


def evaluate_linking(
    extractor: Extractor,
    graph: KnowledgeGraph,
    examples: Sequence[RelationExample],
    data: str,
    split: str,
) -> LinkingResult:
    """Links mentions that are given.

    Args:
        extractor: A run that has learnt to link.
        graph: Any graph; its entities need not have been in training.
        examples: With ids of the graph, as `text.links.load_links` gives them.
        data: What the result calls them.
        split: Which part of them they are.

    Raises:
        ConfigError: No mention has a known answer.
    """
    extractor.needs("linking")
    candidates = Candidates(graph, MentionIndex(graph))
    twice = extractor.recipe.linking.twice
    items = tuple(link_items(extractor.model, candidates, examples, twice))
    if not items:
        raise ConfigError(f"no mention of {data} {split} has a known entity")
    return LinkingResult(graph, data, split, items, tuple(extractor.links(graph, items)))


def by_prior(items: Sequence[LinkItem]) -> Int64:
    """(M,) the entity that a mention's name means most often, NIL where none is called so."""
    return np.array(
        [
            item.candidates[0] if item.candidates and item.prior[0] > PARTIAL else NIL
            for item in items
        ],
        dtype=np.int64,
    )
