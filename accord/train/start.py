"""A run that starts from a finished one: what it takes over, and what it notes about it."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from accord.config import apply_override, find_recipe, load_config, read_toml
from accord.errors import ConfigError
from accord.model.config import ModelConfig, model_config
from accord.model.embedded import file_sha256
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import (
    HEADER,
    MEMORY,
    OBJECTIVES,
    WEIGHTS,
    check_base,
    disk_errors,
    model_folder,
    put_weights,
    read_header,
    read_weights,
    unfinished,
)
from accord.objectives.base import Objective
from accord.objectives.labels import Labels
from accord.objectives.rationale import Part, Rationale, teacher_right
from accord.objectives.relations import Relations
from accord.objectives.spans import Spans
from accord.progress import say, track
from accord.text.render import TextConfig
from accord.train.checkpoint import RunFolder
from accord.train.extraction import TYPES, VOCABULARY
from accord.train.recipe import Recipe
from accord.train.step import Step
from accord.train.tasks import LABELS, kept_labels

START = "start"
"""Folder in a run that keeps what it started from, so that it can be resumed without that."""
KIND = ("adapter", "rank", "alpha", "targets")
"""What an adapter is; a recipe that asks for another one cannot go on with it."""
FREE = ("dropout", "embedding_dropout", "dtype")
"""Settings of training, which a recipe may choose anew."""
TEACHER_ITEMS = 200
MERGE = "make a plain model of it first: accord model merge RUN --out DIR, then --model DIR"


def settings_of(recipe: str | Path, model: str | None, overrides: Iterable[str]) -> Recipe:
    """The settings of a new run.

    Args:
        recipe: A recipe's name or TOML file.
        model: Base model or finished run; None takes the recipe's base model.
        overrides: `key=value` settings over the recipe.

    Raises:
        ConfigError: A setting that does not exist or fit.
        ModelError: A run that is not finished.
    """
    given = list(overrides)
    if model is None:
        return load_config(Recipe, recipe, given)
    folder = model_folder(model)
    if folder is not None:
        return continued(recipe, given, read_header(folder), model)
    if (Path(model) / "config.toml").is_file():
        raise unfinished(model)
    return load_config(Recipe, recipe, [*given, f"model.name={model}"])


def continued(
    recipe: str | Path, overrides: Iterable[str], header: Mapping[str, Any], run: str
) -> Recipe:
    """The settings of a run that starts from a finished one.

    The model, its adapter and its texts are the finished run's. A recipe may freeze fewer layers,
    where frozen layers read whole texts: the new adapters start at zero, so nothing changes.

    Args:
        recipe: A recipe's name or TOML file; its [model] and [text] are for a base model and give
            way, but for `freeze_layers`, dropouts and dtype.
        overrides: `key=value` settings over the recipe; one that cannot be had is an error.
        header: The finished run's `accord.json`.
        run: What messages call it.

    Raises:
        ConfigError: Another adapter or rank is asked for, or a setting of the finished run's model
            or texts is overridden.
    """
    wanted = load_config(Recipe, recipe, overrides)
    base, text = model_config(header["model"]), TextConfig(**header["text"])
    base = _with_memory(base, run)
    said: dict[str, Any] = {}
    for override in overrides:
        said = apply_override(Recipe, said, override)
    written = read_toml(find_recipe(recipe))
    asked = {**written.get("model", {}), **said.get("model", {})}
    frozen = wanted.model.freeze_layers
    lower = "freeze_layers" in asked and frozen < base.freeze_layers and base.reading == "full"
    changed = {name: getattr(wanted.model, name) for name in FREE if name in asked}
    if lower:
        changed["freeze_layers"] = frozen
    if base.fusion is None and wanted.model.fusion is not None:
        changed["fusion"] = wanted.model.fusion  # new and at zero, so nothing changes
    model = dataclasses.replace(base, **changed)
    strict = {*said.get("model", {}), *(set(asked) & {*KIND})} - {"name"}
    _refuse("model", wanted.model, model, strict, run)
    _refuse("text", wanted.text, text, set(said.get("text", {})), run)
    _note(wanted.model, model, set(asked) - strict - {"name"}, run)
    return dataclasses.replace(wanted, model=model, text=text)


def _with_memory(base: ModelConfig, run: str) -> ModelConfig:
    """The settings with the memory that the finished run holds."""
    folder = model_folder(run)
    if base.fusion is None or folder is None:
        return base
    fusion = dataclasses.replace(base.fusion, memory=str(folder.resolve() / MEMORY))
    return dataclasses.replace(base, fusion=fusion)


def _refuse(table: str, wanted: Any, has: Any, names: Iterable[str], run: str) -> None:
    for name in sorted(names):
        if getattr(wanted, name) != getattr(has, name):
            raise ConfigError(
                f"{table}.{name} is {getattr(wanted, name)!r}, the run {run!r} has "
                f"{getattr(has, name)!r}",
                f"leave {table}.{name} out to go on with the run's, or {MERGE}",
            )


def _note(wanted: ModelConfig, has: ModelConfig, names: Iterable[str], run: str) -> None:
    pairs = [(name, getattr(wanted, name), getattr(has, name)) for name in sorted(names)]
    other = [f"{name} {own!r} and not {theirs!r}" for name, theirs, own in pairs if theirs != own]
    if other:
        say(f"the model is that of {run}: {', '.join(other)}")


def keep_start(run: RunFolder, folder: Path | None, name: str) -> None:
    """Copies what a run starts from into it, and notes where that came from.

    Args:
        run: The new run.
        folder: The finished run's saved model; None for a base model, of which nothing is kept.
        name: How it was given.
    """
    target = run.path / START
    if folder is None:  # also where a start before this one was broken off
        shutil.rmtree(target, ignore_errors=True)
        return
    header = read_header(folder)
    entry = {
        "run": name,
        "weights_sha256": file_sha256(folder / WEIGHTS),
        "graph": {key: header["graph"].get(key) for key in ("name", "hash")},
    }
    run.path.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{START}.", dir=run.path))
    try:
        with disk_errors(target):
            is_run = (folder.parent / "config.toml").is_file()
            names = (VOCABULARY, TYPES, LABELS) if is_run else ()
            files = [folder / file for file in (HEADER, WEIGHTS, OBJECTIVES)]
            for source in (*files, *(folder.parent / file for file in names)):
                if source.is_file():
                    shutil.copyfile(source, work / source.name)
            shutil.rmtree(target, ignore_errors=True)
            work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    run.write_json("lineage.json", {"runs": [*header.get("lineage", []), entry]})


def start_folder(run: RunFolder) -> Path | None:
    """What a run started from, if it started from a finished run."""
    folder = run.path / START
    return folder if (folder / HEADER).is_file() else None


def lineage(run: RunFolder) -> list[Any]:
    """The runs that a run goes back to, the oldest first."""
    return list(run.read_json("lineage.json")["runs"]) if start_folder(run) else []


def put_start(model: KnowledgeModel, folder: Path) -> None:
    """Gives a new model the weights of a finished run.

    Args:
        model: The model; where it trains more layers than the run, the others stay as they are.
        folder: The run's saved model.

    Raises:
        ModelError: The weights do not fit, are cut, or belong to another base model.
    """
    check_base(read_header(folder), folder)
    put_weights(model, read_weights(folder / WEIGHTS), str(folder), partly=True)


def put_parameters(objectives: Iterable[tuple[Objective, float]], folder: Path) -> None:
    """Gives objectives the values that they ended with in a finished run, such as a temperature.

    What is for a relation, a type or a label goes to the same one, whatever its number is now.

    Args:
        objectives: Those that the run did not have stay as they are.
        folder: The run's saved model.

    Raises:
        ModelError: The file is cut.
    """
    if not (folder / OBJECTIVES).is_file():
        return
    kept = read_weights(folder / OBJECTIVES)
    for objective, _ in objectives:
        now, before = row_names(objective), kept_row_names(folder, objective.name)
        for key, parameter in objective.parameters.items():
            value = kept.get(f"{objective.name}.{key}")
            if value is None:
                continue
            if key in now and len(before.get(key, ())) == len(value):
                _put_rows(parameter, now[key], value, before[key])
            elif value.shape == parameter.shape:
                with torch.no_grad():
                    parameter.copy_(value)


@torch.no_grad()
def _put_rows(
    parameter: torch.Tensor, names: Sequence[str], value: torch.Tensor, kept: Sequence[str]
) -> None:
    """Rows by what they are for, since other data has other relations, types or labels."""
    if value.shape[1:] != parameter.shape[1:]:
        return
    place = {name: row for row, name in enumerate(kept)}
    for row, name in enumerate(names):
        if name in place:
            parameter[row].copy_(value[place[name]])


def row_names(objective: Objective) -> dict[str, Sequence[str]]:
    """What the rows of an objective's parameters are for, by parameter; others have no names."""
    if isinstance(objective, Relations):
        return _relation_rows(objective.vocabulary.relations, objective.vocabulary.kinds)
    if isinstance(objective, Spans):
        return _label_rows(_tags(objective.kinds))
    return _label_rows(objective.labels) if isinstance(objective, Labels) else {}


def kept_row_names(folder: Path, name: str) -> dict[str, Sequence[str]]:
    """`row_names` as a finished run had them; empty where it does not say.

    Args:
        folder: Its saved model as a run keeps it.
        name: The objective's.
    """
    run = RunFolder(folder)
    if name == "relations" and (folder / VOCABULARY).is_file():
        found = run.read_json(VOCABULARY)
        return _relation_rows(found["relations"], found["kinds"])
    if name == "spans" and (folder / TYPES).is_file():
        return _label_rows(_tags(run.read_json(TYPES)["types"]))
    labels = kept_labels(run).get(name)
    return {} if labels is None else _label_rows(labels)


def _relation_rows(relations: Sequence[str], kinds: Sequence[str]) -> dict[str, Sequence[str]]:
    rows = ("", *relations)  # the threshold stands first
    return {**_label_rows(rows), "head_kind": kinds, "tail_kind": kinds}


def _label_rows(labels: Sequence[str]) -> dict[str, Sequence[str]]:
    return {"out": labels, "out_bias": labels}


def _tags(kinds: Sequence[str]) -> list[str]:
    return ["O", *(f"{part}-{kind}" for kind in kinds for part in "BI")]


def measure_teacher(step: Step, rationale: Rationale, run: RunFolder | None) -> float:
    """How often the teacher, rationale in its prompt, writes the right answer before training.

    Args:
        step: Reads the teacher; the model still has its first weights.
        rationale: The objective; at most `TEACHER_ITEMS` of its questions are asked.
        run: Where it is logged.

    Returns:
        Share of the questions, as greedy writing would score.
    """
    right = teacher_answers(step, rationale, TEACHER_ITEMS)
    accuracy = sum(right) / len(right)
    say(f"the teacher answers {accuracy:.1%} of {len(right)} train questions with their rationale")
    if run is not None:
        run.log({"step": 0, "teacher_accuracy": accuracy, "teacher_questions": len(right)})
    return accuracy


def teacher_answers(step: Step, rationale: Rationale, items: int) -> list[float]:
    """As `measure_teacher`, for each of at most so many questions: 1 right, 0 wrong."""
    shown = [item.shown for item in rationale.items if item.shown]
    stride = -(-len(shown) // items)
    right: list[float] = []
    asked = shown[::stride]
    with track("asking the teacher", len(asked), "questions") as advance:
        for text in asked:
            part = Part.of([text], end=False)
            request = dataclasses.replace(rationale.teacher(part), weights="start")
            right.append(float(teacher_right(part, step.teach(request))[0]))
            advance(1)
    return right
