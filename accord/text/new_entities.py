"""Entities that a text names and a graph lacks: proposed once each, with a type."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from accord.text.folding import name_key
from accord.text.render import one_line

PEOPLE = frozenset(
    ("per", "person", "politician", "scientist", "researcher", "writer", "musicalartist", "human")
)
"""Types of whom a text gives the last name alone once it has given the whole one."""


@dataclass
class NewEntity:
    """An entity that no graph has yet."""

    id: str
    kind: str
    names: Counter[str] = field(default_factory=Counter)
    """How often each spelling was read."""

    @property
    def name(self) -> str:
        """The longest of its most frequent spellings."""
        most = max(self.names.values())
        return max((n for n, times in self.names.items() if times == most), key=len)

    @property
    def aliases(self) -> list[str]:
        """Its other spellings, the most frequent first."""
        return [name for name, _ in self.names.most_common() if name != self.name]


class NewEntities:
    """Collects new entities; names that are folded alike and of one type are one entity.

    A last name alone is the person of that type who was last given it in full.

    Args:
        taken: Whether an id is used already.
    """

    def __init__(self, taken: Callable[[str], bool]) -> None:
        self.taken = taken
        self.found: dict[str, NewEntity] = {}
        self._by_name: dict[tuple[str, str], NewEntity] = {}
        self._by_last: dict[tuple[str, str], NewEntity] = {}
        self._used: dict[str, int] = defaultdict(int)

    def add(self, name: str, kind: str) -> str:
        """The id of the entity that a mention stands for; a new one if it is the first.

        Args:
            name: As the text spells it.
            kind: Its type.
        """
        said = one_line(name)
        key = (name_key(said), kind)
        words = key[0].split()
        is_person = kind.lower() in PEOPLE
        entity = self._by_name.get(key)
        if entity is None and is_person and len(words) == 1:
            entity = self._by_last.get(key)
        if entity is None:
            entity = self._by_name[key] = self._made(said, kind)
        if is_person and len(words) > 1:
            self._by_last[words[-1], kind] = entity
        entity.names[said] += 1
        return entity.id

    def _made(self, name: str, kind: str) -> NewEntity:
        stem = f"{name} ({kind})"
        found = stem
        while self.taken(found) or found in self.found:
            self._used[stem] += 1
            found = f"{stem} {self._used[stem] + 1}"
        entity = self.found[found] = NewEntity(found, kind)
        return entity
