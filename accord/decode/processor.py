"""Holds a model to what a graph allows, token by token, in beams and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from accord.decode.trie import Int64, Option, TokenTrie
from accord.errors import DecodingError
from accord.model.fusion import knowing
from accord.text.collate import tokens

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel


class GraphConstraint(LogitsProcessor):
    """Sets the scores of all tokens that the graph does not allow to -inf.

    It keeps nothing between calls: what is allowed follows from the tokens written so far. Where
    nothing may follow, the end token alone is left.

    Args:
        tries: One for each prompt, in the order of the batch; each prompt's beams are neighbours.
        prompt_length: Columns of the (left-padded) prompts, behind which writing begins.
    """

    def __init__(self, tries: Sequence[TokenTrie], prompt_length: int) -> None:
        self.tries = list(tries)
        self.prompt_length = prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(n, L) token ids and (n, V) scores -> (n, V) scores; n is prompts times beams."""
        if not self.tries or len(input_ids) % len(self.tries):
            raise DecodingError(
                f"{len(input_ids)} rows for {len(self.tries)} tries",
                "give one trie for each prompt of the batch",
            )
        beams = len(input_ids) // len(self.tries)
        allowed = [
            self._allowed(self.tries[row // beams], written)
            for row, written in enumerate(input_ids[:, self.prompt_length :].tolist())
        ]
        sizes = [len(part) for part in allowed]
        places = np.stack([np.repeat(np.arange(len(allowed)), sizes), np.concatenate(allowed)])
        rows, columns = torch.from_numpy(places).to(scores.device)
        found = torch.full_like(scores, float("-inf"))
        found[rows, columns] = scores[rows, columns]
        return found

    def _allowed(self, trie: TokenTrie, written: list[int]) -> Int64:
        return np.array([trie.end]) if trie.end in written else trie.allowed(written)


class Written(NamedTuple):
    """A text that a model wrote under constraint."""

    text: str
    ways: tuple[tuple[Option, ...], ...]
    """What it stands for in the graph; empty where the tokens ran out before its end."""
    score: float
    """Log-probability a token under the constraint, as beam search sums it; nats."""


@torch.no_grad()
def write_constrained(
    model: KnowledgeModel,
    prompts: Sequence[str],
    tries: Sequence[TokenTrie],
    beams: int = 1,
    max_new_tokens: int = 64,
) -> list[list[Written]]:
    """Continues prompts with what their tries allow.

    Args:
        model: What writes.
        prompts: N texts of at least one token.
        tries: N tries made with the model's tokenizer and end token.
        beams: Continuations kept side by side, and given back.
        max_new_tokens: Tokens at most; a text cut off there stands for nothing.

    Returns:
        For each prompt its continuations, the most probable first.

    Raises:
        DecodingError: Another number of tries than prompts, or an empty prompt.
    """
    rows = [tokens(model.tokenizer, prompt) for prompt in prompts]
    if len(tries) != len(rows) or not all(rows):
        raise DecodingError("each prompt needs a trie and at least one token")
    if not rows:
        return []
    ids, mask = _left(rows, int(model.tokenizer.pad_token_id), model.device)
    constraint = LogitsProcessorList([GraphConstraint(tries, ids.shape[1])])
    lm: Any = model.lm
    # What a memory knows of the prompts stays in view while writing.
    with knowing(model.lm, rows, [len(row) - 1 for row in rows]):
        out = lm.generate(
            input_ids=ids, attention_mask=mask, logits_processor=constraint, num_beams=beams,
            num_return_sequences=beams, max_new_tokens=max_new_tokens, do_sample=False,
            eos_token_id=[trie.end for trie in tries[:1]],
            pad_token_id=int(model.tokenizer.pad_token_id), return_dict_in_generate=True,
            output_scores=True,
        )  # fmt: skip
    written = out.sequences[:, ids.shape[1] :].tolist()
    scores = _scores(out, written, tries[0].end)
    found = [
        _written(model, tries[i // beams], row, score)
        for i, (row, score) in enumerate(zip(written, scores, strict=True))
    ]
    return [found[i : i + beams] for i in range(0, len(found), beams)]


def _written(model: KnowledgeModel, trie: TokenTrie, row: list[int], score: float) -> Written:
    whole = trie.end in row
    body = row[: row.index(trie.end)] if whole else row
    text = str(model.tokenizer.decode(body, skip_special_tokens=True)).strip()
    return Written(text, tuple(trie.read(body)) if whole else (), score)


def _scores(out: Any, written: list[list[int]], end: int) -> list[float]:
    if getattr(out, "sequences_scores", None) is not None:
        return [float(score) for score in out.sequences_scores]
    steps = [torch.log_softmax(scores.float(), dim=-1) for scores in out.scores]
    found = []
    for i, row in enumerate(written):
        used = row[: row.index(end) + 1] if end in row else row
        chosen = [float(steps[at][i, token]) for at, token in enumerate(used)]
        found.append(sum(chosen) / max(1, len(chosen)))
    return found


def _left(
    rows: list[tuple[int, ...]], fill: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, L) left-padded token ids and (n, L) int64 mask."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), fill, dtype=torch.int64)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, longest - len(row) :] = 1
    return ids.to(device), mask.to(device)
