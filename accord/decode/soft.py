"""Soft fusion: a model's next-token distribution mixed with what selected statements go on with.

The graph's side is a distribution over the tokens that follow, in the statements, on what was
written last; where nothing matches, over the tokens with which their names begin. How much it
counts depends on how much matches and on how sure the model is, with weights learnt on texts that
tell known statements.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from accord.decode.ranking import Float64
from accord.errors import DataError
from accord.text.collate import tokens

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

FILE = "soft.json"
"""Of a run folder."""
LONGEST = 8
"""Tokens written last that are looked for in the statements."""
RIDGE = 1e-3
TINY = 1e-30
STEPS = 2000


@dataclass(frozen=True)
class SoftWeights:
    """Log-odds that the next token is taken from the statements.

    The defaults count the statements little unless several tokens match; `fit_soft` learns others.
    """

    constant: float = -3.0
    match: float = 0.5
    """Of the number of tokens that match, up to 8."""
    sure: float = -1.0
    """Of the model's highest probability, 0 to 1."""

    def share(self, match: float, sure: float) -> float:
        """The statements' share of the mixture, 0 to 1."""
        said = self.constant + self.match * match + self.sure * sure
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, said))))


class Ahead(NamedTuple):
    """What statements go on with."""

    tokens: tuple[int, ...]
    """Distinct token ids; none where there are no statements."""
    shares: tuple[float, ...]
    """Their probabilities; they sum to 1."""
    match: int
    """Tokens written last that stand in a statement before them."""


class SoftFusion:
    """Mixes in some statements; its state is what was written and nothing else.

    Args:
        tokenizer: Of the model that writes.
        statements: Sentences.
        names: Names and literals with which something new may begin.
        weights: How much the statements count.
    """

    def __init__(
        self,
        tokenizer: Any,
        statements: Iterable[str],
        names: Iterable[str],
        weights: SoftWeights | None = None,
    ) -> None:
        self.weights = weights or SoftWeights()
        self._rows = [tokens(tokenizer, f" {text.strip()}") for text in statements]
        starts = [tokens(tokenizer, f" {name.strip()}")[:1] for name in names if name.strip()]
        self._starts = [ids[0] for ids in starts if ids]

    def ahead(self, written: Sequence[int]) -> Ahead:
        """What the statements go on with after some token ids.

        A statement whose end was written is told, and counts no more.
        """
        left = [row for row in self._rows if not _within(row[-LONGEST:], written)]
        for size in range(min(LONGEST, len(written)), 0, -1):
            found = _after(left, tuple(written[-size:]))
            if found:
                return _shares(found, size)
        return _shares(self._starts if left else [], 0)

    def mix(self, logprobs: torch.Tensor, written: Sequence[int]) -> torch.Tensor:
        """(V,) log-probabilities of a model -> (V,) of the mixture, nats."""
        found = self.ahead(written)
        if not found.tokens:
            return logprobs
        share = self.weights.share(found.match, float(logprobs.max().exp()))
        mixed = logprobs.exp() * (1 - share)
        chosen = torch.tensor(found.tokens, device=mixed.device)
        added = torch.tensor(found.shares, device=mixed.device, dtype=mixed.dtype) * share
        return mixed.index_add(0, chosen, added).clamp_min(TINY).log()


def _after(rows: Sequence[tuple[int, ...]], ending: tuple[int, ...]) -> list[int]:
    """What follows an ending wherever it stands in some rows."""
    size = len(ending)
    return [
        row[i + size] for row in rows for i in range(len(row) - size) if row[i : i + size] == ending
    ]


def _within(ending: tuple[int, ...], written: Sequence[int]) -> bool:
    size = len(ending)
    ids = tuple(written)
    return any(ids[i : i + size] == ending for i in range(len(ids) - size + 1))


class SoftExample(NamedTuple):
    """A text that tells known statements."""

    prompt: str
    statements: tuple[str, ...]
    names: tuple[str, ...]
    text: str


def fit_soft(signs: Float64) -> SoftWeights:
    """Weights under which texts that tell known statements are most probable.

    Args:
        signs: (n, 5) what `soft_signs` gave for all tokens of some texts.

    Returns:
        The weights of highest likelihood, a weak prior on them.

    Raises:
        DataError: No token.
    """
    if not len(signs):
        raise DataError("nothing to learn soft fusion from", hint="give texts of known statements")
    x, own, graph = signs[:, :3], signs[:, 3], signs[:, 4]
    default = SoftWeights()
    weights = np.array([default.constant, default.match, default.sure])
    scale = np.maximum(1e-3, np.abs(x).max(0))
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        mixed = np.maximum(TINY, (1 - share) * own + share * graph)
        slope = (((graph - own) / mixed * share * (1 - share))[:, None] * x / scale).mean(0)
        weights = weights + (slope - RIDGE * weights * scale / len(x)) / scale
    return SoftWeights(*(float(weight) for weight in weights))


def mixture(signs: Float64, weights: SoftWeights) -> Float64:
    """Log-probabilities of tokens under a mixture.

    Args:
        signs: (n, 5) what `soft_signs` gave.
        weights: How much the statements count.

    Returns:
        (n,) nats.
    """
    share = np.array([weights.share(match, sure) for _, match, sure, _, _ in signs])
    mixed = (1 - share) * signs[:, 3] + share * signs[:, 4]
    return np.asarray(np.log(np.maximum(TINY, mixed)), dtype=np.float64)


@torch.no_grad()
def soft_signs(model: KnowledgeModel, example: SoftExample) -> Float64:
    """What decides about each token of a text.

    Args:
        model: What writes.
        example: The text and the statements that it tells.

    Returns:
        (n, 5): 1, tokens that match, the model's highest probability, its probability of the token
        that is there, and the statements' probability of it.
    """
    from accord.decode.pen import Pen

    pen = Pen(model, example.prompt)
    fusion = SoftFusion(model.tokenizer, example.statements, example.names)
    written: list[int] = []
    found = []
    for token in tokens(model.tokenizer, f" {example.text.strip()}"):
        scores, ahead = pen.scores(), fusion.ahead(written)
        graph = dict(zip(ahead.tokens, ahead.shares, strict=True)).get(token, 0.0)
        sure = float(scores.max().exp())
        found.append((1.0, float(ahead.match), sure, float(scores[token].exp()), graph))
        pen.put([token])
        written.append(token)
    return np.array(found, dtype=np.float64).reshape(-1, 5)


def find_soft(run: str | Path, path: str | Path | None = None) -> SoftWeights:
    """The weights that a file or a run has, else the defaults.

    Args:
        run: Run folder, or a base model's name.
        path: File that `accord eval soft-fusion --out` wrote; None takes the run's own.

    Raises:
        DataError: A file that cannot be read.
    """
    own = Path(run) / FILE
    chosen = Path(path) if path is not None else own
    if path is None and not own.is_file():
        return SoftWeights()
    try:
        values = json.loads(chosen.read_text("utf-8"))
        return SoftWeights(*(float(values[key]) for key in ("constant", "match", "sure")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "`accord eval soft-fusion --out` writes such a file"
        raise DataError(f"no weights can be read: {error}", chosen, hint=hint) from error


def _shares(found: Sequence[int], match: int) -> Ahead:
    distinct = tuple(dict.fromkeys(found))
    counts = tuple(found.count(token) / len(found) for token in distinct)
    return Ahead(distinct, counts, match)
