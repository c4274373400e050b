"""Explicit alignment: contrastive learning over the two text views of a triple."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.errors import ConfigError
from accord.model.heads import compose
from accord.objectives.base import Encode, Loss, Outputs, Requests
from accord.objectives.triples import TripleSource
from accord.text.collate import GraphTexts
from accord.text.examples import QueryForm, Sequence, View

MASKED = -1e9
TAIL: View = "tail"
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ContrastiveConfig:
    """Settings of the contrastive objective."""

    weight: float = 1.0
    """Weight in the joint loss; 0 is off."""
    batch_size: int = 128
    """Triples a step, both directions counted."""
    margin: float = 0.02
    """Subtracted from the cosine of the right pair."""
    temperature: float = 0.05
    """First value of the temperature, which is trained."""
    positives: Literal["drawn", "known"] = "drawn"
    """known: every known answer among the candidates is learnt, not only the drawn triples."""
    extra_negatives: int = 0
    """Entities drawn at random and added to the candidates of a step; -1 adds all entities."""
    self_negatives: bool = False
    """The query's own head is a candidate too."""
    queue: int = 0
    """Candidates of earlier steps that stay as negatives."""

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.temperature <= 0 or self.queue < 0 or self.weight < 0:
            raise ConfigError(
                f"contrastive: batch_size={self.batch_size}, temperature={self.temperature}, "
                f"queue={self.queue}, weight={self.weight}",
                "use batch_size >= 2, temperature > 0, queue >= 0, weight >= 0",
            )


@dataclass(frozen=True)
class ContrastiveBatch:
    """One step's queries and candidates, each distinct one once."""

    readings: dict[View, list[Sequence]]
    """What is read for the queries: for each view Q texts."""
    tails: list[Sequence]
    """C view-2 texts."""
    row: Int64
    """(B,) the query of each triple to learn."""
    column: Int64
    """(B,) the candidate that answers it."""
    known: npt.NDArray[np.bool_]
    """(Q, C) True where the candidate is a known answer of the query in train."""
    entities: Int64
    """(C,) entity idx of the candidates."""
    pairs: Int64
    """(Q, 2) head idx and relation number of the queries."""


class Contrastive:
    """Symmetric InfoNCE between queries and tails.

    Source: KaLM (arXiv 2412.04948), explicit alignment. Differs from its code: known tails are
    really masked, the temperature is really trained, equal texts are read once, negatives may
    come from a queue, from heads and from the whole graph.

    Args:
        source: Where triples come from.
        texts: Their token sequences.
        config: Settings.
        form: How queries are embedded.
    """

    name = "contrastive"
    learning_rate: float | None = None

    def __init__(
        self,
        source: TripleSource,
        texts: GraphTexts,
        config: ContrastiveConfig,
        form: QueryForm = "text",
    ) -> None:
        self.form = form
        self.source = source
        self.texts = texts
        self.config = config
        start = torch.tensor(math.log(config.temperature))
        self.parameters = nn.ParameterDict({"log_temperature": nn.Parameter(start)})
        self.queue_entities = torch.zeros(0, dtype=torch.int64)
        self.queue_vectors = torch.zeros(0, 0)

    def batch(self, step: int) -> ContrastiveBatch:
        """The step's triples with their candidates."""
        drawn = self.source.draw(step, self.config.batch_size)
        width = self.source.width
        keys, row = np.unique(drawn.heads * width + drawn.relations, return_inverse=True)
        pairs = np.stack([keys // width, keys % width], axis=1)
        entities = self._candidates(drawn.tails, pairs[:, 0], step)
        column = np.searchsorted(entities, drawn.tails)
        known = self.source.known(pairs[:, 0], pairs[:, 1], entities)
        if self.config.positives == "known":
            row, column = np.nonzero(known)
        return ContrastiveBatch(
            readings=self.texts.query_readings(pairs, self.form),
            tails=[self.texts.tail(e) for e in entities.tolist()],
            row=row,
            column=column,
            known=known,
            entities=entities,
            pairs=pairs,
        )

    def _candidates(self, tails: Int64, heads: Int64, step: int) -> Int64:
        count, extra = self.source.graph.num_entities, self.config.extra_negatives
        if extra < 0 or extra >= count:
            return np.arange(count, dtype=np.int64)
        parts = [tails, heads] if self.config.self_negatives else [tails]
        if extra:
            rng = np.random.default_rng([self.source.seed, 1, step])
            parts.append(rng.choice(count, size=extra, replace=False))
        return np.unique(np.concatenate(parts))

    def requests(self, batch: ContrastiveBatch) -> Requests:
        """Both views."""
        asked = {**batch.readings, TAIL: batch.tails}
        return {view: Encode(texts, view) for view, texts in asked.items()}

    def loss(self, outputs: Outputs, batch: ContrastiveBatch) -> Loss:
        """Mean of the row loss (query -> tail) and the column loss (tail -> query)."""
        queries = compose({view: outputs[view] for view in batch.readings})
        tails = outputs["tail"]
        temperature = self.parameters["log_temperature"].exp().to(queries.device)
        scores = queries @ tails.T  # (Q, C)
        known = torch.from_numpy(batch.known).to(scores.device)
        extra = self._queue_scores(queries, batch)
        value = info_nce(
            scores, known, batch.row, batch.column, temperature, self.config.margin, extra
        )
        right = scores.detach()[batch.row, batch.column]
        wrong = scores.detach().masked_fill(known, -2.0)[batch.row].amax(1)
        parts = {
            "temperature": float(temperature.detach()),
            "accuracy": float((right > wrong).float().mean()),
        }
        return Loss(value, parts)

    def size(self, batch: ContrastiveBatch) -> int:
        """Triples."""
        return len(batch.row)

    def _queue_scores(self, queries: torch.Tensor, batch: ContrastiveBatch) -> torch.Tensor | None:
        """(Q, K) cosines with the queue, known answers masked; None while it is empty."""
        if not len(self.queue_entities):
            return None
        kept, index = np.unique(self.queue_entities.numpy(), return_inverse=True)
        known = self.source.known(batch.pairs[:, 0], batch.pairs[:, 1], kept)[:, index]
        scores = queries @ self.queue_vectors.to(queries.device).T
        return scores.masked_fill(torch.from_numpy(known).to(scores.device), MASKED)

    def observe(self, outputs: Outputs, batch: ContrastiveBatch) -> None:
        """Puts the step's candidates into the queue."""
        if not self.config.queue:
            return
        vectors = outputs["tail"].detach().cpu()
        entities = torch.from_numpy(batch.entities)
        if len(self.queue_entities):
            vectors = torch.cat([vectors, self.queue_vectors])
            entities = torch.cat([entities, self.queue_entities])
        self.queue_vectors = vectors[: self.config.queue]
        self.queue_entities = entities[: self.config.queue]

    def sequences(self) -> Iterable[Sequence]:
        """All queries and tails that train can ask for."""
        keys, width = self.source.queries, self.source.width
        pairs = np.stack([keys // width, keys % width], axis=1)
        yield from self.texts.readings_once(pairs, self.form)
        for entity in range(self.source.graph.num_entities):
            yield self.texts.tail(entity)

    def state(self) -> dict[str, torch.Tensor]:
        """The queue."""
        return {"queue_entities": self.queue_entities, "queue_vectors": self.queue_vectors}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes the queue back."""
        self.queue_entities = state["queue_entities"]
        self.queue_vectors = state["queue_vectors"]


def info_nce(
    scores: torch.Tensor,
    known: torch.Tensor,
    row: Int64,
    column: Int64,
    temperature: torch.Tensor,
    margin: float,
    extra: torch.Tensor | None = None,
) -> torch.Tensor:
    """Symmetric InfoNCE with an additive margin and masked known answers.

    Source: KaLM (arXiv 2412.04948); logits = (cosine - margin on the right pair) / temperature.
    Differs from it: a query (or tail) with several right answers in the batch counts once, by the
    mean over them; where each has one answer, this is the plain mean.

    Args:
        scores: (Q, C) cosines.
        known: (Q, C) bool, True where the candidate answers the query.
        row: (B,) query of each triple.
        column: (B,) candidate of each triple.
        temperature: Scalar.
        margin: In cosine.
        extra: (Q, K) further negatives of the row loss, known answers set far below -1.

    Returns:
        Scalar: half the row loss plus half the column loss, nats.
    """
    right = (scores[row, column] - margin) / temperature  # (B,)
    negatives = (scores / temperature).masked_fill(known, MASKED)  # (Q, C)
    rows = negatives if extra is None else torch.cat([negatives, extra / temperature], dim=1)
    row_loss = torch.logaddexp(right, torch.logsumexp(rows, dim=1)[row]) - right
    column_loss = torch.logaddexp(right, torch.logsumexp(negatives, dim=0)[column]) - right
    return (_mean_of_groups(row_loss, row) + _mean_of_groups(column_loss, column)) / 2


def _mean_of_groups(values: torch.Tensor, group: Int64) -> torch.Tensor:
    """Mean over groups of the mean within each."""
    counts = np.bincount(group)
    weight = 1.0 / (counts[group] * np.count_nonzero(counts))
    return (values * torch.from_numpy(weight).to(values)).sum()
