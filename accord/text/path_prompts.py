"""How a model is asked to write the relation path that a question asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from accord.text.phrases import singular
from accord.text.qa_prompts import question_opening
from accord.text.render import humanise, one_line

STEP = " >"
"""Stands before each step but the first, which follows the topic's."""
END = "\n"
LONGEST_NAME = 80
"""Characters of a topic's name."""


class WorkedPath(NamedTuple):
    """A question with the path that it asks for."""

    question: str
    topic: str
    """The name of the entity where it begins."""
    steps: tuple[str, ...]


def path_prompt(question: str, examples: Iterable[WorkedPath] = ()) -> str:
    """What stands before a topic and its path.

    Example:
        >>> worked = WorkedPath("What is the capital of Peru?", "Peru", ("has the capital",))
        >>> print(path_prompt("Who governs Chile?", [worked]) + path_start("Chile"))
        Question: What is the capital of Peru?
        Path: Peru > has the capital
        <BLANKLINE>
        Question: Who governs Chile?
        Path: Chile >
    """
    shown = "".join(
        f"{question_opening(e.question)}\nPath:{path_start(e.topic, e.steps[:-1])} {e.steps[-1]}"
        f"{END}\n"
        for e in examples
    )
    return f"{shown}{question_opening(question)}\nPath:"


def path_start(topic: str, steps: Sequence[str] = ()) -> str:
    """What stands before the steps that are to be written: the topic, and steps walked before."""
    return "".join(f" {part}{STEP}" for part in (one_line(topic)[:LONGEST_NAME], *steps))


def property_step(property_: str) -> str:
    """A property as the last step of a path.

    Example:
        >>> property_step("populations")
        'has the population'
    """
    return f"has the {singular(humanise(property_))}"
