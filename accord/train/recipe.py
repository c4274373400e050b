"""A recipe: weights over objectives, and everything else a run needs to be repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from accord.errors import ConfigError
from accord.model.config import ModelConfig
from accord.objectives.choice import ChoosingConfig
from accord.objectives.completion import CompletionConfig
from accord.objectives.contrastive import ContrastiveConfig
from accord.objectives.knowledge import KnowledgeConfig
from accord.objectives.labels import PairsConfig, TypingConfig
from accord.objectives.language import LanguageConfig
from accord.objectives.linking import LinkingConfig
from accord.objectives.modelling import ModellingConfig
from accord.objectives.rationale import RationaleConfig
from accord.objectives.relations import RelationsConfig
from accord.objectives.spans import SpansConfig
from accord.objectives.structure import StructureConfig
from accord.text.render import TextConfig
from accord.train.mixing import Balance, Order


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the loop."""

    steps: int = 600
    """Optimizer steps."""
    learning_rate: float = 2e-3
    """Highest learning rate of AdamW."""
    weight_decay: float = 0.01
    """Of the adapter and heads."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls."""
    order: Order = "simultaneous"
    """When objectives are trained: all in every step; stage by stage (facts of the graph, then
    texts about them, then answers); or stages in turn, step by step. Language is in all steps."""
    balance: Balance = "none"
    """What weights mean: factors of losses; their starts, learnt from there (uncertainty); or
    shares of the gradient at what is read."""
    accumulation: int = 1
    """Batches whose gradients are added for one optimizer step."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 is off."""
    chunk_tokens: int = 4096
    """Padded tokens read at once."""
    keep_tokens: int = 32768
    """Padded tokens whose activations may be kept; larger steps are read twice."""
    cache_gb: float = 8.0
    """Hard cap on the cache of frozen layers, in 10^9 bytes; 0 reads without a cache."""
    cache_from: tuple[str, ...] = ()
    """Run folders whose kept states are copied where texts, model and frozen layers are the same:
    runs that differ in seed or weights read a text once."""
    changed: Path | None = None
    """JSON list of ids of entities that changed since the run that this one starts from; rounds
    write it."""
    changed_share: float = 0.5
    """Share of a step's triples that is about these entities."""
    validate_every: int = 100
    """Steps between validations; 0 is never."""
    validate_queries: int = 500
    """Valid triples, or questions, of a validation at most, drawn once, seeded."""
    patience: int = 0
    """Validations without a better figure until the run stops; 0 is never."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints."""
    log_every: int = 10
    """Steps between lines of the log."""
    trackers: tuple[str, ...] = ()
    """Trackers of accelerate (tensorboard, trackio, wandb, mlflow); none by default."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.accumulation < 1 or self.log_every < 1:
            raise ConfigError("loop.steps, loop.accumulation and loop.log_every must be 1 or more")
        if self.learning_rate <= 0 or not 0 <= self.warmup <= 1:
            raise ConfigError(
                f"loop.learning_rate={self.learning_rate}, loop.warmup={self.warmup}",
                "use a positive learning rate and a warmup between 0 and 1",
            )
        if min(self.chunk_tokens, self.keep_tokens) < 1 or self.cache_gb < 0:
            raise ConfigError("loop.chunk_tokens and keep_tokens must be positive, cache_gb >= 0")
        if not 0 <= self.changed_share < 1:
            raise ConfigError(
                f"loop.changed_share is {self.changed_share}", "use a share from 0 to below 1"
            )


@dataclass(frozen=True)
class RoundsConfig:
    """Settings of `--rounds`: train, scan the graph, change it, train on from there."""

    refinement: Literal["model", "none", "random", "oracle"] = "model"
    """Who changes the graph: the run's scan; nobody; chance, as many changes as the scan would
    make; or the planted truth."""
    above: float | None = None
    """Accept what is right with at least this probability; none stops for review by people."""
    least: float = 0.5
    """Probability from which something is put up for review."""
    most: int = 1000
    """Flags and proposals of a round at most, of each."""
    vectors: bool = True
    """Judge by structure vectors too, trained anew in each scan; else by rules and text alone."""
    text_share: float = 0.05
    """Share of the triples, the most suspicious ones, that the run's text model reads."""
    truth: Path | None = None
    """CSV of what was planted and removed (`accord.graph.noise.write_truth`): error and missing
    rates of every round are noted, and an oracle reads it."""
    later_steps: int | None = None
    """Steps of every round but the first; none for `loop.steps`."""

    def __post_init__(self) -> None:
        if self.above is not None and not 0 < self.above <= 1:
            raise ConfigError(f"rounds.above is {self.above}", "use a probability, such as 0.9")
        if not 0 <= self.least <= 1 or self.most < 1 or not 0 <= self.text_share <= 1:
            raise ConfigError(
                f"rounds: least={self.least}, most={self.most}, text_share={self.text_share}",
                "use probabilities and shares from 0 to 1, and at least one item",
            )
        if self.refinement == "oracle" and self.truth is None:
            raise ConfigError(
                "rounds.refinement=oracle needs to know what was planted",
                "say where that is written: --set rounds.truth=FILE",
            )
        if self.later_steps is not None and self.later_steps < 1:
            raise ConfigError(f"rounds.later_steps is {self.later_steps}", "use 1 or more")


@dataclass(frozen=True)
class Recipe:
    """All settings of a run."""

    seed: int = 0
    """Of weights, order, negatives and dropout."""
    descriptions: bool = True
    """Learn relations, links and language from the graph's descriptions too; false learns from
    `--data` and `--text` alone, as fine-tuning on a labelled task should."""
    missing: Literal["refuse", "leave-out"] = "refuse"
    """An objective without data to learn from: an error, or left out with a word about it. One
    whose weight is given by `--set` is never left out."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Which model, and what of it is trained."""
    text: TextConfig = field(default_factory=TextConfig)
    """How entities become text."""
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    """Explicit alignment."""
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    """Implicit alignment."""
    language: LanguageConfig = field(default_factory=LanguageConfig)
    """Stay near the model that the run starts from."""
    knowledge: KnowledgeConfig = field(default_factory=KnowledgeConfig)
    """Tell what the graph states about an entity, and no other names and numbers."""
    rationale: RationaleConfig = field(default_factory=RationaleConfig)
    """Answer questions as one would with their rationale; needs `--qa`."""
    relations: RelationsConfig = field(default_factory=RelationsConfig)
    """Tell which relations a text states; learns from `--data`, `--text` and descriptions."""
    linking: LinkingConfig = field(default_factory=LinkingConfig)
    """Tell which entity a mention means; learns from `--data`, `--text` and descriptions."""
    modelling: ModellingConfig = field(default_factory=ModellingConfig)
    """Model the language of texts with mentions: masked for encoders, causal for language models;
    learns from `--data`, `--text` and descriptions."""
    spans: SpansConfig = field(default_factory=SpansConfig)
    """Tell which words are a mention, and of which type; learns from `--data`."""
    typing: TypingConfig = field(default_factory=TypingConfig)
    """Tell of which type a given mention is; learns from `--data`."""
    pairs: PairsConfig = field(default_factory=PairsConfig)
    """Tell what holds between two texts; learns from `--data`."""
    choice: ChoosingConfig = field(default_factory=ChoosingConfig)
    """Tell the right one of several choices; learns from `--data`."""
    structure: StructureConfig = field(default_factory=StructureConfig)
    """Vectors of entities and relations, learnt from triples alone."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """The loop."""
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    """How `--rounds` changes the graph between rounds."""

    def __post_init__(self) -> None:
        parts = (
            self.contrastive,
            self.completion,
            self.language,
            self.knowledge,
            self.rationale,
            self.relations,
            self.linking,
            self.modelling,
            self.spans,
            self.typing,
            self.pairs,
            self.choice,
            self.structure,
        )
        if not any(part.weight for part in parts):
            raise ConfigError("every objective's weight is 0", "give one of them a weight")
        fusion = self.model.fusion
        if fusion and fusion.neighbours and (self.contrastive.weight or self.completion.weight):
            raise ConfigError(
                f"model.fusion.neighbours is {fusion.neighbours}: the neighbours of a query's head "
                "in train hold its answer",
                "set model.fusion.neighbours=0 with the contrastive or completion objective",
            )
