"""Relations that a text states between the things it mentions, several or none a pair."""

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
from accord.model.span_heads import relation_logits, relation_parameters, span_features
from accord.objectives.base import Loss, Outputs, Points, Requests, Stateless, States
from accord.objectives.triples import epoch_rows
from accord.text.examples import RelationExample, Sequence
from accord.text.span_tokens import SpanTokens

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RelationsConfig:
    """Settings of the relations objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 8
    """Texts a step."""
    negatives: int = 16
    """Pairs of a text without a relation that are read a step, at most."""
    width: int = 256
    """Width of the layer between mentions and relations."""
    texts: int = 8000
    """Texts that are learnt from at most, drawn once, seeded."""
    twice: bool = True
    """Read each text twice, so that a causal model knows what follows a mention."""

    def __post_init__(self) -> None:
        if min(self.rows, self.width, self.texts) < 1 or min(self.negatives, self.weight) < 0:
            raise ConfigError(
                f"relations: rows={self.rows}, width={self.width}, texts={self.texts}, "
                f"negatives={self.negatives}, weight={self.weight}",
                "use rows, width and texts of 1 or more, negatives and weight of 0 or more",
            )


@dataclass(frozen=True)
class Vocabulary:
    """Relations and types by number."""

    relations: tuple[str, ...]
    kinds: tuple[str, ...]
    """The first one is the unknown type."""

    @classmethod
    def of(cls, examples: Iterable[RelationExample]) -> Vocabulary:
        """All relations and types of some examples, sorted."""
        relations: set[str] = set()
        kinds: set[str] = set()
        for example in examples:
            relations.update(relation for _, relation, _ in example.facts)
            kinds.update(span.kind for span in example.mentions.spans)
        return cls(tuple(sorted(relations)), ("", *sorted(kinds - {""})))


@dataclass(frozen=True)
class ReadExample:
    """An example as it is read: its tokens, and its labels as numbers."""

    text: SpanTokens
    groups: Int64
    """(S,) thing of each span that is read."""
    kinds: Int64
    """(T,)."""
    pairs: Int64
    """(P, 2) pairs that were judged."""
    labels: npt.NDArray[np.bool_]
    """(P, R)."""
    single: bool = False
    """At most one fact holds in the text."""

    @classmethod
    def of(cls, example: RelationExample, text: SpanTokens, vocabulary: Vocabulary) -> ReadExample:
        """Numbers for an example; relations and types that the vocabulary lacks are left out.

        Args:
            example: The example.
            text: Tokens of its text, with the places of all its spans in their order.
            vocabulary: Its relations and types.
        """
        flat = [number for thing in example.things for number in thing]
        groups = np.repeat(np.arange(len(example.things)), [len(t) for t in example.things])
        kind = {name: i for i, name in enumerate(vocabulary.kinds)}
        spans = example.mentions.spans
        kinds = [kind.get(spans[thing[0]].kind, 0) for thing in example.things]
        relation = {name: i for i, name in enumerate(vocabulary.relations)}
        row = {pair: i for i, pair in enumerate(example.asked)}
        labels = np.zeros((len(row), len(relation)), dtype=np.bool_)
        for head, name, tail in example.facts:
            if name in relation:
                labels[row[head, tail], relation[name]] = True
        return cls(
            SpanTokens(text.sequence, text.places[flat]),
            groups.astype(np.int64),
            np.array(kinds, dtype=np.int64),
            np.array(example.asked, dtype=np.int64).reshape(-1, 2),
            labels,
            example.single,
        )


@dataclass(frozen=True)
class RelationsBatch:
    """Texts, their things one after the other, and the pairs to judge."""

    sequences: list[Sequence]
    points: Points
    groups: torch.Tensor
    """(S,) thing of each mention."""
    kinds: torch.Tensor
    """(T,)."""
    pairs: torch.Tensor
    """(P, 2)."""
    labels: torch.Tensor
    """(P, R) bool."""


class Relations(Stateless):
    """Multi-label relations of ordered pairs with a learnt threshold.

    Args:
        examples: Train examples with at least one pair.
        vocabulary: Their relations and types.
        hidden: Width of the model's states.
        config: Settings.
        seed: Of weights, order and negatives.

    Raises:
        ConfigError: No pair, or no relation.
    """

    name = "relations"

    def __init__(
        self,
        examples: Seq[ReadExample],
        vocabulary: Vocabulary,
        hidden: int,
        config: RelationsConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self.examples = [example for example in examples if len(example.pairs)]
        if not self.examples or not vocabulary.relations:
            raise ConfigError(
                "the relations objective has no labelled pair to learn from",
                "give annotated text with --data, or texts that name entities of the graph's "
                "triples with --text",
            )
        self.vocabulary = vocabulary
        self.config = config
        self.seed = seed
        self.parameters: nn.ParameterDict = relation_parameters(
            2 * hidden, config.width, len(vocabulary.relations), len(vocabulary.kinds), seed
        )

    def over(self, examples: Seq[ReadExample]) -> Relations:
        """The same head over other examples, all in each step; at least one has a pair."""
        found = copy(self)
        found.examples = [example for example in examples if len(example.pairs)]
        found.config = replace(self.config, rows=len(found.examples))
        return found

    def batch(self, step: int) -> RelationsBatch:
        """The step's texts, with all their facts and some of their other pairs."""
        rows = epoch_rows(len(self.examples), self.config.rows, step, self.seed)
        rng = np.random.default_rng([self.seed, 5, step])
        chosen = [self.examples[i] for i in dict.fromkeys(rows.tolist())]
        return join_examples(chosen, [self._pairs(example, rng) for example in chosen])

    def _pairs(self, example: ReadExample, rng: np.random.Generator) -> Int64:
        stated = example.labels.any(1)
        empty = np.flatnonzero(~stated)
        if len(empty) > self.config.negatives:
            empty = rng.choice(empty, size=self.config.negatives, replace=False)
        found = np.sort(np.concatenate([np.flatnonzero(stated), empty]))
        return found if len(found) else np.zeros(1, dtype=np.int64)

    def requests(self, batch: RelationsBatch) -> Requests:
        """States at the mentions."""
        return {"mentions": States(batch.sequences, batch.points)}

    def loss(self, outputs: Outputs, batch: RelationsBatch) -> Loss:
        """Mean adaptive-threshold loss a pair, nats."""
        states = outputs["mentions"]
        logits = self.logits(states, batch)
        labels = batch.labels.to(logits.device)
        value = threshold_loss(logits, labels).mean()
        right = ((logits[:, 1:] > logits[:, :1]) == labels).all(1).float().mean()
        return Loss(value, {"right": float(right)})

    def logits(self, states: torch.Tensor, batch: RelationsBatch) -> torch.Tensor:
        """(P, R + 1) what the head says of a batch's pairs; see `relation_logits`."""
        where = states.device
        things = span_features(states, batch.groups.to(where), len(batch.kinds))
        return relation_logits(
            self.parameters, things, batch.kinds.to(where), batch.pairs.to(where)
        )

    def size(self, batch: RelationsBatch) -> int:
        """Pairs judged."""
        return len(batch.pairs)

    def sequences(self) -> Iterable[Sequence]:
        """All texts."""
        return (example.text.sequence for example in self.examples)


def join_examples(examples: Seq[ReadExample], chosen: Seq[Int64]) -> RelationsBatch:
    """One batch of several examples; things are numbered through.

    Args:
        examples: The examples.
        chosen: For each the rows of its pairs to judge.
    """
    counts = np.array([len(example.kinds) for example in examples])
    bases = np.cumsum(counts) - counts
    places = [example.text.places for example in examples]
    rows = np.repeat(np.arange(len(examples)), [2 * len(place) for place in places])
    pairs = [e.pairs[c] + base for e, c, base in zip(examples, chosen, bases, strict=True)]
    groups = [e.groups + base for e, base in zip(examples, bases, strict=True)]
    labels = [example.labels[c] for example, c in zip(examples, chosen, strict=True)]
    return RelationsBatch(
        [example.text.sequence for example in examples],
        Points(rows.astype(np.int64), np.concatenate(places).reshape(-1)),
        torch.from_numpy(np.concatenate(groups)),
        torch.from_numpy(np.concatenate([example.kinds for example in examples])),
        torch.from_numpy(np.concatenate(pairs)),
        torch.from_numpy(np.concatenate(labels)),
    )


def threshold_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Relations that hold above the threshold, the others below it.

    Source: Zhou et al. 2021 (arXiv 2010.11304), equations 5 to 7: adaptive thresholding.

    Args:
        logits: (P, R + 1); column 0 is the threshold.
        labels: (P, R) bool.

    Returns:
        (P,) nats.
    """
    holds = functional.pad(labels, (1, 0), value=False)
    off = torch.finfo(logits.dtype).min
    # Each relation that holds competes with the threshold and the others that hold.
    above = functional.log_softmax(
        logits.masked_fill(~functional.pad(labels, (1, 0), value=True), off), dim=-1
    )
    # The threshold competes with those that do not hold.
    below = functional.log_softmax(logits.masked_fill(holds, off), dim=-1)
    return -(above * holds).sum(-1) - below[:, 0]
