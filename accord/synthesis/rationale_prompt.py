"""How a model is asked for a rationale, and what of its reply is the rationale."""

from __future__ import annotations

import re

from accord.synthesis.writers import Task
from accord.text.render import one_line

TASK = (
    "Join the facts into one short paragraph that leads to the answer. Say every fact, keep all "
    "names as they are written, and add nothing that the facts do not say."
)
EXAMPLES = (
    (
        "What does the brother of Ada Quill paint?",
        ("Ada Quill has the brother Tom Quill.", "Tom Quill paints harbours."),
        "Ada Quill has the brother Tom Quill. Tom Quill paints harbours.",
    ),
    (
        "Which rivers cross the towns in Lower Vale?",
        (
            "Lower Vale contains the towns Elm and Ford.",
            "Elm is crossed by the Ash.",
            "Ford is crossed by the Yew.",
        ),
        "Lower Vale contains the towns Elm and Ford. Elm is crossed by the Ash, and Ford is "
        "crossed by the Yew.",
    ),
)
"""Invented, so that nothing of them can be true of a graph."""
LABEL = re.compile(r"^(?:\W*)(?:rationale|paragraph|explanation)\W*:\W*", re.IGNORECASE)
THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
TOKENS_A_WORD = 3
"""Room for tokens; names in other scripts take many."""


def completion_prompt(task: Task) -> str:
    """The prompt for a model that continues text; the rationale is the line that follows."""
    shown = (f"{_facts(q, facts)}\nRationale: {text}\n\n" for q, facts, text in EXAMPLES)
    return (
        f"{TASK}\n\n{''.join(shown)}{_facts(task.question.question, task.statements)}\nRationale:"
    )


def chat_messages(task: Task) -> list[dict[str, str]]:
    """The messages for a model that converses."""
    messages = [{"role": "system", "content": TASK}]
    for question, facts, text in EXAMPLES:
        messages.append({"role": "user", "content": _facts(question, facts)})
        messages.append({"role": "assistant", "content": text})
    asked = _facts(task.question.question, task.statements)
    return [*messages, {"role": "user", "content": asked}]


def room(task: Task) -> int:
    """Tokens that a rationale may take: those of its facts and half as much again."""
    return 16 + TOKENS_A_WORD * max(16, len(" ".join(task.statements).split())) * 3 // 2


def cleaned(reply: str) -> str:
    """The rationale in a reply: without thoughts in <think>, a label, and marks of emphasis."""
    return LABEL.sub("", one_line(THOUGHT.sub("", reply).replace("**", "")))


def _facts(question: str, statements: tuple[str, ...]) -> str:
    # On one line: a small model that copies a list stops where its first line ends.
    return f"Question: {one_line(question)}\nFacts: {' '.join(statements)}"
