"""A few steps of a run, timed: what a step takes, and what is read once for all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence as Seq
from typing import Any

import numpy as np
import torch

from accord.model.knowledge_model import KnowledgeModel
from accord.model.pooled import PooledStates
from accord.model.saving import trainable
from accord.objectives.base import Teacher, TeacherOutput
from accord.objectives.language import Language
from accord.objectives.rationale import Rationale
from accord.progress import track
from accord.text.examples import Sequence, length
from accord.train.mixing import Mixing
from accord.train.recipe import Recipe
from accord.train.setup import Weighted, pooled_texts
from accord.train.start import TEACHER_ITEMS, teacher_answers
from accord.train.step import Step

STEPS = 12
"""Steps that are measured at most."""
STEP_SECONDS = 20.0
"""Seconds in which they are measured."""
SAMPLE = 64
"""Texts of a kind that are embedded to be timed."""
TEACHER_SAMPLE = 8
"""Questions that the teacher answers to be timed."""


class _TimedStep(Step):
    """A step that says how long it read for teachers: a run reads each such text once."""

    read_seconds = 0.0
    read_texts = 0

    def _read_teacher(self, *asked: Any) -> TeacherOutput:
        start = time.monotonic()
        found = super()._read_teacher(*asked)
        self.read_seconds += time.monotonic() - start
        self.read_texts += 1
        return found


def step_seconds(
    recipe: Recipe, model: KnowledgeModel, objectives: Weighted
) -> tuple[float, float, float]:
    """Runs a few steps.

    Args:
        recipe: The run's settings.
        model: The model, with its cache or something in its place; its weights change a little.
        objectives: With their weights.

    Returns:
        Seconds of an optimizer step without what teachers read, tokens of a step, and seconds in
        which teachers read in the whole run.
    """
    loop = recipe.loop
    count, size = max(2, STEPS // loop.accumulation), (loop.chunk_tokens, loop.keep_tokens)
    mixing = Mixing(objectives, loop.order, count, loop.accumulation)
    step = _TimedStep(model, objectives, *size, recipe.seed, mixing=mixing)
    parameters = [*trainable(model).values(), *own_parameters(objectives)]
    optimizer = torch.optim.AdamW(parameters, lr=1e-9)
    spent: list[float] = []
    tokens = 0.0
    with track("measuring steps", count, "steps") as advance:
        for number in range(count):
            start, read = time.monotonic(), step.read_seconds
            # The first two steps warm up; they are not counted.
            logs = [
                step((number * loop.accumulation + i) % STEPS) for i in range(loop.accumulation)
            ]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            spent.append(time.monotonic() - start - (step.read_seconds - read))
            tokens += sum(log["tokens"] for log in logs)
            advance(1)
            if sum(spent) > STEP_SECONDS and len(spent) > 3:
                break
    # Where stages differ, all of them count.
    middle = np.median if loop.order == "simultaneous" else np.mean
    taught = _teacher_seconds(recipe, objectives, step)
    return float(middle(spent[2:] or spent)), tokens / len(spent), taught


def _teacher_seconds(recipe: Recipe, objectives: Weighted, step: _TimedStep) -> float:
    """Seconds in which a run's teachers with the first weights read, from a few of their texts."""
    found = 0.0
    if step.read_texts:
        found = step.read_seconds / step.read_texts * _taught_texts(recipe, objectives)
    for objective, _ in objectives:
        if isinstance(objective, Rationale) and objective.config.kl:
            asked = min(TEACHER_ITEMS, sum(bool(item.shown) for item in objective.items))
            start = time.monotonic()
            answers = teacher_answers(step, objective, TEACHER_SAMPLE)
            found += (time.monotonic() - start) * asked / len(answers)
    return found


def _taught_texts(recipe: Recipe, objectives: Weighted) -> int:
    """Distinct texts that the first weights read in a whole run; what a step asks is known."""
    loop = recipe.loop
    mixing = Mixing(objectives, loop.order, loop.steps, loop.accumulation)
    found: set[tuple[str, object]] = set()
    for number in range(loop.steps * loop.accumulation):
        for objective, _ in mixing.active(number):
            if isinstance(objective, Language | Rationale):
                batch: Any = objective.batch(number)
                requests = objective.requests(batch).values()
                teachers = (r for r in requests if isinstance(r, Teacher) and r.weights == "start")
                found |= {(objective.name, s) for r in teachers for s in r.sequences}
    return len(found)


def pooled_seconds(recipe: Recipe, model: KnowledgeModel, objectives: Weighted) -> float:
    """Seconds in which the states that are kept in memory are read; zeros stand for them then."""
    texts, places = pooled_texts(recipe, model, objectives)
    if not texts:
        return 0.0
    spent = embedding_seconds(model, drawn(texts)) * sum(map(length, texts))
    width = model.projection.hidden // places.shape[1]
    states = torch.zeros(len(texts), places.shape[1], width, device=model.device)
    model.reader.pooled = PooledStates(texts, places, states)
    return spent


def drawn(sequences: Seq[Sequence]) -> list[Sequence]:
    """Some texts to time."""
    return [sequences[i] for i in np.random.default_rng(0).permutation(len(sequences))[:SAMPLE]]


def embedding_seconds(model: KnowledgeModel, sample: list[Sequence]) -> float:
    """Seconds a token in which the trained layers read texts."""
    start = time.monotonic()
    model.embed(sample, "tail")
    return (time.monotonic() - start) / sum(map(length, sample))


def own_parameters(objectives: Weighted) -> list[torch.nn.Parameter]:
    """What objectives train beside the model."""
    return [p for objective, _ in objectives for p in objective.parameters.values()]
