"""What a run will need, from a few real steps measured before it starts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import hidden_width
from accord.model.reading import Key
from accord.model.saving import trainable
from accord.objectives.base import Objective
from accord.progress import say
from accord.text.examples import length
from accord.text.qa_prompts import question_prompt
from accord.text.questions import Question
from accord.text.render import entity_text
from accord.train.cache import plan_pieces
from accord.train.checkpoint import KEEP
from accord.train.environment import disk_free_bytes, memory_bytes
from accord.train.held_out import read
from accord.train.loop import peak_memory
from accord.train.material import build_learning, gather_material
from accord.train.plan_steps import (
    SAMPLE,
    drawn,
    embedding_seconds,
    own_parameters,
    pooled_seconds,
    step_seconds,
)
from accord.train.questions import questions_of
from accord.train.recipe import Recipe
from accord.train.setup import own_continuations, validation_readings

SAMPLE_TOKENS = 6144
"""Tokens that the frozen layers read to be timed."""
SHORTER = 8
"""The base model's own texts are timed at this fraction of their length."""
ANSWERED, ANSWER_TOKENS = 32, 16
"""Questions that are answered to be timed, and the tokens of each."""
GIGABYTE = 1e9


@dataclass(frozen=True)
class Probe:
    """What was measured, and what follows for the whole run."""

    steps: int
    """Optimizer steps of the run."""
    step_seconds: float
    """Seconds of an optimizer step."""
    tokens_per_second: float
    cache_tokens: int
    """Tokens that the frozen layers read once."""
    cache_bytes: int
    cache_seconds: float
    text_seconds: float
    """Seconds in which the base model writes the texts to stay near to."""
    validation_seconds: float
    """Seconds of all validations."""
    teacher_seconds: float
    """Seconds in which the model as it starts reads what it teaches."""
    start_seconds: float
    """Seconds of the closed-form start of the maps after pooling, and of reading the states that
    are kept for them."""
    checkpoint_bytes: int
    """Disk for checkpoints and the finished model."""
    peak_memory_bytes: int
    """Of the process, or of the GPU where there is one."""

    @property
    def seconds(self) -> float:
        """The whole run, without loading the model."""
        before = self.cache_seconds + self.text_seconds + self.start_seconds
        steps = self.steps * self.step_seconds + self.teacher_seconds
        return before + steps + self.validation_seconds


def probe(
    recipe: Recipe,
    graph: KnowledgeGraph,
    texts: Iterable[Path] = (),
    device: str | None = None,
    questions: Sequence[Question] = (),
    data: Iterable[str] = (),
) -> Probe:
    """Runs a few steps of a run and measures them; nothing is kept.

    Args:
        recipe: The run's settings.
        graph: The run's graph.
        texts: Files for the language objective, as for the run.
        device: "cpu", "cuda", ...; None picks one.
        questions: Of `--qa`, for the rationale objective.
        data: Annotated corpora or files, as for the run.

    Returns:
        Times and sizes of the whole run.

    Raises:
        ConfigError: The settings do not fit the model, or the cache its cap.
    """
    material = gather_material(recipe, graph, list(questions), list(texts), data)
    recipe = material.settings
    model = KnowledgeModel.create(recipe.model, recipe.text, device, recipe.seed)
    if model.fusion is not None:
        model.attach(graph)
    own = bool(recipe.language.weight) and not material.files
    written = _writing_seconds(model, recipe) if own else 0.0
    with tempfile.TemporaryDirectory(prefix="accord-plan-") as name:
        files = material.files or [_stand_in(recipe, graph, Path(name))]
        objectives, unseen, _ = build_learning(replace(material, files=files), model, None)
        pieces = _pieces(recipe, model, graph, [*(o for o, _ in objectives), *unseen])
        tokens = sum(len(key[1]) for key in pieces)
        cached = _reading_seconds(model, pieces) if pieces else 0.0
        started = _start_seconds(recipe, model, graph)
        started += pooled_seconds(recipe, model, objectives)
        seconds, step_tokens, taught = step_seconds(recipe, model, objectives)
        validated = _answering_seconds(recipe, model, questions)
        validated += _held_out_seconds(recipe, model, unseen)
        validated += _validation_seconds(recipe, model, graph)
    kept = sum(p.numel() for p in [*trainable(model).values(), *own_parameters(objectives)]) * 4
    size = _cache_bytes(recipe, model, tokens)
    return Probe(
        steps=recipe.loop.steps,
        step_seconds=seconds,
        tokens_per_second=step_tokens / max(seconds, 1e-9),
        cache_tokens=tokens,
        cache_bytes=size,
        cache_seconds=cached,
        text_seconds=written,
        validation_seconds=validated,
        teacher_seconds=taught,
        start_seconds=started,
        # A checkpoint holds weights, two moments of AdamW and the best weights; the model twice.
        checkpoint_bytes=kept * (4 * KEEP + 2),
        peak_memory_bytes=_peak(model, size),
    )


def _pieces(
    recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph, objectives: Iterable[Objective]
) -> list[Key]:
    """What the run's cache will hold; nothing without one."""
    if not (recipe.model.freeze_layers and recipe.loop.cache_gb):
        return []
    asked = (s for objective in objectives for s in objective.sequences())
    return plan_pieces(model.reader, (*asked, *validation_readings(recipe, model, graph)))


def _writing_seconds(model: KnowledgeModel, recipe: Recipe) -> float:
    """Seconds to write the base model's own texts, from shorter ones."""
    size = max(2, recipe.language.tokens // SHORTER)
    own_continuations(model, recipe.language.texts, 1, recipe.seed)  # the first is slower
    start = time.monotonic()
    own_continuations(model, recipe.language.texts, size, recipe.seed)
    return (time.monotonic() - start) * recipe.language.tokens / size


def _stand_in(recipe: Recipe, graph: KnowledgeGraph, folder: Path) -> Path:
    """A file of plain text in place of what the base model would write; only its length counts."""
    found = "\n".join(entity_text(graph, e) for e in range(min(graph.num_entities, 100))) + "\n"
    letters = 8 * recipe.language.texts * recipe.language.tokens
    path = folder / "text.txt"
    path.write_text(found * (1 + letters // len(found)), encoding="utf-8")
    return path


def _reading_seconds(model: KnowledgeModel, pieces: list[Key]) -> float:
    """Seconds in which the frozen layers read all pieces, from a sample of them.

    What the sample gave then stands for every piece, so that steps are timed as with a cache.
    """
    order = np.random.default_rng(0).permutation(len(pieces))
    sizes = np.cumsum([len(pieces[i][1]) for i in order])
    sample = [pieces[i] for i in order[: int(np.searchsorted(sizes, SAMPLE_TOKENS)) + 1]]
    model.reader.read_pieces(sample[:8])
    start = time.monotonic()
    states = model.reader.read_pieces(sample)
    spent = time.monotonic() - start
    model.reader.store = _Repeated(states.float().cpu(), set(pieces))
    return spent * float(sizes[-1]) / sum(len(key[1]) for key in sample)


def _validations(recipe: Recipe) -> int:
    """How often a run validates: every so many steps, and at its end."""
    loop = recipe.loop
    return -(-loop.steps // loop.validate_every) if loop.validate_every else 0


def _validation_seconds(recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph) -> float:
    """Seconds of all validations by ranking, from a sample of what one reads."""
    queries = validation_readings(recipe, model, graph)
    if not recipe.loop.validate_every or not queries:
        return 0.0
    texts = model.texts(graph)
    share = min(1.0, recipe.loop.validate_queries / len(graph.triples_of("valid")))
    entities = [texts.tail(e) for e in range(graph.num_entities)]
    total = sum(map(length, entities)) + share * sum(map(length, queries))
    each = embedding_seconds(model, [*drawn(entities), *drawn(queries)])
    return each * total * _validations(recipe)


def _start_seconds(recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph) -> float:
    """Seconds in which the closed-form start of the maps reads its triples."""
    config, triples = recipe.model, graph.triples_of("train")
    if not (config.projection and config.projection_start and len(triples)):
        return 0.0
    texts = model.texts(graph)
    some = triples[np.random.default_rng(0).permutation(len(triples))[:SAMPLE]].astype(np.int64)
    views = texts.query_readings(some[:, :2], config.query)
    read = [s for sequences in views.values() for s in sequences]
    read += [texts.tail(int(tail)) for tail in some[:, 2]]
    count = min(config.projection_start, len(triples))
    tokens = sum(map(length, read)) * count / len(some)
    return embedding_seconds(model, read) * tokens


def _held_out_seconds(recipe: Recipe, model: KnowledgeModel, unseen: Sequence[Objective]) -> float:
    """Seconds of all validations on held-out texts, from reading these once."""
    spent = 0.0
    for objective in unseen:
        requests, start = objective.requests(objective.batch(0)), time.monotonic()
        for request in requests.values():
            read(model, request)
        spent += 2 * (time.monotonic() - start)  # for the loss and for the metric
    return spent * _validations(recipe)


def _answering_seconds(
    recipe: Recipe, model: KnowledgeModel, questions: Sequence[Question]
) -> float:
    """Seconds of all validations by questions, from a few of them answered."""
    valid = [question_prompt(q.question) for q in questions_of(questions, "valid")]
    if not (recipe.rationale.weight and recipe.loop.validate_every and valid):
        return 0.0
    sample = valid[:ANSWERED]
    start = time.monotonic()
    model.generate(sample, ANSWER_TOKENS)
    count = min(recipe.loop.validate_queries, len(valid))
    return (time.monotonic() - start) * count / len(sample) * _validations(recipe)


class _Repeated:
    """A store that gives the same few states over and over: a probe need not read them all.

    Args:
        states: (n, D).
        kept: What the run will have in its cache; all else is read anew.
    """

    def __init__(self, states: torch.Tensor, kept: set[Key]) -> None:
        self.states = states
        self.kept = kept
        self.starts: dict[Key, int] = {}
        self.rows = 0

    def start(self, key: Key) -> int:
        """First row of a piece, or -1."""
        if key not in self.kept:
            return -1
        if key not in self.starts:
            self.starts[key] = self.rows
            self.rows += len(key[1])
        return self.starts[key]

    def take(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> torch.Tensor:
        """(n, D) rows."""
        return self.states[torch.from_numpy(rows % len(self.states))]


def _cache_bytes(recipe: Recipe, model: KnowledgeModel, tokens: int) -> int:
    width = hidden_width(model.lm)
    whole = tokens * width * 4
    return int(whole if whole <= recipe.loop.cache_gb * GIGABYTE else whole // 2)


def _peak(model: KnowledgeModel, cache: int) -> int:
    """On a CPU the cache's pages count as the process's memory once they were read."""
    mapped = 0 if model.device.type == "cuda" else cache
    return int(peak_memory(model.device) + mapped)


def plan_run(
    recipe: Recipe,
    graph: KnowledgeGraph,
    texts: Iterable[Path] = (),
    device: str | None = None,
    folder: Path | None = None,
    questions: Sequence[Question] = (),
    data: Iterable[str] = (),
) -> dict[str, Any]:
    """Memory, disk and time of a run, and whether they are there.

    Args:
        recipe: The run's settings.
        graph: The run's graph.
        texts: Files for the language objective.
        device: "cpu", "cuda", ...; None picks one.
        folder: Where the run will be written; None is the working folder.
        questions: Of `--qa`, for the rationale objective.
        data: Annotated corpora or files of `--data`.

    Returns:
        {"seconds", "train_seconds", "cache_seconds", "text_seconds", "teacher_seconds",
        "start_seconds", "validation_seconds", "steps", "step_seconds", "tokens_per_second",
        "cache_tokens", "peak_memory_gb", "disk_gb", "memory_here_gb", "disk_here_gb", "fits",
        "problems"}; GB are 10^9 bytes.
    """
    say("measuring a few steps")
    found = probe(recipe, graph, texts, device, questions, data)
    disk = found.cache_bytes + found.checkpoint_bytes
    memory, free = memory_bytes(), disk_free_bytes((folder or Path.cwd()).resolve())
    result = {
        "seconds": found.seconds,
        "train_seconds": found.steps * found.step_seconds,
        "cache_seconds": found.cache_seconds,
        "text_seconds": found.text_seconds,
        "teacher_seconds": found.teacher_seconds,
        "start_seconds": found.start_seconds,
        "validation_seconds": found.validation_seconds,
        "steps": found.steps,
        "step_seconds": found.step_seconds,
        "tokens_per_second": found.tokens_per_second,
        "cache_tokens": found.cache_tokens,
        "peak_memory_gb": found.peak_memory_bytes / GIGABYTE,
        "disk_gb": disk / GIGABYTE,
        "memory_here_gb": None if memory is None else memory / GIGABYTE,
        "disk_here_gb": free / GIGABYTE,
    }
    problems = shortages(found, memory, free)
    return {**result, "fits": not problems, "problems": problems}


def shortages(found: Probe, memory: int | None, disk: int) -> list[str]:
    """What is too small here, each with what to change.

    Args:
        found: What the run needs.
        memory: Bytes of memory here; None if unknown.
        disk: Free bytes on the run's disk.

    Returns:
        Sentences; empty where everything fits.
    """
    needed = found.cache_bytes + found.checkpoint_bytes
    problems = []
    # The cache is mapped, not held: the system drops its pages before memory runs out.
    held = found.peak_memory_bytes - found.cache_bytes
    if memory is not None and held > 0.9 * memory:
        problems.append(
            f"{held / GIGABYTE:.1f} GB of memory are needed, {memory / GIGABYTE:.1f} are here: "
            "lower loop.keep_tokens and loop.chunk_tokens, or freeze more layers"
        )
    if needed > 0.95 * disk:
        problems.append(
            f"{needed / GIGABYTE:.1f} GB of disk are needed, {disk / GIGABYTE:.1f} are free: "
            "choose another --out, or set loop.cache_gb=0"
        )
    return problems
