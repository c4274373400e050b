"""Beam search over tries: which of the texts that are allowed a model would write.

A text is worth the sum of its tokens' log-probabilities over the whole vocabulary, so that no text
gains by having few rivals at its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from accord.decode.pen import CONTEXT
from accord.decode.trie import TokenTrie
from accord.errors import ModelError
from accord.model import load
from accord.model.writing import Writer

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

NEUTRAL_SHARE = 0.6
"""Of the log-probabilities behind the neutral prompt; 1 would favour long texts."""


class Reading(Protocol):
    """Rows of text that were read, one for each trie at first, and can be gone on with."""

    @property
    def room(self) -> int:
        """Tokens that may be written, at most."""

    def next(self) -> torch.Tensor:
        """(n, V) float32 worth of each row's next token, nats."""

    def go_on(self, rows: Sequence[int], ids: Sequence[int]) -> None:
        """Keeps (m,) of the rows, each as often as it is named, and reads a token after each."""


class Beam(NamedTuple):
    """A text, or its beginning."""

    trie: int
    """Place of its trie."""
    ids: tuple[int, ...]
    """Tokens without the end token."""
    worth: float
    """Nats."""

    @property
    def order(self) -> tuple[float, int, tuple[int, ...]]:
        """The better one first; equal ones by their place and tokens."""
        return -self.worth, self.trie, self.ids


class ModelReading:
    """A prompt that a model has read, with a beginning of its own in each row.

    A small model repeats what it likes whatever is asked. So it reads a second, neutral prompt
    beside, and a share of the log-probabilities that it gives there is taken away.

    Args:
        model: What reads; what its memory knows of the prompts stays in view.
        prompt: A text of at least one token; of a very long one the end.
        neutral: The same without what is asked.
        starts: What follows both, one text of at least one token for each row.

    Raises:
        ModelError: An encoder, which writes nothing.
    """

    def __init__(
        self, model: KnowledgeModel, prompt: str, neutral: str, starts: Sequence[str]
    ) -> None:
        if not model.reader.causal:
            raise ModelError("an encoder does not write", "give a causal language model")
        limit = model.longest or CONTEXT
        self._head = load.output_weights(model.lm)
        writer = Writer(model.lm, model.tokenizer, model.device)
        with torch.no_grad():
            self._batch = writer.begin_each((prompt, neutral), starts, limit // 3)
        self._left = limit - self._batch.mask.shape[1]

    @property
    def room(self) -> int:
        """Tokens that may be written, at most."""
        return self._left

    @torch.no_grad()
    def next(self) -> torch.Tensor:
        """(n, V) float32 log-probabilities of each row's next token, nats, less the neutral ones.

        They do not sum to 1.
        """
        dtype = next(self._head.parameters()).dtype
        logits = self._head(self._batch.last.to(dtype)).float()
        asked, neutral = torch.log_softmax(logits, dim=-1).cpu().chunk(2)
        return asked - NEUTRAL_SHARE * neutral

    @torch.no_grad()
    def go_on(self, rows: Sequence[int], ids: Sequence[int]) -> None:
        """Keeps (m,) of the rows, each as often as it is named, and reads a token after each."""
        device, half = self._batch.last.device, self._batch.rows // 2
        self._batch.select(torch.tensor([*rows, *(half + row for row in rows)], device=device))
        self._batch.feed(torch.tensor([*ids, *ids], device=device)[:, None], None)
        self._left -= 1


def search(
    reading: Reading,
    tries: Sequence[TokenTrie],
    worth: Sequence[float],
    width: int,
    longest: int,
) -> list[Beam]:
    """The texts of some tries that a model would write.

    Args:
        reading: One row for each trie.
        tries: What may be written; where one has nothing, its text is empty.
        worth: What the texts of each trie begin with, nats.
        width: Beginnings that are gone on with at a time, and texts that are given back. When so
            many are whole and no beginning is worth as much as the last of them, the search ends.
        longest: Tokens of a text at most; longer ones are left out.

    Returns:
        Whole texts, the best first; equal input gives equal output.

    Raises:
        ModelError: A log-probability is not a number.
    """
    live = [Beam(i, (), value) for i, value in enumerate(worth)]
    done: list[Beam] = []
    for _ in range(min(longest, reading.room)):
        ended, further = _grown(live, tries, reading.next())
        done = sorted([*done, *ended], key=lambda beam: beam.order)[:width]
        further.sort(key=lambda pair: pair[1].order)
        further = further[:width]
        full = len(done) == width and bool(further) and done[-1].order < further[0][1].order
        if full or not further:
            break
        live = [beam for _, beam in further]
        reading.go_on([row for row, _ in further], [beam.ids[-1] for beam in live])
    return done


def _grown(
    live: Sequence[Beam], tries: Sequence[TokenTrie], worths: torch.Tensor
) -> tuple[list[Beam], list[tuple[int, Beam]]]:
    """Texts that end here, and (row, beginning) of all that go on by one token."""
    ended: list[Beam] = []
    further: list[tuple[int, Beam]] = []
    for row, beam in enumerate(live):
        trie = tries[beam.trie]
        allowed = trie.allowed(beam.ids)
        found = worths[row][torch.from_numpy(allowed)].tolist()
        for token, value in zip(allowed.tolist(), found, strict=True):
            if math.isnan(value):
                raise ModelError("a probability is not a number", "the weights are damaged")
            total = beam.worth + value
            if token == trie.end:
                ended.append(Beam(beam.trie, beam.ids, total))
            else:
                further.append((row, Beam(beam.trie, (*beam.ids, token), total)))
    return ended, further
