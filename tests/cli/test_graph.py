"""`accord graph`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.graph.formats import export_graph, import_graph
from accord.graph.graph import KnowledgeGraph
from tests.graph.random_graphs import content


@pytest.fixture
def folder(tiny_graph: KnowledgeGraph, tmp_path: Path) -> Path:
    source = export_graph(tiny_graph, tmp_path / "tiny.nq.gz")
    assert main(["graph", "import", str(source), "--out", str(tmp_path / "graph")]) == 0
    return tmp_path / "graph"


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """What a command prints with --json: exactly one object."""
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_import_makes_store_and_snapshot(
    folder: Path, tiny_graph: KnowledgeGraph, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", "import", str(folder.parent / "tiny.nq.gz"), "--out", str(folder)]) == 0
    assert f"written to {folder}" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["snapshot", "store"]
    assert content(KnowledgeGraph.load(folder)) == content(tiny_graph)


def test_import_options_reach_the_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "g.ttl", tmp_path / "graph"
    source.write_text(
        "@prefix : <http://example.org/> .\n:a :r :b ; :titel 'Bild'@de , 'Picture'@en ; :bei 'x' ."
    )
    words = ["--language", "de", "--label", "http://example.org/titel", "--name", "museum"]
    words += ["--alias", "http://example.org/bei"]
    found = answer(capsys, "graph", "import", str(source), "--out", str(out), *words)
    assert (found["graph"], found["name"], found["with_text"]) == (str(out), "museum", 1)
    graph = KnowledgeGraph.load(out)
    assert (graph.entity_names[0], graph.aliases_of(0)) == ("Bild", ["x"])


def test_import_of_a_data_set(
    accord_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACCORD_DATA", str(accord_data))
    monkeypatch.setenv("ACCORD_CACHE", str(tmp_path / "cache"))
    found = answer(capsys, "graph", "import", "nations", "--out", str(tmp_path / "graph"))
    assert found["triples"] == {"train": 1592, "valid": 199, "test": 201}
    again = answer(capsys, "graph", "info", "nations")
    assert {k: again[k] for k in ("entities", "relations")} == {"entities": 14, "relations": 55}


def test_info_json_has_the_promised_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "graph", "info", str(folder))
    assert {k: found[k] for k in ("entities", "relations", "attributes", "with_text")} == {
        "entities": 8,
        "relations": 5,
        "attributes": 4,
        "with_text": 7,
    }
    assert found["triples"] == {"train": 8, "valid": 2, "test": 2}


def test_info_for_people_and_its_plot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = folder.parent / "shape.svg"
    assert main(["graph", "info", str(folder), "--plot", str(picture)]) == 0
    assert "has the capital" in capsys.readouterr().out
    assert "<svg" in picture.read_text()
    assert main(["graph", "info", str(folder), "--plot", "shape.bmp"]) == 2


@pytest.mark.parametrize("target", ["out.trig", "out.jsonld", "tables/"])
def test_export_comes_back(
    folder: Path, tiny_graph: KnowledgeGraph, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    found = answer(capsys, "graph", "export", str(folder), "--to", f"{folder.parent}/{target}")
    assert content(import_graph(found["written"])) == content(tiny_graph)


def test_splits_that_a_format_lacks_are_said_of_a_folder_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", "export", str(folder), "--to", f"{folder.parent}/g.ttl"]) == 0
    assert "4 valid and test triples" in capsys.readouterr().err
    assert main(["graph", "export", str(folder), "--to", f"{folder.parent}/g.nq"]) == 0
    assert capsys.readouterr().err == ""


def test_query_of_all_kinds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    select = "SELECT ?city ?name { :japan :has_city ?city . ?city rdfs:label ?name } ORDER BY ?name"
    rows = answer(capsys, "graph", "query", str(folder), select)["results"]["bindings"]
    assert [row["name"]["value"] for row in rows] == ["Osaka", "Tōkyō"]
    assert main(["graph", "query", str(folder), select]) == 0
    assert capsys.readouterr().out.splitlines() == ["city\tname", "osaka\tOsaka", "tokyo\tTōkyō"]
    ask = "ASK { :orebro :city_of :sweden }"  # a test triple: all splits answer together
    assert answer(capsys, "graph", "query", str(folder), ask)["boolean"] is True
    apart = "ASK { GRAPH <urn:accord:graph:test> { :japan ?p ?o } }"
    assert answer(capsys, "graph", "query", str(folder), apart)["boolean"] is False
    construct = "CONSTRUCT { ?s :of ?o } WHERE { ?s :borders ?o }"
    assert len(answer(capsys, "graph", "query", str(folder), construct)["triples"]) == 2


def test_query_of_a_file_from_a_file(
    tiny_graph: KnowledgeGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = export_graph(tiny_graph, tmp_path / "g.tsv")
    (tmp_path / "count.rq").write_text("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")
    found = answer(capsys, "graph", "query", str(source), str(tmp_path / "count.rq"))
    assert found["results"]["bindings"][0]["n"]["value"] == "12"


@pytest.mark.parametrize(
    "sparql", ["SELECT", "INSERT DATA { <urn:a> <urn:b> <urn:c> }", "DROP ALL"]
)
def test_query_refuses_what_is_no_query(
    folder: Path, capsys: pytest.CaptureFixture[str], sparql: str
) -> None:
    found = answer(capsys, "graph", "query", str(folder), sparql, code=2)
    assert "SPARQL" in found["error"] and "SELECT" in found["hint"]


def test_errors_name_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "g.tsv").write_text("a\tr\tb\na\tb\n")
    words = ["graph", "import", str(tmp_path / "g.tsv"), "--out", str(tmp_path / "graph")]
    found = answer(capsys, *words, code=2)
    assert found["error"].startswith(f"{tmp_path}/g.tsv:2: expected 3")
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert answer(capsys, "graph", "info", "no-such-graph", code=2)["hint"]
