"""What proposals rest on, and how far it can be trusted: some of it may look wrong itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from accord.graph.builder import triple_keys
from accord.graph.graph import KnowledgeGraph
from accord.refine.flag import Suspicion
from accord.refine.propose import Proposals
from accord.refine.rules import Rules
from accord.refine.steps import Float64, Int64


@dataclass(frozen=True)
class Trust:
    """How likely each triple of a graph is right, beside the average of all."""

    graph: KnowledgeGraph
    keys: Int64
    """(T,) sorted, one number a triple."""
    right: Float64
    """(T,) 1 for what looks no worse than the average."""

    @classmethod
    def of(cls, graph: KnowledgeGraph, found: Suspicion) -> Trust:
        """Reads it off what the graph's triples were judged by.

        That some triples are wrong is part of what rules are worth already; so only what looks
        worse than the average counts.
        """
        keys = triple_keys(found.triples, *_size(graph))
        order = np.argsort(keys)
        right = (1 - found.probability[order]) / max(1 - found.error_share, 1e-9)
        return cls(graph, keys[order], np.minimum(right, 1.0))

    def steps(self, sources: Int64, numbers: Int64, targets: Int64) -> Float64:
        """(N,) of the triples that steps walk, from head to tail or from tail to head."""
        back = numbers >= self.graph.num_relations
        head, tail = np.where(back, targets, sources), np.where(back, sources, targets)
        asked = np.column_stack([head, numbers % max(1, self.graph.num_relations), tail])
        wanted = triple_keys(asked, *_size(self.graph))
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        found: Float64 = np.where(self.keys[at] == wanted, self.right[at], 1.0)
        return found


def _size(graph: KnowledgeGraph) -> tuple[int, int]:
    return max(1, graph.num_relations), max(1, graph.num_entities)


def weakened(rules: Rules, found: Proposals, trust: Trust, least: float) -> Proposals:
    """Proposals whose grounds look wrong are less probable, by as much as the best ground loses.

    Args:
        rules: What the graph teaches.
        found: What was proposed.
        trust: How likely the graph's triples are right.
        least: Probability from which a proposal is looked at.

    Returns:
        The same ones, ranked anew.
    """
    rows = np.flatnonzero(found.probability >= least)
    chance = found.probability.copy()
    chance[rows] *= _kept(rules, found.triples[rows], trust)
    order = np.lexsort((-found.scores, -chance))
    return replace(
        found,
        triples=found.triples[order],
        scores=found.scores[order],
        probability=chance[order],
    )


def _kept(rules: Rules, asked: Int64, trust: Trust) -> Float64:
    """(N,) share of the best ground's confidence that is left; 1 without any ground."""
    none, (head, relation, tail) = np.zeros(len(asked), dtype=np.int64), asked.T
    walks = rules.walks(asked, none)
    rows, numbers = rules.steps.between(head, tail)
    first = trust.steps(head[walks.rows], walks.first, walks.middle)
    second = trust.steps(walks.middle, walks.second, tail[walks.rows])
    beside = trust.steps(head[rows], numbers, tail[rows])
    every = np.concatenate([walks.rows, rows])
    entailed = rules.entailments.confidence(numbers, relation[rows], np.zeros_like(numbers))
    sure = np.concatenate([walks.confidence, entailed])
    best, sound = np.zeros(len(asked)), np.zeros(len(asked))
    np.maximum.at(best, every, sure)
    np.maximum.at(sound, every, sure * np.concatenate([first * second, beside]))
    found: Float64 = np.where(best > 0, sound / np.maximum(best, 1e-9), 1.0)
    return found
