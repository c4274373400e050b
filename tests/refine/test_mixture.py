"""How many are wrong, and in which way, without being told."""

from __future__ import annotations

import numpy as np
import pytest

from accord.refine.mixture import Mixture


def drawn(shares: tuple[float, float], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Right ones around 0, wrong ones around (3, 0) and (0, 3)."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    kinds = rng.choice(3, size=6000, p=[1 - sum(shares), *shares])
    true = centres[kinds] + rng.normal(size=(6000, 2))
    made = np.repeat([0, 1], 1500)
    return true, kinds, centres[made + 1] + rng.normal(size=(3000, 2)), made


@pytest.mark.parametrize("shares", [(0.1, 0.002), (0.01, 0.15)])
def test_shares_of_kinds_are_found(shares: tuple[float, float]) -> None:
    true, kinds, false, made = drawn(shares)
    found = Mixture.fit(true, false, made, [0, 1])
    assert found.shares == pytest.approx(shares, abs=0.02)
    chance = 1 / (1 + np.exp(-found.logits(true)))
    assert chance.mean() == pytest.approx(found.share, abs=0.005)
    assert chance[kinds > 0].mean() > 0.6 > 0.05 > chance[kinds == 0].mean()


def test_parts_name_what_speaks_against() -> None:
    true, _, false, made = drawn((0.05, 0.05))
    found = Mixture.fit(true, false, made, [0, 1])
    against = found.parts(np.array([[4.0, 0.0], [0.0, 4.0]]))
    assert against[0, 0] > 1 > against[0, 1] and against[1, 1] > 1 > against[1, 0]


def test_one_kind_and_few_false_ones() -> None:
    true, kinds, false, made = drawn((0.1, 0.0))
    found = Mixture.fit(true, false[:10], made[:10], [0])
    assert len(found.models) == 1 and found.logits(true)[kinds == 1].mean() > 0
