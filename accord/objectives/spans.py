"""Entity recognition: which words of a text are a mention, and of which type."""

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
from accord.model.span_heads import span_features, tag_logits, tag_parameters
from accord.objectives.base import Loss, Outputs, Points, Requests, Stateless, States
from accord.objectives.triples import epoch_rows
from accord.text.examples import LabelledSpan, MentionExample, Sequence
from accord.text.span_tokens import SpanTokens
from accord.text.tags import span_tags

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SpansConfig:
    """Settings of the spans objective."""

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 16
    """Texts a step."""
    width: int = 256
    """Width of the layer between words and tags."""
    texts: int = 8000
    """Texts that are learnt from at most, drawn once, seeded."""
    twice: bool = True
    """Read each text twice, so that a causal model knows what follows a word."""

    def __post_init__(self) -> None:
        if min(self.rows, self.width, self.texts) < 1 or self.weight < 0:
            raise ConfigError(
                f"spans: rows={self.rows}, width={self.width}, texts={self.texts}, "
                f"weight={self.weight}",
                "use rows, width and texts of 1 or more, and a weight of 0 or more",
            )


def types_of(examples: Iterable[MentionExample]) -> tuple[str, ...]:
    """All types that were looked for in some texts, sorted."""
    return tuple(sorted({kind for example in examples for kind in example.kinds}))


@dataclass(frozen=True)
class TaggedText:
    """A text as it is read, and the tags of its words."""

    text: SpanTokens
    """Its tokens, and those of each word."""
    words: tuple[LabelledSpan, ...]
    """W words."""
    tags: Int64
    """(W,) as `text.tags.span_tags` gives them."""
    allowed: npt.NDArray[np.bool_]
    """(1 + 2 K,) tags of the types that were looked for in it; others may be there unmarked."""

    @classmethod
    def of(
        cls,
        example: MentionExample,
        text: SpanTokens,
        words: Seq[LabelledSpan],
        kinds: Seq[str],
    ) -> TaggedText:
        """Tags for a text.

        Args:
            example: The text; where it names no types all count as looked for.
            text: Its tokens, with the places of its words.
            words: Its words.
            kinds: K types.
        """
        looked = set(example.kinds or kinds)
        allowed = [True, *(kind in looked for kind in kinds for _ in "BI")]
        tags = span_tags(words, example.spans, kinds)
        return cls(text, tuple(words), tags, np.array(allowed, dtype=np.bool_))


@dataclass(frozen=True)
class SpansBatch:
    """Texts with all their words one after the other."""

    sequences: list[Sequence]
    points: Points
    tags: torch.Tensor
    """(W,) int64."""
    allowed: torch.Tensor
    """(W, 1 + 2 K) bool."""


class Spans(Stateless):
    """Cross-entropy of each word's tag.

    Texts of corpora with other types are learnt together: a text is judged only on the types that
    its corpus looks for, so an unmarked politician counts against no corpus of persons.

    Args:
        examples: Train texts with at least one word.
        kinds: Types, numbered.
        hidden: Width of the model's states.
        config: Settings.
        seed: Of weights and order.

    Raises:
        ConfigError: No text, or no type.
    """

    name = "spans"

    def __init__(
        self,
        examples: Seq[TaggedText],
        kinds: Seq[str],
        hidden: int,
        config: SpansConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self.examples = list(examples)
        if not self.examples or not kinds:
            raise ConfigError(
                "the spans objective has no text whose mentions are all marked with their types",
                "give one with --data, such as crossner-politics or re-docred",
            )
        self.kinds = tuple(kinds)
        self.config = config
        self.seed = seed
        self.parameters: nn.ParameterDict = tag_parameters(
            2 * hidden, config.width, len(kinds), seed
        )

    def over(self, examples: Seq[TaggedText]) -> Spans:
        """The same head over other texts, all in each step; at least one."""
        found = copy(self)
        found.examples = list(examples)
        found.config = replace(self.config, rows=len(found.examples))
        return found

    def batch(self, step: int) -> SpansBatch:
        """The step's texts."""
        rows = epoch_rows(len(self.examples), self.config.rows, step, self.seed)
        return join_texts([self.examples[i] for i in dict.fromkeys(rows.tolist())])

    def requests(self, batch: SpansBatch) -> Requests:
        """States at the words."""
        return {"words": States(batch.sequences, batch.points)}

    def loss(self, outputs: Outputs, batch: SpansBatch) -> Loss:
        """Mean cross-entropy a word, nats."""
        states = outputs["words"]
        where, count = states.device, len(batch.tags)
        features = span_features(states, torch.arange(count, device=where), count)
        logits = tag_logits(self.parameters, features)
        logits = logits.masked_fill(~batch.allowed.to(where), -torch.inf)
        tags = batch.tags.to(where)
        value = functional.cross_entropy(logits, tags)
        right = (logits.argmax(-1) == tags).float().mean()
        return Loss(value, {"right": float(right)})

    def size(self, batch: SpansBatch) -> int:
        """Words."""
        return len(batch.tags)

    def sequences(self) -> Iterable[Sequence]:
        """All texts."""
        return (example.text.sequence for example in self.examples)


def join_texts(examples: Seq[TaggedText]) -> SpansBatch:
    """One batch of several texts."""
    places = [example.text.places for example in examples]
    counts = [len(place) for place in places]
    rows = np.repeat(np.arange(len(examples), dtype=np.int64), [2 * count for count in counts])
    allowed = np.repeat(np.stack([example.allowed for example in examples]), counts, axis=0)
    return SpansBatch(
        [example.text.sequence for example in examples],
        Points(rows, np.concatenate(places).reshape(-1)),
        torch.from_numpy(np.concatenate([example.tags for example in examples])),
        torch.from_numpy(allowed),
    )
