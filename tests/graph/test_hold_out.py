"""A source without splits gets some: in the snapshot, in the record, and after a patch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from accord.cli.main import main
from accord.errors import ConfigError, GraphError
from accord.graph.formats import ImportOptions, export_graph, import_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.query import query_graph
from accord.graph.split import leakage
from accord.graph.store import GraphStore, Patch, Statement, refresh
from tests.graph.random_graphs import content


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A ring with chords, each stated both ways, and a comment that no snapshot holds."""
    ex = "http://e.org/"
    lines = [f'<{ex}next> <http://www.w3.org/2000/01/rdf-schema#comment> "kept" .']
    for a in range(30):
        for b in (a + 1, a + 2):
            lines.append(f"<{ex}{a}> <{ex}next> <{ex}{b % 30}> .")
            lines.append(f"<{ex}{b % 30}> <{ex}previous> <{ex}{a}> .")
    path = tmp_path / "ring.nt"
    path.write_text("\n".join(lines))
    return path


def test_shares_are_held_out_of_snapshot_and_record(source: Path, tmp_path: Path) -> None:
    graph = import_graph(source, tmp_path / "g", ImportOptions(valid=0.1, test=0.2))
    sizes = [len(graph.triples_of(split)) for split in ("train", "valid", "test")]
    assert sizes == [84, 12, 24]
    assert (np.diff(graph.split.astype(int)) >= 0).all(), "train, valid, test in this order"
    assert leakage(graph) == [] and leakage(graph, "valid") == []
    counts = query_graph(
        tmp_path / "g", "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g"
    )
    rows = counts["results"]["bindings"]
    found = {row["g"]["value"].rsplit(":")[-1]: int(row["n"]["value"]) for row in rows}
    assert found == {"valid": 12, "test": 24}
    everything = query_graph(tmp_path / "g", 'ASK { ?s ?p "kept" }')
    assert everything["boolean"] is True
    again = import_graph(export_graph(graph, tmp_path / "h.nq"))
    assert content(again) == content(graph)


def test_the_same_seed_draws_the_same_and_a_patch_keeps_it(source: Path, tmp_path: Path) -> None:
    options = ImportOptions(test=0.1, seed=3)
    first = import_graph(source, tmp_path / "g", options)
    assert import_graph(source, None, options).hash == first.hash
    assert import_graph(source, None, ImportOptions(test=0.1)).hash != first.hash
    held = {tuple(row) for row in first.triples_of("test").tolist()}
    with GraphStore(tmp_path / "g" / "store") as store:
        store.apply(Patch(add=(Statement("http://e.org/0", "http://e.org/next", "new"),)))
    child = refresh(tmp_path / "g")
    assert {tuple(row) for row in child.triples_of("test").tolist()} == held
    assert child.num_triples == first.num_triples + 1


def test_a_graph_with_splits_is_refused(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    folder = export_graph(tiny_graph, f"{tmp_path / 'tables'}/")
    with pytest.raises(GraphError, match="has valid or test triples already"):
        import_graph(folder, tmp_path / "g", ImportOptions(valid=0.1))
    assert not (tmp_path / "g").exists()


def test_nothing_to_hold_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.tsv").write_text("a\tr\tb\n")
    assert import_graph(tmp_path / "one.tsv", None, ImportOptions(test=0.5)).num_triples == 1
    assert "nothing could be held out" in capsys.readouterr().err


def test_on_the_command_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["graph", "import", str(source), "--out", str(tmp_path / "g"), "--json"]
    assert main([*common, "--valid", "0.1", "--test", "0.1"]) == 0
    assert json.loads(capsys.readouterr().out)["triples"] == {"train": 96, "valid": 12, "test": 12}
    assert main([*common, "--valid", "0.5", "--test", "0.5"]) == 2
    assert "leave nothing to train on" in json.loads(capsys.readouterr().out)["error"]
    with pytest.raises(ConfigError):
        ImportOptions(test=-0.1)
