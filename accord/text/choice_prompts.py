"""How a multiple-choice item is put to a model, when it is measured and when it is taught."""

from __future__ import annotations

import string

from accord.errors import ConfigError
from accord.text.choice_sets import ChoiceItem
from accord.text.qa_prompts import question_prompt


def prompt_of(item: ChoiceItem, form: str) -> str:
    """What stands before a choice."""
    reading = f"{item.context}\n" if item.context else ""
    if form == "text":
        return reading + question_prompt(item.question)
    listed = "".join(
        f"\n{letter}. {choice}"
        for letter, choice in zip(string.ascii_uppercase, item.choices, strict=False)
    )
    return f"{reading}Question: {item.question}{listed}\nAnswer:"


def continuations_of(item: ChoiceItem, form: str) -> list[str]:
    """What follows the prompt, one text a choice."""
    if form == "text":
        return [f" {choice}" for choice in item.choices]
    if len(item.choices) > len(string.ascii_uppercase):
        raise ConfigError(
            f"item {item.id!r} has {len(item.choices)} choices, more than letters",
            "use --form text",
        )
    return [f" {letter}" for letter in string.ascii_uppercase[: len(item.choices)]]
