"""Structure embeddings: vectors of entities and relations learnt from triples alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from accord.errors import ConfigError
from accord.model.memory import EntityMemory
from accord.model.structure import (
    Interaction,
    StructureVectors,
    all_scores,
    compose,
    first_vectors,
    moduli,
    pair_scores,
)
from accord.objectives.base import Loss, Objective, Outputs, Requests, Stateless
from accord.objectives.triples import TripleSource
from accord.text.examples import Sequence, TripleExample

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StructureConfig:
    """Settings of the structure objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    model: Interaction = "complex"
    """How a triple is scored from its vectors."""
    dimension: int = 256
    """Numbers of an entity's vector: complex ones for complex and rotate, real ones else."""
    batch_size: int = 512
    """Triples a step, both directions counted."""
    negatives: int = 0
    """Entities drawn a step that every triple is told from; 0 takes all entities."""
    margin: float = 9.0
    """With drawn negatives: added to scores before they are judged; distances need it."""
    adversarial: float = 1.0
    """With drawn negatives: how much the hardest ones count; 0 weighs all alike."""
    norm: Literal[1, 2] = 2
    """Of distances (transe, rotate): sum of sizes, or Euclidean."""
    regularization: float = 0.0
    """Weight of the third powers of the sizes of a triple's numbers (N3; L3 for real numbers)."""
    dropout: float = 0.0
    """Dropout on the vectors of queries."""
    learning_rate: float | None = None
    """Highest learning rate of the vectors, which are then not decayed; none: the loop's."""

    def __post_init__(self) -> None:
        if min(self.dimension, self.batch_size) < 1 or self.negatives < 0:
            raise ConfigError(
                f"structure: dimension={self.dimension}, batch_size={self.batch_size}, "
                f"negatives={self.negatives}",
                "use at least 1 dimension and triple, and 0 or more negatives",
            )
        amounts = (self.weight, self.adversarial, self.regularization)
        if min(amounts) < 0 or not 0 <= self.dropout < 1:
            raise ConfigError(
                f"structure: weight={self.weight}, adversarial={self.adversarial}, "
                f"regularization={self.regularization}, dropout={self.dropout}",
                "use 0 or more, and a dropout from 0 to below 1",
            )
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise ConfigError(f"structure.learning_rate={self.learning_rate} must be positive")


@dataclass(frozen=True)
class StructureBatch:
    """Triples and what they are told from."""

    triples: TripleExample
    candidates: Int64
    """(C,) distinct entity idx."""
    masked: npt.NDArray[np.bool_] | None
    """(B, C) drawn candidates that are no negatives: known answers, the triple's own tail among
    them. None where all entities are candidates: there the known answers compete."""
    seed: int
    """Of dropout."""


class Structure(Stateless):
    """Scores of triples from vectors of their own; nothing is read by the language model.

    Source: RotatE (arXiv 1902.10197), equation 5, for self-adversarial negatives; Lacroix et al.
    2018 (arXiv 1806.07297) for all entities as candidates, inverse relations and N3. Differs from
    them: known answers in train are never drawn as negatives; drawn negatives are shared by the
    triples of a step, so that scores are one matrix product; TransE's vectors are not held at unit
    length.

    Args:
        source: Where triples come from, in both directions.
        config: Settings.
    """

    name = "structure"

    def __init__(self, source: TripleSource, config: StructureConfig) -> None:
        super().__init__()
        self.source = source
        self.config = config
        self.learning_rate = config.learning_rate
        graph = source.graph
        entities, relations = first_vectors(
            config.model, graph.num_entities, source.width, config.dimension, source.seed
        )
        self.parameters["entities"] = nn.Parameter(entities)
        self.parameters["relations"] = nn.Parameter(relations)

    def batch(self, step: int) -> StructureBatch:
        """The step's triples, and all entities or some drawn for this step."""
        config, count = self.config, self.source.graph.num_entities
        drawn = self.source.draw(step, config.batch_size)
        rng = np.random.default_rng([self.source.seed, step, 11])
        candidates, masked = np.arange(count), None
        if config.negatives:
            if config.negatives < count:
                candidates = np.sort(rng.choice(count, size=config.negatives, replace=False))
            masked = self.source.known(drawn.heads, drawn.relations, candidates)
        return StructureBatch(drawn, candidates, masked, int(rng.integers(2**31)))

    def requests(self, batch: StructureBatch) -> Requests:
        """Nothing is read."""
        return {}

    def loss(self, outputs: Outputs, batch: StructureBatch) -> Loss:
        """Cross-entropy over all entities, or the self-adversarial loss over drawn ones."""
        config, entities = self.config, self.parameters["entities"]
        heads, relations, tails = self._vectors(batch.triples)
        queries = self._dropped(compose(config.model, heads, relations), batch.seed)
        every = len(batch.candidates) == len(entities)
        others = entities if every else entities[self._index(batch.candidates)]
        scores = all_scores(config.model, queries, others, config.norm)  # (B, C)
        if batch.masked is None:
            # Other known answers compete: where they did not, each score could grow without end,
            # and the vectors learnt train by heart (dev/LOG.md, 2026-11-22).
            value = functional.cross_entropy(scores, self._index(batch.triples.tails))
        else:
            masked = torch.from_numpy(batch.masked).to(entities.device)
            right = pair_scores(config.model, queries, tails, config.norm)  # (B,)
            value = self_adversarial(right, scores, masked, config.margin, config.adversarial)
        parts = {"fit": float(value.detach())}
        if config.regularization:
            size = self._cubes(heads, relations, tails)
            value = value + config.regularization * size
            parts["cubes"] = float(size.detach())
        return Loss(value, parts)

    def _vectors(self, triples: TripleExample) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        entities, relations = self.parameters["entities"], self.parameters["relations"]
        heads, tails = self._index(triples.heads), self._index(triples.tails)
        return entities[heads], relations[self._index(triples.relations)], entities[tails]

    def _index(self, idx: Int64) -> torch.Tensor:
        return torch.from_numpy(idx).to(self.parameters["entities"].device)

    def _dropped(self, queries: torch.Tensor, seed: int) -> torch.Tensor:
        if not self.config.dropout:
            return queries
        draw = torch.Generator().manual_seed(seed)
        keep = torch.rand(queries.shape, generator=draw) >= self.config.dropout
        return queries * keep.to(queries.device) / (1 - self.config.dropout)

    def _cubes(
        self, heads: torch.Tensor, relations: torch.Tensor, tails: torch.Tensor
    ) -> torch.Tensor:
        """Mean over triples of the third powers of their numbers' sizes; angles have none."""
        parts = [heads, tails] if self.config.model == "rotate" else [heads, relations, tails]
        cubes = [(moduli(self.config.model, part) ** 3).sum(-1) for part in parts]
        return torch.stack(cubes).sum(0).mean()

    def size(self, batch: StructureBatch) -> int:
        """Triples."""
        return len(batch.triples)

    def sequences(self) -> Iterable[Sequence]:
        """None."""
        return ()

    def vectors(self) -> StructureVectors:
        """What has been learnt so far, as it is saved."""
        graph, config = self.source.graph, self.config
        entities, relations = (
            self.parameters[name].detach().cpu().numpy().copy()
            for name in ("entities", "relations")
        )
        return StructureVectors(
            config.model,
            config.norm,
            EntityMemory.of(graph, entities, "structure", config.model),
            list(graph.relation_ids),
            relations[: graph.num_relations],
            relations[graph.num_relations :],
        )


def structure_of(objectives: Iterable[Objective]) -> Structure | None:
    """The structure objective among some, if there is one."""
    return next((o for o in objectives if isinstance(o, Structure)), None)


def self_adversarial(
    right: torch.Tensor,
    wrong: torch.Tensor,
    masked: torch.Tensor,
    margin: float,
    temperature: float,
) -> torch.Tensor:
    """Negative sampling in which hard negatives count more.

    Args:
        right: (B,) scores of true triples.
        wrong: (B, C) scores of candidates.
        masked: (B, C) bool: candidates that are no negatives.
        margin: Added to all scores.
        temperature: Negatives weigh softmax(temperature * score); the weights get no gradient.

    Returns:
        Scalar: mean over B of half the sum of both sides; a row without negatives has one side.
    """
    logits = (temperature * wrong.detach()).masked_fill(masked, -torch.inf)
    weights = torch.softmax(logits, dim=1).nan_to_num(0.0)  # all masked: no weight at all
    negative = -(weights * functional.logsigmoid(-wrong - margin)).sum(1)
    return ((negative - functional.logsigmoid(right + margin)) / 2).mean()
