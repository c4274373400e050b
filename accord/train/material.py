"""What a run learns from, read before anything is written, and the objectives made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import Objective
from accord.text.examples import RelationExample
from accord.text.questions import Question
from accord.train.checkpoint import RunFolder
from accord.train.extraction import gather_examples, kept_examples, split_examples
from accord.train.held_out import hold_out
from accord.train.missing import lacking, without_data
from accord.train.recipe import Recipe
from accord.train.setup import Weighted, build_objectives
from accord.train.tasks import Tasks, annotated_data, gather_tasks, kept_tasks


@dataclass(frozen=True)
class Material:
    """What a run learns from."""

    settings: Recipe
    graph: KnowledgeGraph
    questions: list[Question]
    files: list[Path]
    """Of plain text."""
    examples: list[RelationExample] | None = None
    """Annotated texts; None where the run folder keeps them already."""
    tasks: Tasks | None = None
    """Pairs and items with labels; None likewise."""


class Learning(NamedTuple):
    """The objectives of a run."""

    objectives: Weighted
    unseen: list[Objective]
    """The same over what is held out."""
    held: list[RelationExample]
    """Texts that are held out."""


def gather_material(
    settings: Recipe,
    graph: KnowledgeGraph,
    questions: list[Question],
    files: list[Path],
    data: Iterable[str],
    given: Iterable[str] = (),
) -> Material:
    """Reads a new run's labelled texts; objectives that find nothing to learn from are left out.

    Args:
        settings: The recipe.
        graph: The graph.
        questions: Of `--qa`.
        files: Of `--text`.
        data: Of `--data`.
        given: Settings over the recipe; what they give a weight is not left out.

    Raises:
        ConfigError: An objective without data that may not be left out.
        DataError: Texts that cannot be read.
    """
    named = list(data)
    tasks = gather_tasks(settings, named)
    examples = gather_examples(settings, graph, annotated_data(named), files)
    settings = without_data(settings, given, lacking(examples, graph))
    return Material(settings, graph, questions, files, examples, tasks)


def build_learning(material: Material, model: KnowledgeModel, run: RunFolder | None) -> Learning:
    """The objectives over some material.

    Args:
        material: The material; what is None in it is read from the run folder.
        model: The model to train.
        run: The run folder; None keeps nothing, and nothing of the material may be None.
    """
    settings, graph, texts, tasks = (
        material.settings, material.graph, material.examples, material.tasks
    )  # fmt: skip
    if run is not None:
        texts = kept_examples(run, None) if texts is None else texts
        tasks = kept_tasks(run, None) if tasks is None else tasks
    assert texts is not None and tasks is not None
    examples, held = split_examples(texts)
    objectives = build_objectives(
        settings, model, graph, material.files, run, material.questions, examples,
        tasks.part(held=False),
    )  # fmt: skip
    unseen = hold_out(settings, model, graph, objectives, held, tasks.part(held=True))
    for objective, _ in objectives:
        objective.parameters.to(model.device)
    return Learning(objectives, unseen, held)
