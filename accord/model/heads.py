"""Small trained layers on top of the language model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from accord.model import load
from accord.model.config import ModelConfig
from accord.text.examples import QueryForm, View

VIEWS: dict[QueryForm, tuple[View, ...]] = {
    "text": ("query", "tail"),
    "product": ("head", "relation", "tail"),
}
"""The maps that each form of query needs."""


class Projection(nn.Module):
    """A linear map a view after pooling, or nothing.

    Source: none in KaLM (its embedding is the hidden state itself). Differs from it where `width`
    is set: maps of their own leave the hidden states nearer to the base model's, and can start
    from a closed form (`canonical_maps`).

    Args:
        hidden: Width of the hidden states.
        width: Width of the embedding; 0 leaves the hidden state as it is.
        form: How queries are embedded, which says what views there are.
        parts: Hidden states that stand beside each other in one of `hidden` dimensions.
        vocabulary: Tokens that are weighed by rarity before the maps; 0 where none is.
    """

    def __init__(
        self,
        hidden: int,
        width: int,
        form: QueryForm = "text",
        parts: int = 1,
        vocabulary: int = 0,
    ) -> None:
        super().__init__()
        self.rarity: torch.Tensor | None
        self.register_buffer("rarity", torch.ones(vocabulary) if vocabulary else None)
        self.parts = parts
        self.hidden = hidden
        self.width = width or hidden
        self.maps = nn.ModuleDict()
        for view in VIEWS[form] if width else ():
            made = self.maps[view] = nn.Linear(hidden, width)
            nn.init.orthogonal_(made.weight)
            nn.init.zeros_(made.bias)
        if form == "text" and width:
            self.maps["tail"].load_state_dict(self.maps["query"].state_dict())

    def _map(self, view: View) -> nn.Linear:
        found = self.maps[view]
        assert isinstance(found, nn.Linear)
        return found

    def forward(self, hidden: torch.Tensor, view: View) -> torch.Tensor:
        """(N, D) -> (N, P)."""
        return self.maps[view](hidden) if self.maps else hidden

    @torch.no_grad()
    def centre(self, view: View, states: torch.Tensor) -> None:
        """Starts a view's map where the parts of states have mean 0 and length of 1 a dimension.

        Hidden states share one large direction; a product of embeddings would hold little else.

        Args:
            view: Whose map.
            states: (n, D) hidden states of that view.
        """
        own = self._map(view)
        states = states.to(own.weight)
        mean = states.mean(0)
        parts = (states - mean).view(len(states), self.parts, -1)  # (n, parts, D / parts)
        spread = parts.norm(dim=-1).mean(0) / parts.shape[2] ** 0.5
        scale = spread.clamp_min(1e-6).repeat_interleave(parts.shape[2])
        own.weight.div_(scale)
        own.bias.copy_(-own.weight @ mean)

    @torch.no_grad()
    def start_from(self, queries: torch.Tensor, tails: torch.Tensor) -> None:
        """Sets the maps to the closed form for pairs of hidden states.

        Args:
            queries: (n, D) states of queries.
            tails: (n, D) states of the tails that answer them.
        """
        for view, (weight, bias) in canonical_maps(queries, tails, self.width).items():
            self._map(view).weight.copy_(weight)
            self._map(view).bias.copy_(bias)


def projection_of(lm: nn.Module, config: ModelConfig) -> Projection:
    """The maps that fit a model and its settings, not yet started."""
    parts = 1 + len(config.means)
    weighed = load.vocabulary(lm) if "rare" in config.means else 0
    width = load.hidden_width(lm) * parts
    return Projection(width, config.projection, config.query, parts, weighed)


def compose(parts: Mapping[View, torch.Tensor]) -> torch.Tensor:
    """The embedding of queries from those of what was read for them.

    Source: the elementwise product of DistMult (Yang et al. 2015, arXiv 1412.6575), with vectors
    read from text in place of free ones; heads, relations and tails have maps of their own, so
    relations need not be symmetric.

    Args:
        parts: By view, (N, P) unit vectors: "query", or "head" and "relation".

    Returns:
        (N, P) unit vectors.
    """
    if "query" in parts:
        return parts["query"]
    return functional.normalize(parts["head"] * parts["relation"], dim=-1)


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
    sides: tuple[tuple[View, torch.Tensor, torch.Tensor, torch.Tensor], ...]
    sides = (("query", white_x, left, mean_x), ("tail", white_y, right.T, mean_y))
    for view, white, directions, mean in sides:
        weight = torch.zeros(width, x.shape[1], dtype=torch.float64)
        weight[:keep] = (white @ directions[:, :keep] * strength[:keep]).T
        found[view] = (weight.float(), -(weight @ mean).float())
    return found


def _inverse_root(covariance: torch.Tensor, ridge: float) -> torch.Tensor:
    """(D, D): covariance^(-1/2) with a share of the largest eigenvalue added to all."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(0) + ridge * values.max() + 1e-12
    root: torch.Tensor = (vectors * values.rsqrt()) @ vectors.T
    return root
