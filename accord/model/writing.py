"""Greedy writing and scoring in batches; what several prompts begin with is read once.

Prompts are padded on the left, so that all rows of a batch go on at the same column. Rows that
have ended leave the batch: what is left of it runs faster.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.errors import ModelError
from accord.model import load
from accord.model.fusion import fusion_of
from accord.model.gated import Reading
from accord.progress import track
from accord.text.collate import tokens

ROWS = 64
BATCH_TOKENS = 8192
SHARED_TOKENS = 8
"""A common beginning of so many tokens is read once for all prompts."""
SHRINK = 0.75
"""Ended rows leave when so few of the rows, or fewer, still go on."""
Ids = tuple[int, ...]
LogProbs = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Writer:
    """Continues prompts, or says how probable given continuations are.

    Args:
        lm: A causal language model, with or without an adapter.
        tokenizer: Its tokenizer.
        device: Where it is.
    """

    def __init__(self, lm: nn.Module, tokenizer: Any, device: torch.device) -> None:
        self.lm = lm
        self.tokenizer = tokenizer
        self.device = device
        self.ends = end_tokens(lm, tokenizer)
        self.fusion = fusion_of(lm)
        self._texts: dict[int, str] = {}

    @torch.no_grad()
    def write(self, prompts: Sequence[str], max_new_tokens: int, stop: str) -> list[str]:
        """Continues prompts greedily.

        Args:
            prompts: N texts of at least one token.
            max_new_tokens: Tokens to write at most.
            stop: Text at which a continuation ends; it is not part of it. Empty for none.

        Returns:
            N continuations.
        """
        written = [""] * len(prompts)
        distinct, place = _distinct(prompts)
        rows = [self._ids(prompt) for prompt in distinct]
        shared, start = self._shared(rows)
        lengths = [len(row) - shared for row in rows]
        with track("writing", len(rows), "answers") as advance:
            for group in _groups(lengths, max_new_tokens):
                batch = self._batch([rows[i] for i in group], shared, start)
                for i, text in zip(group, self._greedy(batch, max_new_tokens, stop), strict=True):
                    for row in place[i]:
                        written[row] = text.split(stop, 1)[0] if stop else text
                advance(len(group))
        return written

    def _greedy(self, batch: _Batch, count: int, stop: str) -> list[str]:
        new: list[list[int]] = [[] for _ in range(batch.rows)]
        going = list(range(batch.rows))
        head = load.output_weights(self.lm)
        dtype = next(head.parameters()).dtype
        done: set[int] = set()
        for step in range(count):
            picked = head(batch.last.to(dtype)).argmax(-1)
            for row, token in zip(going, picked.tolist(), strict=True):
                if row not in done:
                    new[row].append(token)
                    if token in self.ends or self._stopped(new[row], stop):
                        done.add(row)
            keep = [i for i, row in enumerate(going) if row not in done]
            if not keep or step == count - 1:
                break
            if len(keep) <= SHRINK * len(going):
                batch.select(torch.tensor(keep, device=self.device))
                going, picked = [going[i] for i in keep], picked[keep]
            batch.feed(picked[:, None], None)
        return [str(t) for t in self.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _stopped(self, new: list[int], stop: str) -> bool:
        if not stop:
            return False
        token = new[-1]
        if token not in self._texts:
            self._texts[token] = str(self.tokenizer.decode([token]))
        if stop[-1] not in self._texts[token]:
            return False
        return stop in self.tokenizer.decode(new, skip_special_tokens=True)

    @torch.no_grad()
    def score(
        self, prompts: Sequence[str], continuations: Sequence[str], logprobs: LogProbs
    ) -> npt.NDArray[np.float64]:
        """Log-probabilities of continuations; a prompt that several follow is read once.

        Args:
            prompts: N texts of at least one token.
            continuations: N texts of at least one token, each read after its prompt.
            logprobs: Hidden states (M, D) and token ids (M, 1) to log-probabilities (M, 1).

        Returns:
            (N,) float64: sum over the continuation's tokens, nats.

        Raises:
            ModelError: A text without tokens, or prompt and continuation pass the context.
        """
        distinct, place = _distinct(prompts)
        rows = [self._ids(prompt) for prompt in distinct]
        after = [self._ids(text) for text in continuations]
        longest = [max(len(after[i]) for i in place[row]) for row in range(len(rows))]
        self._check_context(rows, longest)
        shared, start = self._shared(rows)
        scores = np.zeros(len(prompts))
        with track("scoring", len(prompts), "continuations") as advance:
            for group in _groups([len(row) - shared for row in rows], max(longest, default=0)):
                batch = self._batch([rows[i] for i in group], shared, start)
                asked = [(at, i) for at, row in enumerate(group) for i in place[row]]
                for part in range(0, len(asked), ROWS):
                    at, found = zip(*asked[part : part + ROWS], strict=True)
                    branch = batch.branch(torch.tensor(at, device=self.device))
                    sums = self._sums(branch, [after[i] for i in found], logprobs)
                    scores[list(found)] = sums
                    advance(len(found))
        return scores

    def _sums(self, batch: _Batch, after: list[Ids], logprobs: LogProbs) -> npt.NDArray[np.float64]:
        # The last token is never fed: nothing is asked of what comes after it.
        states = [batch.last[:, None]]
        ids, mask = _padded([row[:-1] for row in after], left=False)
        if ids.shape[1]:
            states.append(batch.feed(ids.to(self.device), mask.to(self.device)))
        hidden = torch.cat(states, dim=1)  # (n, longest, D)
        targets, keep = _padded(after, left=False)
        keep = keep.to(self.device)
        found = logprobs(hidden[keep], targets.to(self.device)[keep][:, None])[:, 0].double()
        sums = torch.zeros(len(after), dtype=torch.float64, device=self.device)
        return sums.index_add_(0, keep.nonzero()[:, 0], found).cpu().numpy()

    def _check_context(self, rows: list[Ids], longest: list[int]) -> None:
        limit = load.stated_context(self.lm)
        most = max((len(row) + more for row, more in zip(rows, longest, strict=True)), default=0)
        if limit and most > limit:
            raise ModelError(
                f"a text of {most} tokens, the model reads {limit}", "shorten it or give less"
            )

    def _ids(self, text: str) -> Ids:
        ids = tokens(self.tokenizer, text)
        if not ids:
            raise ModelError("an empty text", "give the model at least one token to read")
        return ids

    def _shared(self, rows: list[Ids]) -> tuple[int, Any]:
        """How many tokens all rows begin with, and their cache; 0 and None where it is not worth.

        At least one token of each row is left, since its state says what comes next.
        """
        count = 0
        if len(rows) > 1:
            first, last = min(rows), max(rows)
            most = min(len(row) for row in rows) - 1
            while count < most and first[count] == last[count]:
                count += 1
        alike = self.fusion is None or self.fusion.same_start(rows, count)
        if count < SHARED_TOKENS or not alike:
            return 0, None
        batch = _Batch(self, [rows[0][:count]], 0, None, self._known(rows[:1]))
        return count, batch.cache

    def begin(self, prompt: str, longest: int) -> _Batch:
        """A prompt that is read, to go on from token by token.

        Args:
            prompt: A text of at least one token.
            longest: Tokens of it that are read at most; of a longer one the last.
        """
        return self._batch([self._ids(prompt)[-longest:]], 0, None)

    def begin_each(self, prompts: Sequence[str], starts: Sequence[str], longest: int) -> _Batch:
        """Prompts that are read, each followed by each of some texts, to go on from.

        Args:
            prompts: P texts of at least one token.
            starts: S texts of at least one token.
            longest: Tokens of a prompt, and of a start, that are read at most; of a longer one the
                last.

        Returns:
            P S rows: all starts behind the first prompt, then behind the next.
        """
        rows = [self._ids(prompt)[-longest:] for prompt in prompts]
        batch = self._batch(rows, *self._shared(rows))
        each = torch.arange(len(prompts), device=self.device).repeat_interleave(len(starts))
        batch.select(each)
        after = [self._ids(text)[-longest:] for text in starts]
        ids, mask = _padded(after * len(prompts), left=True)
        batch.feed(ids.to(self.device), mask.to(self.device))
        return batch

    def _batch(self, rows: list[Ids], before: int, start: Any) -> _Batch:
        return _Batch(self, rows, before, start, self._known(rows))

    def _known(self, rows: list[Ids]) -> Reading | None:
        """What the model's memory knows of prompts; it stays in view while writing."""
        if self.fusion is None:
            return None
        return self.fusion.over(rows, [len(row) - 1 for row in rows])

    def run(self, **inputs: Any) -> Any:
        """Runs the model's layers."""
        return load.base_model(self.lm)(**inputs, use_cache=True)


class _Batch:
    """Prompts that are read and written further together.

    Args:
        writer: Whose.
        rows: The prompts.
        before: How many of their first tokens were read for all of them.
        start: The cache of that; None where it is 0.
        known: What the memory knows of the prompts.
    """

    def __init__(
        self,
        writer: Writer,
        rows: list[Ids],
        before: int,
        start: Any,
        known: Reading | None,
    ) -> None:
        from transformers import DynamicCache

        self.writer = writer
        self.known = known
        config: Any = writer.lm.config
        self.cache = DynamicCache(config=config) if start is None else _copy(start)
        if before:
            self.cache.batch_repeat_interleave(len(rows))
        ids, mask = _padded([row[before:] for row in rows], left=True)
        shown = torch.ones((len(rows), before), dtype=torch.bool)
        self.mask = shown.to(writer.device)
        self.last: torch.Tensor
        """(n, D) state of each row's last token."""
        self.last = self.feed(ids.to(writer.device), mask.to(writer.device))[:, -1]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.last)

    def feed(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Reads (n, L) more tokens; True in `mask` (n, L) are real. Returns (n, L, D) states."""
        more = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
        self.mask = torch.cat([self.mask, more], dim=1)
        positions = (self.mask.long().cumsum(-1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        fusion = self.writer.fusion
        with nullcontext() if fusion is None else fusion.reading(self.known):
            out = self.writer.run(
                input_ids=ids,
                attention_mask=self.mask.long(),
                position_ids=positions,
                past_key_values=self.cache,
            )
        states: torch.Tensor = out.last_hidden_state
        self.last = states[:, -1]
        return states

    def select(self, rows: torch.Tensor) -> None:
        """Keeps (m,) rows only; a row may be named twice."""
        self.cache.batch_select_indices(rows)
        self.mask, self.last = self.mask[rows], self.last[rows]
        self.known = None if self.known is None else self.known.select(rows)

    def branch(self, rows: torch.Tensor) -> _Batch:
        """A batch of (m,) of these rows, which stay as they are."""
        other: _Batch = copy.copy(self)
        other.cache = _copy(self.cache)
        other.select(rows)
        return other


def _copy(cache: Any) -> Any:
    """A cache that can be changed by itself; its tensors are shared until then."""
    other = copy.copy(cache)
    other.layers = [copy.copy(layer) for layer in cache.layers]
    return other


def end_tokens(lm: nn.Module, tokenizer: Any) -> set[int]:
    """Tokens after which a model writes no more."""
    stated = getattr(getattr(lm, "generation_config", None), "eos_token_id", None)
    several = stated if isinstance(stated, (list, tuple)) else [stated]
    return {int(t) for t in (*several, tokenizer.eos_token_id) if t is not None}


def _distinct(texts: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """The different texts, and where each of them stands."""
    place: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        place.setdefault(text, []).append(i)
    return list(place), list(place.values())


def _groups(lengths: Sequence[int], more: int) -> Iterator[list[int]]:
    """Rows of like length, longest first, within `ROWS` and `BATCH_TOKENS`."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    while order:
        count = max(1, min(ROWS, BATCH_TOKENS // max(1, lengths[order[0]] + more)))
        yield order[:count]
        order = order[count:]


def _padded(rows: Sequence[Ids], left: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, L) token ids, 0 where there is none, and (n, L) bool, True = keep."""
    longest = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.int64)
    keep = torch.zeros((len(rows), longest), dtype=torch.bool)
    for i, row in enumerate(rows):
        span = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[i, span] = torch.tensor(row, dtype=torch.int64)
        keep[i, span] = True
    return ids, keep
