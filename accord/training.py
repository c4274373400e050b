"""One training from what was asked for to a finished run: read, kept, built, trained, saved."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from accord.config import load_config, to_toml
from accord.errors import ConfigError
from accord.evaluate.held_out import held_out_measure
from accord.evaluate.validation import validation
from accord.graph.load import load_graph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import resolve
from accord.model.saving import model_folder, save_pretrained
from accord.model.structure import FOLDER as STRUCTURE
from accord.objectives.rationale import Rationale
from accord.objectives.structure import structure_of
from accord.progress import say
from accord.text.questions import Question, read_questions, write_questions
from accord.train.checkpoint import RunFolder, graph_record
from accord.train.environment import environment
from accord.train.extraction import kept_examples, text_files
from accord.train.loop import Loop, Progress, check_launcher, peak_memory
from accord.train.material import Learning, Material, build_learning, gather_material
from accord.train.missing import NO_QUESTIONS, without_data
from accord.train.recipe import Recipe
from accord.train.setup import (
    attach_cache,
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
from accord.train.tasks import kept_tasks

QUESTIONS = "questions.jsonl.gz"


@dataclass(frozen=True)
class Order:
    """What was asked for; `accord.train_run` says what each means."""

    recipe: str | Path
    graph: str
    model: str | None
    overrides: tuple[str, ...]
    text: tuple[str | Path, ...]
    device: str | None
    qa: str | Path | None
    data: tuple[str, ...]
    going_on: bool
    """The run has its settings and data already."""


def gather(run: RunFolder, order: Order) -> Material:
    """Reads what a run learns from; what a recipe may go without is left out of its settings.

    Args:
        run: The run folder.
        order: What was asked for.

    Raises:
        ConfigError: A setting that does not exist or fit, or data that are missing.
        DataError: Graph, questions or texts that cannot be read.
    """
    settings = _settings(run, order)
    if order.qa is None and not order.going_on:
        settings = without_data(settings, order.overrides, NO_QUESTIONS)
    questions = _questions(run, settings, order)
    graph = load_graph(order.graph)
    files = text_files(order.text)
    if order.going_on:
        return Material(settings, graph, questions, files)
    return gather_material(settings, graph, questions, files, order.data, order.overrides)


def _settings(run: RunFolder, order: Order) -> Recipe:
    if not order.going_on:
        return settings_of(order.recipe, order.model, order.overrides)
    if order.overrides or order.model:
        raise ConfigError(
            "--resume goes on with the run's own settings", "leave --set and --model out"
        )
    return load_config(Recipe, run.path / "config.toml")


def _questions(run: RunFolder, settings: Recipe, order: Order) -> list[Question]:
    if not settings.rationale.weight:
        if order.qa is not None:
            raise ConfigError(
                "no objective of this recipe reads questions",
                "leave --qa out, or choose a recipe such as kale",
            )
        return []
    if order.going_on:
        return list(read_questions(run.path / QUESTIONS))
    if order.qa is None:
        raise ConfigError(
            "the rationale objective learns from questions, and none are given",
            "say which with --qa FILE; `accord synthesize` writes some for any graph",
        )
    return list(read_questions(order.qa))


class Training:
    """A training between its first word and its last.

    Args:
        run: The run folder.
        order: What was asked for.
        material: What it learns from.

    Raises:
        ConfigError: Processes that another launcher started.
    """

    def __init__(self, run: RunFolder, order: Order, material: Material) -> None:
        from accelerate import Accelerator

        self.run = run
        self.order = order
        self.material = material
        self.settings = material.settings
        trackers = list(self.settings.loop.trackers) or None
        self.accelerator = Accelerator(
            cpu=order.device == "cpu", log_with=trackers, project_dir=run.path
        )
        check_launcher(self.accelerator)
        self.cached = 0
        """Tokens whose frozen layers are read once."""

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return bool(self.accelerator.is_main_process)

    def prepared(self) -> Loop:
        """Everything up to the first step: the folder, the model, the objectives, the cache.

        Raises:
            AccordError: Another run is there, or something does not fit; a new run's folder is
                taken back then.
        """
        began = time.monotonic()
        with self.run.withdrawn_on_failure() if self.first else nullcontext():
            if self.first:
                self._keep()
            self.accelerator.wait_for_everyone()
            start = start_folder(self.run)
            model = self._model(start)
            with self.accelerator.main_process_first():
                learning = build_learning(self.material, model, self.run)
            self.cached = self._cache(model, learning)
            if start is not None:
                put_parameters(learning.objectives, start)
            else:
                start_projection(self.settings, model, self.material.graph)
            keep_pooled(self.settings, model, learning.objectives)
            loop = self._loop(model, learning)
            self._measure_teacher(loop)
        loop.progress.setup_seconds = time.monotonic() - began
        return loop

    def _keep(self) -> None:
        """Writes what the run needs to go on by itself; its settings last, since they say so."""
        run, order, material = self.run, self.order, self.material
        if order.going_on:
            self._check_graph()
            return
        run.check_free()
        keep_start(run, model_folder(order.model) if order.model else None, str(order.model))
        kept_examples(run, material.examples)
        kept_tasks(run, material.tasks)
        if material.questions:
            write_questions(run.path / QUESTIONS, material.questions)
        record = graph_record(material.graph, order.graph)
        run.start(to_toml(self.settings), environment(), record)

    def _check_graph(self) -> None:
        graph, before = self.material.graph, self.run.read_json("graph.json")["hash"]
        if not graph.descends_from(before):
            raise ConfigError(
                f"{self.run.path} was trained on another graph ({before[:12]}, "
                f"this is {graph.hash[:12]})",
                "resume with the graph it was started on, or start a new run",
            )

    def _model(self, start: Path | None) -> KnowledgeModel:
        """The model that will be trained, as it is before the first step."""
        settings, accelerator = self.settings, self.accelerator
        if accelerator.num_processes > 1:  # one process of a machine fetches, the others find it
            with accelerator.local_main_process_first():
                resolve(settings.model.name)
        where = self.order.device or str(accelerator.device)
        model = KnowledgeModel.create(settings.model, settings.text, where, settings.seed)
        if start is not None:
            put_start(model, start)
        if model.fusion is not None:
            model.attach(self.material.graph)
        return model

    def _loop(self, model: KnowledgeModel, learning: Learning) -> Loop:
        settings, graph, pairs = self.settings, self.material.graph, learning.objectives
        by_text = held_out_measure(settings, graph, learning.unseen, learning.held)
        structure = structure_of(objective for objective, _ in pairs)
        validate = validation(settings, graph, self.material.questions, structure, by_text)
        return Loop(
            model, pairs, settings.loop, self.run, settings.seed, validate, self.accelerator
        )

    def _cache(self, model: KnowledgeModel, learning: Learning) -> int:
        """One process fills the cache, the others open what it wrote."""
        settings, graph = self.settings, self.material.graph
        with self.accelerator.main_process_first():
            frozen = settings.model.freeze_layers
            also = validation_readings(settings, model, graph) if frozen else []
            also += [sequence for one in learning.unseen for sequence in one.sequences()]
            return attach_cache(settings, model, learning.objectives, self.run.path / "cache", also)

    def _measure_teacher(self, loop: Loop) -> None:
        """Before the first step of a run whose teacher reads rationales."""
        for objective, _ in loop.objectives:
            if isinstance(objective, Rationale) and objective.config.kl:
                known = self.first and any("teacher_accuracy" in x for x in self.run.lines())
                if not known:
                    measure_teacher(loop.step, objective, self.run if self.first else None)

    def finish(self, loop: Loop) -> None:
        """Saves the model and what the run reached."""
        model, progress, run = loop.model, loop.progress, self.run
        progress.peak_bytes = max(progress.peak_bytes, peak_memory(model.device))
        result = {"steps": progress.step, "seconds": progress.seconds, **metrics(progress)}
        facts = {"seed": self.settings.seed, **result}
        kept = {f"{o.name}.{k}": p for o, _ in loop.objectives for k, p in o.parameters.items()}
        record = graph_record(self.material.graph, self.material.graph.name)
        save_pretrained(model, run.path / "model", record, facts, kept, lineage(run))
        structure = structure_of(o for o, _ in loop.objectives)
        if structure is not None:
            structure.vectors().save(run.path / "model" / STRUCTURE)
        parts = ("setup_seconds", "validation_seconds")
        spent = {part: getattr(progress, part) for part in parts}
        run.write_json("result.json", {**result, "cache_tokens": self.cached, **spent})
        say(f"run written to {run.path}")


def metrics(progress: Progress) -> dict[str, float]:
    """What a training reached and took: tokens, memory in GB, tokens a second, the best step."""
    found = {"tokens": progress.tokens, "peak_memory_gb": progress.peak_bytes / 1e9}
    found["tokens_per_second"] = progress.tokens / max(progress.seconds, 1e-9)
    if progress.best_weights:
        found |= {"valid": progress.best, "best_step": float(progress.best_step)}
    return found
