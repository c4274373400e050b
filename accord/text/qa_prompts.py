"""How a question, its rationale and its answers are put to a model, in one place.

Training and evaluation use the same text: ``Question: ... Rationale: ... Answer: ...``, where the
rationale's line is left out for a model that answers straight away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accord.text.questions import Question
from accord.text.render import one_line

ANSWER_JOIN = "; "
STOP = "\n"


def question_prompt(question: str, rationale: str = "") -> str:
    """What stands before an answer.

    Example:
        >>> question_prompt("What is the capital of Peru?")
        'Question: What is the capital of Peru?\\nAnswer:'
    """
    return f"{question_opening(question)}{rationale_line(rationale)}\nAnswer:"


def question_opening(question: str) -> str:
    """The question's line, after which a model may write a rationale or answer."""
    return f"Question: {one_line(question)}"


def rationale_line(rationale: str) -> str:
    """The rationale's line, or nothing."""
    return f"\nRationale: {one_line(rationale)}" if rationale else ""


def answer_rationale(answers: Iterable[str]) -> str:
    """What can be said for an answer without any path that leads to it."""
    return f"The answer is{answer_line(answers)}."


def answer_line(answers: Iterable[str]) -> str:
    """All right answers, as a model is to write them after the prompt.

    Example:
        >>> answer_line(["Peru", "Chile"])
        ' Peru; Chile'
    """
    return " " + ANSWER_JOIN.join(one_line(answer) for answer in answers)


def read_answers(written: str) -> list[str]:
    """The answers in what a model wrote: the first line, cut where answers are joined."""
    line = written.strip().split(STOP, 1)[0]
    return [part.strip() for part in line.split(ANSWER_JOIN.strip()) if part.strip()]


def read_after_rationale(written: str) -> list[str]:
    """The answers of a model that writes its rationale first; none where it never answers."""
    _, found, answer = written.partition("Answer:")
    return read_answers(answer) if found else []


def shots_text(examples: Sequence[Question], with_rationale: bool) -> str:
    """Solved examples before a question."""
    return "".join(
        question_prompt(e.question, e.rationale if with_rationale else "")
        + answer_line(e.answers)
        + "\n\n"
        for e in examples
    )
