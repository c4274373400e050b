"""Names spelt nearly like a piece of text, for mentions with typing errors."""

from __future__ import annotations

from collections.abc import Iterator

from accord.text.name_table import NameTable

SHORTEST = 5
MOST_WORDS = 8


class NearNames:
    """Finds the name that is spelt most like a text.

    Names that begin with the same two letters are compared, so an error in the first two is not
    forgiven; digits must agree, because 'Apollo 12' is no misspelt 'Apollo 13'.

    Args:
        table: The names; doubtful ones and those under five letters are left out.
        similarity: The least likeness, 0 to 1: shared letters in order, as a share of all.
    """

    def __init__(self, table: NameTable, similarity: float) -> None:
        self._cutoff = 100 * similarity
        self._groups: dict[str, tuple[list[str], list[int]]] = {}
        for number, name in sorted(_names(table)):
            names, numbers = self._groups.setdefault(_group(name), ([], []))
            names.append(name)
            numbers.append(number)

    def best(self, text: str) -> tuple[int, float] | None:
        """The nearest name.

        Args:
            text: Folded words with one space between.

        Returns:
            Its number and likeness (0 to 1), the first of the graph among equals; or None.
        """
        from rapidfuzz import fuzz, process

        if len(text) < SHORTEST or _group(text) not in self._groups:
            return None
        names, numbers = self._groups[_group(text)]
        found = process.extractOne(text, names, scorer=fuzz.ratio, score_cutoff=self._cutoff)
        return None if found is None else (numbers[found[2]], found[1] / 100)


def _names(table: NameTable) -> Iterator[tuple[int, str]]:
    for key, number in table.automaton.items() if table.automaton is not None else ():
        if len(key) - 2 >= SHORTEST and number not in table.doubtful:
            yield number, key[1:-1]


def _group(name: str) -> str:
    return name[:2] + "".join(c for c in name if c.isdigit())
