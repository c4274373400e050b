"""Relations that training has not seen, told from a few examples each (N-way K-shot episodes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FewShotResult:
    """Accuracy over episodes."""

    ways: int
    shots: int
    correct: npt.NDArray[np.float64]
    """(episodes,) share of an episode's questions that were right."""

    def to_dict(self) -> dict[str, float]:
        """{"ways", "shots", "episodes", "accuracy", "half_width"}: half of the 95 % interval."""
        spread = float(self.correct.std() / np.sqrt(len(self.correct)))
        found = {"episodes": len(self.correct), "accuracy": float(self.correct.mean())}
        return {"ways": self.ways, "shots": self.shots, **found, "half_width": 1.96 * spread}


def evaluate_few_shot(
    features: Float32,
    relations: npt.NDArray[np.int64],
    ways: int,
    shots: int,
    episodes: int,
    seed: int,
) -> FewShotResult:
    """Episodes as FewRel has them: of so many relations, one question each, told by the nearest.

    A relation stands for the mean of the unit vectors of its examples; a question belongs to the
    relation whose mean has the largest product with it. Episodes are the same for every system
    with the same seed.

    Args:
        features: (N, F) of pairs of mentions.
        relations: (N,) their relations as numbers.
        ways: Relations of an episode.
        shots: Examples of each.
        episodes: How many.
        seed: Of the draw.

    Returns:
        Accuracy of each episode.

    Raises:
        ConfigError: Too few relations, or too few examples of one.
    """
    kinds, counts = np.unique(relations, return_counts=True)
    fewest = int(counts.min()) if len(counts) else 0
    if len(kinds) < ways or fewest <= shots:
        raise ConfigError(
            f"{len(kinds)} relations of {fewest} examples or more",
            f"{ways}-way {shots}-shot needs {ways} relations of {shots + 1}",
        )
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    rows = {int(kind): np.flatnonzero(relations == kind) for kind in kinds}
    rng = np.random.default_rng(seed)
    correct = np.zeros(episodes)
    for episode in range(episodes):
        chosen = rng.choice(kinds, size=ways, replace=False)
        drawn = np.stack([rng.choice(rows[int(k)], size=shots + 1, replace=False) for k in chosen])
        means = unit[drawn[:, :shots]].mean(1)  # (ways, F)
        scores = unit[drawn[:, shots]] @ means.T  # (ways, ways)
        correct[episode] = (scores.argmax(1) == np.arange(ways)).mean()
    return FewShotResult(ways, shots, correct)
