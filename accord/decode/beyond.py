"""What a question asks that no relation path says: 'not', 'the largest', 'the first', 'when'.

A path leads to all that is related in one way. Such words ask for something else, so what the
nearest path leads to would be true, cited and no answer to the question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from accord.decode.plans import Known
from accord.decode.word_order import LOOKED_AT, kind_asked, of_kind
from accord.graph.graph import KnowledgeGraph
from accord.text.function_words import FUNCTION_WORDS
from accord.text.phrases import singular
from accord.text.render import entity_name

DENYING = r"not|never|without|except|excluding|neither|nor|cannot|unlike|no(?=\s\w)|other than"
PICKING = r"first|second|third|last|former|latter|both|in common|average|difference"
STEMS = (
    "bigg cheap clos cold deep earli eld farth few furth great heavi high hott larg lat long low "
    "near new old poor rich short slow small strong tall warm weak wid young"
)
COMPARING = rf"than|more|most|less|least|best|worst|(?:{'|'.join(STEMS.split())})e(?:r|st)"
OPERATOR = re.compile(rf"\b(?:{DENYING}|{PICKING}|{COMPARING}|\w+n['’]t)\b", re.IGNORECASE)
SAME = re.compile(r"\bsame\b", re.IGNORECASE)
OPENING = r"\W*(?:(?:and|so|but)\W+)?"
WHEN = re.compile(rf"{OPENING}when\b", re.IGNORECASE)
WHERE = re.compile(rf"{OPENING}where\b", re.IGNORECASE)
LISTED = r"\s*(?:,|&|\band\b|\bor\b)+\s*(?:(?:and|or|of|in|for|the)\s+)*"


def without(question: str, names: Iterable[str]) -> str:
    """A question without the names in it."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        question = question.replace(name, " ")
    return question


def unsaid(question: str, read_as: str, steps: int = 1) -> str:
    """The first word of a question by which it asks for what a path does not say.

    Args:
        question: The question, without the names in it.
        read_as: How it was read; what that says too is said.
        steps: Of the path; to be the same as another it goes there and back.

    Returns:
        The word as it stands there; empty where there is none.

    Example:
        >>> unsaid("Which country does not border ?", "Which country borders Peru?")
        'not'
    """
    told = read_as.casefold()
    found = OPERATOR.findall(question) + (SAME.findall(question) if steps < 2 else [])
    return next((w for w in found if not re.search(rf"\b{w.casefold()}\b", told)), "")


def said_again(question: str, read_as: str) -> str:
    """A word of a path that a question, without names, says more often than the path does.

    Of 'the mother of the mother of Ann' a path of one step answers the half.
    """
    told = Counter(_content(read_as))
    asked = Counter(_content(question)).items()
    return next((word for word, times in asked if times > told[word] > 0), "")


def listed_with(question: str, name: str, others: Iterable[str]) -> str:
    """Another name that a question lists beside one, as 'of Chad and Niger'; empty without."""
    for other in others:
        pair = (re.escape(name), re.escape(other))
        if any(re.search(f"{one}{LISTED}{two}", question) for one, two in (pair, pair[::-1])):
            return other
    return ""


def other_kind(graph: KnowledgeGraph, question: str, known: Known) -> str:
    """What a question asks for, where a path leads to something else for certain.

    Args:
        graph: The graph.
        question: The question, without the names in it.
        known: The path.

    Returns:
        'a place' where it leads to people, 'a time' where no answer has a figure, 'languages'
        where it leads from languages to countries; empty where nothing is wrong.
    """
    if WHERE.match(question) and known.text.startswith("Who "):
        return "a place"
    if WHEN.match(question) and not any(map(_has_figure, _answers(graph, known))):
        return "a time"
    kind, led_to = kind_asked(question), kind_asked(known.text)
    if not kind or not led_to or known.plan.attribute:
        return ""
    named = singular(kind).casefold()
    # As a noun: 'What measures ...' asks for no measures.
    noun = re.search(rf"\b(?:the|an?)\s+(?:\w+\s+)?{re.escape(named)}\b", known.text.casefold())
    in_passing = noun and named != singular(led_to).casefold()
    denied = in_passing and of_kind(graph, known.frontier.tolist(), kind) is False
    return kind if denied else ""


def _content(text: str) -> list[str]:
    """The words that carry content, in the singular."""
    words = re.findall(r"\w+", text.casefold())
    return [singular(word) for word in words if word not in FUNCTION_WORDS]


def _answers(graph: KnowledgeGraph, known: Known) -> list[str]:
    """Some of the answers of a path: names, or values of its property."""
    found, wanted = known.frontier[:LOOKED_AT].tolist(), known.plan.attribute
    if not wanted:
        return [entity_name(graph, entity) for entity in found]
    return [a.value for e in found for a in graph.attributes_of(e) if a.property == wanted]


def _has_figure(text: str) -> bool:
    return any(letter.isdigit() for letter in text)
