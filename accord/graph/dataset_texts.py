"""From the rows of each named data set to a graph with readable texts."""

from __future__ import annotations

import re

from accord.graph.builder import GraphBuilder
from accord.graph.dataset_files import Read, Rows
from accord.graph.dataset_phrases import UMLS, Phrases
from accord.graph.graph import SPLITS


def add_triples(builder: GraphBuilder, rows: Rows, split: str) -> None:
    """Adds rows of head, relation, tail; further columns are left alone."""
    for row in rows:
        builder.triple(row[0], row[1], row[2], split)


def add_splits(builder: GraphBuilder, read: Read, folder: str, ending: str = ".tsv.gz") -> None:
    """Adds train, valid and test of a folder."""
    for split in SPLITS:
        add_triples(builder, read(f"{folder}/{split}{ending}"), split)


def add_phrases(builder: GraphBuilder, phrases: Phrases) -> None:
    """Adds relations with their phrases both ways."""
    for relation, (phrase, inverse) in phrases.items():
        builder.relation(relation, phrase, inverse)


def spaced(text: str) -> str:
    """Underscores as spaces, runs of spaces as one."""
    return " ".join(text.replace("_", " ").split())


def umls(builder: GraphBuilder, read: Read) -> None:
    """UMLS: names from ids, descriptions as given but for what extraction left broken."""
    for entity, text in read("small-kg/umls/entity2textlong.tsv"):
        name = spaced(entity)
        builder.entity(entity, name, "" if text.lower() == name else encyclopedic(text))
    add_phrases(builder, UMLS)
    add_splits(builder, read, "small-kg/umls", ".tsv")


def encyclopedic(text: str) -> str:
    """An encyclopedia's opening text without the empty brackets and lost spaces of extraction."""
    text = re.sub(r"\(\s*(?:\(listen\)\s*)?;\s*", "(", text)
    text = re.sub(r"\s*\(\s*\)", "", text)
    return " ".join(re.sub(r"([a-z)])\.([A-Z][a-z])", r"\1. \2", text).split())
