"""Bootstrap and samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.evaluate.statistics import paired_bootstrap, stratified_sample


def test_clear_gain_is_significant_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(500)
    gain = paired_bootstrap(base, base + 0.1 + rng.normal(0, 0.05, 500))
    assert gain.low > 0 and gain.p_value < 0.01
    assert gain.low < gain.difference < gain.high
    noise = paired_bootstrap(base, base + rng.permutation(np.tile([0.1, -0.1], 250)))
    assert noise.low < 0 < noise.high and noise.p_value > 0.5


def test_equal_systems_have_p_one() -> None:
    values = np.arange(10.0)
    assert paired_bootstrap(values, values).p_value == 1.0


def test_same_seed_same_result_and_swapping_flips_the_sign() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(50), rng.random(50)
    assert paired_bootstrap(a, b, seed=3) == paired_bootstrap(a, b, seed=3)
    assert paired_bootstrap(a, b).difference == pytest.approx(-paired_bootstrap(b, a).difference)


def test_unpaired_items_are_refused() -> None:
    with pytest.raises(ValueError, match="paired items"):
        paired_bootstrap(np.zeros(3), np.zeros(4))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=80), st.integers(1, 90), st.integers(0, 9))
def test_sample_keeps_shares(groups: list[int], limit: int, seed: int) -> None:
    labels = np.array(groups)
    picks = stratified_sample(labels, limit, seed)
    size = min(limit, len(groups))
    assert len(np.unique(picks)) == size
    for group in set(groups):
        share = (labels == group).sum() * size / len(groups)
        assert abs((labels[picks] == group).sum() - share) <= 1.0 + 1e-9
