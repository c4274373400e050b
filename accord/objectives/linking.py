"""Entity linking: each mention against its candidates in the graph, none of them among these."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Seq
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from accord.errors import ConfigError
from accord.model.fusion import Rows
from accord.model.span_heads import link_logits, link_parameters, span_features
from accord.objectives.base import Encode, Loss, Outputs, Points, Requests, Stateless, States
from accord.objectives.triples import epoch_rows
from accord.text.candidates import PARTIAL
from accord.text.collate import GraphTexts
from accord.text.examples import Sequence

Int64 = npt.NDArray[np.int64]
FLOOR = 1e-4
"""Name prior of a candidate that the name does not suggest."""
NIL = -1


@dataclass(frozen=True)
class LinkingConfig:
    """Settings of the linking objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 16
    """Mentions a step."""
    candidates: int = 8
    """Candidates of a mention in training: its own, filled up with other mentions'."""
    nil: float = 0.15
    """Share of mentions whose entity is taken from their candidates: none of them is right."""
    texts: int = 8000
    """Texts that are learnt from at most, drawn once, seeded."""
    twice: bool = True
    """Read each text twice, so that a causal model knows what follows a mention."""

    def __post_init__(self) -> None:
        counts = (self.rows, self.candidates, self.texts)
        if min(counts) < 1 or self.weight < 0 or not 0 <= self.nil < 1:
            raise ConfigError(
                f"linking: rows={self.rows}, candidates={self.candidates}, texts={self.texts}, "
                f"nil={self.nil}, weight={self.weight}",
                "use rows, candidates, texts >= 1, weight >= 0 and nil from 0 to below 1",
            )


@dataclass(frozen=True)
class LinkItem:
    """One mention."""

    sequence: Sequence
    place: tuple[int, int]
    """Its first and last token."""
    candidates: tuple[int, ...]
    """Entity idx, best name prior first."""
    prior: tuple[float, ...]
    """Share of the name of each candidate."""
    entity: int
    """Entity idx, or NIL."""


@dataclass(frozen=True)
class LinkingBatch:
    """Mentions with candidates as rows of the entities that are read."""

    sequences: list[Sequence]
    points: Points
    entities: list[Sequence]
    candidates: torch.Tensor
    """(M, C) int64; -1 for none."""
    log_prior: torch.Tensor
    """(M, C)."""
    targets: torch.Tensor
    """(M,) int64: 0 for NIL, else 1 + the right candidate's column."""
    memory: torch.Tensor | None = None
    """(E', W) what the entity memory has of the entities that are read; zeros where nothing."""


class Linking(Stateless):
    """Cross-entropy of each mention over its candidates and NIL.

    Args:
        items: Train mentions.
        texts: Entities' token sequences; their embeddings are view 2, as for ranking.
        hidden: Width of the model's states.
        width: Width of embeddings.
        config: Settings.
        seed: Of weights, order, negatives and NIL.
        memory: Vectors of entities, told apart by them too; None for text alone.

    Raises:
        ConfigError: No mention has a known entity of the graph.
    """

    name = "linking"

    def __init__(
        self,
        items: Seq[LinkItem],
        texts: GraphTexts,
        hidden: int,
        width: int,
        config: LinkingConfig,
        seed: int,
        memory: Rows | None = None,
    ) -> None:
        super().__init__()
        self.items = list(items)
        if not any(item.entity != NIL for item in self.items):
            raise ConfigError(
                "the linking objective has no mention of an entity of the graph",
                "give text with --text, or annotated text whose entities are the graph's",
            )
        self.texts = texts
        self.config = config
        self.seed = seed
        self.pool = _pool(self.items)
        self.memory = memory
        wide = 0 if memory is None else memory.width
        self.parameters: nn.ParameterDict = link_parameters(2 * hidden, width, seed, wide)

    def over(self, items: Seq[LinkItem]) -> Linking:
        """The same head over other mentions, all in each step; at least one."""
        found = copy(self)
        found.items, found.pool = list(items), _pool(items)
        found.config = replace(self.config, rows=len(found.items))
        return found

    def batch(self, step: int) -> LinkingBatch:
        """The step's mentions; some lose their entity, so that NIL is right."""
        rows = epoch_rows(len(self.items), self.config.rows, step, self.seed)
        rng = np.random.default_rng([self.seed, 6, step])
        items = [self._drawn(self.items[i], rng) for i in dict.fromkeys(rows.tolist())]
        return join_items(items, self.texts, self.memory)

    def _drawn(self, item: LinkItem, rng: np.random.Generator) -> LinkItem:
        prior = dict(zip(item.candidates, item.prior, strict=True))
        entity = NIL if rng.random() < self.config.nil else item.entity
        if item.entity != NIL:
            prior.setdefault(item.entity, FLOOR)
            if entity == NIL:
                prior = lacking(prior, item.entity)
        kept = sorted(prior, key=lambda e: (e != entity, -prior[e]))[: self.config.candidates]
        missing = self.config.candidates - len(kept)
        drawn = self.pool[rng.integers(len(self.pool), size=missing)].tolist()
        others = [e for e in dict.fromkeys(drawn) if e not in prior and e != item.entity]
        chosen = (*kept, *others)
        shares = tuple(prior.get(e, FLOOR) for e in chosen)
        return LinkItem(item.sequence, item.place, chosen, shares, entity)

    def requests(self, batch: LinkingBatch) -> Requests:
        """States at the mentions, embeddings of the candidates."""
        found: dict[str, States | Encode] = {"mentions": States(batch.sequences, batch.points)}
        if batch.entities:
            found["entities"] = Encode(batch.entities, "tail")
        return found

    def loss(self, outputs: Outputs, batch: LinkingBatch) -> Loss:
        """Mean cross-entropy a mention, nats."""
        logits = score_links(self.parameters, outputs, batch)
        targets = batch.targets.to(logits.device)
        value = functional.cross_entropy(logits, targets)
        right = (logits.argmax(-1) == targets).float().mean()
        prior = float(self.parameters["prior"].detach())
        return Loss(value, {"right": float(right), "prior": prior})

    def size(self, batch: LinkingBatch) -> int:
        """Mentions."""
        return len(batch.targets)

    def sequences(self) -> Iterable[Sequence]:
        """All texts and all candidates."""
        yield from (item.sequence for item in self.items)
        yield from (self.texts.tail(entity) for entity in self.pool.tolist())


def lacking(prior: dict[int, float], entity: int) -> dict[int, float]:
    """The name prior of a mention as it is in a graph that lacks one of its candidates.

    Args:
        prior: Share of the name of each candidate.
        entity: The one that is lacking.

    Returns:
        The others; those that are called so have its share among them too.
    """
    rest = {other: share for other, share in prior.items() if other != entity}
    called = sum(share for share in rest.values() if share > PARTIAL)
    if not called or prior[entity] <= PARTIAL:
        return rest
    grown = 1 + prior[entity] / called
    return {other: share * grown if share > PARTIAL else share for other, share in rest.items()}


def _pool(items: Iterable[LinkItem]) -> Int64:
    """All entities that some mentions may stand for."""
    asked = {e for item in items for e in (*item.candidates, item.entity)} - {NIL}
    return np.array(sorted(asked), dtype=np.int64)


def join_items(items: Seq[LinkItem], texts: GraphTexts, memory: Rows | None = None) -> LinkingBatch:
    """One batch of several mentions; each text and each entity is read once.

    Args:
        items: The mentions with the candidates to compare.
        texts: Entities' token sequences.
        memory: Vectors of entities; None for none.
    """
    entities = list(dict.fromkeys(e for item in items for e in item.candidates))
    row = {entity: i for i, entity in enumerate(entities)}
    widest = max([len(item.candidates) for item in items], default=0)
    candidates = np.full((len(items), widest), -1, dtype=np.int64)
    prior = np.full((len(items), widest), FLOOR, dtype=np.float32)
    targets = np.zeros(len(items), dtype=np.int64)
    for i, item in enumerate(items):
        candidates[i, : len(item.candidates)] = [row[e] for e in item.candidates]
        prior[i, : len(item.prior)] = np.maximum(item.prior, FLOOR)
        if item.entity in item.candidates:
            targets[i] = 1 + item.candidates.index(item.entity)
    sequences = [item.sequence for item in items]
    places = np.array([item.place for item in items], dtype=np.int64).reshape(-1)
    points = Points(np.repeat(np.arange(len(items), dtype=np.int64), 2), places)
    return LinkingBatch(
        sequences,
        points,
        [texts.tail(entity) for entity in entities],
        torch.from_numpy(candidates),
        torch.from_numpy(np.log(prior)),
        torch.from_numpy(targets),
        None if memory is None else memory.rows(np.array(entities, dtype=np.int64)),
    )


def score_links(
    parameters: nn.ParameterDict, outputs: Outputs, batch: LinkingBatch
) -> torch.Tensor:
    """(M, C + 1) logits of NIL and of each mention's candidates; see `link_logits`.

    Args:
        parameters: Of `link_parameters`.
        outputs: "mentions" (2 M, D) states, "entities" (E', P) where there is a candidate.
        batch: What was read.
    """
    states = outputs["mentions"]
    where, count = states.device, len(batch.targets)
    features = span_features(states, torch.arange(count, device=where), count)
    vectors, memory = outputs.get("entities"), batch.memory
    if vectors is None:
        vectors, memory = features.new_zeros(1, len(parameters["map"])), None
    candidates, log_prior = batch.candidates.to(where), batch.log_prior.to(where)
    rows = None if memory is None else memory.to(where)
    return link_logits(parameters, features, vectors, candidates, log_prior, rows)
