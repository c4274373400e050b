"""Neighbours of a graph small enough to count by hand, and the same by loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.refine.neighbours import POWERS, Neighbours
from accord.refine.steps import Int64, Steps

ENTITIES, RELATIONS = 6, 2
triples_lists = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 5)),
    min_size=1,
    max_size=25,
    unique=True,
)


def by_loops(triples: Int64, asked: tuple[int, int, int]) -> list[float]:
    """Evidence about one triple, as if it were not in the graph."""
    rest = [tuple(t) for t in triples.tolist()]
    have: list[set[tuple[int, int]]] = [set() for _ in range(ENTITIES)]
    for h, r, t in rest:
        have[h].add((r, t))
        have[t].add((r + RELATIONS, h))
    held = [sum(end in ends for ends in have) for end in sorted(set().union(*have))]
    count = dict(zip(sorted(set().union(*have)), held, strict=True))
    weight = {end: float(np.log1p(ENTITIES / n) ** 2) for end, n in count.items()}
    h, r, t = asked
    found = []
    for power in POWERS:
        for end, step in ((h, (r, t)), (t, (r + RELATIONS, h))):
            own = have[end] - {step}
            total = bearing = 0.0
            for other in set(range(ENTITIES)) - {end}:
                # Whoever shares nothing else with the whole entity is no neighbour of it.
                if not have[end] & have[other]:
                    continue
                both = sum(weight[e] for e in own & have[other])
                sizes = [sum(weight[e] for e in ends) for ends in (own, have[other])]
                cosine = both / np.sqrt(max(sizes[0], 1e-9) * sizes[1])
                total += cosine**power
                bearing += cosine**power * (step in have[other])
            found.append(float(np.log((bearing + 1e-4) / (total + 1e-3))))
    return found


@settings(max_examples=40, deadline=None)
@given(triples_lists)
def test_evidence_is_that_of_loops(rows: list[tuple[int, int, int]]) -> None:
    triples = np.array(rows, dtype=np.int64)
    near = Neighbours.learn(Steps.of(triples, ENTITIES, RELATIONS))
    found = near.evidence(triples, np.ones(len(triples), dtype=np.int64))
    for row, triple in zip(found, rows, strict=True):
        assert row == pytest.approx(by_loops(triples, triple), abs=1e-6)


def test_what_like_entities_have_is_borne_out() -> None:
    rows = [(i, 0, 10 + j) for i in range(4) for j in range(4) if (i, j) != (3, 3)]
    rows += [(4 + i, 1, 14 + j) for i in range(3) for j in range(3)]
    steps = Steps.of(np.array(rows, dtype=np.int64), 20, 2)
    asked = np.array([[3, 0, 13], [3, 1, 14]], dtype=np.int64)
    fits, does_not = Neighbours.learn(steps).evidence(asked, np.zeros(2, dtype=np.int64))
    assert (fits > -0.5).all() and (does_not < -5).all()


def test_what_too_many_have_is_left_out() -> None:
    rows = [(i, 0, 99) for i in range(90)] + [(0, 1, 98), (1, 1, 98)]
    steps = Steps.of(np.array(rows, dtype=np.int64), 100, 2)
    near = Neighbours.learn(steps, pairs=100)
    assert near.others.tolist() == [1, 0]
    assert len(Neighbours.learn(steps).others) == 90 * 89
