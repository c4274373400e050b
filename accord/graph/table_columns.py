"""What the columns of a table mean: usual names, and Neo4j's headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accord.graph.builder import XSD_STRING
from accord.graph.iris import XSD

HEADS = ("head", "subject", "source", "from", "start", "start_id", "head_id", "source_id")
RELATIONS = ("relation", "predicate", "type", "rel", "relationship", "relation_id")
TAILS = ("tail", "object", "target", "to", "end", "end_id", "tail_id", "target_id")
TRIPLE_COLUMNS = {
    **dict.fromkeys(HEADS, "head"),
    **dict.fromkeys(RELATIONS, "relation"),
    **dict.fromkeys(TAILS, "tail"),
    "split": "split",
}
ENTITY_COLUMNS = {
    **dict.fromkeys(("id", "entity", "entity_id", "node", "node_id"), "id"),
    **dict.fromkeys(("name", "label", "title"), "name"),
    **dict.fromkeys(("description", "comment", "gloss", "definition", "abstract"), "description"),
    **dict.fromkeys(("aliases", "alias", "synonyms"), "aliases"),
}
RELATION_COLUMNS = {
    **dict.fromkeys(("id", "relation", "relation_id"), "id"),
    **dict.fromkeys(("phrase", "text", "name", "label"), "phrase"),
    **dict.fromkeys(("inverse", "inverse phrase", "inverse_phrase"), "inverse"),
}
MARKS = {"id": "id", "start_id": "head", "end_id": "tail", "type": "relation", "label": "labels"}
"""Neo4j's headers with a meaning of their own (`:START_ID`)."""
DATATYPES = {
    **dict.fromkeys(("int", "long", "short", "byte", "integer"), XSD + "integer"),
    **dict.fromkeys(("float", "double"), XSD + "double"),
    "boolean": XSD + "boolean",
    "date": XSD + "date",
    **dict.fromkeys(("datetime", "localdatetime"), XSD + "dateTime"),
    **dict.fromkeys(("time", "localtime"), XSD + "time"),
    "duration": XSD + "duration",
}
"""Types in Neo4j's headers (`born:int`)."""
_HEADER = re.compile(r"([^:]*)(?::([A-Za-z_]+)(\[\])?(?:\([^)]*\))?(?:\{.*\})?)?")


@dataclass(frozen=True)
class Column:
    """What a column of a table holds."""

    name: str
    meaning: str
    """A value of `TRIPLE_COLUMNS`, `ENTITY_COLUMNS` or `MARKS`; empty: an attribute."""
    datatype: str = XSD_STRING
    many: bool = False
    """Cells hold several values, divided by `;`."""


def columns_of(row: Sequence[str], known: dict[str, str]) -> list[Column]:
    """Reads a header.

    Args:
        row: Its cells: plain names, or Neo4j's (`:ID`, `name`, `born:int`, `names:string[]`).
        known: Column name -> meaning.

    Returns:
        One column a cell; a meaning is given to the first column that has it.
    """
    columns: list[Column] = []
    taken: set[str] = set()
    for cell in row:
        match = _HEADER.fullmatch(cell.strip())
        name, mark, many = match.groups() if match else (cell.strip(), None, None)
        mark = (mark or "").lower()
        meaning = MARKS.get(mark) or known.get(name.lower(), "")
        if meaning in taken:
            meaning = ""
        taken.add(meaning)
        datatype = DATATYPES.get(mark, XSD_STRING)
        columns.append(Column(name or mark, meaning, datatype, bool(many)))
    return columns
