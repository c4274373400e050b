"""Which plan a question asks for: by words, by a model's embeddings, by its likelihood.

Every plan has a question of its own in plain words (`accord.text.asking`); ranking says how near
the user's question is to each.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, nearest
from accord.text.collate import tokens
from accord.text.examples import Sequence as TokenSequence
from accord.text.examples import View
from accord.text.function_words import FUNCTION_WORDS
from accord.text.render import TAIL_CLOSE, TAIL_OPEN, one_line

RANKINGS = ("words", "embedding", "likelihood", "both")
SHOTS = (
    ("Who is the author of Hamlet?", "Which person wrote Hamlet?"),
    ("What is the founding year of the Louvre?", "When did they open the Louvre?"),
)
"""How one question may be put in other words; of facts that no graph of the tests holds."""
Float64 = npt.NDArray[np.float64]


class RankingModel(Protocol):
    """What ranking needs of a model."""

    tokenizer: object

    def embed(self, sequences: list[TokenSequence], view: View) -> npt.NDArray[np.float32]:
        """(N, P) unit vectors."""

    def score_continuations(self, prompts: list[str], continuations: list[str]) -> Float64:
        """(N,) log-probabilities, nats."""


def rank(
    question: str, texts: Sequence[str], ranking: str, model: RankingModel | None = None
) -> Float64:
    """How probable it is that a question asks what each text asks.

    Args:
        question: The user's question.
        texts: N questions in plain words.
        ranking: "words" (shared letters of rare words; needs no model), "embedding" (cosine of the
            model's embeddings, centred over the texts), "likelihood" (the model's probability of
            the question after each text) or "both" (the product of all three).
        model: What reads; None for "words".

    Returns:
        (N,) log-probabilities over the texts, nats, not yet calibrated.

    Raises:
        ConfigError: No such ranking, or it needs a model.
    """
    if ranking not in RANKINGS:
        raise ConfigError(f"no ranking {ranking!r}", nearest(ranking, RANKINGS))
    if model is None and ranking != "words":
        raise ConfigError(f"ranking {ranking!r} needs a model", "choose words, or give a model")
    if not texts:
        return np.zeros(0)
    parts = []
    if ranking in ("words", "both"):
        parts.append(_by_words(question, texts))
    if model is not None and ranking in ("embedding", "both"):
        parts.append(_by_embedding(model, question, texts))
    if model is not None and ranking in ("likelihood", "both"):
        parts.append(_by_likelihood(model, question, texts))
    return _log_softmax(np.sum(parts, axis=0))


def _by_words(question: str, texts: Sequence[str]) -> Float64:
    """(N,) cosine of letter triples, in standard deviations; what all texts share weighs nothing.

    That leaves out the topic's name, which stands in each of them.
    """
    found = [word_pieces(text) for text in texts]
    count = Counter(piece for pieces in found for piece in pieces)
    weight = {piece: math.log((len(texts) + 1) / n) ** 2 for piece, n in count.items()}
    asked = word_pieces(question) & weight.keys()
    size = [sum(weight[p] for p in pieces) for pieces in found]
    whole = sum(weight[p] for p in asked)
    pairs = zip(found, size, strict=True)
    shared = [sum(weight[p] for p in pieces & asked) / math.sqrt(n or 1) for pieces, n in pairs]
    return _standard(np.array(shared) / math.sqrt(whole or 1))


def word_pieces(text: str) -> set[str]:
    """Letter triples of the words that carry content; a word's end tells more of its grammar."""
    words = (w for w in re.findall(r"\w+", text.casefold()) if w not in FUNCTION_WORDS)
    marked = (f"^{word}" for word in words)
    return {word[i : i + 3] for word in marked for i in range(len(word) - 2)}


def _by_embedding(model: RankingModel, question: str, texts: Sequence[str]) -> Float64:
    """(N,) cosines in standard deviations.

    Embeddings of texts about one topic differ little beside what they share, so their mean is
    taken away first.
    """
    tokenizer = model.tokenizer
    marks = [tokens(tokenizer, mark) for mark in (TAIL_OPEN, TAIL_CLOSE)]
    bodies = [tokens(tokenizer, f" {one_line(text)}") for text in (question, *texts)]
    vectors = model.embed([(marks[0], body, marks[1]) for body in bodies], "tail").astype(float)
    vectors -= vectors[1:].mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
    scores: Float64 = vectors[1:] @ vectors[0]
    return _standard(scores)


def _by_likelihood(model: RankingModel, question: str, texts: Sequence[str]) -> Float64:
    """(N,) log-probabilities of the question after each text, in standard deviations.

    The same words are scored for every text, so none is favoured for being short or common.
    """
    shots = "".join(f"In other words: {text}\nQuestion: {asked}\n\n" for text, asked in SHOTS)
    prompts = [f"{shots}In other words: {text}\nQuestion:" for text in texts]
    return _standard(model.score_continuations(prompts, [f" {one_line(question)}"] * len(texts)))


def _standard(scores: Float64) -> Float64:
    found: Float64 = (scores - scores.mean()) / (scores.std() + 1e-9)
    return found


def _log_softmax(scores: Float64) -> Float64:
    shifted = scores - scores.max()
    found: Float64 = shifted - math.log(float(np.exp(shifted).sum()))
    return found
