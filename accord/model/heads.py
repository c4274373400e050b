"""Small trained layers on top of the language model."""

from __future__ import annotations

import torch
from torch import nn


class Projection(nn.Module):
    """A linear map after pooling, or nothing.

    Source: none in KaLM (its embedding is the hidden state itself). Differs from it only where
    `width` is set: a map of its own lets the hidden states stay nearer to the base model's.

    Args:
        hidden: Width of the hidden states.
        width: Width of the embedding; 0 leaves the hidden state as it is.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.width = width or hidden
        self.linear = nn.Linear(hidden, width, bias=False) if width else None
        if self.linear is not None:
            nn.init.orthogonal_(self.linear.weight)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (N, P)."""
        return hidden if self.linear is None else self.linear(hidden)
