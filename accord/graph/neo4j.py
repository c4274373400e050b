"""Neo4j over Bolt as a source: read-only, streamed in batches, nothing written into queries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from accord.errors import ConfigError, DataError
from accord.graph.builder import XSD_STRING, GraphBuilder
from accord.graph.formats_table import count_left_out
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from accord.graph.labels import ImportOptions
from accord.progress import say

SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
USER, PASSWORD = "ACCORD_NEO4J_USER", "ACCORD_NEO4J_PASSWORD"
"""Environment variables; without a password no login is tried."""
IDS = ("uri", "iri", "id")
NAMES = ("name", "title", "label", "prefLabel", "rdfs__label", "skos__prefLabel")
DESCRIPTIONS = ("description", "comment", "summary", "abstract", "rdfs__comment")
ALIASES = ("aliases", "alias", "altLabel", "altLabels", "synonyms", "skos__altLabel")
NODES = """
MATCH (n)
RETURN elementId(n) AS element, labels(n) AS labels, properties(n) AS properties
"""
EDGES = """
MATCH (a)-[r]->(b)
RETURN elementId(a) AS head, type(r) AS relation, elementId(b) AS tail,
       size(keys(r)) AS properties
"""
LABEL = "label"
"""Property of the attributes that hold a node's labels."""


def read_neo4j(address: str, options: ImportOptions) -> KnowledgeGraph:
    """Reads a whole database.

    Args:
        address: `bolt://host:7687` or `neo4j+s://host`, with `/DATABASE` after it for another
            than the server's default. User and password come from the environment.
        options: `page` rows are fetched at a time; `timeout` holds for connecting and for each
            query; `id_property` names what identifies a node.

    Returns:
        The graph: nodes are entities, relationship types are relations, other properties and
        labels are attributes. Properties of relationships are counted and left out.

    Raises:
        ConfigError: The driver is not installed or the address is not Neo4j's.
        DataError: The server cannot be reached, refuses, or two nodes have one id.
    """
    address, database = split_address(address)
    builder = GraphBuilder(options.name or database or "neo4j")
    neo4j = _driver_package()
    password = os.environ.get(PASSWORD)
    login = None if password is None else (os.environ.get(USER, "neo4j"), password)
    try:
        with (
            neo4j.GraphDatabase.driver(
                address, auth=login, connection_timeout=options.timeout
            ) as driver,
            driver.session(
                database=database or None,
                default_access_mode=neo4j.READ_ACCESS,
                fetch_size=options.page,
            ) as session,
        ):
            ids = add_nodes(builder, _rows(session, NODES, options.timeout), options.id_property)
            add_edges(builder, _rows(session, EDGES, options.timeout), ids)
    except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
        raise DataError(
            f"{address} cannot be read ({error})",
            hint=f"is the server up? user and password are read from {USER} and {PASSWORD}",
        ) from error
    for what, count in builder.meta.get("left_out", {}).items():
        say(f"{builder.name}: left out: {count:,} {what}")
    return builder.build({"source": address})


def split_address(address: str) -> tuple[str, str]:
    """Divides `bolt://host:7687/films` into the server's address and the database's name.

    Raises:
        ConfigError: Not an address of Neo4j, or one with a password in it.
    """
    parts = urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ConfigError(
            f"{parts.scheme}:// is no source", "known: https (SPARQL), " + ", ".join(SCHEMES)
        )
    if parts.password:
        raise ConfigError(
            "the address holds a password",
            f"put it into the environment variable {PASSWORD} instead",
        )
    server = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    return server, parts.path.strip("/")


def _driver_package() -> Any:
    try:
        import neo4j
        import neo4j.exceptions
    except ImportError as error:
        raise ConfigError(
            "the Neo4j driver is not installed", "pip install 'accord-kg[neo4j]'"
        ) from error
    return neo4j


def _rows(session: Any, query: str, timeout: float) -> Iterable[Mapping[str, Any]]:
    """Rows of a read-only transaction; the driver fetches them batch by batch."""
    transaction: AbstractContextManager[Any] = session.begin_transaction(timeout=timeout)
    with transaction as open_transaction:
        yield from open_transaction.run(query)


def add_nodes(
    builder: GraphBuilder, rows: Iterable[Mapping[str, Any]], id_property: str = ""
) -> dict[str, str]:
    """Turns nodes into entities with texts and attributes.

    Args:
        builder: Where they go.
        rows: With `element` (element id), `labels` and `properties`.
        id_property: The property that is the id; empty: the first of `IDS` that a node has, else
            its element id.

    Returns:
        Element id -> entity id.

    Raises:
        DataError: Two nodes have one id, or a node lacks the property asked for.
    """
    ids: dict[str, str] = {}
    owners: dict[str, str] = {}
    for row in rows:
        element, properties = row["element"], dict(row["properties"])
        entity = _take_id(element, properties, id_property)
        if owners.setdefault(entity, element) != element:
            raise DataError(
                f"two nodes have the id {entity!r} (element ids {owners[entity]} and {element})",
                hint="name a property that is unique with --id-property",
            )
        ids[element] = entity
        name, description = _take_text(properties, NAMES), _take_text(properties, DESCRIPTIONS)
        builder.entity(entity, name, description, _take_texts(properties, ALIASES))
        for label in sorted(row["labels"]):
            builder.attribute(entity, LABEL, label)
        for key in sorted(properties):
            for value, datatype in literals(properties[key]):
                builder.attribute(entity, key, value, datatype)
    return ids


def add_edges(
    builder: GraphBuilder, rows: Iterable[Mapping[str, Any]], ids: Mapping[str, str]
) -> None:
    """Turns relationships into triples.

    Args:
        builder: Where they go.
        rows: With `head` and `tail` (element ids), `relation`, and how many `properties`.
        ids: Element id -> entity id; what came after the nodes were read is passed over, counted.
    """
    for row in rows:
        if row["head"] not in ids or row["tail"] not in ids:
            count_left_out(builder, "relationships of nodes made during the import")
            continue
        builder.triple(ids[row["head"]], row["relation"], ids[row["tail"]])
        builder.relation(row["relation"], row["relation"].replace("_", " ").lower())
        if row["properties"]:
            count_left_out(builder, "relationships' own properties")


def _take_id(element: str, properties: dict[str, Any], id_property: str) -> str:
    if id_property:
        if id_property not in properties:
            raise DataError(
                f"the node {element} has no property {id_property!r}",
                hint="name a property that every node has with --id-property, or leave it out",
            )
        return str(properties.pop(id_property))
    found = next((key for key in IDS if properties.get(key) not in (None, "")), "")
    return str(properties.pop(found)) if found else element


def _take_text(properties: dict[str, Any], keys: tuple[str, ...]) -> str:
    found = next((key for key in keys if isinstance(properties.get(key), str)), "")
    return str(properties.pop(found)) if found else ""


def _take_texts(properties: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    texts: list[str] = []
    for key in keys:
        value = properties.get(key)
        values = value if isinstance(value, list) else [value]
        if value is not None and all(isinstance(item, str) for item in values):
            texts += properties.pop(key) if isinstance(value, list) else [properties.pop(key)]
    return texts


def literals(value: Any) -> list[tuple[str, str]]:
    """A property's value as literals.

    Args:
        value: What the driver gives: text, number, truth value, time, place, or a list of those.

    Returns:
        (value, datatype) of each; several for a list.
    """
    if isinstance(value, list):
        return [pair for item in value for pair in literals(item)]
    if isinstance(value, bool):
        return [("true" if value else "false", XSD + "boolean")]
    if isinstance(value, int):
        return [(str(value), XSD + "integer")]
    if isinstance(value, float):
        return [(repr(value), XSD + "double")]
    kinds = {"DateTime": "dateTime", "Date": "date", "Time": "time", "Duration": "duration"}
    kind = kinds.get(type(value).__name__)
    if kind is not None:
        return [(value.iso_format(), XSD + kind)]
    return [(str(value), XSD_STRING)]
