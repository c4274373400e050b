"""What goes out comes back: every format, random graphs, folders of record."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.errors import DataError
from accord.graph.formats import ImportOptions, export_graph, import_graph, write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import from_iri, to_iri
from tests.graph.random_graphs import IDS, content, graphs

RELAXED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DATASETS = [".nq", ".trig", ".jsonld", ".nq.gz"]
TRIPLES = [".nt", ".ttl", ".ttl.gz", ".nt.gz"]


@RELAXED
@given(graph=graphs())
def test_folder_gives_back_the_same_graph(graph: KnowledgeGraph, tmp_path: Path) -> None:
    again = import_graph(export_graph(graph, f"{tmp_path}/folder/"))
    assert again.hash == graph.hash
    assert again.name == graph.name


@RELAXED
@given(graph=graphs(), suffix=st.sampled_from(DATASETS))
def test_rdf_with_named_graphs_keeps_everything(
    graph: KnowledgeGraph, suffix: str, tmp_path: Path
) -> None:
    again = import_graph(export_graph(graph, tmp_path / f"g{suffix}"))
    assert content(again) == content(graph)


@RELAXED
@given(graph=graphs(splits=("train",)), suffix=st.sampled_from(TRIPLES))
def test_rdf_triples_keep_everything_but_splits(
    graph: KnowledgeGraph, suffix: str, tmp_path: Path
) -> None:
    again = import_graph(export_graph(graph, tmp_path / f"g{suffix}"))
    assert content(again) == content(graph)


@settings(RELAXED, max_examples=8)
@given(graph=graphs())
def test_snapshot_and_store_give_back_the_same_graph(graph: KnowledgeGraph, tmp_path: Path) -> None:
    from accord.graph.query import export_record

    folder = tmp_path / "graph"
    assert write_graph(graph, folder).hash == graph.hash
    assert KnowledgeGraph.load(folder).hash == graph.hash
    record = import_graph(export_record(folder, str(tmp_path / "record.nq")))
    assert content(record) == content(graph)


@settings(max_examples=150, deadline=None)
@given(identifier=IDS)
def test_ids_become_valid_iris_and_come_back(identifier: str) -> None:
    from pyoxigraph import NamedNode

    iri = to_iri(identifier)
    assert NamedNode(iri).value == iri
    assert from_iri(iri) == identifier


def test_iris_stay_and_other_ids_cannot_meet_them() -> None:
    assert to_iri("http://example.org/Q1") == "http://example.org/Q1"
    assert to_iri("Q1") == "urn:accord:Q1"
    assert to_iri("urn:accord:Q1") != to_iri("Q1")
    assert to_iri("graph:train") != "urn:accord:graph:train"


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".tsv.gz", ".csv.gz"])
def test_tables_keep_triples(tiny_graph: KnowledgeGraph, tmp_path: Path, suffix: str) -> None:
    again = import_graph(export_graph(tiny_graph, tmp_path / f"g{suffix}"))
    expected = {row[:3] for row in content(tiny_graph)["triples"]}
    assert {row[:3] for row in content(again)["triples"]} == expected


def test_csv_keeps_ids_with_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    source = tmp_path / "g.csv"
    source.write_text('head,relation,tail\n"a, b","says ""so""","two\nlines"\n')
    graph = import_graph(source)
    again = import_graph(export_graph(graph, tmp_path / "h.csv"))
    assert list(again.entity_ids) == ["a, b", "two\nlines"]
    assert list(again.relation_ids) == ['says "so"']


def test_tsv_refuses_an_id_it_cannot_hold(tmp_path: Path) -> None:
    source = tmp_path / "g.csv"
    source.write_text('head,relation,tail\n"two\nlines",r,b\n')
    with pytest.raises(DataError, match="tab or line break"):
        export_graph(import_graph(source), tmp_path / "g.tsv")
    assert not (tmp_path / "g.tsv").exists()


def test_splits_lost_in_a_format_are_said(
    tiny_graph: KnowledgeGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_graph(tiny_graph, tmp_path / "g.nt")
    assert "4 valid and test triples" in capsys.readouterr().err


def test_unknown_suffix_is_named_with_the_known_ones(
    tiny_graph: KnowledgeGraph, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"\.parquet") as caught:
        export_graph(tiny_graph, tmp_path / "g.parquet")
    assert ".nt" in caught.value.hint
    (tmp_path / "g.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"\.parquet"):
        import_graph(tmp_path / "g.parquet")


def test_export_is_the_same_bytes_each_time(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    first = export_graph(tiny_graph, tmp_path / "g.nq.gz").read_bytes()
    assert export_graph(tiny_graph, tmp_path / "g.nq.gz").read_bytes() == first
    assert (
        gzip.decompress(first).count(b"\n") == 12 + 4 + 7 + 7 + 6 + 10
    )  # triples, attributes, texts


def test_import_replaces_a_graph_but_nothing_else(
    tiny_graph: KnowledgeGraph, tmp_path: Path
) -> None:
    source = export_graph(tiny_graph, tmp_path / "g.nq")
    out = tmp_path / "graph"
    import_graph(source, out)
    import_graph(source, out, ImportOptions(name="again"))
    assert KnowledgeGraph.load(out).name == "again"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="not a graph"):
        import_graph(source, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_loading_beside_and_through_the_reader_give_one_record(
    tiny_graph: KnowledgeGraph, tmp_path: Path
) -> None:
    """A plain file is bulk-loaded beside the reading; a packed one flows through the reader."""
    from accord.graph.query import open_record

    records = []
    for suffix in (".nq", ".nq.gz"):
        source = export_graph(tiny_graph, tmp_path / f"g{suffix}")
        import_graph(source, tmp_path / f"graph{suffix}")
        records.append({str(quad) for quad in open_record(tmp_path / f"graph{suffix}")})
    assert records[0] == records[1]
    assert len(records[0]) == 46


def test_a_graph_folder_is_no_source(tiny_graph: KnowledgeGraph, tmp_path: Path) -> None:
    write_graph(tiny_graph, tmp_path / "graph")
    with pytest.raises(DataError, match="graph folder already"):
        import_graph(tmp_path / "graph", tmp_path / "other")


def test_unseen_entities_in_test_are_kept_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.tsv").write_text("a\tr\tb\n")
    (tmp_path / "test.tsv").write_text("a\tr\tc\nb\tr\ta\n")
    graph = import_graph(tmp_path)
    assert graph.entity("c") == 2
    assert len(graph.triples_of("test")) == 2
    assert "test triples with an entity that no train triple has: 1" in capsys.readouterr().err


def test_one_entity_makes_a_graph(tmp_path: Path) -> None:
    (tmp_path / "g.tsv").write_text("a\tr\ta\n")
    graph = import_graph(tmp_path / "g.tsv", tmp_path / "graph")
    assert (graph.num_entities, graph.num_triples) == (1, 1)
    np.testing.assert_array_equal(graph.outgoing(0), [[0, 0, 0]])
