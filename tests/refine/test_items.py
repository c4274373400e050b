"""Items: what is proposed or flagged, as an object and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accord.errors import ConfigError
from accord.refine.items import Item

FLAG = Item("flag", "japan", "has_city", "lima", 2.5, 0.75, "lima lies in peru", ("rule", "x → y"))
ATTRIBUTE = Item("proposal", "japan", "area", "1", 0.5, attribute=True, datatype="urn:int")


@pytest.mark.parametrize("item", [FLAG, ATTRIBUTE, FLAG.edited("peru", "has_city", "lima")])
def test_json_gives_the_item_back(item: Item) -> None:
    assert Item.from_dict(json.loads(json.dumps(item.to_dict()))) == item


def test_an_edited_flag_replaces_what_was_flagged_first() -> None:
    twice = FLAG.edited("peru", "has_city", "lima").edited("peru", "capital", "lima")
    assert twice.replaces == FLAG.triple and twice.triple == ("peru", "capital", "lima")
    assert ATTRIBUTE.edited("japan", "area", "2").replaces is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "proposl"}, "unknown kind 'proposl'"),
        ({"scor": 1}, "no field 'scor'"),
        ({"probability": 1.5}, "not in 0 to 1"),
        ({"score": float("nan")}, "not a number"),
        ({"score": "high"}, "cannot be read"),
        ({"evidence": "text"}, "not a list"),
        ({"replaces": ["a", "b"]}, "cannot be read"),
        ({"head": 3}, "head of an item is 3"),
        ({"head": ""}, "needs head"),
    ],
)
def test_wrong_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Item.from_dict({**FLAG.to_dict(), **change})
    with pytest.raises(ConfigError, match="lacks 'tail'"):
        Item.from_dict({"kind": "flag", "head": "a", "relation": "r", "score": 1})
