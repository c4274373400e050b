"""What kind of thing a step leads to: 'country', 'film', 'person'.

A question reads better with it ("the country whose capital is Paris"). It is read off the graph:
attributes that state a type, short descriptions, types in Freebase ids, and verbs that only people
or films go with. Where most of the entities do not agree there is none.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.text.freebase import is_freebase
from accord.text.phrases import PREPOSITIONS
from accord.text.render import humanise
from accord.text.wording import phrase_of

TYPE_PROPERTIES = ("type", "kind", "class", "instance of")
VAGUE = frozenset(
    ("topic", "influence node", "gardening hint", "organization extra", "person extra", "field")
)
EMPTY = frozenset(("kind", "type", "sort", "form"))
"""Say nothing before 'of': 'a kind of bird'."""
SAMPLE = 100
AGREE = 0.6
PEOPLE = re.compile(
    r"(was born|died|studied|lived|is married|acted|wrote|directed|composed|was educated)\b"
    r"|(is|was) (a|the) (child|parent|sibling|spouse|father|mother|son|daughter|wife|husband) of"
    r"|has the (spouse|child|parent|nationality|profession|gender|ethnicity|religion)$"
)
FILMS = re.compile(r"(starred|was directed by|was released)\b")
SAME_KIND = {"human": "person", "people": "person", "sovereign state": "country"}


class Kinds:
    """The kinds of a graph's roles, found when first asked for.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph
        names = list(graph.properties)
        self._properties = {names.index(p) for p in names if humanise(p).lower() in TYPE_PROPERTIES}
        self._subjects: dict[int, str] = {}
        self._roles: dict[int, str] = {}

    def of_role(self, number: int) -> str:
        """What a step leads to.

        Args:
            number: Relation number of the step.

        Returns:
            A noun in the singular, or an empty string.
        """
        if number not in self._roles:
            self._roles[number] = self._majority(self._ends(number))
        return self._roles[number]

    def _ends(self, number: int) -> list[int]:
        graph = self._graph
        rows = np.flatnonzero(graph.triples[:, 1] == number % graph.num_relations)
        rows = rows[:: max(1, len(rows) // SAMPLE)]
        column = 2 if number < graph.num_relations else 0
        return [int(e) for e in np.unique(graph.triples[rows, column])]

    def _majority(self, entities: list[int]) -> str:
        votes = Counter(kind for entity in entities for kind in self._of_entity(entity))
        if not votes:
            return ""
        kind, count = max(votes.items(), key=lambda item: (item[1], -len(item[0]), item[0]))
        return kind if count >= AGREE * len(entities) else ""

    def _of_entity(self, entity: int) -> set[str]:
        graph = self._graph
        found = {_described(graph.entity_descriptions[entity])}
        if self._properties:
            found |= {
                _described(item.value)
                for item in graph.attributes_of(entity)
                if humanise(item.property).lower() in TYPE_PROPERTIES
            }
        outgoing = np.unique(graph.outgoing(entity)[:SAMPLE, 1])
        incoming = np.unique(graph.incoming(entity)[:SAMPLE, 1]) + graph.num_relations
        found |= {self._subject(int(n)) for n in (*outgoing, *incoming)}
        return found - {""}

    def _subject(self, number: int) -> str:
        if number not in self._subjects:
            self._subjects[number] = _subject_kind(self._graph, number)
        return self._subjects[number]


def _subject_kind(graph: KnowledgeGraph, number: int) -> str:
    """What a relation says about its subject."""
    relation = number % graph.num_relations
    identifier = graph.relation_ids[relation]
    if is_freebase(identifier):
        kind = humanise(identifier.partition("./")[0].split("/")[-2])
        return "" if number >= graph.num_relations or kind in VAGUE else _described(kind)
    phrase = phrase_of(graph, number)
    if phrase is None or phrase.shape == "noun":
        return ""
    if PEOPLE.match(phrase.text):
        return "person"
    return "film" if FILMS.match(phrase.text) else ""


def _described(text: str) -> str:
    """The noun that a short description or type begins with."""
    if len(text) > 80 or not text:
        return ""
    first = re.split(r"[.,;:(]| or ", text)[0].split()
    if first and first[0].lower() in ("a", "an", "the"):
        first = first[1:]
    end = next((i for i, word in enumerate(first) if word.lower() in PREPOSITIONS), len(first))
    noun = " ".join(first[:end])
    if not 0 < end <= 3 or not noun[0].isalpha() or noun.lower() in EMPTY:
        return ""
    return SAME_KIND.get(noun.lower(), noun)
