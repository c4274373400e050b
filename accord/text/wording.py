"""Triples, attributes and questions in natural English, from relation phrases of any shape.

`accord.text.render` gives a model the texts it is trained on; this module writes sentences and
questions for people and for rationales.
"""

from __future__ import annotations

from collections.abc import Sequence

from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import RDF
from accord.text.freebase import freebase_phrase, is_freebase
from accord.text.phrases import Phrase, article, read_phrase, singular
from accord.text.render import entity_name, humanise, one_line

TYPE = RDF + "type"
UNWIELDY = (
    "inverse of ",
    "is where ",
    "is what ",
    "is how ",
    "is something ",
    "has its ",
)
"""Inverse phrases that open so are put aside: the triple itself, or 'that X ...', reads better."""


def triple_statement(graph: KnowledgeGraph, head: int, relation: int, tail: int) -> str:
    """One triple as a sentence, worded from where the step begins.

    Args:
        graph: The graph.
        head: Entity idx where the step begins: the triple's head, or its tail for an inverse.
        relation: Relation number: r read from head to tail, r + R for its inverse.
        tail: Entity idx where the step leads.

    Returns:
        ``Paris is the capital of France.`` The names of both entities stand in it unchanged. An
        inverse step is worded by the inverse phrase; where there is none, by the triple itself.
    """
    phrase = phrase_of(graph, relation)
    if phrase is None:
        head, relation, tail = tail, turned(graph, relation), head
        phrase = phrase_of(graph, relation) or read_phrase("is related to")
    subject, object_ = entity_name(graph, head), entity_name(graph, tail)
    if is_typing(graph, relation):
        return _sentence(f"{subject} is {article(object_)} {object_}")
    if phrase.shape == "as":
        return _sentence(f"{subject} {phrase.text} {object_} as {phrase.noun}")
    if phrase.shape != "noun":
        return _sentence(f"{subject} {phrase.text} {object_}")
    noun = _joined(phrase.noun, phrase.link, subject)
    before = "The" if _single(graph, head, relation) else article(noun).capitalize()
    return _sentence(f"{before} {noun} is {object_}")


def triples_statement(graph: KnowledgeGraph, head: int, relation: int, tails: Sequence[int]) -> str:
    """Triples with one head and one relation in one sentence, worded as `triple_statement` does.

    Example:
        ``Sudan shares a border with Chad, Egypt and Libya.``
    """
    if len(tails) == 1 or phrase_of(graph, relation) is None:
        # One by one where they are worded from the other end.
        return " ".join(triple_statement(graph, head, relation, tail) for tail in tails)
    names = [one_line(entity_name(graph, tail)) for tail in tails]
    before, _, after = triple_statement(graph, head, relation, tails[0]).rpartition(names[0])
    return f"{before}{', '.join(names[:-1])} and {names[-1]}{after}"


def attribute_statement(graph: KnowledgeGraph, attribute: int) -> str:
    """One attribute as a sentence.

    Args:
        graph: The graph.
        attribute: Row of `graph.attributes`.

    Returns:
        ``The population of France is 67000000.``
    """
    entity = int(graph.attributes[attribute, 0])
    literal = graph.attribute(attribute)
    noun = singular(humanise(literal.property))
    return _sentence(f"The {noun} of {entity_name(graph, entity)} is {literal.value}")


def _sentence(text: str) -> str:
    """One line with one full stop, also behind a name that ends with its own ('Anna B.')."""
    line = one_line(text)
    return line if line.endswith(".") else line + "."


def phrase_of(graph: KnowledgeGraph, number: int) -> Phrase | None:
    """The grammar of a relation number's phrase.

    Args:
        graph: The graph.
        number: r, or r + R for the inverse.

    Returns:
        The phrase; None for an inverse that the source gives no phrase of its own.
    """
    relation = number % graph.num_relations
    identifier = graph.relation_ids[relation]
    inverse = number >= graph.num_relations
    if is_freebase(identifier):
        return freebase_phrase(identifier, inverse)
    if inverse:
        stated = one_line(graph.inverse_phrases[relation])
        return read_phrase(stated) if stated and not stated.startswith(UNWIELDY) else None
    return read_phrase(one_line(graph.relation_phrases[relation]) or humanise(identifier))


def _joined(noun: str, link: str, other: str) -> str:
    return " ".join(part for part in (noun, link, other) if part)


def is_typing(graph: KnowledgeGraph, number: int) -> bool:
    """Whether a relation number is rdf:type without words of its own: 'is a', said of a kind."""
    relation = number % graph.num_relations
    own = number < graph.num_relations and not one_line(graph.relation_phrases[relation])
    return own and graph.relation_ids[relation] == TYPE


def turned(graph: KnowledgeGraph, number: int) -> int:
    """The relation number of the same step walked the other way."""
    count = graph.num_relations
    return number + count if number < count else number - count


def _single(graph: KnowledgeGraph, start: int, number: int) -> bool:
    """Whether the step leads to one entity only."""
    relation, inverse = number % graph.num_relations, number >= graph.num_relations
    around = graph.incoming(start) if inverse else graph.outgoing(start)
    return int((around[:, 1] == relation).sum()) <= 1
