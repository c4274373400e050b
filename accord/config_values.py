"""Settings of the command line: from the text behind `=` to a value."""

from __future__ import annotations

import dataclasses
import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

ON, OFF = ("true", "on", "yes"), ("false", "off", "no")
NONE = ("none", "off")
"""Words that stand for None where a field may be None (TOML has no null)."""


def parse_value(text: str, kind: Any) -> Any:
    """The text after `=` as a value of about the right type; `load_config` judges it.

    Args:
        text: As the command line gives it.
        kind: The field's type.

    Example:
        >>> parse_value("[1, 2]", tuple[int, ...])
        [1, 2]
    """
    kinds = get_args(kind) if is_union(kind) else (kind,)
    lists = [k for k in kinds if get_origin(k) is tuple]
    if type(None) in kinds and bool not in kinds and text in NONE:
        return "none"
    if lists:
        return _parse_list(text, get_args(lists[0]))
    if text in ON and any(dataclasses.is_dataclass(k) for k in kinds):
        return {}
    for choice in (v for k in kinds if get_origin(k) is Literal for v in get_args(k)):
        if str(choice) == text:
            return choice
    if bool in kinds and text.lower() in ON + OFF:
        return text.lower() in ON
    return _unquoted(text) if {str, Path} & set(kinds) else _number(text)


def is_union(kind: Any) -> bool:
    """Whether a type is one of several."""
    return get_origin(kind) in (Union, types.UnionType)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return _unquoted(text)


def _parse_list(text: str, args: tuple[Any, ...]) -> list[Any]:
    items = _items(text)
    kinds = args[:1] * len(items) if args[-1] is Ellipsis else (*args, *args[-1:] * len(items))
    return [parse_value(item, kind) for item, kind in zip(items, kinds, strict=False)]


def _items(text: str) -> list[str]:
    """The items of a list: texts as JSON writes them, commas and all, or what commas part."""
    inside = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    try:
        found = json.loads(f"[{inside}]")
    except ValueError:
        found = []
    if found and all(isinstance(item, str) for item in found):
        return list(found)
    return [item.strip() for item in inside.split(",") if item.strip()]
