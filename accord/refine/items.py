"""One thing to decide about a graph: a statement that looks wrong, or one that is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from accord.errors import ConfigError, nearest

Kind = Literal["flag", "proposal"]
TEXTS = ("kind", "head", "relation", "tail", "reason", "datatype", "language")


@dataclass(frozen=True)
class Item:
    """A flag (something that is in the graph and looks wrong) or a proposal (something missing).

    An edit is a flag with `replaces`: the statement to take out is `replaces`, the item itself
    says what is to stand there.
    """

    kind: Kind
    """flag: accepting takes the statement out. proposal: accepting puts it in."""
    head: str
    """Id of the head, or of the entity that has the attribute."""
    relation: str
    """Id of the relation or property."""
    tail: str
    """Id of the tail, or the attribute's value."""
    score: float
    """What the list is sorted by, higher first: more suspicious, or more likely missing."""
    probability: float | None = None
    """That the change is right: a flag's statement wrong, a proposal's true; None: unknown."""
    reason: str = ""
    """One sentence for a person."""
    evidence: tuple[str, ...] = ()
    """What speaks for it: paths, rules, sentences."""
    attribute: bool = False
    """Whether `tail` is a literal's value."""
    datatype: str = ""
    """The literal's datatype; empty for plain text."""
    language: str = ""
    """The literal's language; empty for none."""
    replaces: tuple[str, str, str] | None = None
    """Of an edit: (head, relation, tail) that goes out when this is accepted."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigError(
                f"unknown kind {self.kind!r} of an item", nearest(self.kind, get_args(Kind))
            )
        if not math.isfinite(self.score):
            raise ConfigError(f"the score of an item is {self.score}, not a number")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ConfigError(f"the probability of an item is {self.probability}, not in 0 to 1")
        if not (self.head and self.relation) or not (self.tail or self.attribute):
            raise ConfigError(f"an item needs head, relation and tail: {self.triple}")

    @property
    def triple(self) -> tuple[str, str, str]:
        """(head, relation, tail) by ids; the tail of an attribute is its value."""
        return self.head, self.relation, self.tail

    def edited(self, head: str, relation: str, tail: str) -> Item:
        """The same item about another statement, which replaces what it was about if a flag."""
        old = (self.replaces or self.triple) if self.kind == "flag" else None
        return replace(self, head=head, relation=relation, tail=tail, replaces=old)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it; `from_dict` gives the same item back."""
        row = asdict(self)
        row["evidence"] = list(self.evidence)
        row["replaces"] = None if self.replaces is None else list(self.replaces)
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Item:
        """Reads what `to_dict` wrote.

        Args:
            row: The fields by name; those with a default may be missing.

        Returns:
            The item.

        Raises:
            ConfigError: A field is missing, unknown, or not of its kind.
        """
        known = {field.name for field in fields(cls)}
        unknown = [key for key in row if key not in known]
        if unknown:
            raise ConfigError(f"an item has no field {unknown[0]!r}", nearest(unknown[0], known))
        missing = [key for key in ("kind", "head", "relation", "tail", "score") if key not in row]
        if missing:
            raise ConfigError(f"an item lacks {missing[0]!r}")
        wrong = [key for key in TEXTS if not isinstance(row.get(key, ""), str)]
        if wrong:
            raise ConfigError(f"{wrong[0]} of an item is {row[wrong[0]]!r}, not text")
        return cls(**{**row, **_typed(row)})


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        chance, old = row.get("probability"), row.get("replaces")
        return {
            "score": float(row["score"]),
            "probability": None if chance is None else float(chance),
            "evidence": tuple(str(part) for part in _list(row.get("evidence", ()))),
            "attribute": bool(row.get("attribute", False)),
            "replaces": None if old is None else _three(old),
        }
    except (TypeError, ValueError) as error:
        raise ConfigError(f"an item cannot be read ({error})") from error


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{value!r} is not a list")
    return list(value)


def _three(old: Any) -> tuple[str, str, str]:
    head, relation, tail = _list(old)
    return str(head), str(relation), str(tail)
