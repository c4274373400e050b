"""Right and wrong triples in one graph without labels: how they differ, and how many are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accord.refine.logistic import Logistic
from accord.refine.steps import Float64, Int64

ROUNDS = 12
"""How often the shares of errors are estimated anew at most."""
STILL = 1e-3
"""Change of any triple's probability below which they are kept."""
START = 0.1
"""Share of errors that is guessed first."""
LEAST_SHARE, MOST_SHARE = 1e-3, 0.4
"""Bounds of the estimated share of errors in a graph."""
FEWEST = 20
"""False triples of a kind from which the kind is told apart from others."""


@dataclass(frozen=True)
class Mixture:
    """A graph's triples as right ones and some kinds of wrong ones."""

    models: Sequence[Logistic]
    """For each kind of error: false triples of that kind against right ones, as many of both."""
    columns: Sequence[int]
    """The features that are looked at."""
    shares: Float64
    """(K,) share of the graph's triples that are wrong in each way."""

    @classmethod
    def fit(cls, true: Float64, false: Float64, kinds: Int64, columns: Sequence[int]) -> Mixture:
        """Expectation maximisation; triples of the graph count as right as far as they look so.

        Args:
            true: (T, F) features of the graph's triples, wrong ones among them.
            false: (N, F) of triples that are known to be false.
            kinds: (N,) how each was made; how many of each kind there are says nothing.
            columns: Features to look at.
        """
        columns = list(columns)
        graph, right = true[:, columns], np.full(len(true), 1 - START)
        parts = [false[kinds == kind][:, columns] for kind in np.unique(kinds)]
        parts = [part for part in parts if len(part) >= FEWEST] or [false[:, columns]]
        found = cls([], columns, np.full(len(parts), START / len(parts)))
        for _ in range(ROUNDS):
            last: Sequence[Logistic | None] = found.models or [None] * len(parts)
            models = [_told_apart(graph, right, *x) for x in zip(parts, last, strict=True)]
            odds = np.column_stack([model.logits(graph) for model in models])
            found = cls(models, columns, _shares(odds, found.shares))
            before, right = right, 1 / (1 + np.exp(_wrong(odds, found.shares)))
            if np.abs(right - before).max() < STILL:
                break
        return found

    @property
    def share(self) -> float:
        """Share of the graph's triples that are wrong."""
        return float(self.shares.sum())

    def logits(self, features: Float64) -> Float64:
        """(N,) log-odds that triples of the graph are wrong."""
        return _wrong(self._odds(features), self.shares)

    def parts(self, features: Float64) -> Float64:
        """(N, F) what each feature adds to the log-odds over its mean, kinds as likely as here."""
        odds = self._odds(features) + np.log(self.shares)
        likely = np.exp(odds - odds.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        found, asked = np.zeros_like(features), features[:, self.columns]
        for kind, model in enumerate(self.models):
            found[:, self.columns] += likely[:, kind : kind + 1] * model.shares(asked)
        return found

    def _odds(self, features: Float64) -> Float64:
        asked = features[:, self.columns]
        return np.column_stack([model.logits(asked) for model in self.models])


def _told_apart(graph: Float64, right: Float64, false: Float64, start: Logistic | None) -> Logistic:
    features = np.concatenate([graph, false])
    labels = np.arange(len(features)) >= len(graph)
    even = np.full(len(false), len(graph) / len(false))
    weights = np.concatenate([right / max(1e-9, float(right.mean())), even])
    return Logistic.fit(features, labels, weights, start)


def _wrong(odds: Float64, shares: Float64) -> Float64:
    """(N,) log-odds of being wrong in any way."""
    weighed = odds + np.log(shares)
    most = weighed.max(axis=1)
    total = most + np.log(np.exp(weighed - most[:, None]).sum(axis=1))
    found: Float64 = np.clip(total - np.log1p(-shares.sum()), -500, 500)
    return found


def _shares(odds: Float64, shares: Float64) -> Float64:
    """(K,) the shares under which the graph's triples are likeliest.

    Source: Saerens, Latinne and Decaestecker 2002.

    Args:
        odds: (T, K) log-odds of each kind against right ones, fitted on as many of both.
        shares: (K,) first guess.
    """
    for _ in range(200):
        weighed = np.column_stack([np.zeros(len(odds)), odds + np.log(shares)])
        weighed[:, 0] = np.log1p(-shares.sum())
        chance = np.exp(weighed - weighed.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        new = np.maximum(chance[:, 1:].mean(axis=0), LEAST_SHARE / len(shares))
        new *= min(1.0, MOST_SHARE / new.sum())
        moved, shares = np.abs(new - shares).max(), new
        if moved < 1e-6:
            break
    return shares
