"""Reads a rationale as a row of statements: what it says, and what is left over.

The reading that leaves least over is found by dynamic programming over the text's tokens, so lists
("borders Chile and Bolivia") and names inside names ("Mexico" in "Mexico City") need no guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from accord.synthesis.facts import Key
from accord.synthesis.rationale_forms import (
    ARTICLES,
    CONNECTIVES,
    FILLERS,
    OBJECT,
    POSSESSIVE,
    RELATIVES,
    SUBJECT,
    Element,
    Elements,
    Form,
    stem,
)

Node = tuple[str, str]
"""``("entity", id)`` or ``("literal", value)``."""
Nodes = frozenset[Node]
Run = tuple[Nodes, ...]
"""The members of a list of names; a name that several have stands for any of them."""
Name = tuple[tuple[str, ...], Nodes]
PRONOUNS = RELATIVES | {"whose"}
SKIP, WRONG = 2, 1
"""What a word that belongs to nothing costs, and a statement that is not on the path."""
JOINERS = ((",", "and"), (",",), ("and",), (";",), ("&",), ("as", "well", "as"))


@dataclass(frozen=True)
class Vocabulary:
    """What a rationale may speak of."""

    names: Mapping[str, Sequence[Name]]
    """Names by their first token."""
    forms: Sequence[Form]
    facts: frozenset[Key]
    """The triples and attributes on the paths."""
    answers: Nodes


class Reading(NamedTuple):
    """A text as statements."""

    cost: int
    said: frozenset[Key]
    """Facts of the paths that the text states."""
    skipped: tuple[int, ...]
    """Tokens that belong to no statement and are no connective."""
    wrong: tuple[tuple[int, int], ...]
    """Statements that the paths do not hold, as first and last token + 1."""


def read(words: Sequence[str], vocabulary: Vocabulary) -> Reading:
    """The reading that leaves least over, and of those the one that says most.

    Args:
        words: Folded tokens of the text.
        vocabulary: The names, forms and facts of the question's paths.
    """
    reader = _Reader(words, vocabulary)
    best: list[Reading | None] = [None] * (len(words) + 1)
    best[0] = Reading(0, frozenset(), (), ())
    for place in range(len(words)):
        here = best[place]
        if here is None:
            continue
        for end, reading in reader.steps(place, here):
            there = best[end]
            if there is None or _better(reading, there):
                best[end] = reading
    done = best[-1]
    assert done is not None  # every token can at least be skipped
    return done


def _better(one: Reading, other: Reading) -> bool:
    return (one.cost, -len(one.said)) < (other.cost, -len(other.said))


class _Reader:
    def __init__(self, words: Sequence[str], vocabulary: Vocabulary) -> None:
        self.words = list(words)
        self.stems = [stem(word) for word in words]
        self.vocabulary = vocabulary
        self.named = [list(self._names(place)) for place in range(len(self.words))]
        self.runs: dict[int, list[tuple[int, Run]]] = {}
        self.slot_first = [f for f in vocabulary.forms if isinstance(f.elements[0], int)]
        self.word_first: dict[str, list[Form]] = {}
        for form in vocabulary.forms:
            if isinstance(form.elements[0], str):
                self.word_first.setdefault(form.elements[0], []).append(form)

    @cached_property
    def ending(self) -> dict[int, Nodes]:
        """What is named right before a place; the longest name counts."""
        found: dict[int, Nodes] = {}
        for end, nodes in chain.from_iterable(self.named):
            found.setdefault(end, nodes)
        return found

    def steps(self, place: int, here: Reading) -> Iterator[tuple[int, Reading]]:
        """The readings that go on from one place."""
        free = self.words[place] in CONNECTIVES
        skipped = here.skipped if free else (*here.skipped, place)
        cost = here.cost if free else here.cost + SKIP
        yield place + 1, here._replace(cost=cost, skipped=skipped)
        forms = self.word_first.get(self.stems[place], ())
        if self._may_name(place):
            forms = [*self.slot_first, *forms]
        for (end, wrong), said in self._arcs(forms, place).items():
            faults = ((place, end),) if wrong else ()
            yield (
                end,
                Reading(
                    here.cost + WRONG * wrong, here.said | said, here.skipped, here.wrong + faults
                ),
            )

    def _arcs(self, forms: Iterable[Form], place: int) -> dict[tuple[int, bool], frozenset[Key]]:
        """What is said from a place to an end; words that two relations share say both."""
        arcs: dict[tuple[int, bool], frozenset[Key]] = {}
        for form in forms:
            for end, slots in self._match(form.elements, place, {}):
                said, wrong = self._claims(form, slots)
                arcs[end, wrong] = arcs.get((end, wrong), frozenset()) | said
        return arcs

    def _may_name(self, place: int) -> bool:
        return bool(self.named[place]) or self.words[place] in PRONOUNS

    def _claims(self, form: Form, slots: Mapping[int, Run]) -> tuple[frozenset[Key], bool]:
        """The facts said, and whether the statement says anything else too."""
        if not form.relation:
            return frozenset(), any(not nodes & self.vocabulary.answers for nodes in slots[OBJECT])
        said: set[Key] = set()
        wrong = False
        for one in slots[SUBJECT]:
            for two in slots[OBJECT]:
                keys = self._keys(form, one, two)
                said |= keys
                wrong |= not keys
        return frozenset(said), wrong

    def _keys(self, form: Form, one: Nodes, two: Nodes) -> set[Key]:
        heads, tails = (one, two) if form.head_first else (two, one)
        kind = "literal" if form.attribute else "entity"
        keys = {
            (head[1], form.relation, tail[1])
            for head in heads
            for tail in tails
            if head[0] == "entity" and tail[0] == kind
        }
        return keys & self.vocabulary.facts

    def _match(
        self, elements: Elements, place: int, slots: dict[int, Run]
    ) -> Iterator[tuple[int, dict[int, Run]]]:
        """(end, slots) of every way in which a form stands at a place."""
        if not elements:
            yield place, slots
            return
        first, rest = elements[0], elements[1:]
        if first not in (SUBJECT, OBJECT):
            for end in self._word_ends(first, place):
                yield from self._match(rest, end, slots)
            return
        for end, run in self._runs(place):
            yield from self._match(rest, end, {**slots, int(first): run})
        if rest[:1] == (POSSESSIVE,) and self.words[place : place + 1] == ["whose"]:
            for run in self._antecedents(place):
                yield from self._match(rest[1:], place + 1, {**slots, int(first): run})

    def _word_ends(self, first: Element, place: int) -> Iterable[int]:
        """Where a word of a form ends that begins at a place, fillers before it passed over."""
        if first == POSSESSIVE:
            if self.words[place : place + 1] != ["'"]:
                return ()
            return [place + 1 + (self.words[place + 1 : place + 2] == ["s"])]
        while place < len(self.words) and self.words[place] in FILLERS:
            place += 1
        found = place < len(self.words) and self.stems[place] == first
        return [place + 1] if found else ()

    def _runs(self, place: int) -> list[tuple[int, Run]]:
        """Lists of names that begin at a place; a pronoun stands for the name before it."""
        if place >= len(self.words):
            return []
        if place not in self.runs:
            self.runs[place] = list(self._found_runs(place))
        return self.runs[place]

    def _found_runs(self, place: int) -> Iterator[tuple[int, Run]]:
        if self.words[place] in RELATIVES:
            yield from ((place + 1, run) for run in self._antecedents(place))
        for end, nodes in self.named[place]:
            yield end, (nodes,)
            for joiner in JOINERS:
                after = end + len(joiner)
                if tuple(self.words[end:after]) == joiner:
                    yield from ((last, (nodes, *run)) for last, run in self._runs(after))

    def _antecedents(self, place: int) -> Iterator[Run]:
        before = place - 1 if place and self.words[place - 1] == "," else place
        if before in self.ending:
            yield (self.ending[before],)

    def _names(self, place: int) -> Iterator[tuple[int, Nodes]]:
        """Names at a place, longest first, with or without an article before them."""
        for start in (place, place + 1):
            word = self.words[start] if start < len(self.words) else ""
            if start > place and self.words[place] not in ARTICLES:
                return
            for name, nodes in self.vocabulary.names.get(word, ()):
                if tuple(self.words[start : start + len(name)]) == name:
                    yield start + len(name), nodes
