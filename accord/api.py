"""What the commands do, as Python calls with the same names and defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.config import load_config, to_toml
from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import resolve
from accord.model.saving import load_model, save_pretrained
from accord.progress import say
from accord.train.checkpoint import RunFolder, graph_record
from accord.train.environment import environment
from accord.train.loop import Loop, Progress, peak_memory
from accord.train.recipe import Recipe
from accord.train.setup import attach_cache, build_objectives, start_projection

__all__ = ["RunResult", "load_graph", "load_model", "train_run"]


@dataclass(frozen=True)
class RunResult:
    """What `accord train` reports."""

    run: Path
    steps: int
    seconds: float
    metrics: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "run": str(self.run),
            "steps": self.steps,
            "seconds": self.seconds,
            "metrics": self.metrics,
        }


def train_run(
    recipe: str | Path,
    graph: str | Path,
    out: str | Path,
    model: str | None = None,
    overrides: Iterable[str] = (),
    text: Sequence[str | Path] = (),
    resume: bool = False,
    device: str | None = None,
) -> RunResult:
    """Trains a model on a graph with a recipe.

    Args:
        recipe: A recipe's name or TOML file.
        graph: Graph folder, file or data set name.
        out: The run folder to make, or to go on with.
        model: Base model; None takes the recipe's.
        overrides: `key=value` settings over the recipe.
        text: Files of plain text for the language objective; a run that goes on has them already.
        resume: Go on from the newest checkpoint of `out`.
        device: "cpu", "cuda", ...; None picks one.

    Returns:
        Where the run is and what it reached.

    Raises:
        ConfigError: A setting that does not exist or fit, or `out` holds another run.
        ModelError: NaN loss, or a model that cannot be loaded.
        DataError: Graph or disk trouble.
    """
    from accelerate import Accelerator

    run = RunFolder(out)
    settings = _settings(run, recipe, model, overrides, resume)
    opened = load_graph(str(graph))
    accelerator = Accelerator(
        cpu=device == "cpu", log_with=list(settings.loop.trackers) or None, project_dir=run.path
    )
    if accelerator.is_main_process:
        _begin(run, settings, opened, str(graph), resume)
    accelerator.wait_for_everyone()
    where = device or str(accelerator.device)
    if accelerator.num_processes > 1:  # one process of a machine fetches, the others find it
        with accelerator.local_main_process_first():
            resolve(settings.model.name)
    trained = KnowledgeModel.create(settings.model, settings.text, where, settings.seed)
    with accelerator.main_process_first():
        files = [Path(p) for p in text]
        objectives = build_objectives(settings, trained, opened, files, run)
    for objective, _ in objectives:
        objective.parameters.to(trained.device)
    validate = _validation(settings, opened)
    cached = _cache(settings, trained, objectives, opened, run, accelerator)
    start_projection(settings, trained, opened)
    loop = Loop(trained, objectives, settings.loop, run, settings.seed, validate, accelerator)
    progress = loop.fit(resume)
    if accelerator.is_main_process:
        _finish(run, settings, trained, opened, progress, cached)
    return RunResult(run.path, progress.step, progress.seconds, _metrics(progress))


def _settings(
    run: RunFolder, recipe: str | Path, model: str | None, overrides: Iterable[str], resume: bool
) -> Recipe:
    known = run.path / "config.toml"
    if resume and known.is_file():
        if list(overrides) or model:
            raise ConfigError(
                "--resume goes on with the run's own settings", "leave --set and --model out"
            )
        return load_config(Recipe, known)
    chosen = [*overrides, *([f"model.name={model}"] if model else [])]
    return load_config(Recipe, recipe, chosen)


def _begin(
    run: RunFolder, settings: Recipe, graph: KnowledgeGraph, spec: str, resume: bool
) -> None:
    record = graph_record(graph, spec)
    if resume and (run.path / "config.toml").is_file():
        before = run.read_json("graph.json")["hash"]
        if not graph.descends_from(before):
            raise ConfigError(
                f"{run.path} was trained on another graph ({before[:12]}, "
                f"this is {graph.hash[:12]})",
                "resume with the graph it was started on, or start a new run",
            )
        return
    run.start(to_toml(settings), environment(), record)


def _cache(
    settings: Recipe,
    model: KnowledgeModel,
    objectives: Any,
    graph: KnowledgeGraph,
    run: RunFolder,
    accelerator: Any,
) -> int:
    """One process fills the cache, the others open what it wrote."""
    texts = model.texts(graph)
    valid = graph.triples_of("valid").astype(np.int64)
    queries = np.concatenate([valid[:, :2], valid[:, [2, 1]] + [0, graph.num_relations]])
    also = [texts.query(h, r) for h, r in np.unique(queries, axis=0).tolist()]
    with accelerator.main_process_first():
        return attach_cache(settings, model, objectives, run.path / "cache", also)


def _validation(
    settings: Recipe, graph: KnowledgeGraph
) -> Callable[[KnowledgeModel], float] | None:
    """MRR on valid triples, filtered with train and valid only."""
    if not settings.loop.validate_every or not len(graph.triples_of("valid")):
        return None
    from accord.evaluate.link_prediction import evaluate_link_prediction

    def validate(model: KnowledgeModel) -> float:
        result = evaluate_link_prediction(
            model, graph, split="valid", limit=settings.loop.validate_queries, baseline=False
        )
        return result.mrr

    return validate


def _metrics(progress: Progress) -> dict[str, float]:
    found = {"tokens": progress.tokens, "peak_memory_gb": progress.peak_bytes / 1e9}
    found["tokens_per_second"] = progress.tokens / max(progress.seconds, 1e-9)
    if progress.best_weights:
        found |= {"valid": progress.best, "best_step": float(progress.best_step)}
    return found


def _finish(
    run: RunFolder,
    settings: Recipe,
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    progress: Progress,
    cached: int,
) -> None:
    progress.peak_bytes = max(progress.peak_bytes, peak_memory(model.device))
    result = {
        "steps": progress.step,
        "seconds": progress.seconds,
        "cache_tokens": cached,
        **_metrics(progress),
    }
    facts = {"seed": settings.seed, **{k: v for k, v in result.items() if k != "cache_tokens"}}
    save_pretrained(model, run.path / "model", graph_record(graph, graph.name), facts)
    run.write_json("result.json", result)
    say(f"run written to {run.path}")
