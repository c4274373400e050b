"""Tables in: headers of all usual kinds, node and edge files, texts beside triples."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from accord.errors import DataError
from accord.graph.builder import XSD_STRING
from accord.graph.formats import import_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from tests.graph.random_graphs import content


def triples(graph: KnowledgeGraph) -> set[tuple[str, ...]]:
    return {row[:3] for row in content(graph)["triples"]}


@pytest.mark.parametrize(
    "header",
    [
        "head,relation,tail",
        "Subject,Predicate,Object",
        "source,type,target",
        "from,rel,to",
        ":START_ID,:TYPE,:END_ID",
        ":START_ID(Person),:TYPE,:END_ID(Film)",
        "start_id,relationship,end_id",
    ],
)
def test_usual_headers(tmp_path: Path, header: str) -> None:
    (tmp_path / "g.csv").write_text(f"{header}\na,likes,b\n")
    assert triples(import_graph(tmp_path / "g.csv")) == {("a", "likes", "b")}


def test_columns_in_any_order_and_a_split_column(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("tail,split,head,relation\nb,train,a,r\nc,test,a,r\n")
    graph = import_graph(tmp_path / "g.csv")
    assert content(graph)["triples"] == {("a", "r", "b", "train"), ("a", "r", "c", "test")}
    (tmp_path / "g.csv").write_text("tail,split,head,relation\nb,training,a,r\n")
    with pytest.raises(DataError, match="no split 'training'"):
        import_graph(tmp_path / "g.csv")


def test_tsv_with_and_without_header_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    (tmp_path / "g.tsv").write_bytes(b"\xef\xbb\xbfhead\trelation\ttail\r\na\tr\tb\r\n")
    assert triples(import_graph(tmp_path / "g.tsv")) == {("a", "r", "b")}
    (tmp_path / "g.tsv").write_bytes(b"\xef\xbb\xbfa\tr\tb\r\n\r\n")
    assert triples(import_graph(tmp_path / "g.tsv")) == {("a", "r", "b")}


def test_a_csv_of_an_id_and_attributes_alone_is_a_table_of_nodes(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("head,relation,tail\na,r,b\n")
    (tmp_path / "nodes.csv").write_text("id,population:int\na,12\n")
    graph = import_graph(tmp_path)
    [item] = graph.attributes_of(graph.entity("a"))
    assert (item.property, item.value, item.datatype) == ("population", "12", XSD + "integer")


def test_neo4j_style_node_and_edge_files(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(
        "id:ID(Person),name,born:int,nick:string[],:LABEL\n"
        'p1,Ada,1815,"Countess;Enchantress",Person;Author\n'
    )
    (tmp_path / "films.csv").write_text(":ID,title,description\nf1,Film,A film.\n")
    (tmp_path / "roles.csv").write_text(":START_ID,role,:END_ID,:TYPE\np1,herself,f1,ACTED_IN\n")
    graph = import_graph(tmp_path)
    assert triples(graph) == {("p1", "ACTED_IN", "f1")}
    facts = {(a.property, a.value, a.datatype) for a in graph.attributes_of(graph.entity("p1"))}
    assert facts == {
        ("born", "1815", XSD + "integer"),
        ("nick", "Countess", XSD_STRING),
        ("nick", "Enchantress", XSD_STRING),
        ("label", "Person", XSD_STRING),
        ("label", "Author", XSD_STRING),
    }
    film = graph.entity("f1")
    assert (graph.entity_names[film], graph.entity_descriptions[film]) == ("Film", "A film.")
    assert graph.meta["left_out"] == {"relations with properties of their own": 1}


def test_simple_node_and_edge_files(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text("id,name,description\n1,One,\n2,Two,The second.\n")
    (tmp_path / "edges.csv").write_text("source,type,target\n1,before,2\n")
    graph = import_graph(tmp_path)
    assert triples(graph) == {("1", "before", "2")}
    assert list(graph.entity_names) == ["One", "Two"]


def test_ids_twice_across_node_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,One\n")
    (tmp_path / "b.csv").write_text("id,name\n1,Uno\n")
    (tmp_path / "edges.csv").write_text("source,type,target\n1,before,1\n")
    with pytest.raises(DataError, match=r"b\.csv:2: id '1' is there twice \(first at a\.csv:2\)"):
        import_graph(tmp_path)


def test_folder_with_splits_and_texts(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("entity\tis_a\tthing\n")
    (tmp_path / "dev.txt").write_text("thing\tis_a\tthing\n")
    with gzip.open(tmp_path / "test.txt.gz", "wt") as file:
        file.write("thing\tis_a\tentity\n")
    (tmp_path / "entities.tsv").write_text("entity\tEntity\tWhat there is.\tBeing|Ens\n")
    (tmp_path / "relations.tsv").write_text("is_a\tis a kind of\tcomprises\n")
    graph = import_graph(tmp_path)
    assert [len(graph.triples_of(split)) for split in ("train", "valid", "test")] == [1, 1, 1]
    entity = graph.entity("entity")  # a first row of "entity" is no header by itself
    assert graph.entity_names[entity] == "Entity"
    assert graph.aliases_of(entity) == ["Being", "Ens"]
    assert (graph.relation_phrases[0], graph.inverse_phrases[0]) == ("is a kind of", "comprises")


def test_header_of_entities_and_backslashes_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a\tr\tb\n")
    (tmp_path / "entities.tsv").write_text("ID\tdescription\tname\tpos\na\tC:\\new\tA\tnoun\n")
    graph = import_graph(tmp_path)
    assert graph.entity_descriptions[0] == "C:\\new"  # only Accord's own folders are escaped
    assert graph.attributes_of(0)[0][:2] == ("pos", "noun")


def test_two_files_for_one_split(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a\tr\tb\n")
    (tmp_path / "train.csv").write_text("head,relation,tail\na,r,b\n")
    with pytest.raises(DataError, match=r"train\.csv and train\.tsv"):
        import_graph(tmp_path)


def test_parallel_relations_and_loops_stay_and_duplicates_go(tmp_path: Path) -> None:
    (tmp_path / "g.tsv").write_text("a\tr\tb\na\ts\tb\na\tr\tb\na\tr\ta\n")
    graph = import_graph(tmp_path / "g.tsv")
    assert triples(graph) == {("a", "r", "b"), ("a", "s", "b"), ("a", "r", "a")}
    assert (graph.num_triples, graph.meta["duplicates"]) == (3, 1)
