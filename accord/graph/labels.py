"""Which literals are names, descriptions and aliases, and which language is preferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import (
    ALIAS,
    CHOSEN_DESCRIPTION,
    CHOSEN_NAME,
    COMMENT,
    LABEL,
    SKOS,
)

SCHEMA = ("http://schema.org/", "https://schema.org/")
LABELS = (LABEL, SKOS + "prefLabel", *(s + "name" for s in SCHEMA))
DESCRIPTIONS = (
    COMMENT,
    *(s + "description" for s in SCHEMA),
    "http://purl.org/dc/terms/description",
    "http://purl.org/dc/elements/1.1/description",
    SKOS + "definition",
    "http://dbpedia.org/ontology/abstract",
)
ALIASES = (ALIAS, *(s + "alternateName" for s in SCHEMA))
NAME, DESCRIPTION, OTHER_NAME = 0, 1, 2


@dataclass(frozen=True)
class ImportOptions:
    """How a source is read."""

    name: str = ""
    """The graph's name; empty: taken from the source."""
    language: str = "en"
    """Preferred language of names and descriptions; then literals without one, then any."""
    labels: tuple[str, ...] = LABELS
    """Properties whose literals are names, best first."""
    descriptions: tuple[str, ...] = DESCRIPTIONS
    """Properties whose literals are descriptions, best first."""
    aliases: tuple[str, ...] = ALIASES
    """Properties whose literals are further names."""
    query: str = ""
    """SPARQL endpoint: a query of your own (SELECT ?s ?p ?o, or CONSTRUCT); empty: everything."""
    page: int = 10_000
    """SPARQL endpoint and Neo4j: rows asked for at a time."""
    timeout: float = 60.0
    """SPARQL endpoint and Neo4j: seconds before an answer is given up."""
    id_property: str = ""
    """Neo4j: the property that is a node's id; empty: uri, iri or id, else the element id."""
    valid: float = 0.0
    """Share of the triples to hold out as valid, for a source without splits."""
    test: float = 0.0
    """As `valid`, for test."""
    seed: int = 0
    """Of that draw."""

    def __post_init__(self) -> None:
        if self.page < 1:
            raise ConfigError(f"page is {self.page}", "give a number of rows, 1 or more")
        if not self.timeout > 0:
            raise ConfigError(f"timeout is {self.timeout}", "give seconds, more than 0")
        if min(self.valid, self.test) < 0 or self.valid + self.test >= 1:
            raise ConfigError(
                f"shares valid={self.valid:g} and test={self.test:g} leave nothing to train on",
                "give shares of 0 or more, together below 1, e.g. 0.05 each",
            )

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Property -> (kind of text, place among the properties of that kind)."""
        groups = ((OTHER_NAME, self.aliases), (DESCRIPTION, self.descriptions), (NAME, self.labels))
        table = {prop: (kind, i) for kind, props in groups for i, prop in enumerate(props)}
        # -1: before any language, because an earlier import has chosen already.
        return {**table, CHOSEN_NAME: (NAME, -1), CHOSEN_DESCRIPTION: (DESCRIPTION, -1)}

    def language_rank(self, language: str) -> int:
        """0 for the preferred language (`en-GB` counts as `en`), 1 for none, 2 for others."""
        wanted, given = self.language.lower(), language.lower()
        if given == wanted or (wanted and given.startswith(wanted + "-")):
            return 0
        return 1 if not given else 2


def reading_of(parent: KnowledgeGraph) -> ImportOptions:
    """The options that the graph was imported with, as far as they decide what is a text."""
    stated: dict[str, Any] = parent.meta.get("reading", {})
    usual = ImportOptions()
    return ImportOptions(
        language=stated.get("language", usual.language),
        labels=tuple(stated.get("labels", usual.labels)),
        descriptions=tuple(stated.get("descriptions", usual.descriptions)),
        aliases=tuple(stated.get("aliases", usual.aliases)),
    )
