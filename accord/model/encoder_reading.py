"""Reads token sequences with an encoder, whose tokens see both sides, in place of a causal model.

An encoder reads a text between its opening and closing tokens. Those count for nothing outside of
this file: places are counted in the text's own tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.model import load
from accord.model.config import ModelConfig
from accord.model.fusion import fusion_of
from accord.model.reading import Key, Reader, flat
from accord.text.collate import pad, tokens
from accord.text.examples import Segment, Sequence
from accord.text.render import QUERY_OPEN
from accord.text.slots import SlotBatch

MEAN = -1
"""The place that stands for the mean over a text, the closing and opening tokens included."""
Int64 = npt.NDArray[np.int64]


class EncoderReader(Reader):
    """As `Reader`, for an encoder; frozen layers read whole texts.

    Args:
        lm: The encoder, with or without an adapter.
        freeze_layers: Lowest layers that never change.
        tokenizer: Its fast tokenizer, which says what stands around a text.
        device: Where the encoder is.
    """

    causal = False

    def __init__(
        self, lm: nn.Module, freeze_layers: int, tokenizer: Any, device: torch.device
    ) -> None:
        frame: list[int] = tokenizer("")["input_ids"]
        self.before, self.after = tuple(frame[:1]), tuple(frame[1:])
        fill = int(tokenizer.pad_token_id)
        super().__init__(lm, freeze_layers, False, sink=fill, fill=fill, device=device)

    def pieces(self, sequence: Sequence) -> list[Key]:
        """The whole text between its opening and its closing token."""
        return [(False, self._framed(sequence))]

    def ends(self, lengths: Int64) -> Int64:
        """(N, 1) the place that stands for a whole text: the mean."""
        return np.full_like(lengths[:, None], MEAN)

    def states_at(self, sequences: list[Sequence], rows: Int64, positions: Int64) -> torch.Tensor:
        """As `Reader.states_at`; `MEAN` as a position asks for the mean over the text."""
        hidden = self.last_hidden(sequences)  # (N, L, D)
        texts = torch.from_numpy(rows).to(self.device)
        places = torch.from_numpy(positions).to(self.device)
        found = hidden[texts, places.clamp_min(0) + len(self.before)]
        whole = places == MEAN
        if not bool(whole.any()):
            return found
        keep = self._mask(sequences)[:, :, None].to(hidden.dtype)
        means = (hidden * keep).sum(1) / keep.sum(1)
        return torch.where(whole[:, None], means[texts], found)

    def last_hidden(self, sequences: list[Sequence]) -> torch.Tensor:
        """(N, L, D) last hidden states, opening tokens included; padding's mean nothing."""
        mask = self._mask(sequences)
        lower = self.lower(sequences).states if self.freeze_layers else None
        with self._knowing(sequences):
            if lower is not None:
                return load.run_upper(self.lm, lower, mask, self.freeze_layers)
            ids, _ = pad([(self._framed(s),) for s in sequences], self.fill)
            return load.run_all(self.lm, torch.from_numpy(ids).to(self.device), mask)

    def _framed(self, sequence: Sequence) -> Segment:
        return (*self.before, *flat(sequence), *self.after)

    def _mask(self, sequences: list[Sequence]) -> torch.Tensor:
        _, mask = pad([(self._framed(s),) for s in sequences], self.fill)
        return torch.from_numpy(mask).to(self.device)

    @contextmanager
    def _knowing(self, sequences: list[Sequence]) -> Iterator[None]:
        """Inside, texts are read with what a fusion knows of their entities."""
        fusion = fusion_of(self.lm)
        if fusion is None:
            yield
            return
        shift = len(self.before)
        moved = [
            tuple(s._replace(start=s.start + shift, stop=s.stop + shift) for s in slots)
            for slots in fusion.slots([flat(sequence) for sequence in sequences])
        ]
        with fusion.reading(fusion.prepare(SlotBatch.of(moved))):
            yield

    def _lower_mask(self, ids: torch.Tensor, lengths: Int64) -> torch.Tensor | None:
        real = torch.arange(ids.shape[1])[None] < torch.from_numpy(lengths)[:, None]
        return real.to(self.device)


def is_encoder(name: str) -> bool:
    """Whether a model is a BERT-type encoder and no causal language model.

    Args:
        name: Hub name, folder or embedded model's name.

    Raises:
        ModelError: A path that does not exist.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    try:
        config = AutoConfig.from_pretrained(load.resolve(name), trust_remote_code=False)
    except (OSError, ValueError):
        return False  # loading it says what is wrong
    both = getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False)
    writes = any("Causal" in kind or "LMHead" in kind for kind in config.architectures or ())
    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not both and not writes


def reader_of(lm: nn.Module, config: ModelConfig, tokenizer: Any, device: torch.device) -> Reader:
    """The reader that fits a model and its settings; arguments as for `Reader`."""
    frozen, segments = config.freeze_layers, config.reading == "segments"
    if not load.writes(lm):
        return EncoderReader(lm, frozen, tokenizer, device)
    sink, fill = tokens(tokenizer, QUERY_OPEN)[0], int(tokenizer.pad_token_id)
    return Reader(lm, frozen, segments, sink, fill, device, config.means)
