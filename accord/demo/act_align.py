"""First act: a graph is imported, and the model is aligned with it; measured before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accord.demo.running import check_settings, trained
from accord.progress import clock, say

if TYPE_CHECKING:
    from accord.evaluate.compare import CompareConfig, Results
    from accord.graph.graph import KnowledgeGraph
    from accord.train.recipe import Recipe

SPLIT = "test"
TRIPLES, QUESTIONS, WORDS = 200, 100, 1_000
"""Test triples predicted and asked about, and words of text read: samples, to be quick."""
TRIVIAL = "baseline.frequency."
ROWS = (
    ("link prediction, MRR", "link-prediction", "both.realistic.mrr", TRIVIAL),
    ("link prediction, Hits@1", "link-prediction", "both.realistic.hits@1", TRIVIAL),
    ("link prediction, Hits@10", "link-prediction", "both.realistic.hits@10", TRIVIAL),
    ("tails written exactly right", "qa", "tail.accuracy", "tail.baseline"),
    ("perplexity a word of other text", "retention", "perplexity_word", ""),
    ("KL to the base model, nats a token", "retention", "kl_to_base", ""),
    ("mean cosine of random entities", "retention", "mean_cosine", ""),
)
"""The closing table: label, kind of measurement, the figure's place in its result, and that of the
trivial baseline; ranks of a baseline have the shape of the result itself."""


@dataclass(frozen=True)
class AlignConfig:
    """What the act is played with."""

    source: str = "geography"
    """The graph."""
    recipe: str = "demo"
    """The recipe."""
    overrides: tuple[str, ...] = ()
    """`key=value` over the recipe."""


@dataclass(frozen=True)
class AlignResult:
    """What the act found."""

    run: Path
    graph: Mapping[str, Any]
    """What `accord graph info` says of the graph."""
    train: Mapping[str, Any]
    """What `accord train` says of the run."""
    before: Results
    """Kind of measurement -> what `accord eval` says of the base model."""
    after: Results
    """The same of the run."""

    def to_dict(self) -> dict[str, Any]:
        """The act's keys in the object that `--json` prints."""
        return {
            "graph": dict(self.graph),
            "train": dict(self.train),
            "before": self.before,
            "after": self.after,
        }

    def to_text(self) -> str:
        """The table for people."""
        from accord.evaluate.tables import table

        rows = []
        for label, kind, place, trivial in ROWS:
            before, after = self.before[kind], self.after[kind]
            beside = TRIVIAL + place if trivial == TRIVIAL else trivial
            rows.append([label, _cell(before, place), _cell(after, place), _cell(after, beside)])
        title = f"before and after on {SPLIT} ({clock(self.train['seconds'])} of training)"
        return f"{title}\n{table(['', 'before', 'after', 'trivial'], rows)}"


def _cell(result: Mapping[str, Any], place: str) -> object:
    if not place:
        return ""
    value: Any = result
    for key in place.split("."):
        value = value[key]
    return "not measured" if value is None else value


def play(folder: Path, seed: int, config: AlignConfig) -> AlignResult:
    """Imports a graph, measures the model, aligns it and measures it again.

    Called again with the same folder it goes on: finished phases are skipped, training resumes.

    Args:
        folder: For the graph (`graph`) and the run (`run`).
        seed: Of training and of every draw.
        config: What the act is played with.

    Returns:
        What was found, before and after.

    Raises:
        ConfigError: The folder holds a run with other settings.
        AccordError: As of `import`, `train` and `eval`.
    """
    say(f"align 1/4 the graph: {config.source}")
    graph, info = _graph(folder / "graph", config.source)
    run, overrides = folder / "run", [*config.overrides, f"seed={seed}"]
    check_settings(run, config.recipe, overrides)
    settings = _settings(config.recipe, overrides)
    say(f"align 2/4 {settings.model.name} before training")
    before = _measure(settings.model.name, graph, run, "before", seed)
    say(f"align 3/4 {settings.model.name} and the graph: {settings.loop.steps} steps")
    train = trained(run, config.recipe, folder / "graph", overrides)
    say("align 4/4 the same measurements after training")
    after = _measure(run, graph, run, "after", seed)
    return AlignResult(run, info, train, before, after)


def _graph(folder: Path, source: str) -> tuple[KnowledgeGraph, dict[str, Any]]:
    """The graph folder, made unless it is there."""
    from accord.graph.formats import SNAPSHOT, write_graph
    from accord.graph.info import describe, summary
    from accord.graph.load import load_graph

    if (folder / SNAPSHOT / "graph.json").is_file():
        graph = load_graph(folder)
    else:
        graph = write_graph(load_graph(source), folder)
    info = describe(graph)
    say(summary(info))
    return graph, info


def _settings(recipe: str, overrides: list[str]) -> Recipe:
    from accord.config import load_config
    from accord.train.recipe import Recipe

    return load_config(Recipe, recipe, overrides)


def _measure(
    model: str | Path, graph: KnowledgeGraph, run: Path, moment: str, seed: int
) -> Results:
    from accord.evaluate.compare import measure

    return measure(model, graph, run, moment, SPLIT, config=measurements(seed))


def measurements(seed: int) -> CompareConfig:
    """How much the demo measures; every relation keeps its share of the samples."""
    from accord.evaluate.compare import CompareConfig

    # Tails are asked for as the model was trained: by names alone, without examples.
    return CompareConfig(
        triples=TRIPLES,
        questions=QUESTIONS,
        tasks=("tail",),
        shots=0,
        describe=False,
        words=WORDS,
        seed=seed,
    )
