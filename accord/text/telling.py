"""How a model is asked to tell what statements say; writing and training use the same text."""

from __future__ import annotations

from collections.abc import Iterable


def telling_prompt(name: str, statements: Iterable[str]) -> str:
    """What stands before a paragraph about an entity.

    Args:
        name: The entity's name.
        statements: Sentences of the graph; equal ones are given once.

    Returns:
        ``Facts: Peru has the capital Lima. ... A short paragraph about Peru:``
    """
    stated = " ".join(dict.fromkeys(statements))
    return f"Facts: {stated}\n\nA short paragraph about {name}:"
