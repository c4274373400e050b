"""What the measurements ask of a model, so that any model, real or toy, can be measured."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from accord.graph.graph import KnowledgeGraph

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class Scorer(Protocol):
    """Anything that scores every entity as the answer to a query."""

    def scores(self, queries: Int64) -> Float32:
        """Scores all entities for each query; higher is better.

        Args:
            queries: (B, 2) int64: entity idx and relation number; number r asks for the tails of
                relation r, number r + R for its heads.

        Returns:
            (B, E) float32.
        """
        ...


class EmbeddingModel(Protocol):
    """A model that embeds entities and queries in one space."""

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        """Embeds entities by their text.

        Args:
            graph: The graph.
            entities: (N,) int64 idx; None for all.

        Returns:
            (N, D) float32, L2-normalised.
        """
        ...

    def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
        """Embeds queries by their text.

        Args:
            graph: The graph.
            queries: (N, 2) int64 as for `Scorer.scores`.

        Returns:
            (N, D) float32, L2-normalised.
        """
        ...


class QueryTextModel(EmbeddingModel, Protocol):
    """A model that also embeds queries about entities that are in no graph."""

    def embed_query_texts(
        self, graph: KnowledgeGraph, heads: list[str], relations: list[int]
    ) -> Float32:
        """Embeds queries whose entity is given by its text alone.

        Args:
            graph: The graph whose relations are meant.
            heads: N entity texts, each "name" or "name: description".
            relations: N relation numbers, r or r + R.

        Returns:
            (N, D) float32, L2-normalised.
        """
        ...


class GenerativeModel(Protocol):
    """A model that writes."""

    def generate(self, prompts: list[str], max_new_tokens: int = 32, stop: str = "\n") -> list[str]:
        """Continues prompts greedily.

        Args:
            prompts: The prompts.
            max_new_tokens: Most tokens to write for each.
            stop: Where to end; neither it nor what follows is returned.

        Returns:
            One continuation a prompt.
        """
        ...

    def complete_names(
        self, graph: KnowledgeGraph, queries: Int64, max_new_tokens: int = 24
    ) -> list[str]:
        """Writes the answer to queries, read just as in training.

        Args:
            graph: The graph.
            queries: (N, 2) int64 as for `Scorer.scores`.
            max_new_tokens: Most tokens of an answer.

        Returns:
            N answers.
        """
        ...


class LanguageModel(Protocol):
    """A model that says how probable a text is."""

    def token_logprobs(self, texts: list[str]) -> list[Float32]:
        """Reads texts.

        Args:
            texts: The texts.

        Returns:
            For each text the natural log-probabilities of its tokens but the first.
        """
        ...


class BaseModelComparison(Protocol):
    """A model beside the one it came from."""

    def kl_on_own_texts(self, count: int, size: int, seed: int) -> float:
        """KL(base || model) on what the base model writes itself; needs no data.

        Args:
            count: How many texts.
            size: Tokens of each at most.
            seed: The same seed gives the same texts.

        Returns:
            Mean over tokens, nats; 0 for a base model.
        """
        ...

    def kl_on(self, texts: list[str]) -> float:
        """KL(base || model) on given texts.

        Args:
            texts: What both read.

        Returns:
            Mean over tokens, nats; 0 for a base model.
        """
        ...


class MeasuredModel(EmbeddingModel, LanguageModel, Protocol):
    """A model whose embeddings and language modelling are both measured."""
