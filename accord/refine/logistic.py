"""A small logistic model, fitted exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accord.refine.steps import Bool, Float64

ITERATIONS = 50
RIDGE = 1.0
"""Weight of the squares of the weights, of features of unit spread."""


@dataclass(frozen=True)
class Logistic:
    """Log-odds as a weighted sum of features."""

    mean: Float64
    """(F,) of the features it was fitted on."""
    spread: Float64
    """(F,)."""
    weights: Float64
    """(F,) of standardised features."""
    bias: float

    @classmethod
    def fit(
        cls,
        features: Float64,
        labels: Bool,
        weights: Float64 | None = None,
        start: Logistic | None = None,
    ) -> Logistic:
        """Fits by Newton's method.

        Args:
            features: (N, F) finite.
            labels: (N,).
            weights: (N,) what each row counts for; None: all alike.
            start: Fitted on the same features with other weights, to go on from; None: from none.
        """
        mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
        design = np.column_stack([(features - mean) / spread, np.ones(len(features))])
        counts = np.ones(len(features)) if weights is None else weights
        penalty = np.append(np.full(features.shape[1], RIDGE), 1e-6)
        first = None if start is None else np.append(start.weights, start.bias)
        found = np.zeros(design.shape[1]) if first is None else first
        for _ in range(ITERATIONS):
            chance = sigmoid(design @ found)
            gradient = design.T @ (counts * (chance - labels)) + penalty * found
            curve = np.maximum(counts * chance * (1 - chance), 1e-9)
            hessian = (design * curve[:, None]).T @ design + np.diag(penalty)
            step = np.linalg.solve(hessian, gradient)
            # Far from the optimum a whole Newton step may overshoot.
            found = found - step * min(1.0, 5.0 / max(1e-12, float(np.abs(step).max())))
            if np.abs(step).max() < 1e-6:
                break
        return cls(mean, spread, found[:-1], float(found[-1]))

    def logits(self, features: Float64) -> Float64:
        """(N,) log-odds."""
        found: Float64 = ((features - self.mean) / self.spread) @ self.weights + self.bias
        return found

    def shares(self, features: Float64) -> Float64:
        """(N, F) what each feature adds to the log-odds over its mean."""
        found: Float64 = (features - self.mean) / self.spread * self.weights
        return found


def sigmoid(logits: Float64) -> Float64:
    """1 / (1 + exp(-x)), without overflow."""
    found: Float64 = 0.5 * (1 + np.tanh(logits / 2))
    return found
