"""Whether a difference is more than chance, and samples that are the same every time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.evaluate.protocol import Float64, Int64


@dataclass(frozen=True)
class BootstrapResult:
    """The mean difference b - a over the same items, with its uncertainty."""

    difference: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    p_value: float
    """Two-sided; how often resampling gives a difference of the other sign, doubled."""

    def to_dict(self) -> dict[str, float]:
        """The fields, for JSON."""
        return asdict(self)


def paired_bootstrap(
    a: npt.NDArray[Any], b: npt.NDArray[Any], samples: int = 1000, seed: int = 0
) -> BootstrapResult:
    """Compares two systems on the same items.

    Args:
        a: (N,) one value an item of the first system, such as reciprocal ranks.
        b: (N,) the same items of the second.
        samples: How many resamplings.
        seed: The same seed gives the same result.

    Returns:
        Difference of means b - a, its 95 % interval, and the p-value.

    Raises:
        ValueError: The lengths differ or there is no item.
    """
    if len(a) != len(b) or not len(a):
        raise ValueError(f"paired items needed, got {len(a)} and {len(b)}")
    gain = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means: Float64 = np.array(
        [gain[rng.integers(len(gain), size=len(gain))].mean() for _ in range(samples)]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    opposite = min((means <= 0).sum(), (means >= 0).sum())
    p_value = min(1.0, 2.0 * (int(opposite) + 1) / (samples + 1))
    return BootstrapResult(float(gain.mean()), float(low), float(high), p_value)


def stratified_sample(groups: npt.NDArray[np.integer[Any]], limit: int | None, seed: int) -> Int64:
    """Draws items so that every group keeps its share.

    Args:
        groups: (N,) the group of each item, such as the relation of a triple.
        limit: How many to draw; None or at least N for all.
        seed: The same seed gives the same items.

    Returns:
        (min(limit, N),) int64 positions, ascending.
    """
    count = len(groups)
    if limit is None or limit >= count:
        return np.arange(count, dtype=np.int64)
    # Items in random order within each group, then every (count / limit)-th of the whole:
    # each group gets its share up to rounding, and the total is exact.
    shuffled = np.random.default_rng(seed).permutation(count)
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    picks = (np.arange(limit) + 0.5) * count / limit
    return np.sort(order[picks.astype(np.int64)]).astype(np.int64)
