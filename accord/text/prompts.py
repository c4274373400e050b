"""The prompts of the four generative tasks over triples, in one place.

Two styles. "bracket" is the text that alignment trains: ``[ HEAD, RELATION ] TAIL``. "instruction"
states the task in a sentence, as KaLM does (arXiv 2412.04948), in our own words. A base model and
a trained one always get the same prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accord.errors import ConfigError, nearest
from accord.graph.graph import KnowledgeGraph
from accord.text.render import (
    TextConfig,
    entity_name,
    entity_text,
    one_line,
    query_parts,
    relation_text,
)

STYLES = ("bracket", "instruction")
YES, NO = "yes", "no"
TAIL_TASK = "Given the head entity and relation, write a tail entity that completes the triple."
RELATION_TASK = "Given two entities, choose the relation from the first to the second."
CLASSIFICATION_TASK = f"Say whether the triple is true. Answer {YES} or {NO}."


@dataclass(frozen=True)
class PromptConfig:
    """How a question about a triple is put."""

    style: str = "bracket"
    """"bracket" or "instruction"."""
    shots: int = 3
    """Solved examples before the question."""
    describe: bool = True
    """Add descriptions to the names of the entities that are given."""
    words: int = 32
    """Words of an entity's text at most."""

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ConfigError(f"no prompt style {self.style!r}", nearest(self.style, STYLES))
        if self.shots < 0 or self.words < 1:
            raise ConfigError(f"shots {self.shots} and words {self.words} must be 0 and 1 or more")


Example = tuple[str, str]
"""A question and its answer."""


def given_text(graph: KnowledgeGraph, entity: int, config: PromptConfig) -> str:
    """An entity as a question gives it: name and, if wanted, description, cut to some words."""
    text = entity_text(graph, entity, TextConfig(describe=config.describe))
    return " ".join(text.split()[: config.words])


def answer_text(graph: KnowledgeGraph, entity: int) -> str:
    """An entity as an answer states it: its name."""
    return one_line(entity_name(graph, entity))


def tail_question(graph: KnowledgeGraph, entity: int, relation: int, config: PromptConfig) -> str:
    """Asks for the entity that a relation number leads to; r + R asks for the head.

    Example:
        ``[ Tokyo: a city in Asia, is the capital of ]``
    """
    given, phrase = given_text(graph, entity, config), relation_text(graph, relation)
    if config.style == "bracket":
        return "".join(query_parts(given, phrase, []))
    return f"Head: {given}\nRelation: {phrase}\nTail:"


def relation_question(graph: KnowledgeGraph, head: int, tail: int, config: PromptConfig) -> str:
    """Asks for the relation between two entities."""
    first, second = given_text(graph, head, config), given_text(graph, tail, config)
    if config.style == "bracket":
        return f"[ {first} ] [ {second} ]"
    return f"First: {first}\nSecond: {second}\nRelation:"


def classification_question(
    graph: KnowledgeGraph, triple: Sequence[int], config: PromptConfig
) -> str:
    """Asks whether a triple (head, relation, tail) is true."""
    head, relation, tail = triple
    question = tail_question(graph, head, relation, config)
    ending = " ?" if config.style == "bracket" else "\nTrue:"
    return f"{question} {answer_text(graph, tail)}{ending}"


def tail_prompt(examples: Sequence[Example], question: str, config: PromptConfig) -> str:
    """Solved examples and a question for tail or head prediction."""
    return _prompt(TAIL_TASK if config.style == "instruction" else "", examples, question)


def relation_prompt(
    choices: Sequence[str], examples: Sequence[Example], question: str, config: PromptConfig
) -> str:
    """Solved examples and a question for relation prediction.

    Args:
        choices: The relations to choose from, listed before all else.
        examples: Questions and answers.
        question: What is asked.
        config: The style.
    """
    listed = f"Relations: {'; '.join(choices)}"
    task = f"{RELATION_TASK} {listed}" if config.style == "instruction" else listed
    return _prompt(task, examples, question)


def classification_prompt(examples: Sequence[Example], question: str, config: PromptConfig) -> str:
    """Solved examples and a question for triple classification."""
    return _prompt(CLASSIFICATION_TASK if config.style == "instruction" else "", examples, question)


def _prompt(task: str, examples: Sequence[Example], question: str) -> str:
    opening = f"{task}\n" if task else ""
    return opening + "".join(f"{asked} {answer}\n" for asked, answer in examples) + question
