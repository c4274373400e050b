"""Small trained layers on top of the language model."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import nn

View = Literal["query", "tail"]


class Projection(nn.Module):
    """A linear map a view after pooling, or nothing.

    Source: none in KaLM (its embedding is the hidden state itself). Differs from it where `width`
    is set: maps of their own leave the hidden states nearer to the base model's, and can start
    from a closed form (`canonical_maps`).

    Args:
        hidden: Width of the hidden states.
        width: Width of the embedding; 0 leaves the hidden state as it is.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.width = width or hidden
        self.maps = nn.ModuleDict()
        first = nn.Linear(hidden, width) if width else None
        if first is not None:
            nn.init.orthogonal_(first.weight)
            nn.init.zeros_(first.bias)
            self.maps["query"] = first
            self.maps["tail"] = copy.deepcopy(first)

    def forward(self, hidden: torch.Tensor, view: View) -> torch.Tensor:
        """(N, D) -> (N, P)."""
        return self.maps[view](hidden) if self.maps else hidden

    @torch.no_grad()
    def start_from(self, queries: torch.Tensor, tails: torch.Tensor) -> None:
        """Sets the maps to the closed form for pairs of hidden states.

        Args:
            queries: (n, D) states of queries.
            tails: (n, D) states of the tails that answer them.
        """
        for view, (weight, bias) in canonical_maps(queries, tails, self.width).items():
            self.maps[view].weight.copy_(weight)  # type: ignore[operator]
            self.maps[view].bias.copy_(bias)  # type: ignore[operator]


QUERY_RIDGE, TAIL_RIDGE = 1e-5, 1e-4
"""Shares of the largest eigenvalue added to all; chosen on UMLS valid (dev/LOG.md)."""


def canonical_maps(
    queries: torch.Tensor, tails: torch.Tensor, width: int
) -> dict[View, tuple[torch.Tensor, torch.Tensor]]:
    """The linear maps under which pairs agree most: regularised canonical correlation analysis.

    Source: Hotelling 1936. Each view is centred and whitened, and the whitened cross-covariance
    is cut to its largest singular directions, scaled by their correlations.

    Args:
        queries: (n, D).
        tails: (n, D), row by row the answers.
        width: Directions to keep; the ones beyond D are zero.

    Returns:
        For each view a weight (P, D) and a bias (P,), float32.
    """
    x, y = queries.double(), tails.double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    white_x = _inverse_root(x.T @ x / len(x), QUERY_RIDGE)
    white_y = _inverse_root(y.T @ y / len(y), TAIL_RIDGE)
    left, strength, right = torch.linalg.svd(white_x @ (x.T @ y / len(x)) @ white_y)
    keep = min(width, len(strength))
    found: dict[View, tuple[torch.Tensor, torch.Tensor]] = {}
    sides = (("query", white_x, left, mean_x), ("tail", white_y, right.T, mean_y))
    for view, white, directions, mean in sides:
        weight = torch.zeros(width, x.shape[1], dtype=torch.float64)
        weight[:keep] = (white @ directions[:, :keep] * strength[:keep]).T
        found[view] = (weight.float(), -(weight @ mean).float())  # type: ignore[index]
    return found


def _inverse_root(covariance: torch.Tensor, ridge: float) -> torch.Tensor:
    """(D, D): covariance^(-1/2) with a share of the largest eigenvalue added to all."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(0) + ridge * values.max() + 1e-12
    root: torch.Tensor = (vectors * values.rsqrt()) @ vectors.T
    return root
