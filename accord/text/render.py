"""The only place where an entity, relation or triple becomes text.

A text is rendered as segments. The frozen lower layers may read each segment alone, so an entity's
text and a relation's phrase are read once, however many triples they occur in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph

QUERY_OPEN, TAIL_OPEN, TAIL_CLOSE = "[", "{", " }"
_CAMEL_WORD, _CAMEL_BREAK = (
    re.compile(r"(?<=[a-z])[A-Z](?=[a-z])"),
    re.compile(r"(?<=[a-z])(?=[A-Z])"),
)


@dataclass(frozen=True)
class TextConfig:
    """How entities become text."""

    entity_tokens: int = 50
    """Tokens of an entity's text at most; longer texts are cut at the end."""
    describe: bool = True
    """Add the entity's description after its name."""
    attributes: int = 0
    """Add at most this many of the entity's attributes to its text."""
    neighbours: int = 0
    """Add the names of at most this many neighbours in train to the head of a query."""

    def __post_init__(self) -> None:
        if self.entity_tokens < 1:
            raise ConfigError(f"text.entity_tokens is {self.entity_tokens}", "use 1 or more")
        if min(self.attributes, self.neighbours) < 0:
            raise ConfigError("text.attributes and text.neighbours cannot be negative", "0 is off")


def humanise(identifier: str) -> str:
    """Readable words from an id or IRI, for entities and relations without a name.

    Example:
        >>> humanise("http://example.org/onto#birthPlace")
        'birth place'
        >>> humanise("Tim_Berners-Lee")
        'Tim Berners-Lee'
    """
    tail = re.split(r"[/#]", unquote(identifier).rstrip("/#"))[-1] or identifier
    apart = _CAMEL_WORD.sub(lambda match: f" {match[0].lower()}", tail)
    return " ".join(_CAMEL_BREAK.sub(" ", apart).replace("_", " ").split()) or identifier


def entity_name(graph: KnowledgeGraph, entity: int) -> str:
    """The preferred name of an entity, or words made from its id."""
    return graph.entity_names[entity] or humanise(graph.entity_ids[entity])


def entity_text(graph: KnowledgeGraph, entity: int, config: TextConfig | None = None) -> str:
    """Name, description and attributes of an entity as one line.

    Args:
        graph: The graph.
        entity: Entity idx.
        config: What to add to the name; the default adds the description.

    Returns:
        ``name``, ``name: description`` or ``name: description; property value; ...``.
    """
    config = config or TextConfig()
    description = graph.entity_descriptions[entity] if config.describe else ""
    parts = [description] if description else []
    if config.attributes:
        for item in graph.attributes_of(entity)[: config.attributes]:
            parts.append(f"{humanise(item.property)} {item.value}")
    name = entity_name(graph, entity)
    return one_line(f"{name}: {'; '.join(parts)}" if parts else name)


def relation_text(graph: KnowledgeGraph, number: int) -> str:
    """The phrase of a relation number.

    Args:
        graph: The graph.
        number: r for the relation read from head to tail, r + R for its inverse.

    Returns:
        The phrase; for an inverse without one, ``inverse of PHRASE``.
    """
    relation = number % graph.num_relations
    phrase = graph.relation_phrases[relation] or humanise(graph.relation_ids[relation])
    if number < graph.num_relations:
        return one_line(phrase)
    return one_line(graph.inverse_phrases[relation] or f"inverse of {phrase}")


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def query_parts(head: str, relation: str, neighbours: list[str]) -> tuple[str, ...]:
    """Segments of view 1: ``[ HEAD, RELATION ]``.

    Source: KaLM (arXiv 2412.04948), the text views of its public code; the embedding is read at
    the closing bracket.

    Args:
        head: The head's text.
        relation: The relation's phrase.
        neighbours: Names of the head's neighbours; each is a segment of its own.

    Returns:
        The segments; joined they are the whole text.
    """
    around = tuple(f"; {name}" for name in neighbours)
    return (QUERY_OPEN, f" {head}", *around, f", {relation} ]")


def tail_parts(tail: str) -> tuple[str, ...]:
    """Segments of view 2: ``{ TAIL }``."""
    return (TAIL_OPEN, f" {tail}", TAIL_CLOSE)


def completion_part(tail_name: str) -> str:
    """What follows view 1 when the model writes the tail."""
    return f" {tail_name}"


def templates() -> dict[str, str]:
    """How texts are put together, kept with a model: another form would be another language to it.

    Example:
        >>> templates()["query"]
        '[ HEAD; NEIGHBOUR, RELATION ]'
    """
    return {
        "query": "".join(query_parts("HEAD", "RELATION", ["NEIGHBOUR"])),
        "tail": "".join(tail_parts("TAIL")),
        "completion": completion_part("TAIL"),
    }
