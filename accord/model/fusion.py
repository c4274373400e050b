"""Tokens attend to the memory rows of entities mentioned near them and of their neighbours.

After chosen layers a gated cross-attention adds to each token what the memory knows of the entities
that it sees (`accord.text.slots`). Gates start at zero, so the base model is unchanged; a text that
mentions nothing passes through bit for bit whatever was trained.

The attention itself is in `accord.model.gated`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.errors import ConfigError, GraphError, ModelError
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import FusionConfig
from accord.model.gated import GatedAttention, Reading, token_positions
from accord.model.memory import EntityMemory
from accord.progress import say
from accord.text.slots import SlotBatch, SlotFinder, SlotRules, Slots, shared_slots

Int64 = npt.NDArray[np.int64]


class Rows(Protocol):
    """A memory bound to a graph: a vector for each of its entities."""

    @property
    def width(self) -> int:
        """M: width of a vector."""
        ...

    def known(self, entities: Int64) -> npt.NDArray[np.bool_]:
        """(n,) which of (n,) entity idx have a vector."""
        ...

    def rows(self, entities: Int64) -> torch.Tensor:
        """(n, M) vectors of (n,) entity idx."""
        ...


class Attached(NamedTuple):
    """A graph's names and vectors. Not modules of the fusion: who trains vectors owns them."""

    finder: SlotFinder
    memory: Rows


class Fusion(nn.Module):
    """The gated attentions of a model, hooked behind its layers.

    Make it with `add_fusion`, then `attach` a graph with its memory. Texts are read with knowledge
    inside `reading`; outside of it, and without a graph, the model is its base.

    Args:
        lm: The model; it is not changed but for hooks.
        config: Where and how.
        memory_width: M, width of the memory's vectors.
        layers: Numbers of the layers, counted from the bottom.
        causal: Whether tokens see only what is before them.
    """

    def __init__(
        self,
        lm: nn.Module,
        config: FusionConfig,
        memory_width: int,
        layers: Sequence[int],
        causal: bool,
    ) -> None:
        super().__init__()
        self.config = config
        self.causal = causal
        self.memory_width = memory_width
        width = load.hidden_width(lm)
        self.blocks = nn.ModuleDict(
            {
                str(i): GatedAttention(width, memory_width, config.width, config.heads)
                for i in layers
            }
        )
        self.attached: Attached | None = None
        self._now: Reading | None = None
        self._hook(lm, layers)

    def _hook(self, lm: nn.Module, layers: Sequence[int]) -> None:
        load.base_model(lm).register_forward_pre_hook(self._count_tokens, with_kwargs=True)
        stack = load.layer_list(lm)
        for number in layers:
            stack[number].register_forward_hook(
                lambda _, __, output, number=number: self._after_layer(number, output)
            )

    def attach(self, graph: KnowledgeGraph, memory: Rows, tokenizer: Any) -> None:
        """Binds a graph and its memory; another graph may follow later.

        Args:
            graph: Whose entities are looked for.
            memory: Their vectors, by idx in this graph.
            tokenizer: The model's fast tokenizer.

        Raises:
            ModelError: The vectors have another width than those of training, or the tokenizer
                cannot say where its tokens stand in a text.
        """
        if memory.width != self.memory_width:
            raise ModelError(
                f"the memory's vectors have width {memory.width}, the fusion reads "
                f"{self.memory_width}",
                "give the memory that the model was trained with, or train anew",
            )
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                "fusion must know where tokens stand in a text; this tokenizer cannot say",
                "use a model with a fast tokenizer (tokenizer.json)",
            )
        rules = SlotRules(
            self.causal, self.config.reach, self.config.neighbours, self.config.candidates
        )
        self.attached = Attached(SlotFinder(graph, tokenizer, rules), memory)

    def detach(self) -> None:
        """Takes the graph away: the model reads as its base."""
        self.attached = None

    @property
    def graph_hash(self) -> str | None:
        """Hash of the graph that is attached; None without."""
        return None if self.attached is None else self.attached.finder.graph.hash

    def slots(self, texts: Sequence[tuple[int, ...]]) -> list[Slots]:
        """The slots of texts given as token ids; none without a graph."""
        attached = self.attached
        return [() if attached is None else attached.finder.of_ids(ids) for ids in texts]

    def same_start(self, texts: Sequence[tuple[int, ...]], count: int) -> bool:
        """Whether the first `count` tokens of all texts see the same."""
        return shared_slots(self.slots(texts), count)

    def prepare(self, batch: SlotBatch) -> Reading | None:
        """Fetches the vectors of a batch; None where no text has a slot.

        Args:
            batch: Slots of B texts; entities without a vector are seen as nothing.
        """
        real = batch.entities >= 0
        if self.attached is None or not real.any():
            return None
        distinct, places = np.unique(batch.entities[real], return_inverse=True)
        known = self.attached.memory.known(distinct)
        if not known.any():
            return None
        rows = self.attached.memory.rows(distinct)
        device = self._device()
        index = np.zeros((len(batch), batch.entities.shape[1] + 1), dtype=np.int64)
        index[:, 1:][real] = np.where(known[places], places + 1, 0)

        def put(values: npt.NDArray[Any]) -> torch.Tensor:
            padded = np.pad(values, ((0, 0), (1, 0)))
            return torch.from_numpy(padded).to(device)

        return Reading(
            rows=rows.to(device),
            index=torch.from_numpy(index).to(device),
            starts=put(batch.starts),
            stops=put(batch.stops),
            bias=put(np.log(batch.weights)),
            kinds=put(batch.kinds),
            open_from=torch.from_numpy(batch.open_from).to(device),
            active=torch.from_numpy(np.flatnonzero((index > 0).any(1))).to(device),
        )

    def over(
        self, texts: Sequence[tuple[int, ...]], open_from: Sequence[int] | None = None
    ) -> Reading | None:
        """`prepare` for texts given as token ids without padding."""
        return self.prepare(SlotBatch.of(self.slots(texts), open_from))

    @contextmanager
    def reading(self, reading: Reading | None) -> Iterator[None]:
        """Inside, forward passes read the texts that were prepared; None reads the base model.

        A batch that is a multiple of the texts, as in beam search, holds each text so many times
        in a row.
        """
        before, self._now = self._now, reading
        try:
            yield
        finally:
            self._now = before

    def _count_tokens(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Notes which tokens a forward pass reads."""
        if self._now is None:
            return
        found = kwargs.get("input_ids", args[0] if args else None)
        found = kwargs.get("inputs_embeds") if found is None else found
        assert found is not None
        if len(found) != len(self._now.index):
            self._now = self._repeated(self._now, len(found))
        self._now.positions = token_positions(found, kwargs)

    @staticmethod
    def _repeated(reading: Reading, count: int) -> Reading:
        times, rest = divmod(count, len(reading.index))
        if rest or not times:
            raise ModelError(
                f"a batch of {count} texts is read with the slots of {len(reading.index)}",
                "prepare the slots of the texts that are read",
            )
        every = torch.arange(len(reading.index), device=reading.index.device)
        return reading.select(every.repeat_interleave(times))

    def _after_layer(self, number: int, output: Any) -> Any:
        reading = self._now
        if reading is None or not len(reading.active):
            return output
        block = self.blocks[str(number)]
        assert isinstance(block, GatedAttention)
        if torch.is_grad_enabled():
            projected = block.project(reading.rows)
        else:
            if number not in reading.projected:
                reading.projected[number] = block.project(reading.rows)
            projected = reading.projected[number]
        if isinstance(output, tuple):
            return (block(output[0], reading, projected), *output[1:])
        return block(output, reading, projected)

    def _device(self) -> torch.device:
        return next(self.parameters()).device


def fused_layers(config: FusionConfig, count: int, freeze_layers: int) -> list[int]:
    """The numbers of the layers behind which tokens look up entities.

    Args:
        config: Which were asked for; negative numbers count from the top.
        count: How many layers the model has.
        freeze_layers: How many of the lowest never change.

    Returns:
        Ascending numbers from the bottom.

    Raises:
        ConfigError: No such layer, or one of the frozen ones, whose output is kept in a cache.
    """
    wrong = [n for n in config.layers if not -count <= n < count]
    if wrong:
        raise ConfigError(
            f"model.fusion.layers names layer {wrong[0]}, the model has {count}",
            f"use {-count} to {count - 1}",
        )
    found = sorted({n % count for n in config.layers})
    if found[0] < freeze_layers:
        raise ConfigError(
            f"model.fusion.layers names layer {found[0]}, which model.freeze_layers="
            f"{freeze_layers} keeps as it is",
            f"use {freeze_layers} to {count - 1}, or freeze fewer layers",
        )
    return found


def add_fusion(
    lm: nn.Module,
    config: FusionConfig,
    memory_width: int,
    freeze_layers: int = 0,
    causal: bool = True,
) -> Fusion:
    """Gives a model its fusion, as a part of it named `fusion`.

    Args:
        lm: A causal language model or an encoder, with its adapter if it is to have one.
        config: Where and how.
        memory_width: M, width of the memory's vectors.
        freeze_layers: Layers from the bottom that never change.
        causal: False for an encoder, whose tokens see mentions on either side.

    Returns:
        The fusion; its parameters are trained, float32.

    Raises:
        ConfigError: Layers that there are not, or that are frozen.
    """
    layers = fused_layers(config, len(load.layer_list(lm)), freeze_layers)
    fusion = Fusion(lm, config, memory_width, layers, causal)
    fusion.to(next(lm.parameters()).device)
    lm.add_module("fusion", fusion)
    return fusion


def open_memory(config: FusionConfig) -> EntityMemory:
    """The memory that the settings name.

    Raises:
        ConfigError: They name none.
        DataError: It is not there, or cut.
    """
    if not config.memory:
        raise ConfigError(
            "model.fusion needs an entity memory", "say which with model.fusion.memory=FOLDER"
        )
    return EntityMemory.load(config.memory)


def attach_memory(
    fusion: Fusion | None, memory: EntityMemory | None, graph: KnowledgeGraph, tokenizer: Any
) -> None:
    """Binds a graph and its memory, frozen; says which entities it knows little of.

    Args:
        fusion: The model's fusion; None is refused.
        memory: Vectors by entity id; None is refused.
        graph: The memory's graph or a descendant of it.
        tokenizer: The model's fast tokenizer.

    Raises:
        GraphError: An unrelated graph.
        ModelError: The model has no fusion, or as `Fusion.attach`.
    """
    if fusion is None or memory is None:
        raise ModelError("this model has no fusion", "make one with model.fusion.memory set")
    fusion.attach(graph, memory.bind(graph), tokenizer)
    missing, stale = memory.missing(graph), memory.stale(graph)
    for what, ids in (("no vector", missing), ("a vector older than the graph", stale)):
        if ids:
            say(f"memory: {len(ids)} entities have {what}, such as {', '.join(ids[:3])}")


def attach_related(
    fusion: Fusion, memory: EntityMemory, graph: KnowledgeGraph, tokenizer: Any
) -> None:
    """Binds the graph whose texts are read unless it is bound; an unrelated one is read without.

    Args:
        fusion: The fusion.
        memory: Vectors by entity id.
        graph: Any graph.
        tokenizer: The model's fast tokenizer.
    """
    if fusion.graph_hash == graph.hash:
        return
    try:
        attach_memory(fusion, memory, graph, tokenizer)
    except GraphError as error:
        say(f"reading without fusion: {error.message}")
        fusion.detach()


def fusion_of(lm: nn.Module) -> Fusion | None:
    """A model's fusion, if it has one."""
    found = lm._modules.get("fusion")
    return found if isinstance(found, Fusion) else None


@contextmanager
def knowing(
    lm: nn.Module, texts: Sequence[tuple[int, ...]], open_from: Sequence[int] | None = None
) -> Iterator[None]:
    """Inside, texts are read with what the model's memory knows of their entities.

    Args:
        lm: A model; one without fusion reads as it is.
        texts: B texts as token ids, in the order of the batch, without padding.
        open_from: Where writing begins in each: from there on, all that the text mentions stays
            in view. None for texts that are only read.
    """
    fusion = fusion_of(lm)
    if fusion is None:
        yield
    else:
        with fusion.reading(fusion.over(texts, open_from)):
            yield
