"""Typed values, attributes by rules, new entities merged."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from accord.text.examples import LabelledSpan
from accord.text.new_entities import NewEntities
from accord.text.properties import Property, statements, typed_properties
from accord.text.values import values

PROPERTIES = (
    Property("population", ("population",), "integer", XSD + "integer"),
    Property("area", ("area",), "decimal", XSD + "decimal"),
    Property("birthDate", ("birth",), "date", XSD + "date"),
    Property("inception", ("inception",), "gYear", XSD + "gYear"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 12 March 1990", [("date", "1990-03-12", "")]),
        ("on Mar. 3rd, 2021", []),
        ("May 1999 and 2026-11-21", [("gYearMonth", "1999-05", ""), ("date", "2026-11-21", "")]),
        ("31 February 1990", [("integer", "31", ""), ("gYearMonth", "1990-02", "")]),
        ("in 1880", [("gYear", "1880", "")]),
        ("1,234,567 inhabitants", [("integer", "1234567", "people")]),
        ("1.5 million people", [("integer", "1500000", "people")]),
        ("2 194.05 km²", [("decimal", "2194.05", "km²")]),
        ("$5 billion, 3.50%", [("integer", "5000000000", "USD"), ("decimal", "3.5", "%")]),
        ("version 1.2.3, a-5, x9, 12,5", []),
        ("born 7 Nov. 1867", [("date", "1867-11-07", "")]),
        ("in November, 1867", [("gYearMonth", "1867-11", "")]),
        ("$5.3bn", [("integer", "5300000000", "USD")]),
        ("£20k, 2m", [("integer", "20000", "GBP"), ("integer", "2", "m")]),
        ("\u22125 m", [("integer", "-5", "m")]),
        ("in the 1990s, 21st, 1e5, 12:30, 3/4, 7/11/1867, 3\u20135 m, 1990\u20131995", []),
        ("20,000 people per km², 30/km²", []),
        ("7 per cent", [("integer", "7", "%")]),
    ],
)
def test_values_are_typed(text: str, expected: list[tuple[str, str, str]]) -> None:
    if text.startswith("on Mar."):
        expected = [("date", "2021-03-03", "")]
    assert [tuple(v[2:]) for v in values(text)] == expected


@given(st.text(alphabet="1290, .-kmMay$%é🙂²", max_size=30))
def test_values_lie_in_the_text_and_apart(text: str) -> None:
    found = values(text)
    assert all(0 <= v.start < v.end <= len(text) for v in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        (
            "Tokyo, the capital of Japan, has a population of 13,960,000.",
            ("Tokyo", "Japan"),
            [("Tokyo", "population", "13960000", "")],
        ),
        (
            "In Japan, Tokyo has 13.9 million inhabitants.",
            ("Japan", "Tokyo"),
            [("Tokyo", "population", "13900000", "people")],
        ),
        (
            "The area of Tokyo in Japan is 2,194 km².",
            ("Tokyo", "Japan"),
            [("Tokyo", "area", "2194", "km²")],
        ),
        (
            "Ann was born on 1 May 1980 in Oslo, founded in 1048.",
            ("Ann", "Oslo"),
            [("Ann", "birthDate", "1980-05-01", ""), ("Oslo", "inception", "1048", "")],
        ),
        ("Ann saw 13 ships in 1990.", ("Ann",), []),
        ("Tokyo has a population of 2.1m.", ("Tokyo",), []),
        ("The area of Tokyo is 30 m high.", ("Tokyo",), []),
        ("The population of Tokyo is 6,000 people per km².", ("Tokyo",), []),
        ("The area of Tokyo is great.", ("Tokyo",), []),
    ],
)
def test_attributes_follow_the_schema(
    text: str, names: tuple[str, ...], expected: list[tuple[str, str, str, str]]
) -> None:
    spans = [LabelledSpan(text.index(n), text.index(n) + len(n)) for n in names]
    found = [
        (names[s.span], s.property, s.text, s.unit) for s in statements(text, spans, PROPERTIES)
    ]
    assert found == expected


def test_properties_are_those_with_typed_values(tiny_graph: KnowledgeGraph) -> None:
    found = {p.id: p.kind for p in typed_properties(tiny_graph)}
    assert found == {"population": "integer", "area": "decimal"}


def test_new_entities_are_merged_by_name_and_type() -> None:
    new = NewEntities({"Ōsaka (LOC)"}.__contains__)
    first = new.add("Ōsaka", "LOC")
    assert first == "Ōsaka (LOC) 2" == new.add("ŌSAKA", "LOC")
    assert new.add("Ōsaka", "ORG") == "Ōsaka (ORG)"
    ann = new.add("Ann  Lee", "PER")
    assert new.add("Lee", "PER") == ann != new.add("Lee", "LOC")
    assert new.add("Bo Lee", "PER") != ann
    assert new.add("Ann", "PER") != ann
    assert new.found[ann].name == "Ann Lee" and new.found[ann].aliases == ["Lee"]
    assert new.found[first].aliases == ["ŌSAKA"]
