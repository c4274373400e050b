"""A tiny model and runs of it that take a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from accord.config import to_toml
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import trainable
from accord.objectives.completion import CompletionConfig
from accord.objectives.contrastive import ContrastiveConfig
from accord.objectives.language import LanguageConfig
from accord.objectives.rationale import RationaleConfig
from accord.text.questions import Hop, Question, write_questions
from accord.text.render import TextConfig
from accord.train.checkpoint import RunFolder
from accord.train.loop import Loop
from accord.train.recipe import LoopConfig, Recipe
from accord.train.setup import Weighted, build_objectives
from accord.train.step import Step
from tests.conftest import build_tiny_graph, build_tiny_llama

Gradients = dict[str, torch.Tensor]


def tiny_recipe(
    model: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
    contrastive: dict[str, Any] | None = None,
    completion: dict[str, Any] | None = None,
    language: dict[str, Any] | None = None,
    rationale: dict[str, Any] | None = None,
    loop: dict[str, Any] | None = None,
) -> Recipe:
    """A recipe in which everything is small."""
    return Recipe(
        model=ModelConfig(
            **{"name": "tiny", "rank": 2, "alpha": 4.0, "dtype": "float32", **(model or {})}
        ),
        text=TextConfig(**{"entity_tokens": 12, **(text or {})}),
        contrastive=ContrastiveConfig(**{"batch_size": 6, **(contrastive or {})}),
        completion=CompletionConfig(**{"rows": 4, **(completion or {})}),
        language=LanguageConfig(
            **{"texts": 3, "tokens": 8, "rows": 2, "points": 5, "top_k": 8, **(language or {})}
        ),
        rationale=RationaleConfig(**{"rows": 3, "fact_rows": 2, "top_k": 8, **(rationale or {})}),
        loop=LoopConfig(**{"steps": 4, "validate_every": 0, "warmup": 0.0, **(loop or {})}),
    )


def tiny_model(recipe: Recipe, awake: bool = True) -> KnowledgeModel:
    """The tiny Llama with the recipe's adapter.

    Args:
        recipe: What is trained.
        awake: Give the adapter random weights, since a fresh one has no gradient below its zeros.
    """
    lm, tokenizer = build_tiny_llama()
    lm.requires_grad_(False)
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.mul_(8)  # else texts hardly differ
    torch.manual_seed(recipe.seed)
    adapted = load.add_adapter(lm, recipe.model)
    model = KnowledgeModel(adapted, tokenizer, recipe.model, recipe.text, torch.device("cpu"))
    if awake and recipe.model.adapter == "lora":
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in trainable(model.lm).values():
                parameter.normal_(0, 0.3, generator=generator)
    return model


def tiny_setup(
    recipe: Recipe,
    graph: KnowledgeGraph | None = None,
    questions: Sequence[Question] = (),
) -> tuple[KnowledgeModel, Weighted]:
    """A model and its objectives."""
    model = tiny_model(recipe)
    graph = graph or build_tiny_graph()
    return model, build_objectives(recipe, model, graph, questions=questions)


def gradients(model: KnowledgeModel, objectives: Weighted) -> Gradients:
    """Gradients of everything trained, by name; taken away from the parameters."""
    named = dict(trainable(model))
    for objective, _ in objectives:
        named |= {f"{objective.name}.{k}": p for k, p in objective.parameters.items()}
    found = {k: p.grad.clone() for k, p in named.items() if p.grad is not None}
    for parameter in named.values():
        parameter.grad = None
    return found


def step_of(recipe: Recipe, model: KnowledgeModel, objectives: Weighted) -> Step:
    """The recipe's step."""
    return Step(model, objectives, recipe.loop.chunk_tokens, recipe.loop.keep_tokens, recipe.seed)


def one_step(
    recipe: Recipe, model: KnowledgeModel, objectives: Weighted, number: int = 0
) -> tuple[dict[str, float], Gradients]:
    """Log and gradients of one batch."""
    log = step_of(recipe, model, objectives)(number)
    return log, gradients(model, objectives)


def assert_same(first: Gradients, second: Gradients, atol: float = 1e-5) -> None:
    """Equal names and nearly equal values, measured by the largest one; it is far from 0."""
    assert first.keys() == second.keys()
    largest = max(float(g.abs().max()) for g in first.values())
    assert largest > 1e-3
    atol *= largest
    for name in first:
        gap = float((first[name] - second[name]).abs().max())
        close = torch.allclose(first[name], second[name], atol=atol, rtol=1e-3)
        assert close, f"{name}: differs by {gap}, the largest gradient is {largest}"


def tiny_loop(
    recipe: Recipe,
    folder: Path,
    validate: Callable[[KnowledgeModel], float] | None = None,
    graph: KnowledgeGraph | None = None,
) -> Loop:
    """A loop that writes to a folder."""
    model, objectives = tiny_setup(recipe, graph)
    folder.mkdir(parents=True, exist_ok=True)
    run, accelerator = RunFolder(folder), Accelerator(cpu=True)
    return Loop(model, objectives, recipe.loop, run, recipe.seed, validate, accelerator)


def question(
    number: int, topic: str, via: str, answers: tuple[str, ...], split: str, rationale: str
) -> Question:
    """A two-hop question over the tiny graph."""
    hops = (Hop(via, "has_city", topic, True), Hop(via, "has_capital", "tokyo"))
    text = f"What is the capital of the country of {topic}?"
    return Question(
        str(number), text, answers, (topic,), (), (hops,), rationale, 2, "p", split, "test"
    )


SAID = "Osaka is a city of Japan. Japan has the capital Tokyo."
QUESTIONS = (
    question(1, "osaka", "japan", ("Tokyo",), "train", SAID),
    question(2, "tokyo", "japan", ("Tokyo", "Osaka"), "train", "Tokyo is a city of Japan."),
    question(3, "orebro", "sweden", ("Oslo",), "train", "Orebro is a city of Sweden."),
    question(4, "nemo", "japan", ("Osaka",), "train", ""),
    question(5, "narcissus", "norway", ("Tokyo",), "valid", "None."),
)
ALL_PARTS: dict[str, Any] = {
    "weight": 1.0,
    **dict.fromkeys(("answer_with", "kl", "write", "facts"), 0.7),
}


def tiny_project(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """A model, a graph, questions and a recipe on disk, as arguments of `train_run`."""
    lm, tokenizer = build_tiny_llama()
    lm.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    build_tiny_graph().save(folder / "graph")
    named = replace(recipe, model=replace(recipe.model, name=str(folder / "base")))
    (folder / "recipe.toml").write_text(to_toml(named), encoding="utf-8")
    found = {
        "recipe": str(folder / "recipe.toml"),
        "graph": str(folder / "graph"),
        "device": "cpu",
    }
    if recipe.rationale.weight:
        write_questions(folder / "questions.jsonl", QUESTIONS)
        found["qa"] = str(folder / "questions.jsonl")
    return found
