"""The last layer, computed only at the tokens whose state is asked for.

An embedding is read at one token of a text, yet a layer spends most of its work (queries, output
map, MLP) on every token. In the last layer only keys and values are needed of the others. With
four trained layers this saves about a fifth of the work, with two about two fifths.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class LastLayerAtPoints(nn.Module):
    """Stands in for a decoder layer of the Llama kind.

    Args:
        layer: The layer.
        rows: (M,) which text.
        positions: (M,) which token of it.
    """

    def __init__(self, layer: nn.Module, rows: torch.Tensor, positions: torch.Tensor) -> None:
        super().__init__()
        self.layer = [layer]  # in a list: the layer stays a module of the model, not of this
        self.rows = rows
        self.positions = positions

    def forward(
        self,
        hidden_states: torch.Tensor,
        *_: Any,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        **__: Any,
    ) -> torch.Tensor:
        """(N, L, D) -> (N, L, D), changed only at the points."""
        layer: Any = self.layer[0]
        before = hidden_states[self.rows, self.positions]  # (M, D)
        seen = layer.input_layernorm(hidden_states)
        after = before + self._attend(layer.self_attn, seen, position_embeddings)
        after = after + layer.mlp(layer.post_attention_layernorm(after))
        return hidden_states.index_put((self.rows, self.positions), after)

    def _attend(
        self, attention: Any, seen: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """(M, D): attention of the points to their own texts up to themselves."""
        count, size, width = seen.shape[0], seen.shape[1], attention.head_dim
        cos, sin = (table.expand(count, size, -1).unsqueeze(2) for table in rotary)
        keys = attention.k_proj(seen).view(count, size, -1, width)
        values = attention.v_proj(seen).view(count, size, -1, width)
        asked = attention.q_proj(seen[self.rows, self.positions]).view(len(self.rows), -1, width)
        if hasattr(attention, "q_norm"):
            keys, asked = attention.k_norm(keys), attention.q_norm(asked)
        keys = keys * cos + _half_turn(keys) * sin
        at = (self.rows, self.positions)
        asked = asked * cos[at] + _half_turn(asked) * sin[at]
        steps = torch.arange(size, device=seen.device)
        mask = (steps[None, :] <= self.positions[:, None])[:, None, None, :]  # (M, 1, 1, L)
        out = functional.scaled_dot_product_attention(
            asked[:, :, None],
            keys[self.rows].transpose(1, 2),
            values[self.rows].transpose(1, 2),
            attn_mask=mask,
            scale=attention.scaling,
            enable_gqa=True,
        )
        mixed: torch.Tensor = attention.o_proj(out.reshape(len(self.rows), -1))
        return mixed


def _half_turn(x: torch.Tensor) -> torch.Tensor:
    """Rotary embeddings pair the first half of a head with the second."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


class Pass(nn.Module):
    """Stands in for a layer that is not to run."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """The states as they came."""
        return hidden_states


class Capture(nn.Module):
    """Stands in for the first layer above the frozen ones and keeps what reaches it."""

    hidden: torch.Tensor | None = None

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """The states as they came, kept."""
        self.hidden = hidden_states
        return hidden_states


class Inject(nn.Module):
    """Stands in for the first frozen layer and gives out hidden states read before."""

    def __init__(self, hidden: torch.Tensor) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, _: torch.Tensor, *__: Any, **___: Any) -> torch.Tensor:
        """The states that were read before."""
        return self.hidden
