"""From questions and a graph to what the rationale objective learns."""

from __future__ import annotations

from collections.abc import Iterable

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.rationale import Item, Rationale, RationaleConfig, Text
from accord.progress import say
from accord.text.qa_prompts import (
    answer_line,
    answer_rationale,
    question_opening,
    question_prompt,
)
from accord.text.questions import Question
from accord.train.fact_texts import fact_texts, learnt_text
from accord.train.recipe import Recipe


def questions_of(questions: Iterable[Question], split: str) -> list[Question]:
    """Questions of a split; all of them are train where none says its split.

    Raises:
        ConfigError: There are splits, and none is train.
    """
    known = list(questions)
    if split == "train" and not any(question.split for question in known):
        return known
    found = [question for question in known if question.split == split]
    if split == "train" and not found:
        raise ConfigError(
            f"none of the {len(known)} questions is of the split train",
            'give questions with "split": "train", or without any split',
        )
    return found


def build_rationale(
    recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph, questions: Iterable[Question]
) -> Rationale:
    """The rationale objective over the train questions.

    Args:
        recipe: The recipe.
        model: Its tokenizer is used.
        graph: Where one-hop facts come from; only its train split.
        questions: All questions of `--qa`. Those of other splits are not shown, but the facts on
            their paths come before the graph's other facts: what is asked has to stay known.

    Raises:
        ConfigError: Nothing to learn from, or `model.adapter=none`, which leaves nothing to train.
    """
    config, questions = recipe.rationale, list(questions)
    if recipe.model.adapter == "none":
        raise ConfigError(
            "model.adapter=none trains no part that answers questions", "use lora or full"
        )
    train = questions_of(questions, "train")
    items = [question_item(model, question, config) for question in train]
    kept = [item for item in items if fits(item, config)]
    _say_left_out(len(items) - len(kept), kept, config)
    every = [*train, *questions]
    facts = fact_texts(model, graph, every, config, recipe.seed) if config.facts else []
    batches = recipe.loop.steps * recipe.loop.accumulation
    return Rationale(kept, facts, config, recipe.seed, batches)


def fits(item: Item, config: RationaleConfig) -> bool:
    """Whether all texts of a question are short enough."""
    texts = (item.plain, item.shown, item.told)
    return max(len(text.sequence[0]) for text in texts if text) <= config.tokens


def _say_left_out(long: int, items: list[Item], config: RationaleConfig) -> None:
    if long:
        say(f"{long} questions are left out: longer than {config.tokens} tokens (rationale.tokens)")
    bare = sum(item.shown is None for item in items)
    if bare and config.needs_rationale:
        say(f"{bare} of {len(items)} questions have no rationale: they teach their answer only")


def question_item(model: KnowledgeModel, question: Question, config: RationaleConfig) -> Item:
    """A question as token sequences, as evaluation puts it to the model."""
    answers = question.answers[: config.answers]
    end = answer_line(answers)
    plain = learnt_text(model, question_prompt(question.question), end)
    rationale = question.rationale
    if config.context == "answer":
        rationale = answer_rationale(answers)
    if not rationale.strip():
        return Item(plain)
    prompt = question_prompt(question.question, rationale)
    shown = learnt_text(model, prompt, end)
    opening = question_opening(question.question)
    told = learnt_text(model, opening, prompt.removeprefix(opening) + end)
    # Where the words are cut alike, both are learnt from one reading.
    same = told.sequence == shown.sequence
    return Item(plain, shown, Text(shown.sequence, told.given) if same else told)
