"""Patches: every form of file, what is refused, applying once, and exact rollback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import AccordError, DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import RDFS, XSD
from accord.graph.patches import Patch, Statement
from accord.graph.query import export_record
from accord.refine.patch import REVIEWER, apply_patch, patch_log
from accord.refine.patch_files import SUFFIXES, read_patch, write_patch
from accord.refine.queue import rollback_patch
from tests.conftest import build_tiny_graph

NEW = Statement("osaka", "borders", "sweden")
OLD = Statement("japan", "has_city", "tokyo")
TEXTS = (
    Statement("tokyo", "motto", 'a "b"\'s\n\\ 東京; } { # < `x` // A', True, language="ja"),
    Statement("tokyo", "size of", "-12", True, XSD + "integer"),
)


def export(folder: Path) -> bytes:
    return export_record(folder, str(folder.parent / "all.nq")).read_bytes()


def patch_for(graph: KnowledgeGraph) -> Patch:
    return Patch((NEW, *TEXTS), (OLD,), "two reasons", graph.hash)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_gives_the_patch_back_and_acts(
    suffix: str, folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    before = export(folder)
    patch = patch_for(tiny_graph)
    file = write_patch(patch, folder.parent / f"p{suffix}")
    assert (read_patch(file).digest, read_patch(file).note) == (patch.digest, patch.note)
    done = apply_patch(folder, file)
    assert (done.entry.added, done.entry.removed, done.already) == (3, 1, False)
    assert done.entry.note == "two reasons" and done.graph.lineage.parent == tiny_graph.hash
    assert rollback_patch(folder, done.entry.id).graph.descends_from(done.graph.hash)
    assert export(folder) == before


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
IDS = TEXT.filter(bool)


@settings(max_examples=12, deadline=None)
@given(
    side=st.lists(
        st.builds(Statement, IDS, IDS, IDS)
        | st.builds(Statement, IDS, IDS, TEXT, st.just(True), st.just(XSD + "date"))
        | st.builds(Statement, IDS, IDS, TEXT, st.just(True), language=st.just("de")),
        max_size=3,
    ),
    cut=st.booleans(),
)
def test_any_statement_survives_every_form(
    side: list[Statement], cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("forms")
    patch = Patch(tuple(side), tuple(side[:1]), graph="h")
    for suffix in SUFFIXES:
        file = write_patch(patch, folder / f"p{suffix}")
        if not cut:
            read = read_patch(file)
            assert (set(read.add), read.remove, read.graph) == (set(side), patch.remove, "h")
            continue
        data = file.read_bytes()
        for length in range(0, len(data) - 12, len(data) // 5):
            file.write_bytes(data[:length])
            with pytest.raises(DataError):
                read_patch(file)


def test_foreign_sparql_with_prefixes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "p.ru"
    file.write_text(
        "# graph: abc\nPREFIX : <urn:accord:> # short\nINSERT DATA { :a :r :b ; :age 7 . } ;\n"
        'DELETE DATA { :a :note "}" }\n# end\n'
    )
    patch = read_patch(file)
    table = write_patch(patch, tmp_path / "p.csv")
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes() + b",,,,,,\r\n")
    assert read_patch(table) == patch, "saved by a spreadsheet"
    age = Statement("a", "age", "7", True, XSD + "integer")
    assert set(patch.add) == {Statement("a", "r", "b"), age}
    assert patch.remove == (Statement("a", "note", "}", True),)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.ru", "# graph: h\nDELETE WHERE { ?s ?p ?o }\n# end\n", "p.ru:2.*not INSERT DATA"),
        ("p.ru", "# graph: h\n\nINSERT DATA {\n <a> <b }\n# end\n", "p.ru:.*(complete|SPARQL)"),
        ("p.ru", "# graph: h\nINSERT DATA {\n\n x y z }\n# end\n", "p.ru:4: not valid SPARQL"),
        (
            "p.ru",
            "# graph: h\nINSERT DATA { GRAPH <urn:g> { <urn:a> <urn:b> <urn:c> } }\n# end\n",
            "names the graph <urn:g>",
        ),
        ("p.ru", "# graph: h\nINSERT DATA { _:a <urn:b> <urn:c> }\n# end\n", "without an id"),
        ("p.ru", "INSERT DATA { <urn:a> <urn:b> <urn:c> }\n# end\n", "does not say which graph"),
        ("p.rdfp", 'H graph "h" .\nTX .\nA <a> .\nTC .\n', "p.rdfp:3: not a valid triple"),
        ("p.rdfp", "X y\nTC .\n", "'X' is no operation"),
        ("p.rdfp", 'H graph "h" .\nTX .\nTC .\nTX .\n', "p.rdfp:4: 'TX' stands behind the end"),
        ("p.csv", "change,subject\nadd,a\nend,\n", "p.csv:1: not a row"),
        ("p.cypher", "// graph: h\nMATCH (n) DETACH DELETE n;\n// end\n", "p.cypher:2.*same"),
        ("p.txt", "", "suffix '.txt'"),
        ("p.csv", "", "cut"),
    ],
)
def test_malformed_files_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_patch(tmp_path / name)
    with pytest.raises(DataError, match="no such patch"):
        read_patch(tmp_path / "none.csv")


def test_a_text_in_a_statement_is_no_header(tmp_path: Path, tiny_graph: KnowledgeGraph) -> None:
    said = Statement("tokyo", "motto", "old\u2028# graph: another", True)
    for suffix in SUFFIXES:
        file = write_patch(Patch((said,), graph=tiny_graph.hash), tmp_path / f"p{suffix}")
        assert read_patch(file).graph == tiny_graph.hash and read_patch(file).add == (said,)


def test_a_patch_leaves_something(tmp_path: Path) -> None:
    builder = GraphBuilder("small")
    builder.triple("a", "r", "b")
    builder.entity("a", "A")
    graph = write_graph(builder.build(), tmp_path / "small")
    before = export(tmp_path / "small")
    all_of_it = (Statement("a", "r", "b"), Statement("a", RDFS + "label", "A", True))
    renamed = (Statement("a", RDFS + "label", "B", True),)
    for add in ((), renamed):
        with pytest.raises(GraphError, match="takes out all"):
            apply_patch(tmp_path / "small", Patch(add, all_of_it, graph=graph.hash))
        assert export(tmp_path / "small") == before and not patch_log(tmp_path / "small")
    new = Statement("b", "r", "a")
    assert apply_patch(tmp_path / "small", Patch((new,), graph=graph.hash)).entry.added == 1
    rest = Patch((), all_of_it, graph=graph.hash)
    assert apply_patch(tmp_path / "small", rest).entry.removed == 2
    with pytest.raises(GraphError, match="takes out all"):
        rollback_patch(tmp_path / "small", "p1")
    assert rollback_patch(tmp_path / "small", "p2").graph.num_triples == 2


def test_held_out_triples_that_come_into_train_are_told(
    folder: Path, tiny_graph: KnowledgeGraph, capsys: pytest.CaptureFixture[str]
) -> None:
    head, relation, tail = tiny_graph.triples_of("test")[0].tolist()
    ids = tiny_graph.entity_ids[head], tiny_graph.relation_ids[relation]
    asked = Statement(*ids, tiny_graph.entity_ids[tail])
    apply_patch(folder, Patch((asked,), graph=tiny_graph.hash))
    assert "1 of the added triples are held out" in capsys.readouterr().err


def test_the_note_of_a_reviewer_who_was_killed_goes(
    folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    (folder / REVIEWER).write_text('{"who": "anna", "since": "yesterday", "process": 1}')
    apply_patch(folder, Patch(graph=tiny_graph.hash))
    assert not (folder / REVIEWER).exists()


def test_applied_twice_does_nothing(folder: Path, tiny_graph: KnowledgeGraph) -> None:
    first = apply_patch(folder, patch_for(tiny_graph))
    after = export(folder)
    again = apply_patch(folder, patch_for(tiny_graph))
    assert again.already and again.entry == first.entry and again.graph.hash == first.graph.hash
    assert export(folder) == after and len(patch_log(folder)) == 1


def refused(folder: Path, patch: Patch) -> str:
    before = export(folder), patch_log(folder), KnowledgeGraph.load(folder).hash
    with pytest.raises(AccordError) as caught:
        apply_patch(folder, patch)
    assert (export(folder), patch_log(folder), KnowledgeGraph.load(folder).hash) == before
    assert not (folder / "pending").exists()
    return str(caught.value)


def test_what_is_refused_changes_nothing(folder: Path, tiny_graph: KnowledgeGraph) -> None:
    name = tiny_graph.hash
    assert "made for the graph other" in refused(folder, Patch((NEW,), graph="other"))
    unknown = refused(folder, Patch((Statement("osaka", "borders", "swedn"),), graph=name))
    assert "'swedn'" in unknown and "'sweden'" in unknown and "name it" in unknown
    assert "'x'" in refused(folder, Patch(remove=(Statement("x", "borders", "osaka"),), graph=name))
    assert "adds and removes" in refused(folder, Patch((NEW,), (NEW,), graph=name))
    with pytest.raises(GraphError, match="graph import"):
        apply_patch("umls", Patch())


def test_a_new_entity_is_named_in_the_same_patch(folder: Path, tiny_graph: KnowledgeGraph) -> None:
    named = Statement("kyoto", RDFS + "label", "Kyoto", True)
    patch = Patch((named, Statement("japan", "has_city", "kyoto")), graph=tiny_graph.hash)
    graph = apply_patch(folder, patch).graph
    assert graph.entity_names[graph.entity("kyoto")] == "Kyoto"
    assert graph.entity("kyoto") == tiny_graph.num_entities
    # A patch made for the first graph still fits its descendant.
    assert apply_patch(folder, Patch(remove=(OLD,), graph=tiny_graph.hash)).entry.removed == 1


def test_a_patch_for_one_graph_is_refused_by_another(tmp_path: Path) -> None:
    first = build_tiny_graph()
    write_graph(first, tmp_path / "a")
    apply_patch(tmp_path / "a", Patch(remove=(OLD,), graph=first.hash))
    child = KnowledgeGraph.load(tmp_path / "a")
    write_graph(first, tmp_path / "b")
    assert "does not descend" in refused(tmp_path / "b", Patch((NEW,), graph=child.hash))
