"""Settings of a model: which one, and what of it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from accord.errors import ConfigError
from accord.text.examples import QueryForm

DEFAULT_MODEL = "smollm2-135m-q4"
Adapter = Literal["lora", "full", "none"]
POOLING: dict[str, tuple[str, ...]] = {
    "last": (),
    "both": ("states",),
    "all": ("states", "words"),
    "rare": ("states", "rare", "early"),
}
"""The means that stand for a text beside its last token, by `ModelConfig.pooling`."""


@dataclass(frozen=True)
class FusionConfig:
    """Attention from tokens to the vectors of entities mentioned near them."""

    memory: str = ""
    """Folder of the entity memory; a saved model holds its own copy."""
    layers: tuple[int, ...] = (-4, -2)
    """Layers behind which tokens look up entities; negative numbers count from the top."""
    heads: int = 4
    """Heads of the attention."""
    width: int = 128
    """Width of all heads together."""
    reach: int = 64
    """Tokens from a mention up to which it is seen."""
    neighbours: int = 4
    """Neighbours in train seen with each mentioned entity, at most."""
    candidates: int = 1
    """Entities seen for an ambiguous mention, at most, weighed by how likely each is."""

    def __post_init__(self) -> None:
        if not self.layers:
            raise ConfigError("model.fusion.layers is empty", "name a layer, or set fusion=off")
        if self.heads < 1 or self.width < 1 or self.width % self.heads:
            raise ConfigError(
                f"model.fusion.width={self.width}, heads={self.heads}",
                "use a width that the number of heads divides, such as 128 and 4",
            )
        if min(self.reach, self.candidates) < 1 or self.neighbours < 0:
            raise ConfigError(
                f"model.fusion.reach={self.reach}, candidates={self.candidates}, "
                f"neighbours={self.neighbours}",
                "use reach and candidates of 1 or more, neighbours of 0 or more",
            )


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
    the embeddings of head and relation, each read alone."""
    pooling: Literal["last", "both", "all", "rare"] = "last"
    """What stands for a text of a causal model: last is the state at its last token, as in KaLM;
    both puts the mean of the frozen layers' states beside it, all also that of the token
    embeddings, rare in its place two means weighted by how rare a token is in the graph's texts,
    one of them also by how near the beginning; these need frozen layers and a projection."""
    projection: int = 0
    """Dimension of a trained linear map a view after pooling; 0 is none, as in KaLM."""
    embedding_dropout: float = 0.0
    """Dropout on embeddings while training, before they are made unit vectors."""
    projection_start: int = 8192
    """Train triples from which the maps get their closed-form start; 0 starts orthogonal."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of the frozen weights; auto takes bfloat16 where the processor computes in it."""
    fusion: FusionConfig | None = None
    """Attention to an entity memory; none is off."""

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
        if self.means and not (self.projection and self.freeze_layers):
            raise ConfigError(
                f"model.pooling={self.pooling} maps the frozen layers' mean beside the last token",
                "set model.projection and model.freeze_layers, or model.pooling=last",
            )
        if self.reading == "segments" and self.freeze_layers == 0:
            raise ConfigError(
                "model.reading=segments needs frozen layers that read them",
                "set model.freeze_layers to 1 or more, or model.reading=full",
            )

    @property
    def means(self) -> tuple[str, ...]:
        """Which means over a text stand beside the state at its last token."""
        return POOLING[self.pooling]


def model_config(values: Mapping[str, Any]) -> ModelConfig:
    """Settings from what a saved model's header holds.

    Args:
        values: By field; tables as mappings, lists in place of tuples.
    """
    fusion = values.get("fusion")
    if fusion is None:
        return ModelConfig(**values)
    built = FusionConfig(**{**fusion, "layers": tuple(fusion["layers"])})
    return ModelConfig(**{**values, "fusion": built})
