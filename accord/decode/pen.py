"""Writes one text token by token: freely, or with what a trie allows; as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from accord.decode.places import Texts
from accord.decode.soft import SoftFusion
from accord.decode.trie import TokenTrie
from accord.errors import ModelError
from accord.model import load
from accord.model.writing import Writer
from accord.text.collate import tokens

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

CONTEXT = 1024
"""Tokens that are read and written at most where a model does not say how many it reads."""


class Pen:
    """A model that has read a prompt and writes on.

    What the model's memory knows of the prompt stays in view (`accord.model.fusion`). Tokens that
    are the only ones allowed are not asked for: they are read together with the next that is.

    Args:
        model: What writes.
        prompt: A text of at least one token; of one that fills more than half of what the model
            reads, the end.

    Raises:
        ModelError: An encoder, which writes nothing.
    """

    def __init__(self, model: KnowledgeModel, prompt: str) -> None:
        if not model.reader.causal:
            raise ModelError("an encoder does not write", "give a causal language model")
        self.tokenizer = model.tokenizer
        limit = model.longest or CONTEXT
        self._writer = Writer(model.lm, model.tokenizer, model.device)
        self._head = load.output_weights(model.lm)
        with torch.no_grad():
            self._batch = self._writer.begin(prompt, limit // 2)
        self._left = limit // 2
        self._unread: list[int] = []
        self._decoder: list[int] = []
        self._shown = 0
        self.asked = 0
        """Tokens that the model was asked for."""

    @torch.no_grad()
    def scores(self) -> torch.Tensor:
        """(V,) float32 log-probabilities of the next token, nats."""
        if self._unread:
            ids = torch.tensor([self._unread], device=self._batch.last.device)
            self._batch.feed(ids, None)
            self._unread = []
        self.asked += 1
        dtype = next(self._head.parameters()).dtype
        return torch.log_softmax(self._head(self._batch.last.to(dtype)).float()[0], dim=-1)

    def put(self, ids: Iterable[int]) -> str:
        """Writes tokens; gives the characters that are whole by now."""
        found = list(ids)
        self._unread += found
        self._decoder += found
        self._left -= len(found)
        text = str(self.tokenizer.decode(self._decoder, skip_special_tokens=True))
        if text.endswith("�"):  # the beginning of a character
            return ""
        new, self._shown = text[self._shown :], len(text)
        return new

    @property
    def text(self) -> str:
        """All that was written."""
        return str(self.tokenizer.decode(self._decoder, skip_special_tokens=True))

    def choose(self, texts: Sequence[str]) -> Iterator[str]:
        """Writes one of some texts, the most probable token of those that go on with any.

        Args:
            texts: One or more texts.

        Yields:
            Pieces; joined they are a blank and the text.
        """
        end = int(self.tokenizer.eos_token_id)
        return self.follow(TokenTrie(Texts(tuple(texts)), self.tokenizer, end))

    def follow(self, trie: TokenTrie) -> Iterator[str]:
        """Writes one text of a trie, the most probable token of those allowed each time.

        Yields:
            Pieces; joined they are the text.
        """
        written: list[int] = []
        while True:
            allowed = trie.allowed(written)
            token = int(allowed[0])
            if len(allowed) > 1:
                scores = self.scores()[torch.from_numpy(allowed)]
                token = int(allowed[int(scores.argmax())])
            if token == trie.end:
                return
            written.append(token)
            yield self.put([token])

    def free(self, count: int, stop: str, soft: SoftFusion | None = None) -> Iterator[str]:
        """Writes as the model likes, until it ends, a text says stop, or tokens run out.

        Args:
            count: Tokens at most.
            stop: Text at which it ends; no part of what is given back.
            soft: Statements that are mixed into what the model likes; None for none.

        Yields:
            Pieces.
        """
        begin = self._shown
        for _ in range(min(count, self._left)):
            scores = self.scores()
            scores = scores if soft is None else soft.mix(scores, self._decoder)
            token = int(scores.argmax())
            if token in self._writer.ends:
                return
            piece = self.put([token])
            body = self.text[begin:]
            # Line breaks before the first word are no end.
            at = body.find(stop, len(body) - len(body.lstrip()))
            if at >= 0:
                yield piece[: max(0, len(piece) - (len(body) - at))]
                return
            yield piece

    def read(self, text: str) -> None:
        """Reads on without writing: what another says."""
        self.put(tokens(self.tokenizer, text))
