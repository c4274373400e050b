"""One model that ranks entities and writes answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import ModelConfig
from accord.model.encoder_reading import is_encoder, reader_of
from accord.model.fusion import (
    Fusion,
    add_fusion,
    attach_memory,
    attach_related,
    fusion_of,
    knowing,
    open_memory,
)
from accord.model.heads import compose, projection_of
from accord.model.memory import EntityMemory
from accord.model.reading import continued
from accord.model.writing import Writer
from accord.progress import track
from accord.text.collate import GraphTexts, chunks_by_length, token_windows, tokens
from accord.text.examples import Segment, Sequence, View, length
from accord.text.render import TextConfig

EMBED_TOKENS = 4096
LOGIT_ROWS = 256
VIEW_NAMES: dict[View, str] = {
    "query": "queries",
    "head": "heads",
    "relation": "relations",
    "tail": "entities",
}
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


class KnowledgeModel(nn.Module):
    """A language model that embeds graph texts and writes; an encoder only embeds.

    Args:
        lm: The language model or encoder, with its adapter if it has one.
        tokenizer: Its tokenizer.
        config: What of it is frozen, adapted and projected.
        text: How entities become text.
        device: Where it is.
        memory: Vectors of entities, for a model with fusion.
    """

    def __init__(
        self,
        lm: nn.Module,
        tokenizer: Any,
        config: ModelConfig,
        text: TextConfig,
        device: torch.device,
        memory: EntityMemory | None = None,
    ) -> None:
        super().__init__()
        self.lm = lm
        self.tokenizer = tokenizer
        self.config = config
        self.text = text
        self.device = device
        self.memory = memory
        self.projection = projection_of(lm, config).to(device)
        self.reader = reader_of(lm, config, tokenizer, device)
        self.reader.rarity = self.projection.rarity
        self._texts: tuple[str, GraphTexts] | None = None

    @classmethod
    def create(
        cls,
        config: ModelConfig,
        text: TextConfig | None = None,
        device: str | None = None,
        seed: int = 0,
        memory: EntityMemory | None = None,
    ) -> KnowledgeModel:
        """Loads a base model and makes the wanted part trainable.

        Args:
            config: Which model and what is trained.
            text: How entities become text.
            device: "cpu", "cuda", ...; None picks one.
            seed: Of the adapter's first weights.
            memory: For a model with fusion; None opens the one that the settings name.

        Returns:
            The model, in eval mode.

        Raises:
            ConfigError: Fusion without a memory, or at frozen layers.
        """
        if config.fusion is not None and memory is None:
            memory = open_memory(config.fusion)
        where = load.pick_device(device)
        open_ = load.load_encoder if is_encoder(config.name) else load.load_base
        lm, tokenizer = open_(config.name, load.pick_dtype(config.dtype, where), where)
        torch.manual_seed(seed)
        lm = load.add_adapter(lm, config)
        if config.fusion is not None and memory is not None:
            add_fusion(lm, config.fusion, memory.width, config.freeze_layers, load.writes(lm))
        return cls(lm, tokenizer, config, text or TextConfig(), where, memory).eval()

    @property
    def fusion(self) -> Fusion | None:
        """The attention to the memory, a part of the language model; None without."""
        return fusion_of(self.lm)

    @property
    def longest(self) -> int:
        """Tokens of a text at most; 0 where the model states no limit."""
        stated = load.stated_context(self.lm)
        if self.reader.causal:
            return stated
        return min(stated or 512, int(self.tokenizer.model_max_length)) - 2  # its frame

    def attach(self, graph: KnowledgeGraph) -> None:
        """Binds a graph, so that texts are read with what the memory knows of its entities.

        Args:
            graph: The memory's graph or a descendant of it.

        Raises:
            GraphError: An unrelated graph.
            ModelError: The model has no fusion.
        """
        attach_memory(self.fusion, self.memory, graph, self.tokenizer)

    def texts(self, graph: KnowledgeGraph) -> GraphTexts:
        """The graph's token sequences under this model's tokenizer; kept for the last graph."""
        if self._texts is None or self._texts[0] != graph.hash:
            self._texts = (graph.hash, GraphTexts(graph, self.tokenizer, self.text))
            if self.fusion is not None and self.memory is not None:
                attach_related(self.fusion, self.memory, graph, self.tokenizer)
        return self._texts[1]

    def pool(
        self, hidden: torch.Tensor, view: View, drop: torch.Generator | None = None
    ) -> torch.Tensor:
        """Hidden states to embeddings.

        Args:
            hidden: (N, D) hidden states at the last token, or (N, k D), see `pooling`.
            view: Which map is used.
            drop: Random numbers for the dropout of training; None leaves it out.

        Returns:
            (N, P) float32 unit vectors.
        """
        mapped = self.projection(hidden.float(), view)
        if drop is not None and self.config.embedding_dropout:
            noise = torch.rand(mapped.shape, generator=drop).to(mapped.device)
            mapped = mapped * (noise >= self.config.embedding_dropout)
        return functional.normalize(mapped, dim=-1)

    def logprobs(
        self, hidden: torch.Tensor, targets: torch.Tensor, temperature: float = 1.0
    ) -> torch.Tensor:
        """Log-probabilities of chosen next tokens.

        Args:
            hidden: (N, D) last hidden states.
            targets: (N, k) int64 token ids.
            temperature: Divides the logits.

        Returns:
            (N, k) float32, nats; softmax over the whole vocabulary.
        """
        blocks = []
        for start, logits in self._logit_blocks(hidden, temperature):
            chosen = logits.gather(1, targets[start : start + LOGIT_ROWS])
            blocks.append(chosen - torch.logsumexp(logits, dim=-1, keepdim=True))
        return torch.cat(blocks)

    @torch.no_grad()
    def top_tokens(
        self, hidden: torch.Tensor, count: int, temperature: float = 1.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The most probable next tokens.

        Args:
            hidden: (N, D) last hidden states.
            count: k, how many; the whole vocabulary where that is smaller.
            temperature: Divides the logits.

        Returns:
            (N, k) int64 token ids, the most probable first, and (N, k) float32 log-probabilities.
        """
        found = []
        for _, logits in self._logit_blocks(hidden, temperature):
            logs = torch.log_softmax(logits, dim=-1)
            found.append(logs.topk(min(count, logs.shape[-1]), dim=-1))
        return torch.cat([top.indices for top in found]), torch.cat([top.values for top in found])

    def _logit_blocks(
        self, hidden: torch.Tensor, temperature: float
    ) -> Iterator[tuple[int, torch.Tensor]]:
        head = load.output_weights(self.lm)
        for start in range(0, len(hidden), LOGIT_ROWS):
            logits = head(hidden[start : start + LOGIT_ROWS].to(_dtype(head))).float()
            yield start, logits if temperature == 1.0 else logits / temperature

    def embed(self, sequences: list[Sequence], view: View) -> Float32:
        """Embeds sequences; equal ones are read once.

        Args:
            sequences: N sequences.
            view: Which texts they are, and so which map is used.

        Returns:
            (N, P) float32 unit vectors.
        """
        with torch.no_grad():
            hidden = torch.from_numpy(self.hidden_states(sequences, view)).to(self.device)
            return self.pool(hidden, view).cpu().numpy()

    @torch.no_grad()
    def hidden_states(self, sequences: list[Sequence], view: View) -> Float32:
        """Last hidden states of sequences at their last token; equal ones are read once.

        Args:
            sequences: N sequences.
            view: What progress calls them.

        Returns:
            (N, D) float32, or (N, k D).
        """
        place = {sequence: i for i, sequence in enumerate(dict.fromkeys(sequences))}
        distinct = list(place)
        lengths = np.array([length(s) for s in distinct], dtype=np.int64)
        ends = self.reader.ends(lengths)  # (N, P)
        out = np.empty((len(distinct), self.projection.hidden), dtype=np.float32)
        with track(f"reading {VIEW_NAMES[view]}", int(lengths.sum()), "tokens") as advance:
            for group in chunks_by_length(lengths, EMBED_TOKENS):
                texts = [distinct[i] for i in group]
                rows = np.repeat(np.arange(len(group)), ends.shape[1])
                hidden = self.reader.states_at(texts, rows, ends[group].reshape(-1))
                out[group] = hidden.float().cpu().reshape(len(group), -1)
                advance(int(lengths[group].sum()))
        return out[[place[s] for s in sequences]]

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        """Embeds entities by their text (view 2).

        Args:
            graph: Any graph; the entities need not have been in training.
            entities: (N,) idx; None for all.

        Returns:
            (N, P) float32 unit vectors.
        """
        wanted = range(graph.num_entities) if entities is None else entities.tolist()
        texts = self.texts(graph)
        texts.prepare(wanted)
        return self.embed([texts.tail(e) for e in wanted], "tail")

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
        """Embeds queries by their text (view 1).

        Args:
            graph: Any graph.
            queries: (N, 2) entity idx and relation number; r + R asks for heads.

        Returns:
            (N, P) float32 unit vectors.
        """
        texts = self.texts(graph)
        texts.prepare(np.unique(queries[:, 0]).tolist())
        return self._compose(texts.query_readings(queries, self.config.query))

    def _compose(self, readings: Mapping[View, list[Sequence]]) -> Float32:
        parts = {view: torch.from_numpy(self.embed(s, view)) for view, s in readings.items()}
        return compose(parts).numpy()

    def embed_query_texts(
        self, graph: KnowledgeGraph, heads: list[str], relations: list[int]
    ) -> Float32:
        """Embeds queries whose heads are given as text, for entities not in the graph.

        Args:
            graph: The graph that the relations are of.
            heads: N texts such as ``name: description``.
            relations: N relation numbers.

        Returns:
            (N, P) float32 unit vectors.
        """
        texts = self.texts(graph)
        readings: dict[View, list[Sequence]] = {}
        if self.config.query != "product":
            pairs = zip(heads, relations, strict=True)
            readings["query"] = [texts.query_of_text(head, r) for head, r in pairs]
        if self.config.query != "text":
            readings["head"] = [texts.tail_of_text(head) for head in heads]
            readings["relation"] = [texts.relation_alone(r) for r in relations]
        return self._compose(readings)

    @torch.no_grad()
    def complete_names(
        self, graph: KnowledgeGraph, queries: Int64, max_new_tokens: int = 24
    ) -> list[str]:
        """Writes a tail's name for each query, greedily, read as the model was trained.

        Args:
            graph: Any graph.
            queries: (N, 2) entity idx and relation number.
            max_new_tokens: Tokens of a name at most.

        Returns:
            N names.
        """
        texts = self.texts(graph)
        starts = [texts.query(e, r) for e, r in queries.tolist()]
        lengths = np.array([length(s) for s in starts], dtype=np.int64)
        written: list[str] = [""] * len(starts)
        with track("writing", len(starts), "names") as advance:
            for group in chunks_by_length(lengths + max_new_tokens, EMBED_TOKENS):
                chosen = [starts[i] for i in group]
                new = continued(self.lm, self.reader, chosen, max_new_tokens, texts.end[0])
                names = self.tokenizer.batch_decode(new, skip_special_tokens=True)
                for i, name in zip(group.tolist(), names, strict=True):
                    written[i] = str(name).strip()
                advance(len(group))
        return written

    def generate(self, prompts: list[str], max_new_tokens: int = 32, stop: str = "\n") -> list[str]:
        """Continues prompts greedily.

        Args:
            prompts: N texts.
            max_new_tokens: Tokens to write at most.
            stop: Text at which an answer ends; it is not part of the answer.

        Returns:
            N continuations.
        """
        return Writer(self.lm, self.tokenizer, self.device).write(prompts, max_new_tokens, stop)

    @torch.no_grad()
    def token_logprobs(self, texts: list[str]) -> list[Float32]:
        """Log-probabilities of the tokens of texts, each given the ones before it.

        Args:
            texts: N texts; one longer than the model's context is read in windows of that.

        Returns:
            N arrays of natural logarithms for tokens 1, 2, ... of a text.
        """
        every = [token_windows(tokens(self.tokenizer, text), self.longest) for text in texts]
        return [np.concatenate([self._logprobs_of(ids) for ids in parts]) for parts in every]

    def _logprobs_of(self, ids: Segment) -> Float32:
        if len(ids) < 2:
            return np.zeros(0, dtype=np.float32)
        tensor = torch.tensor([ids], device=self.device)
        with knowing(self.lm, [ids]):
            hidden = load.run_all(self.lm, tensor, None)[0, :-1]
        return self.logprobs(hidden, tensor[0, 1:, None])[:, 0].cpu().numpy()

    def score_continuations(
        self, prompts: list[str], continuations: list[str]
    ) -> npt.NDArray[np.float64]:
        """Log-probabilities of continuations.

        Args:
            prompts: N texts, each at least one token; equal ones are read once.
            continuations: N texts that follow them, each at least one token.

        Returns:
            (N,) float64: sum over the continuation's tokens, nats.
        """
        writer = Writer(self.lm, self.tokenizer, self.device)
        return writer.score(prompts, continuations, self.logprobs)


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
