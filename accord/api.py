"""What the commands do, as Python calls with the same names and defaults."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accord.config import load_config, to_toml
from accord.errors import ConfigError
from accord.evaluate.held_out import held_out_measure
from accord.evaluate.validation import validation
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import resolve
from accord.model.saving import (
    load_model,
    model_folder,
    save_pretrained,
)
from accord.model.structure import FOLDER as STRUCTURE
from accord.objectives.base import Objective
from accord.objectives.rationale import Rationale
from accord.objectives.structure import structure_of
from accord.progress import say
from accord.refine.rounds import RoundsResult, run_rounds
from accord.text.questions import Question, read_questions, write_questions
from accord.train.checkpoint import RunFolder, graph_record
from accord.train.environment import check_device, environment
from accord.train.extraction import (
    gather_examples,
    kept_examples,
    split_examples,
    text_files,
)
from accord.train.held_out import hold_out
from accord.train.loop import Loop, Progress, check_launcher, peak_memory
from accord.train.missing import NO_QUESTIONS, lacking, without_data
from accord.train.recipe import Recipe
from accord.train.setup import (
    attach_cache,
    build_objectives,
    keep_pooled,
    start_projection,
    validation_readings,
)
from accord.train.start import (
    keep_start,
    lineage,
    measure_teacher,
    put_parameters,
    put_start,
    settings_of,
    start_folder,
)
from accord.train.tasks import annotated_data, gather_tasks, kept_tasks

QUESTIONS = "questions.jsonl.gz"
__all__ = ["RunResult", "finished_run", "load_graph", "load_model", "train_rounds", "train_run"]


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
    qa: str | Path | None = None,
    data: Sequence[str | Path] = (),
) -> RunResult:
    """Trains a model on a graph with a recipe.

    Args:
        recipe: A recipe's name or TOML file.
        graph: Graph folder, file or data set name.
        out: The run folder to make, or to go on with.
        model: Base model, or a finished run to go on from with its adapter, heads and texts; None
            takes the recipe's base model.
        overrides: `key=value` settings over the recipe.
        text: Files or folders of plain text, for the language objective and, where they name
            entities of the graph, for relations and linking; a run that goes on has them already.
        resume: Go on from the newest checkpoint of `out`.
        device: "cpu", "cuda", ...; None picks one.
        qa: File of questions for the rationale objective; a run that goes on has them already.
        data: Annotated corpora or files, for relations and linking; a run that goes on has them.

    Returns:
        Where the run is and what it reached.

    Raises:
        ConfigError: A setting that does not exist or fit, or `out` holds another run.
        ModelError: NaN loss, or a model that cannot be loaded.
        DataError: Graph, questions or disk trouble.
    """
    from accelerate import Accelerator

    run = RunFolder(out)
    check_device(device)
    if resume and not run.path.is_dir():
        raise ConfigError(
            f"{out}: there is no run to go on with",
            "check --out, or leave --resume out to begin one",
        )
    going_on = resume and (run.path / "config.toml").is_file()
    start = model_folder(model) if model and not going_on else None
    given = list(overrides)
    settings = _settings(run, recipe, model, given, going_on)
    if qa is None and not going_on:
        settings = without_data(settings, given, NO_QUESTIONS)
    questions = _questions(run, settings, qa, going_on)
    opened = load_graph(str(graph))
    files = text_files(text)
    named = list(map(str, data))
    read = None if going_on else gather_tasks(settings, named)
    annotated = annotated_data(named)
    gathered = None if going_on else gather_examples(settings, opened, annotated, files)
    if gathered is not None:
        settings = without_data(settings, given, lacking(gathered, opened))
    began = time.monotonic()
    accelerator = Accelerator(
        cpu=device == "cpu", log_with=list(settings.loop.trackers) or None, project_dir=run.path
    )
    check_launcher(accelerator)
    with run.withdrawn_on_failure() if accelerator.is_main_process else nullcontext():
        if accelerator.is_main_process:
            if not going_on:
                run.check_free()
                keep_start(run, start, str(model))
                # Before the settings are: a run that has those goes on with what is kept here.
                kept_examples(run, gathered)
                kept_tasks(run, read)
            _begin(run, settings, opened, str(graph), going_on, questions)
        accelerator.wait_for_everyone()
        start = start_folder(run)
        trained = _model(settings, opened, start, device, accelerator)
        with accelerator.main_process_first():
            texts = kept_examples(run, None) if gathered is None else gathered
            examples, held = split_examples(texts)
            tasks = kept_tasks(run, None) if read is None else read
            learnt, asked = tasks.part(held=False), tasks.part(held=True)
            objectives = build_objectives(
                settings, trained, opened, files, run, questions, examples, learnt
            )
            unseen = hold_out(settings, trained, opened, objectives, held, asked)
        for objective, _ in objectives:
            objective.parameters.to(trained.device)
        structure = structure_of(o for o, _ in objectives)
        by_text = held_out_measure(settings, opened, unseen, held)
        validate = validation(settings, opened, questions, structure, by_text)
        cached = _cache(settings, trained, objectives, opened, run, accelerator, unseen)
        if start is not None:
            put_parameters(objectives, start)
        else:
            start_projection(settings, trained, opened)
        keep_pooled(settings, trained, objectives)
        loop = Loop(trained, objectives, settings.loop, run, settings.seed, validate, accelerator)
        _measure_teacher(loop, run if accelerator.is_main_process else None)
        loop.progress.setup_seconds = time.monotonic() - began
    progress = loop.fit(resume)
    if accelerator.is_main_process:
        _finish(run, settings, loop, opened, cached)
    return RunResult(run.path, progress.step, progress.seconds, _metrics(progress))


def finished_run(run: Path) -> RunResult | None:
    """What a finished run reached; None for one that is not finished or not begun."""
    if not ((run / "result.json").is_file() and model_folder(run)):
        return None
    found = RunFolder(run).read_json("result.json")
    return RunResult(run, int(found.pop("steps")), float(found.pop("seconds")), found)


def train_rounds(
    recipe: str | Path,
    graph: str | Path,
    out: str | Path,
    rounds: int,
    model: str | None = None,
    overrides: Iterable[str] = (),
    text: Sequence[str | Path] = (),
    device: str | None = None,
    qa: str | Path | None = None,
    data: Sequence[str | Path] = (),
) -> RoundsResult:
    """Trains, scans the graph, has the finds reviewed, changes the graph, and trains on from there.

    Called again with the same arguments it goes on where it was stopped, or where it waits for
    a review.

    Args:
        recipe: A recipe's name or TOML file; its table `rounds` says how the graph is changed.
        graph: Graph folder, file or data set name; a copy of it is changed, in `out`.
        out: Folder for the copy and for one run a round.
        rounds: How many at most.
        model: What the first round starts from, as in `train_run`.
        overrides: `key=value` settings over the recipe.
        text: As in `train_run`.
        device: As in `train_run`.
        qa: As in `train_run`.
        data: As in `train_run`.

    Returns:
        Where the rounds stand.

    Raises:
        ConfigError: A setting that does not exist or fit, or `out` holds other rounds.
        AccordError: As of training, scanning and patching.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "rounds run in one process", "leave the launcher out, or train the rounds one by one"
        )
    given, source = list(overrides), graph

    def train(
        run: Path, graph: Path, start: Path | None, overrides: Sequence[str]
    ) -> dict[str, Any]:
        done = finished_run(run)
        if done is None and (run / "config.toml").is_file():
            done = train_run(recipe, graph, run, text=text, resume=True, device=device)
        if done is None:
            first = model if start is None else str(start)
            settings = [*given, *overrides]
            done = train_run(recipe, graph, run, first, settings, text, False, device, qa, data)
        return {key: value for key, value in done.to_dict().items() if key != "run"}

    return run_rounds(out, source, rounds, settings_of(recipe, model, given), train)


def _settings(
    run: RunFolder,
    recipe: str | Path,
    model: str | None,
    overrides: list[str],
    going_on: bool,
) -> Recipe:
    if going_on:
        if overrides or model:
            raise ConfigError(
                "--resume goes on with the run's own settings", "leave --set and --model out"
            )
        return load_config(Recipe, run.path / "config.toml")
    return settings_of(recipe, model, overrides)


def _questions(
    run: RunFolder, settings: Recipe, qa: str | Path | None, going_on: bool
) -> list[Question]:
    """All questions of the run; read before anything is written."""
    if not settings.rationale.weight:
        if qa is not None:
            raise ConfigError(
                "no objective of this recipe reads questions",
                "leave --qa out, or choose a recipe such as kale",
            )
        return []
    if going_on:
        return list(read_questions(run.path / QUESTIONS))
    if qa is None:
        raise ConfigError(
            "the rationale objective learns from questions, and none are given",
            "say which with --qa FILE; `accord synthesize` writes some for any graph",
        )
    return list(read_questions(qa))


def _begin(
    run: RunFolder,
    settings: Recipe,
    graph: KnowledgeGraph,
    spec: str,
    going_on: bool,
    questions: list[Question],
) -> None:
    record = graph_record(graph, spec)
    if going_on:
        before = run.read_json("graph.json")["hash"]
        if not graph.descends_from(before):
            raise ConfigError(
                f"{run.path} was trained on another graph ({before[:12]}, "
                f"this is {graph.hash[:12]})",
                "resume with the graph it was started on, or start a new run",
            )
        return
    if questions:
        write_questions(run.path / QUESTIONS, questions)
    run.start(to_toml(settings), environment(), record)


def _model(
    settings: Recipe,
    graph: KnowledgeGraph,
    start: Path | None,
    device: str | None,
    accelerator: Any,
) -> KnowledgeModel:
    """The model that will be trained, as it is before the first step."""
    if accelerator.num_processes > 1:  # one process of a machine fetches, the others find it
        with accelerator.local_main_process_first():
            resolve(settings.model.name)
    where = device or str(accelerator.device)
    model = KnowledgeModel.create(settings.model, settings.text, where, settings.seed)
    if start is not None:
        put_start(model, start)
    if model.fusion is not None:
        model.attach(graph)
    return model


def _cache(
    settings: Recipe,
    model: KnowledgeModel,
    objectives: Any,
    graph: KnowledgeGraph,
    run: RunFolder,
    accelerator: Any,
    unseen: Iterable[Objective],
) -> int:
    """One process fills the cache, the others open what it wrote."""
    with accelerator.main_process_first():
        also = validation_readings(settings, model, graph) if settings.model.freeze_layers else []
        also += [sequence for objective in unseen for sequence in objective.sequences()]
        return attach_cache(settings, model, objectives, run.path / "cache", also)


def _measure_teacher(loop: Loop, run: RunFolder | None) -> None:
    """Before the first step of a run whose teacher reads rationales."""
    for objective, _ in loop.objectives:
        if isinstance(objective, Rationale) and objective.config.kl:
            known = run is not None and any("teacher_accuracy" in line for line in run.lines())
            if not known:
                measure_teacher(loop.step, objective, run)


def _metrics(progress: Progress) -> dict[str, float]:
    found = {"tokens": progress.tokens, "peak_memory_gb": progress.peak_bytes / 1e9}
    found["tokens_per_second"] = progress.tokens / max(progress.seconds, 1e-9)
    if progress.best_weights:
        found |= {"valid": progress.best, "best_step": float(progress.best_step)}
    return found


def _finish(
    run: RunFolder,
    settings: Recipe,
    loop: Loop,
    graph: KnowledgeGraph,
    cached: int,
) -> None:
    model, progress = loop.model, loop.progress
    progress.peak_bytes = max(progress.peak_bytes, peak_memory(model.device))
    result = {
        "steps": progress.step,
        "seconds": progress.seconds,
        **_metrics(progress),
    }
    facts = {"seed": settings.seed, **result}
    parts = ("setup_seconds", "validation_seconds")
    spent = {part: getattr(progress, part) for part in parts}
    kept = {f"{o.name}.{k}": p for o, _ in loop.objectives for k, p in o.parameters.items()}
    record = graph_record(graph, graph.name)
    save_pretrained(model, run.path / "model", record, facts, kept, lineage(run))
    structure = structure_of(o for o, _ in loop.objectives)
    if structure is not None:
        structure.vectors().save(run.path / "model" / STRUCTURE)
    run.write_json("result.json", {**result, "cache_tokens": cached, **spent})
    say(f"run written to {run.path}")
