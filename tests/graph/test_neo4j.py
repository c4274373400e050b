"""Neo4j in: rows to a graph, and the whole way from a real Bolt server where one can be had."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accord.errors import ConfigError, DataError
from accord.graph import neo4j as source
from accord.graph.builder import XSD_STRING, GraphBuilder
from accord.graph.formats import ImportOptions, import_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from tests.graph import bolt
from tests.graph.random_graphs import content

NODES: list[dict[str, Any]] = [
    {
        "element": "4:x:0",
        "labels": ["Person", "Author"],
        "properties": {
            "id": "p1",
            "name": "Ada Ångström",
            "born": 1815,
            "scores": [1.5, 2.0],
            "alive": False,
            "aliases": ["A. Å."],
        },
    },
    {
        "element": "4:x:1",
        "labels": ["Film"],
        "properties": {"uri": "http://example.org/f", "id": 7, "title": "A film", "summary": "."},
    },
    {"element": "4:x:2", "labels": [], "properties": {}},
]
EDGES = [
    {"head": "4:x:0", "relation": "ACTED_IN", "tail": "4:x:1", "properties": 1},
    {"head": "4:x:0", "relation": "ACTED_IN", "tail": "4:x:1", "properties": 0},
    {"head": "4:x:0", "relation": "KNOWS", "tail": "4:x:0", "properties": 0},
    {"head": "4:x:0", "relation": "KNOWS", "tail": "4:x:9", "properties": 0},
]
EXPECTED = {
    ("label", "Author", XSD_STRING, ""),
    ("label", "Person", XSD_STRING, ""),
    ("alive", "false", XSD + "boolean", ""),
    ("born", "1815", XSD + "integer", ""),
    ("scores", "1.5", XSD + "double", ""),
    ("scores", "2.0", XSD + "double", ""),
}


@pytest.fixture
def graph() -> KnowledgeGraph:
    builder = GraphBuilder("films")
    ids = source.add_nodes(builder, NODES)
    source.add_edges(builder, EDGES, ids)
    return builder.build()


def test_nodes_become_entities_with_texts_and_attributes(graph: KnowledgeGraph) -> None:
    assert list(graph.entity_ids) == ["p1", "http://example.org/f", "4:x:2"]
    assert list(graph.entity_names) == ["Ada Ångström", "A film", ""]
    assert list(graph.entity_descriptions) == ["", ".", ""]
    assert graph.aliases_of(0) == ["A. Å."]
    assert set(graph.attributes_of(0)) == EXPECTED
    assert graph.attributes_of(1)[1][:2] == ("id", "7")  # uri came first, so id is a property


def test_relationships_become_triples(graph: KnowledgeGraph) -> None:
    assert graph.triples.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert list(graph.relation_ids) == ["ACTED_IN", "KNOWS"]
    assert list(graph.relation_phrases) == ["acted in", "knows"]
    assert graph.meta["left_out"] == {
        "relationships' own properties": 1,
        "relationships of nodes made during the import": 1,
    }


def test_id_property() -> None:
    builder = GraphBuilder("g")
    assert source.add_nodes(builder, NODES[:1], "name") == {"4:x:0": "Ada Ångström"}
    with pytest.raises(DataError, match="no property 'name'"):
        source.add_nodes(builder, NODES[1:], "name")


def test_one_id_for_two_nodes_is_refused() -> None:
    nodes = [{**NODES[0], "element": str(n)} for n in range(2)]
    with pytest.raises(DataError, match="two nodes have the id 'p1'") as caught:
        source.add_nodes(GraphBuilder("g"), nodes)
    assert "--id-property" in caught.value.hint


def test_times_of_the_driver_are_typed() -> None:
    times = pytest.importorskip("neo4j.time")
    assert source.literals(times.Date(1815, 12, 10)) == [("1815-12-10", XSD + "date")]
    assert source.literals(times.Duration(days=2)) == [("P2D", XSD + "duration")]
    assert source.literals(True) == [("true", XSD + "boolean")]


def test_addresses() -> None:
    assert source.split_address("bolt://h:7687/films") == ("bolt://h:7687", "films")
    assert source.split_address("neo4j+s://h") == ("neo4j+s://h", "")
    with pytest.raises(ConfigError, match="ftp"):
        source.split_address("ftp://h/films")
    with pytest.raises(ConfigError, match="password") as caught:
        source.split_address("bolt://me:secret@h:7687")
    assert "secret" not in str(caught.value)


def test_nobody_there(tmp_path: Path) -> None:
    pytest.importorskip("neo4j")
    address = f"bolt://127.0.0.1:{bolt.free_port()}"
    with pytest.raises(DataError, match="cannot be read"):
        import_graph(address, tmp_path / "graph", ImportOptions(timeout=2))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A real server with two nodes and two relationships in it."""
    if bolt.missing():
        pytest.skip(bolt.missing())
    with bolt.server(tmp_path_factory.mktemp("bolt")) as running:
        fill(*running)
        yield running


def fill(address: str, user: str, password: str) -> None:
    import neo4j

    place, database = source.split_address(address)
    with neo4j.GraphDatabase.driver(place, auth=(user, password)) as driver:
        end = time.monotonic() + bolt.START_SECONDS
        while True:  # the port is open a little before the database is
            try:
                with driver.session(database=database) as session:
                    session.run("MATCH (n) DETACH DELETE n").consume()
                break
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)
        with driver.session(database=database) as session:
            session.run(
                "CREATE (a:Person) SET a = $ada CREATE (b:Film) SET b = $film "
                "CREATE (a)-[:ACTED_IN {role: 'herself'}]->(b) CREATE (a)-[:KNOWS]->(a)",
                ada=NODES[0]["properties"],
                film=NODES[1]["properties"],
            ).consume()


@pytest.mark.parametrize("page", [1, 1000])
def test_a_real_bolt_server(
    filled: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    address, user, password = filled
    monkeypatch.setenv(source.USER, user)
    monkeypatch.setenv(source.PASSWORD, password)
    graph = import_graph(address, tmp_path / "graph", ImportOptions(page=page))
    ada = graph.entity("p1")
    assert graph.entity_names[ada] == "Ada Ångström"
    assert set(graph.attributes_of(ada)) == EXPECTED - {("label", "Author", XSD_STRING, "")}
    assert {row[:3] for row in content(graph)["triples"]} == {
        ("p1", "ACTED_IN", "http://example.org/f"),
        ("p1", "KNOWS", "p1"),
    }
    assert graph.meta["left_out"] == {"relationships' own properties": 1}


def test_a_wrong_password_is_not_shown(
    filled: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, user, _ = filled
    monkeypatch.setenv(source.USER, user)
    monkeypatch.setenv(source.PASSWORD, "wrong-secret")
    with pytest.raises(DataError, match="cannot be read") as caught:
        import_graph(address)
    assert "wrong-secret" not in str(caught.value)
    assert source.PASSWORD in caught.value.hint
