"""Ways in which one fact is said, and words that say nothing.

A form is a sentence's skeleton made from the relation's phrase: ``SUBJECT be capital of OBJECT``,
``OBJECT 's capital be SUBJECT``. A text says a fact only where it has one of its forms word for
word, articles and endings apart; so direction, negation and hedging cannot be overlooked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from accord.graph.graph import KnowledgeGraph
from accord.text.folding import name_key
from accord.text.phrases import Phrase, read_phrase, singular
from accord.text.render import humanise
from accord.text.wording import phrase_of

SUBJECT: Final = 0
OBJECT: Final = 1
POSSESSIVE: Final = 2
Element = str | int
"""A word's stem, or SUBJECT, OBJECT or POSSESSIVE."""
Elements = tuple[Element, ...]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words("a an the")
FILLERS = ARTICLES | _words("also both each")
"""May stand inside a form."""
CONNECTIVES = FILLERS | _words(
    """
    so therefore thus hence then and because since as well while where moreover furthermore finally
    first second next this that means it follows we know fact facts given answer answers question
    to is are , . : ; ! " ' ( ) - *
    """
)
"""May stand between forms: alone they claim nothing."""
NEGATIONS = _words(
    """
    not no never neither nor none without except unless cannot hardly if or maybe perhaps possibly
    probably might may could would false wrong untrue t
    """
)
NUMBER_WORDS = _words(
    """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million billion dozen half third quarter
    """
)
RELATIVES = _words("which who that")
_STEMS = {"is": "be", "are": "be", "has": "have", "have": "have", "was": "was", "were": "was"}


@dataclass(frozen=True)
class Form:
    """One way to say facts of one relation."""

    elements: Elements
    relation: str
    """Relation id, property of an attribute, or nothing for 'the answer is'."""
    attribute: bool = False
    head_first: bool = True
    """Whether SUBJECT is the triple's head."""


ANSWERS = tuple(
    Form((*opening, OBJECT), "")
    for opening in (("answer", "be"), ("answer", ":"), ("answer", "to", "question", "be"))
)
"""``the answer is X``: claims no triple, but X must be an answer."""


def stem(token: str) -> str:
    """A folded word without the ending of plural or third person.

    Example:
        >>> stem("borders"), stem("cities"), stem("are"), stem("was")
        ('border', 'city', 'be', 'was')
    """
    if token in _STEMS:
        return _STEMS[token]
    if len(token) < 4 or not token.endswith("s") or token.endswith(("ss", "us", "is")):
        return token
    return token[:-3] + "y" if token.endswith("ies") and len(token) > 4 else token[:-1]


def relation_forms(graph: KnowledgeGraph, relation: int) -> list[Form]:
    """All forms of a relation's triples, read from head to tail and from tail to head."""
    found: list[Form] = []
    for number in (relation, relation + graph.num_relations):
        phrase = phrase_of(graph, number)
        for elements in _phrase_elements(phrase) if phrase else ():
            head_first = number == relation
            found.append(Form(elements, graph.relation_ids[relation], False, head_first))
    return found or [
        Form((SUBJECT, *_stems("is related to"), OBJECT), graph.relation_ids[relation])
    ]


def attribute_forms(name: str) -> list[Form]:
    """All forms of an attribute: ``the population of France is 67000000``."""
    noun = singular(humanise(name))
    ways = _noun_elements(noun, "of", SUBJECT, OBJECT)
    extra = [way for way in _phrase_elements(read_phrase(f"has the {noun}")) if way not in ways]
    return [Form(way, name, True) for way in (*ways, *extra)]


def _phrase_elements(phrase: Phrase) -> list[Elements]:
    if phrase.shape == "noun":
        return _noun_elements(phrase.noun, phrase.link, SUBJECT, OBJECT)
    if phrase.shape == "as":
        return [(SUBJECT, *_stems(phrase.text), OBJECT, "as", *_stems(phrase.noun))]
    found: list[Elements] = [(SUBJECT, *_stems(phrase.text), OBJECT)]
    if phrase.shape == "copular":
        found += _noun_elements(phrase.noun, phrase.link, OBJECT, SUBJECT)
    elif phrase.shape == "has":
        found += _noun_elements(phrase.noun, phrase.link, SUBJECT, OBJECT)
    return list(dict.fromkeys(found))


def _noun_elements(noun: str, link: str, holder: int, value: int) -> list[Elements]:
    """``the N of HOLDER is VALUE`` and what means the same."""
    words, of = _stems(noun), _stems(link)
    found: list[Elements] = [
        (*words, *of, holder, "be", value),
        (value, "be", *words, *of, holder),
    ]
    if of == ("of",):
        found.append((holder, POSSESSIVE, *words, "be", value))
        found.append((value, "be", holder, POSSESSIVE, *words))
    return found


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in name_key(text).split() if word not in FILLERS)
