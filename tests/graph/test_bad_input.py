"""Wrong input: a message that says what and where, and nothing lost."""

from __future__ import annotations

import errno
import gzip
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.errors import DataError, GraphError
from accord.graph import formats
from accord.graph.bulk import BulkLoader
from accord.graph.formats import import_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.info import describe

NT = b"<http://e.org/a> <http://e.org/r> <http://e.org/b> .\n"


def fails(path: Path, content: bytes | None, *parts: str) -> DataError:
    """Writes a file, imports it, and holds the message to its parts."""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    source = path.parent if path.name in ("entities.tsv", "relations.tsv") else path
    with pytest.raises(DataError) as caught:
        import_graph(source, path.parent.parent / "graph")
    assert not (path.parent.parent / "graph").exists()
    for part in (path.name, *parts):
        assert part in str(caught.value)
    return caught.value


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".nt", ".ttl", ".nq.gz", ".jsonld"])
def test_missing_and_empty_files(place: Path, suffix: str) -> None:
    fails(place / f"g{suffix}", None, "no such file")
    fails(place / f"g{suffix}", b"", "empty")


@pytest.mark.parametrize("content", [b"\n\n", b" \n"])
def test_blank_tables(place: Path, content: bytes) -> None:
    fails(place / "g.tsv", content, "no triple")


@pytest.mark.parametrize("name", ["g.nt", "g.ttl", "g.nq"])
def test_rdf_without_a_statement(place: Path, name: str) -> None:
    (place / name).write_bytes(b"# nothing\n")
    with pytest.raises(GraphError, match="empty"):
        import_graph(place / name, place / "graph")
    assert not (place / "graph").exists()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("g.tsv", b"a\tr\tb\na\tr\n", 2),
        ("g.tsv", b"a\tr\tb\tc\n", 1),
        ("g.tsv", b"head\trelation\ttail\na\tr\tb\na\tr\tb\tc\n", 3),
        ("g.csv", b"head,relation,tail\na,r,b\na,r\n", 3),
    ],
)
def test_wrong_column_count_names_the_line(
    place: Path, name: str, content: bytes, line: int
) -> None:
    assert fails(place / name, content, "columns").line == line


def test_columns_divided_by_spaces_are_recognised(place: Path) -> None:
    assert "tabs" in fails(place / "g.tsv", b"a r b\n", "found 1").hint


def test_csv_without_the_columns_names_them(place: Path) -> None:
    assert "head,relation,tail" in fails(place / "g.csv", b"x,y\n1,2\n", "['x', 'y']").hint


def test_csv_with_a_quote_that_never_closes(place: Path) -> None:
    content = b'head,relation,tail\na,r,"b\n' + b"x" * 140_000 + b"\n"
    fails(place / "g.csv", content, "not valid CSV")


def test_empty_ids(place: Path) -> None:
    assert fails(place / "g.tsv", b"a\tr\tb\na\t\tb\n", "empty id").line == 2


@pytest.mark.parametrize(
    ("name", "good"),
    [("g.tsv", b"a\tr\tb\n"), ("g.csv", b"head,relation,tail\n"), ("g.nt", NT), ("g.nq", NT)],
)
def test_bytes_that_are_not_utf8(place: Path, name: str, good: bytes) -> None:
    bad = b"a\tr\t\xff\n" if name == "g.tsv" else b"a,r,\xff\n"
    bad = b'<http://e.org/a> <http://e.org/r> "\xff" .\n' if name[2] == "n" else bad
    error = fails(place / name, good + bad, "UTF-8")
    assert error.line == 2
    assert "iconv" in error.hint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("g.tsv.gz", b"".join(b"a%d\tr\tb%d\n" % (i, i * 7919 % 1009) for i in range(3000))),
        ("g.nt.gz", b"".join(NT.replace(b"/a", b"/a%d" % (i * 7919)) for i in range(3000))),
    ],
)
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no gzip" + b])
def test_cut_or_damaged_gzip(
    place: Path, name: str, content: bytes, damage: Callable[[bytes], bytes]
) -> None:
    fails(place / name, damage(gzip.compress(content)), "cut or damaged")


def test_syntax_errors_name_the_line(place: Path) -> None:
    assert fails(place / "g.nt", NT + b"<http://e.org/a> <b c> <d> .\n", "IRI").line == 2
    assert fails(place / "g.ttl", b"@prefix : <http://e.org/> .\n:a :b ", "line 2").line == 2
    assert "@base" in fails(place / "g.ttl", b"<a> <b> <c> .\n").hint
    remote = b'{"@context": "http://schema.org/", "@id": "http://e.org/a", "name": "x"}'
    assert "context" in fails(place / "g.jsonld", remote, "remote").hint


def test_ten_megabyte_line_without_a_blow_up(place: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = b"a\tr\t" + b"x" * 10_000_000 + b"\n"
    error = fails(place / "g.tsv", b"a\tr\tb\n" + line, "longer than 8 MB")
    assert error.line == 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000  # kB


def test_ten_megabyte_literal_is_kept_and_twenty_named(place: Path) -> None:
    start = b'<http://e.org/a> <http://e.org/p> "'
    (place / "g.nt").write_bytes(NT + start + b"x" * 10_000_000 + b'" .\n')
    graph = import_graph(place / "g.nt")
    assert len(graph.attributes_of(0)[0].value) == 10_000_000
    fails(place / "h.nq", NT + start + b"x" * 20_000_000 + b'" .\n', "16 MB")


def test_duplicate_ids_name_both_lines(place: Path) -> None:
    (place / "train.tsv").write_bytes(b"a\tr\tb\n")
    error = fails(place / "entities.tsv", b"a\tA\nb\tB\na\tAgain\n", "'a'", "entities.tsv:1")
    assert error.line == 3
    (place / "entities.tsv").unlink()
    assert fails(place / "relations.tsv", b"r\tis\nr\twas\n", "'r'").line == 2


def test_test_without_train(place: Path) -> None:
    (place / "test.tsv").write_bytes(b"a\tr\tb\n")
    with pytest.raises(DataError, match="no train file"):
        import_graph(place)


def test_folder_without_tables(place: Path) -> None:
    (place / "notes.md").write_text("hello")
    with pytest.raises(DataError, match="no table"):
        import_graph(place)


def test_entities_without_text_and_relations_without_phrase_are_counted(place: Path) -> None:
    (place / "train.tsv").write_bytes(b"a\tr\tb\nb\ts\ta\n")
    (place / "entities.tsv").write_bytes(b"a\tA\n")
    (place / "relations.tsv").write_bytes(b"r\tis\n")
    info = describe(import_graph(place))
    assert (info["with_text"], info["relations_without_phrase"]) == (1, 1)
    assert any("without name or description" in text for text in info["warnings"])


def test_no_space_keeps_the_old_graph_and_removes_the_new(
    tiny_graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "g.nt", tmp_path / "graph"
    source.write_bytes(NT)
    first = import_graph(source, out)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for owner, name in ((formats, "_store"), (BulkLoader, "_load"), (KnowledgeGraph, "_write")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            if name == "_store":
                with pytest.raises(DataError, match="no space left"):
                    formats.write_graph(tiny_graph, out)
            else:
                with pytest.raises(DataError, match="no space left"):
                    import_graph(source, out)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["g.nt", "graph"]
        assert KnowledgeGraph.load(out).hash == first.hash


def test_file_that_may_not_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "g.tsv").write_bytes(b"a\tr\tb\n")

    def refuse(self: Path, mode: str = "r") -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="permission denied"):
        import_graph(place / "g.tsv")


def test_columns_that_commas_do_not_divide(place: Path) -> None:
    hint = "columns must be divided by commas; these seem to be divided by semicolons"
    assert fails(place / "g.csv", b"head;relation;tail\na;r;b\n", "no columns for").hint == hint


def test_relative_iris_in_lines_are_not_told_of_a_base(place: Path) -> None:
    assert "@base" not in (fails(place / "g.nt", b"<a> <b> <c> .\n", "No scheme").hint or "")
    assert "@base" in (fails(place / "h.ttl", b"<a> <b> <c> .\n", "No scheme").hint or "")
