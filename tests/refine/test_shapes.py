"""SHACL shapes: who is blamed for what, and files that are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from accord.errors import ConfigError, DataError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.refine.scan import ScanConfig, scan_graph
from accord.refine.shapes import Shapes
from tests.refine.test_rules import lawful_graph

WRONG = ("c3", "in", "t7.2")
HEAD = """
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix a: <urn:accord:> .
"""
KINDS = """
a:kinds a sh:NodeShape ; sh:targetSubjectsOf a:in ;
  sh:property [ sh:path a:in ; sh:pattern "^urn:accord:k" ; sh:message "no continent" ] ;
  sh:property [ sh:path a:code ; sh:pattern "^X[0-9][0-9]$" ] .
a:inside a sh:NodeShape ; sh:targetObjectsOf a:in ;
  sh:property [ sh:path [ sh:inversePath a:in ] ; sh:pattern "^urn:accord:[c]" ] .
"""
COUNTS = """
a:counts a sh:NodeShape ; sh:targetSubjectsOf a:in ;
  sh:property [ sh:path a:in ; sh:maxCount 1 ] ;
  sh:property [ sh:path a:anthem ; sh:minCount 1 ] .
"""


@pytest.fixture(scope="module")
def spoilt() -> KnowledgeGraph:
    """The lawful graph with one triple and one attribute that are wrong."""
    lawful, builder = lawful_graph(), GraphBuilder("spoilt")
    entities, relations = list(lawful.entity_ids), list(lawful.relation_ids)
    for h, r, t in lawful.triples.tolist():
        builder.triple(entities[h], relations[r], entities[t])
    builder.triple(*WRONG)
    for i in range(len(lawful.attributes)):
        entity = entities[int(lawful.attributes[i, 0])]
        builder.attribute(entity, "code", "none" if i == 7 else lawful.attribute_values[i])
    return builder.build()


def written(folder: Path, text: str) -> Path:
    path = folder / "shapes.ttl"
    path.write_text(HEAD + text)
    return path


def need() -> None:
    pytest.importorskip("pyshacl", reason="the extra shacl is not installed")


def triple(graph: KnowledgeGraph, row: int) -> tuple[str, str, str]:
    head, relation, tail = graph.triples_of("train")[row].tolist()
    return graph.entity_ids[head], graph.relation_ids[relation], graph.entity_ids[tail]


def test_a_value_is_blamed_by_itself(spoilt: KnowledgeGraph, tmp_path: Path) -> None:
    need()
    found = Shapes.load(written(tmp_path, KINDS)).check(spoilt)
    (row,) = found.messages
    assert triple(spoilt, row) == WRONG and found.weights[row] == 1 == found.weights.sum()
    assert found.messages[row] == "it breaks a shape: no continent"
    assert [item.tail for item in found.attributes] == ["none"] and not found.elsewhere


def test_too_many_are_blamed_in_part_and_lacking_ones_not(
    spoilt: KnowledgeGraph, tmp_path: Path
) -> None:
    need()
    found = Shapes.load(written(tmp_path, COUNTS)).check(spoilt)
    blamed = {triple(spoilt, row): found.weights[row] for row in found.messages}
    assert blamed == {WRONG: 0.5, ("c3", "in", "k0"): 0.5}
    assert found.elsewhere == 24 and not found.attributes


def test_scan_names_the_shape(spoilt: KnowledgeGraph, tmp_path: Path) -> None:
    need()
    path = written(tmp_path, KINDS)
    found = scan_graph(spoilt, None, ScanConfig(least=0.3, structure=False), shapes=path)
    flags = {item.triple: item for item in found.of_kind("flag")}
    assert "no continent" in flags[WRONG].reason
    assert "breaks a shape" in flags["c7", "code", "none"].reason
    assert found.to_dict()["shapes"] == {"triples": 1, "attributes": 1, "elsewhere": 0}
    without = scan_graph(spoilt, None, ScanConfig(structure=False)).suspicion
    row = list(map(tuple, spoilt.triples_of("train").tolist())).index(
        (spoilt.entity("c3"), spoilt.relation("in"), spoilt.entity("t7.2"))
    )
    assert found.suspicion.logits[row] > without.logits[row]


def test_files_that_are_no_shapes(spoilt: KnowledgeGraph, tmp_path: Path) -> None:
    need()
    with pytest.raises(DataError, match="no SHACL shape"):
        Shapes.load(written(tmp_path, "a:paris a:in a:france ."))
    with pytest.raises(DataError, match=r"shapes.ttl"):
        Shapes.load(written(tmp_path, "a:paris a:in"))
    with pytest.raises(DataError, match="SERVICE"):
        Shapes.load(written(tmp_path, 'a:x sh:select "SELECT ?s { SERVICE <http://x> {} }" .'))
    with pytest.raises(DataError, match="no valid shapes"):
        text = "a:s a sh:NodeShape ; sh:targetSubjectsOf a:in ; sh:property [ sh:minCount 1 ] ."
        Shapes.load(written(tmp_path, text)).check(spoilt)
    (tmp_path / "shapes.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="no RDF"):
        Shapes.load(tmp_path / "shapes.csv")


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyshacl", None)
    with pytest.raises(ConfigError, match="pySHACL") as caught:
        Shapes.load(written(tmp_path, KINDS))
    assert "accord-kg[shacl]" in str(caught.value.hint)
