"""Who writes rationales: what a writer is given, what it gives back, and the one by template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from accord.text.questions import Question

DOWN, SLOW, REFUSED, NONSENSE, GIVEN_UP = (
    "endpoint does not answer",
    "endpoint is too slow",
    "endpoint refuses",
    "endpoint answers nonsense",
    "endpoint given up",
)
UNANSWERED = (DOWN, SLOW, REFUSED, GIVEN_UP)
"""Problems of an endpoint that says nothing at all."""


@dataclass(frozen=True)
class Draft:
    """What a writer wrote for one question."""

    text: str
    problem: str = ""
    """Why there is no text, as failures are counted; such drafts are not kept."""


@dataclass(frozen=True)
class Task:
    """One question with what its rationale is to say."""

    question: Question
    statements: tuple[str, ...]
    """The paths as sentences; what a template says."""


class Writer(Protocol):
    """Writes rationales."""

    @property
    def name(self) -> str:
        """Who writes, as a question's source names it."""
        ...

    @property
    def settings(self) -> str:
        """All that changes what it writes; empty for one that is not worth keeping."""
        ...

    @property
    def block(self) -> int:
        """How many questions it takes at a time."""
        ...

    def write(self, tasks: Sequence[Task]) -> Iterable[Draft]:
        """One draft a task, in the same order, each as soon as it is there."""
        ...


class TemplateWriter:
    """Says the paths' statements one after the other."""

    name = "template"
    settings = ""
    block = 256

    def write(self, tasks: Sequence[Task]) -> list[Draft]:
        """One draft a task, in the same order."""
        return [Draft(" ".join(task.statements)) for task in tasks]


template_writer = TemplateWriter()
"""The writer that needs no model."""
