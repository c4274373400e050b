"""Rationales by a model on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accord.synthesis.rationale_prompt import cleaned, completion_prompt, room
from accord.synthesis.writers import Draft, Task

PROMPT_FORMAT = 1
"""Raised when the prompt changes, so that what was kept is written anew."""


class Generator(Protocol):
    """What continues prompts, such as `accord.model.KnowledgeModel`."""

    def generate(self, prompts: list[str], max_new_tokens: int = 32, stop: str = "\n") -> list[str]:
        """N continuations of N prompts, each cut before `stop`."""
        ...


class LocalWriter:
    """Asks a model that the caller holds.

    Args:
        generator: The model.
        model: Its name, for the question's source and for what is kept of it.
        block: How many questions to hand over at a time.
    """

    def __init__(self, generator: Generator, model: str, block: int = 64) -> None:
        self.generator, self.name, self.block = generator, model, block

    @property
    def settings(self) -> str:
        """All that changes what it writes."""
        return f"local {self.name} {PROMPT_FORMAT}"

    def write(self, tasks: Sequence[Task]) -> list[Draft]:
        """One draft a task, in the same order."""
        prompts = [completion_prompt(task) for task in tasks]
        longest = max((room(task) for task in tasks), default=0)
        replies = self.generator.generate(prompts, max_new_tokens=longest, stop="\n")
        return [Draft(cleaned(reply)) for reply in replies]
