"""The whole story on the embedded default: import, measure, align, measure again, report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accord.errors import ConfigError
from accord.progress import clock, say

if TYPE_CHECKING:
    from accord.evaluate.compare import CompareConfig, Results
    from accord.graph.graph import KnowledgeGraph
    from accord.train.recipe import Recipe

SPLIT = "test"
NOTE = "an illustration, one seed"
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
class DemoConfig:
    """What the story is told with."""

    source: str = "geography"
    """The graph."""
    recipe: str = "demo"
    """The recipe."""
    overrides: tuple[str, ...] = ()
    """`key=value` over the recipe."""


@dataclass(frozen=True)
class DemoResult:
    """What `accord demo` reports."""

    out: Path
    seed: int
    graph: Mapping[str, Any]
    """What `accord graph info` says of the graph."""
    train: Mapping[str, Any]
    """What `accord train` says of the run."""
    before: Results
    """Kind of measurement -> what `accord eval` says of the base model."""
    after: Results
    """The same of the run."""
    report: Path
    seconds: float
    """Of this call; phases that were done before take none."""

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "out": str(self.out),
            "note": NOTE,
            "seed": self.seed,
            "graph": dict(self.graph),
            "train": dict(self.train),
            "before": self.before,
            "after": self.after,
            "report": str(self.report),
            "seconds": self.seconds,
        }

    def to_text(self) -> str:
        """The table for people."""
        from accord.evaluate.tables import table

        rows = []
        for label, kind, place, trivial in ROWS:
            before, after = self.before[kind], self.after[kind]
            beside = TRIVIAL + place if trivial == TRIVIAL else trivial
            rows.append([label, _cell(before, place), _cell(after, place), _cell(after, beside)])
        title = f"before and after on {SPLIT} ({NOTE}, {clock(self.train['seconds'])} of training)"
        shown = table(["", "before", "after", "trivial"], rows)
        return f"{title}\n{shown}\nreport: {self.report}"


def _cell(result: Mapping[str, Any], place: str) -> object:
    if not place:
        return ""
    value: Any = result
    for key in place.split("."):
        value = value[key]
    return "not measured" if value is None else value


def run_demo(
    out: str | Path = "demo-out", seed: int = 0, config: DemoConfig | None = None
) -> DemoResult:
    """Imports a graph, measures the model, aligns it, measures it again and writes the report.

    Called again with the same folder it goes on: finished phases are skipped, training resumes.

    Args:
        out: Folder for the graph, the run and the report.
        seed: Of training and of every draw.
        config: What the story is told with; the default is the embedded one.

    Returns:
        What was found, before and after.

    Raises:
        ConfigError: The folder holds a demo with other settings.
        AccordError: As of `import`, `train` and `eval`.
    """
    start, folder, config = time.monotonic(), Path(out), config or DemoConfig()
    say(f"1/5 the graph: {config.source}")
    graph, info = _graph(folder / "graph", config.source)
    run = folder / "run"
    settings = _settings(run, config, seed)
    say(f"2/5 {settings.model.name} before training")
    before = _measure(settings.model.name, graph, run, "before", seed)
    say(f"3/5 aligning {settings.model.name} with the graph: {settings.loop.steps} steps")
    trained = _train(run, folder / "graph", config, seed)
    say("4/5 the same measurements after training")
    after = _measure(run, graph, run, "after", seed)
    say("5/5 the report")
    report = _report(run, folder / "report.html")
    seconds = time.monotonic() - start
    return DemoResult(folder, seed, info, trained, before, after, report, seconds)


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


def _settings(run: Path, config: DemoConfig, seed: int) -> Recipe:
    """The run's settings.

    Raises:
        ConfigError: The folder holds a run with others.
    """
    from accord.config import load_config
    from accord.train.recipe import Recipe

    wanted = load_config(Recipe, config.recipe, [*config.overrides, f"seed={seed}"])
    known = run / "config.toml"
    if known.is_file() and load_config(Recipe, known) != wanted:
        raise ConfigError(
            f"{run} was made with other settings than this demo's (seed {seed})",
            "choose another --out, or give the --seed that it was made with",
        )
    return wanted


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


def _train(run: Path, graph: Path, config: DemoConfig, seed: int) -> dict[str, Any]:
    """Trains, or goes on, or reads what a finished run says."""
    from accord.api import RunResult, train_run
    from accord.model.saving import model_folder
    from accord.train.checkpoint import RunFolder

    if (run / "result.json").is_file() and model_folder(run):
        found = RunFolder(run).read_json("result.json")
        steps, seconds = int(found.pop("steps")), float(found.pop("seconds"))
        return RunResult(run, steps, seconds, found).to_dict()
    begun = (run / "config.toml").is_file()
    chosen = [] if begun else [*config.overrides, f"seed={seed}"]
    return train_run(config.recipe, graph, run, overrides=chosen, resume=begun).to_dict()


def _report(run: Path, target: Path) -> Path:
    from accord.evaluate.report import write_report

    return Path(write_report([run], target)["report"])
