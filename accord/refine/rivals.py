"""Of several triples that exclude one another, which is the likeliest: the others are suspect."""

from __future__ import annotations

import numpy as np

from accord.refine.steps import Float64, Int64

MOST = 5.0
"""Log-odds by which a triple can differ from its rival at most."""


def rivalry(
    triples: Int64, logits: Float64, relations: int, asked: Int64, own: Float64, excluded: Int64
) -> Float64:
    """How much more suspicious triples are than the best other one with the same end.

    Args:
        triples: (T, 3) of the graph.
        logits: (T,) log-odds that each is wrong.
        relations: R.
        asked: (N, 3) triples to judge, in the graph or not.
        own: (N,) their log-odds.
        excluded: (N,) row of the graph that is not a rival, -1 for none; a triple of the graph
            excludes itself.

    Returns:
        (N, 2) difference of log-odds among the head's and among the tail's triples of the
        relation; 0 without rivals.
    """
    found = np.zeros((len(asked), 2))
    for side, end in enumerate((0, 2)):
        width = max(1, relations)
        keys, wanted = (rows[:, end] * width + rows[:, 1] for rows in (triples, asked))
        order = np.lexsort((logits, keys))  # the likeliest of each group first
        ranked = keys[order]
        first = np.searchsorted(ranked, wanted)
        last = len(order) - 1
        # The second of the group stands in where the first is the one left out.
        first += (order[np.minimum(first, last)] == excluded) & (excluded >= 0)
        at = np.minimum(first, last)
        there = (first <= last) & (ranked[at] == wanted)
        gap = np.clip(own - logits[order[at]], -MOST, MOST)
        found[:, side] = np.where(there, gap, 0.0)
    return found
