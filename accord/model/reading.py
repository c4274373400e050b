"""Reads token sequences: frozen lower layers (kept or read anew), then the trained upper ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from accord.model import load
from accord.model.fusion import knowing
from accord.model.pooled import PooledStates
from accord.text.collate import chunks_by_length, pad
from accord.text.examples import Segment, Sequence, length

Key = tuple[bool, Segment]
"""Whether a sink token is read before the piece, and the piece's tokens."""
READ_TOKENS = 4096
MEANS = ("states", "words", "rare", "early")
"""Means over a text's first n tokens: of the frozen layers' states; of token embeddings; of these
weighted by rarity; and by rarity and nearness to the beginning, where names stand."""
KIND = 1 << 40
"""A place of -n - k `KIND` stands for the k-th of `MEANS` over the first n tokens."""


class HiddenStore(Protocol):
    """Keeps hidden states of pieces that were read before."""

    def start(self, key: Key) -> int:
        """First row of a piece, or -1 where it is not kept."""
        ...

    def take(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """(n, D) the rows asked for."""
        ...


@dataclass(frozen=True)
class Hidden:
    """What the frozen layers gave for some sequences, right-padded."""

    states: torch.Tensor
    """(N, L, D)."""
    lengths: npt.NDArray[np.int64]
    """(N,) tokens of each sequence."""


class Reader:
    """Runs a model over sequences.

    Args:
        lm: The language model, with or without an adapter.
        freeze_layers: Lowest layers that never change; 0 runs the whole stack at once.
        segments: The frozen layers read each segment after the first alone, behind a sink token,
            as block-diagonal attention would; otherwise the whole sequence.
        sink: The token read before each later segment. The first token of a text draws attention
            whatever it is, so its state says little; the sink takes that place and is dropped.
        fill: Token id for padding.
        device: Where the model is.
        means: Which of `MEANS` stand for a text beside its last token.
    """

    causal = True
    """Whether a token sees only what is before it."""

    def __init__(
        self,
        lm: nn.Module,
        freeze_layers: int,
        segments: bool,
        sink: int,
        fill: int,
        device: torch.device,
        means: tuple[str, ...] = (),
    ) -> None:
        self.lm = lm
        self.freeze_layers = freeze_layers
        self.segments = segments
        self.sink = sink
        self.fill = fill
        self.device = device
        self.store: HiddenStore | None = None
        self.means = means
        self.rarity: torch.Tensor | None = None
        """(V,) weights of tokens in the means that ask for them."""
        self.pooled: PooledStates | None = None
        """Kept states of texts, where nothing of the language model trains."""

    def pieces(self, sequence: Sequence) -> list[Key]:
        """What the frozen layers read for a sequence, in order."""
        if not self.segments:
            return [(False, flat(sequence))]
        return [(i > 0, segment) for i, segment in enumerate(sequence) if segment]

    def ends(self, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(N, P) the places whose states stand for a whole text of so many tokens.

        The last one, and with `means` -n - k `KIND` for each of them.
        """
        last = lengths[:, None] - 1
        kinds = np.array([MEANS.index(name) for name in self.means], dtype=np.int64)
        return np.concatenate([last, -last - 1 - KIND * kinds], axis=1)

    def states_at(
        self,
        sequences: list[Sequence],
        rows: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
    ) -> torch.Tensor:
        """Reads sequences and gives the last hidden states at some of their tokens.

        Args:
            sequences: N sequences.
            rows: (M,) which sequence.
            positions: (M,) which token of it, or a mean over its beginning, see `ends`.

        Returns:
            (M, D), with gradient where the upper layers are trained.
        """
        kept = self.pooled.states_at(sequences, rows, positions) if self.pooled else None
        if kept is not None:
            return kept
        whole = positions < 0
        lower = self.lower(sequences).states if self.freeze_layers else None
        if lower is None or not whole.any():
            return self._states_at(sequences, rows, positions, lower)
        kinds, counts = np.divmod(-positions[whole], KIND)
        means = self._means(sequences, rows[whole], counts, kinds, lower)
        found = self._states_at(sequences, rows[~whole], positions[~whole], lower)
        states = found.new_empty((len(rows), lower.shape[-1]))
        places = torch.from_numpy(whole).to(self.device)
        states[places], states[~places] = means.to(states.dtype), found
        return states

    @torch.no_grad()
    def _means(
        self,
        sequences: list[Sequence],
        rows: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        kinds: npt.NDArray[np.int64],
        lower: torch.Tensor,
    ) -> torch.Tensor:
        """(M, D) means over the beginnings of texts."""
        means = lower.new_empty((len(rows), lower.shape[-1]), dtype=torch.float32)
        tokens = torch.from_numpy(pad(sequences, self.fill)[0]).to(self.device)
        embedded = load.embed_tokens(self.lm, tokens) if kinds.any() else lower
        for kind in np.unique(kinds):
            own = kinds == kind
            read = lower if kind == 0 else embedded
            weights = self._weights(MEANS[kind], tokens)
            found = weighted_means(read, weights, rows[own], counts[own], int(kind == 0))
            means[torch.from_numpy(own).to(self.device)] = found
        return means

    def _weights(self, mean: str, tokens: torch.Tensor) -> torch.Tensor | None:
        """(N, L) weights of padded tokens in one of `MEANS`; None where all count alike."""
        if mean in ("states", "words") or self.rarity is None:
            return None
        weights = self.rarity[tokens]
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        return weights / places if mean == "early" else weights

    def _states_at(
        self,
        sequences: list[Sequence],
        rows: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
        lower: torch.Tensor | None,
    ) -> torch.Tensor:
        where, again = np.unique(np.stack([rows, positions]), axis=1, return_inverse=True)
        points = tuple(torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in where)
        if lower is None:
            last = self.last_hidden(sequences)
        else:
            asked = (points[0], points[1])
            # A point asked for twice must be there once, or its gradient would count twice.
            with knowing(self.lm, [flat(sequence) for sequence in sequences]):
                last = load.run_upper(self.lm, lower, None, self.freeze_layers, asked)
        return last[points][torch.from_numpy(again.reshape(-1)).to(self.device)]

    def last_hidden(self, sequences: list[Sequence]) -> torch.Tensor:
        """Reads sequences to the end, with gradient where the upper layers are trained.

        Args:
            sequences: N sequences; padding is on the right, so a causal model needs no mask.

        Returns:
            (N, L, D) `last_hidden_state`; rows past a sequence's length mean nothing.
        """
        lower = self.lower(sequences).states if self.freeze_layers else None
        with knowing(self.lm, [flat(sequence) for sequence in sequences]):
            if lower is not None:
                return load.run_upper(self.lm, lower, None, self.freeze_layers)
            ids, _ = pad(sequences, self.fill)
            return load.run_all(self.lm, torch.from_numpy(ids).to(self.device), None)

    @torch.no_grad()
    def lower(self, sequences: list[Sequence]) -> Hidden:
        """What the frozen layers give; pieces in the store are not read again."""
        keyed = [self.pieces(sequence) for sequence in sequences]
        starts, fresh = self._locate(dict.fromkeys(key for keys in keyed for key in keys))
        rows = [self._rows(keys, starts) for keys in keyed]
        lengths = np.array([len(r) for r in rows], dtype=np.int64)
        index = np.full((len(rows), int(lengths.max())), -1, dtype=np.int64)
        for i, row in enumerate(rows):
            index[i, : len(row)] = row
        return Hidden(self._gather(index, fresh), lengths)

    def _locate(self, keys: dict[Key, None]) -> tuple[dict[Key, int], torch.Tensor | None]:
        """Rows of pieces: kept ones as they are, fresh ones counted down from -2."""
        starts = {key: self.store.start(key) if self.store else -1 for key in keys}
        missing = [key for key, start in starts.items() if start < 0]
        if not missing:
            return starts, None
        offset = 0
        for key in missing:
            starts[key] = -2 - offset
            offset += len(key[1])
        return starts, self.read_pieces(missing)

    @staticmethod
    def _rows(keys: list[Key], starts: dict[Key, int]) -> npt.NDArray[np.int64]:
        parts = []
        for key in keys:
            start, span = starts[key], np.arange(len(key[1]), dtype=np.int64)
            parts.append(start + span if start >= 0 else start - span)
        return np.concatenate(parts)

    def _gather(self, index: npt.NDArray[np.int64], fresh: torch.Tensor | None) -> torch.Tensor:
        kept, new = index >= 0, index <= -2
        dtype = next(self.lm.parameters()).dtype
        width = load.hidden_width(self.lm)
        states = torch.zeros((*index.shape, width), dtype=dtype, device=self.device)
        if kept.any() and self.store is not None:
            rows = self.store.take(index[kept]).to(self.device, dtype)
            states[torch.from_numpy(kept).to(self.device)] = rows
        if fresh is not None:
            rows = fresh[torch.from_numpy(-2 - index[new]).to(self.device)]
            states[torch.from_numpy(new).to(self.device)] = rows.to(dtype)
        return states  # (N, L, D)

    @torch.no_grad()
    def read_pieces(self, keys: list[Key]) -> torch.Tensor:
        """Frozen layers over pieces, in groups of like length.

        Args:
            keys: Pieces to read.

        Returns:
            (sum of lengths, D) their states one after the other, in the order given.
        """
        lengths = np.array([len(tokens) for _, tokens in keys], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        out: torch.Tensor | None = None
        for group in chunks_by_length(lengths + 1, READ_TOKENS):
            states = self._read_group([keys[i] for i in group])
            if out is None:
                out = states.new_empty((int(lengths.sum()), states.shape[-1]))
            for row, i in enumerate(group.tolist()):
                skip = int(keys[i][0])
                out[starts[i] : starts[i] + lengths[i]] = states[row, skip : skip + lengths[i]]
        assert out is not None
        return out

    def _read_group(self, keys: Iterable[Key]) -> torch.Tensor:
        """(n, L + 1, D) states of pieces with their sink tokens."""
        texts: list[Sequence] = [((self.sink, *t) if sink else t,) for sink, t in keys]
        ids, _ = pad(texts, self.fill)
        tensor = torch.from_numpy(ids).to(self.device)
        with load.adapter_off(self.lm):
            mask = self._lower_mask(tensor, np.array([length(text) for text in texts]))
            return load.run_lower(self.lm, tensor, mask, self.freeze_layers)

    def _lower_mask(self, ids: torch.Tensor, lengths: npt.NDArray[np.int64]) -> torch.Tensor | None:
        """What is read of (n, L) padded ids; none for a causal model padded on the right."""
        return None


def weighted_means(
    states: torch.Tensor,
    weights: torch.Tensor | None,
    rows: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    skip: int = 1,
) -> torch.Tensor:
    """Means over the beginnings of texts, each token's state scaled to the same length.

    The first token of states is left out where there are others: it draws attention whatever it
    is, and its state is many times longer.

    Args:
        states: (N, L, D).
        weights: (N, L) positive; None where all tokens count alike.
        rows: (M,) which text.
        counts: (M,) how many of its tokens.
        skip: Tokens left out at the beginning where there are others.

    Returns:
        (M, D).
    """
    scaled = functional.rms_norm(states.float(), states.shape[-1:])
    if weights is None:
        weights = torch.ones(states.shape[:2], device=states.device)
    sums = functional.pad((scaled * weights[..., None]).cumsum(1), (0, 0, 1, 0))  # (N, L + 1, D)
    mass = functional.pad(weights.cumsum(1), (1, 0))
    first = np.minimum(skip, counts - 1)
    at, begin, end = (torch.from_numpy(x).to(states.device) for x in (rows, first, counts))
    means: torch.Tensor = (sums[at, end] - sums[at, begin]) / (
        mass[at, end] - mass[at, begin]
    ).clamp_min(1e-6)[:, None]
    return means


def flat(sequence: Sequence) -> Segment:
    """All tokens of a sequence."""
    return tuple(token for segment in sequence for token in segment)


@torch.no_grad()
def continued(
    lm: nn.Module, reader: Reader, starts: list[Sequence], count: int, end: int
) -> list[list[int]]:
    """Continues sequences greedily, each read anew for every token, just as in training.

    Args:
        lm: The language model.
        reader: Reads it.
        starts: N sequences.
        count: Tokens to write at most.
        end: The token after which nothing is written.

    Returns:
        N lists of token ids.
    """
    head = load.output_weights(lm)
    dtype = next(head.parameters()).dtype
    new: list[list[int]] = [[] for _ in starts]
    active = list(range(len(starts)))
    for _ in range(count):
        sequences: list[Sequence] = [(*starts[i], tuple(new[i])) for i in active]
        hidden = reader.last_hidden(sequences)
        last = torch.tensor([length(s) - 1 for s in sequences], device=reader.device)
        picked = head(hidden[torch.arange(len(active), device=reader.device), last].to(dtype))
        for i, token in zip(active, picked.argmax(-1).tolist(), strict=True):
            new[i].append(int(token))
        active = [i for i in active if new[i][-1] != end]
        if not active:
            break
    return new
