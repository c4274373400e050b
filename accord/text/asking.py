"""Questions in natural English about chains of steps, intersections and attributes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from accord.graph.graph import KnowledgeGraph
from accord.text.kinds import Kinds
from accord.text.phrases import (
    PREPOSITIONS,
    Phrase,
    article,
    base_form,
    past_base,
    singular,
)
from accord.text.render import entity_name, humanise, one_line
from accord.text.wording import phrase_of, turned

INVERTED = ("is", "was", "are", "were", "can", "will", "must")


@dataclass(frozen=True)
class Step:
    """One step of a chain, as a question words it."""

    number: int
    """Relation number: r from head to tail, r + R for the inverse."""
    single: bool
    """Whether it leads to one entity only: 'the capital', not 'a neighbour'."""


class Asking:
    """Words questions about one graph.

    Args:
        graph: The graph.

    Example:
        >>> from accord.graph.builder import GraphBuilder
        >>> builder = GraphBuilder("g")
        >>> builder.relation("capital", "has the capital", "is the capital of")
        0
        >>> builder.relation("currency", "uses the currency", "is the currency of")
        1
        >>> builder.triple("Peru", "capital", "Lima")
        >>> builder.triple("Peru", "currency", "Sol")
        >>> graph = builder.build()
        >>> steps = [Step(2, True), Step(1, True)]
        >>> Asking(graph).chain(graph.entity("Lima"), steps)
        'What is the currency of the one whose capital is Lima?'
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph
        self._kinds = Kinds(graph)
        self._phrases = [phrase_of(graph, n) for n in range(2 * graph.num_relations)]

    def alike(self, number: int) -> tuple[int, ...]:
        """Relation numbers whose questions read the same: what any of them leads to is an answer.

        A relation that is worded alike in both directions ('is adjacent to') is its own inverse to
        a reader, however its triples are stored; so are two relations with the same words.

        Args:
            number: Relation number of a step.

        Returns:
            Ascending relation numbers, `number` among them; the first stands for all.
        """
        return self._alike.get(number, (number,))

    @cached_property
    def _alike(self) -> dict[int, tuple[int, ...]]:
        groups: dict[tuple[Phrase | None, Phrase | None], list[int]] = defaultdict(list)
        for number, forward in enumerate(self._phrases):
            groups[forward, self._phrases[turned(self._graph, number)]].append(number)
        found: dict[int, tuple[int, ...]] = {}
        for (forward, back), numbers in groups.items():
            by_kind: dict[str, list[int]] = defaultdict(list)
            for number in numbers if len(numbers) > 1 else ():
                # 'Which film' and 'Which person' are other questions; the inverse is the same one.
                by_kind["" if forward == back else self._kinds.of_role(number)].append(number)
            found |= {number: tuple(same) for same in by_kind.values() for number in same}
        return found

    def chain(self, topic: int, steps: Sequence[Step], left_out: bool = False) -> str:
        """Asks for what a chain of steps leads to.

        Args:
            topic: Entity idx where the chain begins.
            steps: One or more steps.
            left_out: The topic itself is none of the answers, though the chain returns to it.

        Returns:
            ``What is the currency of the country whose capital is Paris?``
        """
        name = entity_name(self._graph, topic)
        inner = self._described(name, steps[:-1])
        asked = self._ask(steps[-1], inner, len(steps) == 1)
        return one_line(f"{asked}, other than {name}?" if left_out else f"{asked}?")

    def turned_round(self, topic: int, number: int) -> str:
        """Asks for what a step leads to with the topic as subject; empty without a known verb.

        Args:
            topic: Entity idx where the step begins.
            number: Relation number.

        Returns:
            ``What does the Rhine flow into?``
        """
        phrase, kind = self._phrases[number], self._kinds.of_role(number)
        if phrase is None or phrase.shape != "verb":
            return ""
        asked = _inverted(phrase, entity_name(self._graph, topic), kind)
        return one_line(f"{asked}?") if asked else ""

    def intersection(self, branches: Sequence[tuple[int, Sequence[Step]]]) -> str:
        """Asks for what several chains all lead to.

        Args:
            branches: (topic's entity idx, steps) of each chain.

        Returns:
            ``Which country shares a border with Chile and uses the currency Sol?``
        """
        names = [entity_name(self._graph, topic) for topic, _ in branches]
        lasts = [steps[-1] for _, steps in branches]
        kind = next((k for k in (self._kinds.of_role(s.number) for s in lasts) if k), "")
        if all(len(steps) == 1 and steps[0] == lasts[0] for _, steps in branches):
            said = self._clause(lasts[0], "both " + " and ".join(names), True)
        else:
            parts = zip(names, branches, strict=True)
            said = " and ".join(
                self._clause(b[1][-1], self._described(name, b[1][:-1]), len(b[1]) == 1)
                for name, b in parts
            )
        return one_line(f"{_who(kind)} {said}?")

    def attribute(self, topic: int, steps: Sequence[Step], property_: str) -> str:
        """Asks for an attribute of what a chain leads to.

        Args:
            topic: Entity idx where the chain begins.
            steps: The steps; none asks for the topic's own attribute.
            property_: The attribute's property.

        Returns:
            ``What is the population of the capital of France?``
        """
        inner = self._described(entity_name(self._graph, topic), steps)
        return one_line(f"What is the {singular(humanise(property_))} of {inner}?")

    def _described(self, name: str, steps: Sequence[Step]) -> str:
        for i, step in enumerate(steps):
            name = self._describe(step, name, i == 0)
        return name

    def _describe(self, step: Step, given: str, simple: bool) -> str:
        """What a step leads to, as a noun phrase: 'the country whose capital is Paris'."""
        noun, link = self._noun(step)
        if noun:
            return f"{_before(noun, step.single)} {noun} {_unlabelled(link, simple)} {given}"
        back, kind = self._back(step), self._kinds.of_role(step.number)
        pronoun = "who" if kind == "person" else "that"
        thing = _thing(kind, step.single)
        if back and back.shape == "has" and back.definite:
            return f"{thing} whose {back.noun} is {given}"
        if back and back.shape == "noun":
            return f"{thing} whose {_own(back)} is {given}"
        if back:
            return f"{thing} {pronoun} {_predicate(back, given, simple)}"
        forward = self._phrases[step.number]
        return f"{thing} that {given} {forward.text if forward else 'is related to'}"

    def _ask(self, step: Step, given: str, simple: bool) -> str:
        """The question without its question mark."""
        kind = self._kinds.of_role(step.number)
        noun, link = self._noun(step)
        if noun:
            who = "Who" if kind == "person" else "What"
            before, link = _before(noun, step.single), _unlabelled(link, simple)
            return f"{who} is {before} {noun} {link} {given}"
        forward, back = self._phrases[step.number], self._back(step)
        awkward = back is None or (back.shape == "has" and not kind and simple)
        turned_round = _inverted(forward, given, kind) if awkward else ""
        return turned_round or f"{_who(kind)} {self._clause(step, given, simple)}"

    def _clause(self, step: Step, given: str, simple: bool) -> str:
        """What a step's end does or is, without its subject: 'shares a border with France'."""
        back = self._back(step)
        if back and back.shape == "noun":
            own = _own(back)
            return f"has {given} as {article(own)} {own}"
        if back:
            return _predicate(back, given, simple)
        noun, link = self._noun(step)
        if noun:
            before, link = _before(noun, step.single), _unlabelled(link, simple)
            return f"is {before} {noun} {link} {given}"
        forward = self._phrases[step.number]
        return f"is what {given} {forward.text if forward else 'is related to'}"

    def _noun(self, step: Step) -> tuple[str, str]:
        """(noun, link) where the step's end is 'the NOUN of' its start; else empty."""
        back, forward = self._back(step), self._phrases[step.number]
        if back and back.shape == "copular":
            return back.noun, back.link
        if forward and forward.shape in ("noun", "has"):
            return forward.noun, forward.link
        return "", ""

    def _back(self, step: Step) -> Phrase | None:
        return self._phrases[turned(self._graph, step.number)]


def _predicate(phrase: Phrase, given: str, simple: bool) -> str:
    """A verb phrase with its object, which is a name (simple) or a longer noun phrase."""
    if phrase.shape == "as":
        return f"{phrase.text} {given} as {phrase.noun}"
    if simple or phrase.shape == "copular":
        return f"{_unlabelled(phrase.text, simple)} {given}"
    if phrase.shape == "has":
        return f"has as {article(phrase.noun)} {phrase.noun} {given}"
    return f"{_unlabelled(phrase.text, simple)} {given}"


def _unlabelled(text: str, simple: bool) -> str:
    """Without the label that goes with a name only: 'uses the currency' is 'uses'."""
    label = None if simple else re.search(r" the ((\w+ )?\w+)$", text)
    if not label or label[1].split()[-1] in PREPOSITIONS:
        return text
    kept = text[: label.start()]
    return text if kept.endswith("with") else kept


def _before(noun: str, single: bool) -> str:
    return "the" if single else article(noun)


def _thing(kind: str, single: bool) -> str:
    if kind:
        return f"{_before(kind, single)} {kind}"
    return "the one" if single else "something"


def _own(phrase: Phrase) -> str:
    """A noun phrase after 'whose' or 'as a': its link without the last 'of'."""
    rest = phrase.link.rpartition(" of")[0] if phrase.link.endswith(" of") else ""
    return f"{phrase.noun} {rest}".strip()


def _who(kind: str) -> str:
    if kind == "person":
        return "Who"
    return f"Which {kind}" if kind else "What"


def _inverted(phrase: Phrase | None, given: str, kind: str) -> str:
    """'What is X located in', 'What does X affect', 'What did X write'; else empty."""
    if phrase is None or phrase.shape == "noun":
        return ""
    opening = f"Which {kind}" if kind and kind != "person" else "What"
    verb, _, rest = phrase.text.partition(" ")
    if verb in INVERTED:
        return f"{opening} {verb} {given} {rest}"
    for auxiliary, plain in (("does", base_form(verb)), ("did", past_base(verb))):
        if plain:
            return f"{opening} {auxiliary} {given} {plain} {rest}".rstrip()
    return ""
