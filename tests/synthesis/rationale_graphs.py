"""Graphs and questions that the tests of rationales share."""

from __future__ import annotations

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.questions import Hop, HopPath, Question

INTEGER = "http://www.w3.org/2001/XMLSchema#integer"
NAMES = {
    "pe": "Peru",
    "cl": "Chile",
    "bo": "Bolivia",
    "ne": "Niger",
    "ng": "Nigeria",
    "mx": "Mexico",
    "lim": "Lima",
    "scl": "Santiago",
    "mxc": "Mexico City",
    "abj": "Abuja",
    "it": "It",
    "dc": "Washington, D.C.",
    "tyo": "Tōkyō",
}


def build_map() -> KnowledgeGraph:
    """Countries and capitals; one name within another, commas, diacritics, an alias."""
    builder = GraphBuilder("map")
    for entity, name in NAMES.items():
        builder.entity(entity, name, "", ("東京",) if entity == "tyo" else ())
    builder.relation("borders", "shares a border with", "shares a border with")
    builder.relation("capital", "has the capital", "is the capital of")
    builder.relation("sibling", "sibling", "")
    for head, tail in (("pe", "cl"), ("pe", "bo"), ("ne", "ng"), ("mx", "pe"), ("cl", "tyo")):
        builder.triple(head, "borders", tail)
    for head, tail in (("pe", "lim"), ("cl", "scl"), ("mx", "mxc"), ("ng", "abj"), ("bo", "dc")):
        builder.triple(head, "capital", tail)
    builder.triple("it", "sibling", "lim")
    builder.triple("it", "sibling", "scl")
    builder.attribute("scl", "population", "6160000", INTEGER)
    return builder.build()


def asked(graph: KnowledgeGraph, *paths: HopPath, answers: tuple[str, ...] = ()) -> Question:
    """A question that paths answer; their ends' names are its answers unless others are given."""
    ends = [path[-1].end for path in paths]
    found = answers or tuple(NAMES.get(end, end) for end in ends)
    ids = () if answers else tuple(end for end in ends if end in NAMES)
    return Question("1", "Which?", found, (), ids, paths)


def hop(head: str, relation: str, tail: str, inverse: bool = False) -> Hop:
    return Hop(head, relation, tail, inverse)


CHILE = (hop("pe", "borders", "cl"), hop("cl", "capital", "scl"))
BOLIVIA = (hop("pe", "borders", "bo"), hop("bo", "capital", "dc"))
