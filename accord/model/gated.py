"""Gated attention from tokens to the vectors of entities that they see.

Source: gated cross-attention as in Flamingo (Alayrac et al. 2022, arXiv 2204.14198, eq. 1), over
entity vectors as in ERNIE (Zhang et al. 2019, arXiv 1905.07129).
Differs from them: a null slot lets a token attend to nothing; what is added is measured in the
token's own mean size, since hidden states of families differ a hundredfold; no feed-forward layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional


@dataclass
class Reading:
    """What the texts of one batch see, on the model's device."""

    rows: torch.Tensor
    """(n, M) vectors of the distinct entities."""
    index: torch.Tensor
    """(B, K + 1) int64: 0 for nothing, else 1 + the place in `rows`; the first column is nothing,
    which every token sees."""
    starts: torch.Tensor
    """(B, K + 1) int64."""
    stops: torch.Tensor
    """(B, K + 1) int64."""
    bias: torch.Tensor
    """(B, K + 1) float32: logarithm of a slot's weight."""
    kinds: torch.Tensor
    """(B, K + 1) int64."""
    open_from: torch.Tensor
    """(B,) int64."""
    active: torch.Tensor
    """(b,) int64: texts that have slots."""
    positions: torch.Tensor | None = None
    """(B, L) the tokens that a forward pass reads, counted without padding."""
    projected: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    """By layer, keys and values of `rows`, kept while nothing is trained."""

    def select(self, rows: torch.Tensor) -> Reading:
        """(m,) of the texts, in a new order; a text may be named twice."""
        names = ("index", "starts", "stops", "bias", "kinds", "open_from")
        active = (self.index[rows] > 0).any(-1).nonzero()[:, 0]
        kept = {name: getattr(self, name)[rows] for name in names}
        return replace(self, **kept, active=active, positions=None)

    def visible(self) -> torch.Tensor:
        """(b, L, K + 1) bool: which slots each token of the texts with slots sees."""
        assert self.positions is not None
        at = self.positions[self.active][:, :, None]  # (b, L, 1)
        starts, stops = (x[self.active][:, None] for x in (self.starts, self.stops))
        writing = at >= self.open_from[self.active][:, None, None]
        real = (self.index[self.active] > 0)[:, None]
        seen = real & (((at >= starts) & (at < stops)) | writing)
        seen[:, :, 0] = True
        return seen


class GatedAttention(nn.Module):
    """Multi-head attention from tokens to slots, added through a gate that starts at zero.

    Args:
        hidden: D, width of the hidden states.
        memory: M, width of the memory's vectors.
        width: A, width of all heads together.
        heads: How many heads.
    """

    def __init__(self, hidden: int, memory: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, width, bias=False)
        self.key = nn.Linear(memory, width, bias=False)
        self.value = nn.Linear(memory, width, bias=False)
        self.kind = nn.Embedding(3, width, padding_idx=0)
        self.out = nn.Linear(width, hidden, bias=False)
        self.gate = nn.Parameter(torch.zeros(()))
        nn.init.normal_(self.kind.weight, std=0.02)
        with torch.no_grad():
            self.kind.weight[0].zero_()

    def project(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, M) vectors -> keys and values (n + 1, A); row 0 is nothing."""
        rows = functional.rms_norm(rows.float(), rows.shape[-1:])
        nothing = rows.new_zeros((1, self.key.out_features))
        return torch.cat([nothing, self.key(rows)]), torch.cat([nothing, self.value(rows)])

    def forward(
        self,
        hidden: torch.Tensor,
        reading: Reading,
        projected: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """(B, L, D) -> (B, L, D), changed only at tokens that see an entity."""
        before = hidden[reading.active]  # (b, L, D)
        index = reading.index[reading.active]
        seen = reading.visible()
        keys = projected[0][index] + self.kind(reading.kinds[reading.active])  # (b, K + 1, A)
        bias = reading.bias[reading.active][:, None].masked_fill(~seen, -math.inf)
        mixed = functional.scaled_dot_product_attention(
            self._split(self.query(self.norm(before.float()))),
            self._split(keys),
            self._split(projected[1][index]),
            attn_mask=bias[:, None],
        )
        size = before.float().abs().mean(-1, keepdim=True).detach()
        added = torch.tanh(self.gate) * size * self.out(mixed.transpose(1, 2).flatten(2))
        after = torch.where(
            seen[:, :, 1:].any(-1, keepdim=True), before + added.to(before.dtype), before
        )
        return hidden.index_copy(0, reading.active, after)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """(b, n, A) -> (b, H, n, A / H)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def token_positions(found: torch.Tensor, kwargs: dict[str, Any]) -> torch.Tensor:
    """The places of the tokens that a forward pass reads, padding on either side left out.

    Args:
        found: (B, L) token ids or (B, L, D) embeddings.
        kwargs: The other inputs of the pass; the mask may also cover what is in the cache.

    Returns:
        (B, L) int64; padding before a text has -1.
    """
    count, mask = found.shape[1], kwargs.get("attention_mask")
    if isinstance(mask, torch.Tensor) and mask.dim() == 2:
        return (mask.long().cumsum(-1) - 1)[:, -count:]
    stated = kwargs.get("position_ids")
    if isinstance(stated, torch.Tensor):
        return stated.expand(len(found), -1)
    cache = kwargs.get("past_key_values")
    before = 0 if cache is None else int(cache.get_seq_length())
    steps = torch.arange(before, before + count, device=found.device)
    return steps.expand(len(found), -1)
