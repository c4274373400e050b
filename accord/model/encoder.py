"""BERT-type encoders: embeddings of texts, token states, and a new masked-language head.

The head is new: an embedded or sentence encoder comes without one, so its first perplexity says
nothing. Compare a trained one only with a control that was trained the same way.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from accord.errors import ModelError
from accord.graph.graph import KnowledgeGraph
from accord.graph.writing import new_folder
from accord.model import load
from accord.model.config import ModelConfig, model_config
from accord.model.fusion import (
    Fusion,
    add_fusion,
    attach_memory,
    fusion_of,
    open_memory,
)
from accord.model.memory import EntityMemory
from accord.model.saving import (
    FORMAT,
    HEADER,
    MEMORY,
    WEIGHTS,
    base_sha256,
    check_base,
    disk_errors,
    put_weights,
    read_header,
    read_weights,
    trainable,
)
from accord.progress import track
from accord.text.collate import chunks_by_length
from accord.text.slots import SlotBatch, Slots

DEFAULT_ENCODER = "all-minilm-l6-v2"
READ_TOKENS = 4096
Float32 = npt.NDArray[np.float32]


class Encoded(NamedTuple):
    """Texts as tokens, padded on the right, and what their tokens see."""

    ids: torch.Tensor
    """(B, L) int64, special tokens among them."""
    mask: torch.Tensor
    """(B, L) bool, True = keep."""
    offsets: npt.NDArray[np.int64]
    """(B, L, 2) first character of each token and the one behind its last; 0, 0 for none."""
    slots: list[Slots]
    """Of each text."""


class MaskedHead(nn.Module):
    """Hidden states to logits over the vocabulary, on the encoder's own embeddings.

    Source: the head of BERT (Devlin et al. 2019, arXiv 1810.04805): a linear map, GELU and layer
    norm before tied embeddings.

    Args:
        embeddings: (V, D) the encoder's word embeddings; shared, not copied.
    """

    def __init__(self, embeddings: nn.Embedding) -> None:
        super().__init__()
        width = embeddings.embedding_dim
        self._embeddings = (embeddings,)  # in a tuple: it stays a part of the encoder
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(embeddings.num_embeddings))
        with torch.no_grad():
            nn.init.eye_(self.dense.weight)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(M, D) -> (M, V) float32."""
        mapped = self.norm(functional.gelu(self.dense(hidden.float())))
        return functional.linear(mapped, self._embeddings[0].weight.float(), self.bias)


class TextEncoder(nn.Module):
    """An encoder that embeds texts, fills masks, and may look up entities as it reads.

    Args:
        lm: The encoder, with its adapter and fusion if it has them.
        tokenizer: Its fast tokenizer.
        config: What of it is adapted, and its fusion.
        device: Where it is.
        memory: Vectors of entities, for an encoder with fusion.
    """

    def __init__(
        self,
        lm: nn.Module,
        tokenizer: Any,
        config: ModelConfig,
        device: torch.device,
        memory: EntityMemory | None = None,
    ) -> None:
        super().__init__()
        self.lm = lm
        self.tokenizer = tokenizer
        self.config = config
        self.device = device
        self.memory = memory
        words = load.without_adapter(lm).get_input_embeddings()  # type: ignore[operator]  # of a module
        self.head = MaskedHead(words).to(device)

    @classmethod
    def create(
        cls,
        config: ModelConfig | None = None,
        device: str | None = None,
        seed: int = 0,
        memory: EntityMemory | None = None,
    ) -> TextEncoder:
        """Loads an encoder and makes the wanted part trainable.

        Args:
            config: Which encoder and what of it is trained; None for the embedded one as it is.
                `freeze_layers` says what gets no adapter; readings, query and projection are for
                causal models.
            device: "cpu", "cuda", ...; None picks one.
            seed: Of the first weights of adapter, fusion and head.
            memory: For an encoder with fusion; None opens the one that the settings name.

        Returns:
            The encoder, in eval mode.

        Raises:
            ModelError: It cannot be loaded, or is no encoder.
            ConfigError: Fusion without a memory, or at frozen layers.
        """
        config = config or ModelConfig(DEFAULT_ENCODER, adapter="none")
        if config.fusion is not None and memory is None:
            memory = open_memory(config.fusion)
        where = load.pick_device(device)
        dtype = load.pick_dtype(config.dtype, where)
        lm, tokenizer = load.load_encoder(config.name, dtype, where)
        torch.manual_seed(seed)
        lm = load.add_adapter(lm, config)
        if config.fusion is not None and memory is not None:
            add_fusion(lm, config.fusion, memory.width, config.freeze_layers, causal=False)
        return cls(lm, tokenizer, config, where, memory).eval()

    @property
    def fusion(self) -> Fusion | None:
        """The attention to the memory; None without."""
        return fusion_of(self.lm)

    def attach(self, graph: KnowledgeGraph) -> None:
        """Binds a graph, so that texts are read with what the memory knows of its entities.

        Args:
            graph: The memory's graph or a descendant of it.

        Raises:
            GraphError: An unrelated graph.
            ModelError: The encoder has no fusion.
        """
        attach_memory(self.fusion, self.memory, graph, self.tokenizer)

    @property
    def limit(self) -> int:
        """Tokens of a text at most, special ones among them."""
        return min(load.stated_context(self.lm) or 512, int(self.tokenizer.model_max_length))

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Texts to tokens.

        Args:
            texts: B texts.

        Returns:
            Their tokens, where those stand, and what they see.

        Raises:
            ModelError: A text is longer than the encoder reads: nothing is cut silently.
        """
        read = self.tokenizer(
            list(texts),
            return_offsets_mapping=True,
            padding=True,
            padding_side="right",
            truncation=False,
        )
        mask = torch.tensor(read["attention_mask"]).bool()
        longest = int(mask.sum(-1).max())
        if longest > self.limit:
            raise ModelError(
                f"a text of {longest} tokens, the encoder reads {self.limit}",
                "give shorter texts: a sentence or a paragraph each",
            )
        offsets = np.array(read["offset_mapping"], dtype=np.int64).reshape(*mask.shape, 2)
        ids = torch.tensor(read["input_ids"])
        return Encoded(ids, mask, offsets, self._slots(texts, mask.numpy(), offsets))

    def _slots(
        self,
        texts: Sequence[str],
        mask: npt.NDArray[np.bool_],
        offsets: npt.NDArray[np.int64],
    ) -> list[Slots]:
        if self.fusion is None or self.fusion.attached is None:
            return [()] * len(texts)
        finder = self.fusion.attached.finder
        rows = zip(texts, mask, offsets, strict=True)
        return [finder.of_text(text, row[keep]) for text, keep, row in rows]

    def states(self, encoded: Encoded, ids: torch.Tensor | None = None) -> torch.Tensor:
        """Reads texts.

        Args:
            encoded: The texts.
            ids: (B, L) token ids to read in place of the texts' own, such as masked ones.

        Returns:
            (B, L, D) last hidden states, with gradient where something is trained; those of
            padding mean nothing.
        """
        given = encoded.ids if ids is None else ids
        mask = encoded.mask.to(self.device)
        fusion = self.fusion
        reading = None if fusion is None else fusion.prepare(SlotBatch.of(encoded.slots))
        inputs = {"input_ids": given.to(self.device), "attention_mask": mask.long()}
        if fusion is None:
            out = load.base_model(self.lm)(**inputs)
        else:
            with fusion.reading(reading):
                out = load.base_model(self.lm)(**inputs)
        hidden: torch.Tensor = out.last_hidden_state
        return hidden

    def pool(self, hidden: torch.Tensor, encoded: Encoded) -> torch.Tensor:
        """(B, L, D) states -> (B, D) float32 unit vectors: the mean over a text's tokens."""
        keep = encoded.mask.to(hidden.device)[:, :, None]
        mean = (hidden.float() * keep).sum(1) / keep.sum(1)
        return functional.normalize(mean, dim=-1)

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Float32:
        """Embeds texts.

        Args:
            texts: N texts, each within the encoder's limit.

        Returns:
            (N, D) float32 unit vectors.
        """
        distinct = list(dict.fromkeys(texts))
        place = {text: i for i, text in enumerate(distinct)}
        out = np.empty((len(distinct), load.hidden_width(self.lm)), dtype=np.float32)
        lengths = np.array([len(text) for text in distinct], dtype=np.int64)
        with track("embedding", len(distinct), "texts") as advance:
            # A token of these vocabularies is about four characters, at least one.
            for group in chunks_by_length(lengths, 2 * READ_TOKENS):
                encoded = self.encode([distinct[i] for i in group])
                out[group] = self.pool(self.states(encoded), encoded).cpu().numpy()
                advance(len(group))
        return out[[place[text] for text in texts]]

    def masked(
        self, encoded: Encoded, share: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hides tokens for masked language modelling.

        Args:
            encoded: Texts.
            share: Of the tokens that stand for text, how many are asked for, 0 to 1.
            generator: Random numbers, on the CPU.

        Returns:
            (B, L) token ids to read (of those asked for 80 % are masks, 10 % random tokens, 10 %
            as they were, as in BERT), and (B, L) bool, True = asked for.
        """
        real = encoded.mask & torch.from_numpy(encoded.offsets[..., 1] > 0)
        draw = torch.rand(encoded.ids.shape, generator=generator)
        asked = real & (draw < share)
        ids = encoded.ids.clone()
        kind = torch.rand(ids.shape, generator=generator)
        noise = torch.randint(len(self.tokenizer), ids.shape, generator=generator)
        ids[asked & (kind < 0.8)] = int(self.tokenizer.mask_token_id)
        swapped = asked & (kind >= 0.9)
        ids[swapped] = noise[swapped]
        return ids, asked

    def masked_loss(self, encoded: Encoded, ids: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of hidden tokens, nats.

        Args:
            encoded: The texts as they are.
            ids: (B, L) as `masked` gives them.
            asked: (B, L) bool, True = asked for; at least one.
        """
        hidden = self.states(encoded, ids)[asked.to(self.device)]
        targets = encoded.ids[asked].to(self.device)
        return functional.cross_entropy(self.head(hidden), targets)

    def save_pretrained(self, folder: str | Path, graph: KnowledgeGraph | None = None) -> Path:
        """Writes what is trained, and the memory: to a temporary folder first, then renamed.

        Args:
            folder: Where to; what is there is replaced.
            graph: The graph it was trained on, for the record.

        Returns:
            The folder.

        Raises:
            DataError: No space left; what was there is untouched.
        """
        target = Path(folder)
        header = {
            "format": FORMAT,
            "model": dataclasses.asdict(self.config),
            "text": {},
            "pooling": "mean",
            "base_sha256": base_sha256(self.config.name),
            "graph": {} if graph is None else {"name": graph.name, "hash": graph.hash},
        }
        weights = {k: p.detach().cpu().contiguous() for k, p in trainable(self).items()}
        with disk_errors(target), new_folder(target) as work:
            save_file(weights, work / WEIGHTS)
            if self.memory is not None:
                self.memory.save(work / MEMORY)
            (work / HEADER).write_text(json.dumps(header, indent=2, ensure_ascii=False), "utf-8")
        return target

    @classmethod
    def load(cls, folder: str | Path, device: str | None = None) -> TextEncoder:
        """Opens a saved encoder; `attach` gives it a graph again.

        Args:
            folder: Where it was saved.
            device: "cpu", "cuda", ...; None picks one.

        Raises:
            ModelError: Half-written, of another format, or its base has other weights.
        """
        path = Path(folder)
        header = read_header(path)
        if header.get("pooling") != "mean":
            raise ModelError(f"{path} holds a causal model", "open it with accord.load_model")
        config = model_config(header["model"])
        memory = None if config.fusion is None else EntityMemory.load(path / MEMORY)
        model = cls.create(config, device, memory=memory)
        check_base(header, path)
        put_weights(model, read_weights(path / WEIGHTS), str(path))
        return model
