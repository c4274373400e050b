"""Settings of a model: which one, and what of it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accord.errors import ConfigError
from accord.text.examples import QueryForm

DEFAULT_MODEL = "smollm2-135m-q4"
Adapter = Literal["lora", "full", "none"]


@dataclass(frozen=True)
class ModelConfig:
    """Which model, and what of it is trained."""

    name: str = DEFAULT_MODEL
    """A Hub name, a folder, or an embedded model's name."""
    adapter: Adapter = "lora"
    """lora trains low-rank adapters, full trains the layers themselves, none trains only heads."""
    rank: int = 32
    """Rank of the LoRA matrices."""
    alpha: float = 64.0
    """LoRA scale; the update is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Dropout on the input of the LoRA matrices."""
    targets: Literal["mlp", "attention", "all"] = "all"
    """Which linear maps get an adapter; KaLM adapts the mlp."""
    freeze_layers: int = 0
    """Layers from the bottom that stay as they are; their output can be cached."""
    reading: Literal["full", "segments"] = "full"
    """segments: frozen layers read each entity, phrase and name alone, so each is read once."""
    query: QueryForm = "text"
    """How a query is embedded: text reads ``[ HEAD, RELATION ]`` as KaLM does; product multiplies
    the embeddings of head and relation, each read alone; both adds the two."""
    projection: int = 0
    """Dimension of a trained linear map a view after pooling; 0 is none, as in KaLM."""
    embedding_dropout: float = 0.0
    """Dropout on embeddings while training, before they are made unit vectors."""
    projection_start: int = 8192
    """Train triples from which the maps get their closed-form start; 0 starts orthogonal."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of the frozen weights; auto takes bfloat16 where the processor computes in it."""

    def __post_init__(self) -> None:
        shares = (self.dropout, self.embedding_dropout)
        if self.rank < 1 or self.alpha <= 0 or not all(0 <= share < 1 for share in shares):
            raise ConfigError(
                f"model.rank={self.rank}, alpha={self.alpha}, dropout={self.dropout}, "
                f"embedding_dropout={self.embedding_dropout}",
                "use rank >= 1, alpha > 0 and dropouts from 0 to below 1",
            )
        if min(self.freeze_layers, self.projection, self.projection_start) < 0:
            raise ConfigError(
                "model.freeze_layers, projection and projection_start cannot be negative"
            )
        if self.query != "text" and not self.projection:
            raise ConfigError(
                f"model.query={self.query} multiplies mapped embeddings",
                "set model.projection, such as 128, or model.query=text",
            )
        if self.reading == "segments" and self.freeze_layers == 0:
            raise ConfigError(
                "model.reading=segments needs frozen layers that read them",
                "set model.freeze_layers to 1 or more, or model.reading=full",
            )
