"""What training cost the model: fluency lost, drift from the base, shape of the embeddings."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import DataError
from accord.evaluate.protocol import (
    BaseModelComparison,
    EmbeddingModel,
    LanguageModel,
    MeasuredModel,
)
from accord.evaluate.scorers import triple_scores
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph

WINDOW_WORDS = 256
GEOMETRY_ENTITIES, GEOMETRY_TRIPLES = 1000, 200
HELD_OUT = 1_000_003
"""Added to the seed of the base's texts, so that they are not those that training stayed near."""
WIKITEXT = Path("wikitext-2") / "wiki.test.raw.gz"


@dataclass(frozen=True)
class RetentionConfig:
    """How much is measured."""

    words: int = 20_000
    """Words of the text at most, from its beginning; 0 for all."""
    samples: int = 64
    """Texts that the base model writes for the divergence."""
    tokens: int = 48
    """Tokens of each of them."""
    seed: int = 0
    """Of those texts and of the entities and triples drawn."""


@dataclass(frozen=True)
class RetentionResult:
    """Fluency, drift and geometry; None for what was not measured."""

    perplexity_word: float | None
    """exp of the negative log-likelihood a word (white-space separated)."""
    perplexity_token: float | None
    """exp of the negative log-likelihood a token."""
    kl_to_base: float
    """KL(base || model) in nats a token."""
    mean_cosine: float | None
    """Mean cosine of random pairs of entities; near 1 is a narrow cone."""
    alignment: float | None
    """Mean squared distance of a query and its answer; 0 is best."""
    uniformity: float | None
    """log mean exp(-2 squared distance) of random pairs; lower is more uniform."""
    words: int
    """Words read."""

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """The result for people."""
        rows = [[k, "not measured" if v is None else v] for k, v in self.to_dict().items()]
        return table(["retention", ""], rows)


def evaluate_retention(
    model: MeasuredModel,
    base: BaseModelComparison,
    graph: KnowledgeGraph | None = None,
    text: str | None = None,
    drift_text: str | None = None,
    config: RetentionConfig | None = None,
) -> RetentionResult:
    """Measures what a model kept.

    Args:
        model: A run's model or a base model.
        base: The model beside its base, such as `accord.evaluate.drift.BaseComparison(model)`.
        graph: For the geometry of its entities; None leaves that out.
        text: For perplexity; None leaves that out.
        drift_text: For the divergence from the base; None measures it on texts that the base
            writes itself, so it needs no data.
        config: How much.

    Returns:
        The measures.
    """
    config = config or RetentionConfig()
    parts = windows(text, config.words) if text else []
    word, token = perplexity(model, parts) if parts else (None, None)
    if drift_text:
        drift = base.kl_on(windows(drift_text, config.words))
    else:
        drift = base.kl_on_own_texts(config.samples, config.tokens, HELD_OUT + config.seed)
    shape = geometry(model, graph, config.seed) if graph else Geometry(None, None, None)
    return RetentionResult(
        word,
        token,
        drift,
        shape.mean_cosine,
        shape.alignment,
        shape.uniformity,
        sum(len(part.split()) for part in parts),
    )


def windows(text: str, limit: int = 0) -> list[str]:
    """Cuts a text into pieces that any model can read at once.

    Lines are kept together up to `WINDOW_WORDS` words; every model gets the same pieces.

    Args:
        text: The text.
        limit: Words in all at most; 0 for all.

    Returns:
        The pieces; each begins with a line break, so that its first word is predicted too.
    """
    pieces: list[str] = []
    current, count, left = "", 0, limit or len(text)
    for line in text.split("\n"):
        words = line.split()[:left]
        left -= len(words)
        while words:
            if count == WINDOW_WORDS:
                pieces.append(current)
                current, count = "", 0
            room = WINDOW_WORDS - count
            if len(words) > room and count:
                pieces.append(current)
                current, count, room = "", 0, WINDOW_WORDS
            current += "\n" + " ".join(words[:room])
            count += len(words[:room])
            words = words[room:]
    return [*pieces, current] if current else pieces


def perplexity(model: LanguageModel, texts: list[str]) -> tuple[float, float]:
    """Perplexity a word and a token of texts.

    Args:
        model: The model.
        texts: What it reads; the first token of each is given, not predicted.

    Returns:
        Both perplexities.
    """
    logs = model.token_logprobs(texts)
    total = -sum(float(part.astype(np.float64).sum()) for part in logs)
    words = sum(len(text.split()) for text in texts)
    tokens = sum(len(part) for part in logs)
    return float(np.exp(total / max(1, words))), float(np.exp(total / max(1, tokens)))


@dataclass(frozen=True)
class Geometry:
    """The shape of an embedding space; see `RetentionResult`."""

    mean_cosine: float | None
    alignment: float | None
    uniformity: float | None


def geometry(model: EmbeddingModel, graph: KnowledgeGraph, seed: int = 0) -> Geometry:
    """Mean cosine, alignment and uniformity on up to 1,000 entities and 200 triples.

    Source: Wang and Isola (arXiv 2005.10242), alignment with alpha 2, uniformity with t 2.

    Args:
        model: The model.
        graph: The graph; valid triples are the positive pairs, train ones if it has no valid.
        seed: Of the draw.

    Returns:
        The measures; mean cosine and uniformity are None for a graph with one entity.
    """
    rng = np.random.default_rng(seed)
    count = min(GEOMETRY_ENTITIES, graph.num_entities)
    drawn = np.sort(rng.choice(graph.num_entities, count, replace=False)).astype(np.int64)
    vectors = model.embed_entities(graph, drawn).astype(np.float64)
    cosines = (vectors @ vectors.T)[np.triu_indices(count, 1)]
    triples = graph.triples_of("valid")
    triples = triples if len(triples) else graph.triples_of("train")
    picked = triples[stratified_sample(triples[:, 1], GEOMETRY_TRIPLES, seed)]
    agreement = np.concatenate(triple_scores(model, graph, picked)).astype(np.float64)
    # for unit vectors the squared distance is 2 - 2 cos
    return Geometry(
        float(cosines.mean()) if len(cosines) else None,
        float((2 - 2 * agreement).mean()) if len(agreement) else None,
        float(np.log(np.exp(-4 * (1 - cosines)).mean())) if len(cosines) else None,
    )


def find_wikitext() -> Path | None:
    """WikiText-2's raw test file under `ACCORD_DATA`, if it is there."""
    folder = os.environ.get("ACCORD_DATA")
    path = Path(folder) / WIKITEXT if folder else None
    return path if path and path.is_file() else None


def read_text(path: str | Path) -> str:
    """Reads a UTF-8 text file, gzipped or not.

    Raises:
        DataError: Missing, empty, cut short or not UTF-8.
    """
    file = Path(path)
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError("not UTF-8", file, line, "save the file as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        hint = "check the path; a gzip file must be whole"
        raise DataError(f"cannot read the text ({error})", file, hint=hint) from error
    if not text.strip():
        raise DataError("the text is empty", file)
    return text
