"""The ways in which a fact may be said; whichever is chosen, it says the fact and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accord.decode.facts import Fact
from accord.graph.graph import Attribute, KnowledgeGraph
from accord.text.phrases import PREPOSITIONS, article, singular
from accord.text.render import entity_name, humanise, one_line
from accord.text.wording import is_typing, phrase_of, triple_statement, turned

LABEL = re.compile(r" the ((?:\w+ )?\w+)$")
UNIT = re.compile(r"(.+) in (\S*[²³°%/]\S*|km|m|kg|g|s|m/s|ha)")
GROUPED_FROM = 10_000
"""Whole numbers from here on are written in groups of three figures; years are not."""


@dataclass(frozen=True)
class Wording:
    """One way to say one fact, or two."""

    text: str
    """A sentence, or several."""
    facts: int = 1
    """How many of the facts that follow it says."""


def wordings(
    graph: KnowledgeGraph, facts: Sequence[Fact], before: str, thing: bool
) -> list[Wording]:
    """Every way to go on with the first of some facts.

    Args:
        graph: The graph.
        facts: What is still to be said; one or more facts of one subject.
        before: The sentence before; empty where the text begins, and then the subject is named.
        thing: 'It' may stand for the subject; a person is always named.

    Returns:
        Different sentences, at least one; where others are at hand, none that begins as the one
        before does.
    """
    name = one_line(entity_name(graph, facts[0].subject))
    found = _ways(graph, facts, name, name)
    if thing and before:
        # 'The capital of Peru is ...' may name the subject again, 'Peru has ...' need not.
        named = [w for w in found if not w.text.casefold().startswith(name.casefold())]
        found = [*_ways(graph, facts, "it", ""), *named]
    fresh = [w for w in found if w.text.split(" ")[0] != before.split(" ")[0]]
    return list(dict.fromkeys(fresh or found))


def _ways(graph: KnowledgeGraph, facts: Sequence[Fact], subject: str, named: str) -> list[Wording]:
    found = [Wording(text) for text in _sentences(graph, facts[0], subject, named)]
    if len(facts) > 1:
        found += [Wording(text, 2) for text in _joined(graph, facts[0], facts[1], subject)]
    return found


def literal_text(literal: Attribute) -> str:
    """A literal as people write it: large whole numbers in groups of three figures.

    Example:
        >>> literal_text(Attribute("population", "31989256", "#integer", ""))
        '31,989,256'
        >>> literal_text(Attribute("founded", "1999", "#integer", ""))
        '1999'
    """
    value = one_line(literal.value)
    whole = literal.datatype.endswith(("integer", "#int", "#long", "decimal"))
    if whole and re.fullmatch(r"-?\d+", value) and abs(int(value)) >= GROUPED_FROM:
        return f"{int(value):,}"
    return value


def listed(names: Sequence[str], more: bool = False) -> str:
    """Names as a list in a sentence.

    Example:
        >>> listed(["Chile", "Peru", "Brazil"])
        'Chile, Peru and Brazil'
        >>> listed(["Chile", "Peru"], more=True)
        'Chile, Peru and others'
    """
    every = [*names, "others"] if more else list(names)
    return " and ".join(filter(None, (", ".join(every[:-1]), every[-1])))


def plural(noun: str) -> str:
    """A noun phrase in the plural: 'city' is 'cities', 'part' is 'parts'.

    Example:
        >>> plural("language"), plural("city"), plural("virus"), plural("time zone")
        ('languages', 'cities', 'viruses', 'time zones')
    """
    if singular(noun) != noun:
        return noun
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh", "z")) else "s")


def _sentences(graph: KnowledgeGraph, fact: Fact, subject: str, named: str) -> list[str]:
    """Sentences about a subject that is named, or 'it' (then `named` is empty)."""
    if fact.kind == "description":
        said = fact.citations[0].text.partition(" is ")[0]
        rest = fact.citations[0].text[len(said) + 4 :]
        return [_sentence(f"{subject} is {rest.rstrip('.')}")]
    if fact.kind == "attribute":
        return _of_attribute(graph.attribute(fact.row), subject, named)
    clause = _clause(graph, fact)
    found = [_sentence(f"{subject} {clause}")] if clause else []
    found += _by_noun(graph, fact, named)
    if found:
        return found
    parts = [triple_statement(graph, fact.subject, fact.number, e) for e in fact.objects]
    return [" ".join(_sentence(part.rstrip(".")) for part in parts)]


def _joined(graph: KnowledgeGraph, first: Fact, second: Fact, subject: str) -> list[str]:
    """Two short facts in one sentence."""
    if any(fact.kind != "relation" or len(fact.objects) > 1 for fact in (first, second)):
        return []
    clauses = [_clause(graph, fact) for fact in (first, second)]
    return [_sentence(f"{subject} {' and '.join(clauses)}")] if all(clauses) else []


def _clause(graph: KnowledgeGraph, fact: Fact) -> str:
    """What the subject does or is: 'shares a border with Chile and Peru'; empty for a noun."""
    if is_typing(graph, fact.number):
        kinds = [f"{article(name)} {name}" for name in _names(graph, fact)]
        return f"is {listed(kinds, fact.more)}"
    phrase = phrase_of(graph, fact.number)
    if phrase is None or phrase.shape == "noun":
        return ""
    names = listed(_names(graph, fact), fact.more)
    several = len(fact.objects) > 1
    if phrase.shape == "as":
        return f"{phrase.text} {names} as {_as(phrase.noun) if several else phrase.noun}"
    label = LABEL.search(phrase.text) if several else None
    if label and label[1].split()[-1] in PREPOSITIONS:
        label = None
    text = phrase.text[: label.start(1)] + plural(label[1]) if label else phrase.text
    return f"{text} {names}"


def _as(noun: str) -> str:
    return plural(re.sub(r"^an? ", "", noun))


def _by_noun(graph: KnowledgeGraph, fact: Fact, named: str) -> list[str]:
    """'The capital of Peru is Lima', or 'Its capital is Lima'; nothing where no noun is known."""
    noun, link, definite = _noun(graph, fact.number)
    if not noun or (not named and link != "of") or is_typing(graph, fact.number):
        return []
    names = listed(_names(graph, fact), fact.more)
    many = len(fact.objects) > 1
    if not named:
        start = f"its {plural(noun)} include" if many else f"its {noun} is"
        return [_sentence(f"{start} {names}")] if many or definite else []
    of = f"{link} {named}".strip()
    if many:
        return [_sentence(f"{plural(noun)} {of} include {names}")]
    before = "the" if definite else article(noun)
    return [_sentence(f"{before} {noun} {of} is {names}")]


def _noun(graph: KnowledgeGraph, number: int) -> tuple[str, str, bool]:
    """(noun, link, whether a single one is 'the') by which the objects of a step are called.

    A bare noun, such as an id alone gives, says of itself neither 'a' nor 'the'.
    """
    back, forward = phrase_of(graph, turned(graph, number)), phrase_of(graph, number)
    if back is not None and back.shape == "copular":
        return back.noun, back.link, back.definite
    if forward is not None and forward.shape in ("noun", "has"):
        return forward.noun, forward.link, forward.definite or forward.shape == "noun"
    return "", "", False


def _of_attribute(literal: Attribute, subject: str, named: str) -> list[str]:
    noun, value = singular(humanise(literal.property)), literal_text(literal)
    unit = UNIT.fullmatch(noun)
    if unit:
        noun, value = unit[1], f"{value} {unit[2]}"
    owner = f"the {noun} of {named}" if named else f"its {noun}"
    has = [f"{subject} has {article(noun)} {noun} of {value}"] if _counts(literal) else []
    return [_sentence(text) for text in (f"{owner} is {value}", *has)]


def _counts(literal: Attribute) -> bool:
    """Whether a value is an amount: 'a population of 5', but not 'a phone code of 51'."""
    amount = literal.datatype.endswith(("integer", "decimal", "double", "float"))
    return amount and not re.search(r"\b(code|number|id|year|date)\b", literal.property)


def _names(graph: KnowledgeGraph, fact: Fact) -> list[str]:
    return [one_line(entity_name(graph, entity)) for entity in fact.objects]


def _sentence(text: str) -> str:
    line = one_line(text)
    end = "" if line.endswith((".", "!", "?")) else "."
    return line[:1].upper() + line[1:] + end
