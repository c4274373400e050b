"""RDF in: texts by property and language, blank nodes, named graphs, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.graph.formats import ImportOptions, export_graph, import_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.query import export_record, query_graph
from tests.graph.random_graphs import content

PREFIXES = """
@prefix : <http://example.org/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix schema: <http://schema.org/> .
"""
EX = "http://example.org/"
LABELLED = """
:de :capital :berlin .
:de rdfs:label "Deutschland"@de , "Germany"@en , "Germania" ; skos:altLabel "FRG"@en , "BRD"@de ;
    rdfs:comment "Ein Land."@de , "A country."@en , "A country in Europe."@en ; :area 357588.5 .
:berlin schema:name "Berlin" ; skos:prefLabel "Berlin, Germany"@en-GB .
:capital rdfs:label "has the capital"@en , "hat die Hauptstadt"@de ; rdfs:comment "A relation."@en .
"""


def turtle(folder: Path, text: str, options: ImportOptions | None = None) -> KnowledgeGraph:
    (folder / "g.ttl").write_text(PREFIXES + text)
    return import_graph(folder / "g.ttl", None, options)


def facts(graph: KnowledgeGraph, entity: str) -> set[tuple[str, ...]]:
    rows = graph.attributes_of(graph.entity(EX + entity))
    return {(a.property.rsplit("#")[-1].rsplit("/")[-1], a.value, a.language) for a in rows}


def test_names_by_language_then_property(tmp_path: Path) -> None:
    graph = turtle(tmp_path, LABELLED)
    de, berlin = graph.entity(EX + "de"), graph.entity(EX + "berlin")
    assert graph.entity_names[de] == "Germany"
    assert graph.entity_names[berlin] == "Berlin, Germany"  # en-GB is English; no tag comes second
    assert graph.entity_descriptions[de] == "A country."
    assert set(graph.aliases_of(de)) == {"Germania", "FRG"}
    assert graph.aliases_of(berlin) == ["Berlin"]
    assert list(graph.relation_phrases) == ["has the capital"]
    assert graph.num_entities == 2  # the labelled relation is no entity


def test_a_labelled_property_of_literals_is_no_entity(tmp_path: Path) -> None:
    told = ':area rdfs:label "area"@en, "Fläche"@de .'
    graph = turtle(tmp_path, f"{LABELLED} {told}")
    assert graph.num_entities == 2 and "area" not in graph.entity_names
    assert graph.meta["left_out"] == {"literals of relations and properties": 4}
    about = turtle(tmp_path, f"{LABELLED} {told} :area :measuredIn :km2 .")
    assert about.num_entities == 4  # it stands in a triple


def test_an_entity_that_is_a_property_too_comes_back(tmp_path: Path) -> None:
    builder = GraphBuilder("two")
    builder.entity(EX + "area", "area")
    builder.triple(EX + "a", EX + "r", EX + "b")
    builder.attribute(EX + "a", EX + "area", "3")
    graph = builder.build()
    again = import_graph(export_graph(graph, tmp_path / "g.nq"))
    assert set(again.entity_ids) == set(graph.entity_ids)


def test_what_is_not_chosen_stays_an_attribute(tmp_path: Path) -> None:
    assert facts(turtle(tmp_path, LABELLED), "de") == {
        ("label", "Deutschland", "de"),
        ("altLabel", "BRD", "de"),
        ("comment", "Ein Land.", "de"),
        ("comment", "A country in Europe.", "en"),
        ("area", "357588.5", ""),
    }


def test_preferred_language_and_own_properties(tmp_path: Path) -> None:
    german = turtle(tmp_path, LABELLED, ImportOptions(language="de"))
    assert german.entity_names[0] == "Deutschland"
    assert list(german.relation_phrases) == ["hat die Hauptstadt"]
    french = turtle(tmp_path, LABELLED, ImportOptions(language="fr"))
    assert french.entity_names[0] == "Germania"  # none without the language: no tag is next
    own = turtle(tmp_path, LABELLED, ImportOptions(labels=(EX + "area",)))
    assert own.entity_names[0] == "357588.5"
    assert ("label", "Germany", "en") in facts(own, "de")


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="page is 0"):
        ImportOptions(page=0)
    with pytest.raises(ConfigError, match="timeout"):
        ImportOptions(timeout=0)


def test_imported_texts_survive_a_second_trip(tmp_path: Path) -> None:
    graph = turtle(tmp_path, LABELLED)
    again = import_graph(export_graph(graph, tmp_path / "h.ttl"))
    assert content(again) == content(graph)


def test_record_keeps_every_literal_and_iri(tmp_path: Path) -> None:
    """Also those that the snapshot has no place for: a relation's comment, German phrases."""
    (tmp_path / "g.ttl").write_text(PREFIXES + LABELLED)
    graph = import_graph(tmp_path / "g.ttl", tmp_path / "graph")
    assert graph.meta["left_out"] == {"literals of relations and properties": 2}
    import_graph(tmp_path / "g.ttl", tmp_path / "graph")
    export_record(tmp_path / "graph", str(tmp_path / "h.nt"))

    def statements(path: Path) -> set[str]:
        from pyoxigraph import parse

        return {str(quad) for quad in parse(path=str(path))}

    assert statements(tmp_path / "h.nt") == statements(tmp_path / "g.ttl")


def test_blank_nodes_get_names_that_do_not_change(tmp_path: Path) -> None:
    text = ":a :r [ :s :b ; :p 'x' ] . _:b0 :r :a ."
    graph = turtle(tmp_path, text)
    blanks = [key for key in graph.entity_ids if key.startswith("urn:accord:genid:")]
    assert len(blanks) == 2 == graph.meta["blank_nodes"]
    assert turtle(tmp_path, text).hash == graph.hash
    other = turtle(tmp_path, text + " # other")
    assert not set(blanks) & set(other.entity_ids)
    import_graph(tmp_path / "g.ttl", tmp_path / "graph")
    answer = query_graph(tmp_path / "graph", "ASK { ?s ?p ?o FILTER(isBlank(?s) || isBlank(?o)) }")
    assert answer["boolean"] is False
    again = import_graph(export_graph(graph, tmp_path / "h.nq"))
    assert content(again) == content(graph)


def test_blank_marks_inside_literals_are_no_blank_nodes(tmp_path: Path) -> None:
    (tmp_path / "g.nt").write_text(f'<{EX}a> <{EX}p> "_:b0 is text" .\n')
    graph = import_graph(tmp_path / "g.nt", tmp_path / "graph")
    assert list(graph.entity_ids) == [EX + "a"]
    assert graph.attributes_of(0)[0].value == "_:b0 is text"


def test_escapes_in_n_triples(tmp_path: Path) -> None:
    (tmp_path / "g.nt").write_text(
        f'<{EX}\\u00e9> <{EX}p> "tab\\t quote\\" \\U0001F642" .  # comment\n\n'
        f"  <{EX}é>\t<{EX}r> <{EX}b>.\n"
    )
    graph = import_graph(tmp_path / "g.nt", tmp_path / "graph")
    assert list(graph.entity_ids) == [EX + "é", EX + "b"]
    assert graph.attributes_of(0)[0].value == 'tab\t quote" 🙂'


def test_named_graphs_of_others_are_asserted(tmp_path: Path) -> None:
    (tmp_path / "g.trig").write_text(
        PREFIXES + ":one { :a :r :b } <urn:accord:graph:test> { :a :r :c } :b :r :c ."
    )
    graph = import_graph(tmp_path / "g.trig", tmp_path / "graph")
    assert [len(graph.triples_of(split)) for split in ("train", "valid", "test")] == [2, 0, 1]
    rows = query_graph(tmp_path / "graph", "SELECT ?g { GRAPH ?g { ?s ?p ?o } } ORDER BY ?g")
    names = [row["g"]["value"] for row in rows["results"]["bindings"]]
    assert names == [EX + "one", "urn:accord:graph:test"]


def test_statements_about_statements_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = turtle(tmp_path, ":a :r :b . :a :says <<( :a :r :b )>> .")
    assert graph.meta["left_out"] == {"statements about statements": 1}
    assert "1 statements about statements" in capsys.readouterr().err
