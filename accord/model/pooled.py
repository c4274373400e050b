"""What stands for texts in a model of which only the maps train: read once, kept in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from accord.text.examples import Sequence

Int64 = npt.NDArray[np.int64]


class PooledStates:
    """States of texts at the places that stand for them.

    Args:
        sequences: N distinct texts.
        places: (N, P) their places, see `Reader.ends`.
        states: (N, P, D) the states there.
    """

    def __init__(self, sequences: list[Sequence], places: Int64, states: torch.Tensor) -> None:
        self._row = {sequence: i for i, sequence in enumerate(sequences)}
        self._places = places
        self._states = states

    def states_at(
        self, sequences: list[Sequence], rows: Int64, positions: Int64
    ) -> torch.Tensor | None:
        """States that were kept.

        Args:
            sequences: Texts.
            rows: (M,) which of them.
            positions: (M,) which place of it.

        Returns:
            (M, D); None where one of them was not kept.
        """
        kept = np.array([self._row.get(sequence, -1) for sequence in sequences], dtype=np.int64)
        wanted = kept[rows]
        found = self._places[wanted] == positions[:, None]  # (M, P)
        if (wanted < 0).any() or not found.any(axis=1).all():
            return None
        places = wanted * found.shape[1] + found.argmax(axis=1)
        return self._states.flatten(0, 1)[torch.from_numpy(places).to(self._states.device)]
