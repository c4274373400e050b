"""N-Triples and N-Quads by columns: the parser's own graph, record and errors."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import AccordError
from accord.graph import bulk, formats, formats_lines
from accord.graph.formats import ImportOptions, import_graph
from accord.graph.formats_rdf import QuadReader
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import HELD_OUT

OPTIONS = ImportOptions()
LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
IRIS = [
    "<http://e.org/a>",
    "<http://e.org/b>",
    "<http://e.org/é#京>",
    "<urn:accord:a%20b>",
    "<http://e.org/\\u00e9>",
    "_:b0",
    "_:x.y",
]
BAD_IRIS = [
    "<rel>",
    "<>",
    "<a:%zz>",
    "<http://e.org/a b>",
    "<a:{>",
    "<a:b",
    "a:b",
    '"x"',
    "<a:a<b>",
]
PREDICATES = ["<http://e.org/r>", "<http://e.org/s>", LABEL]
LITERALS = [
    '"plain"',
    '""',
    '"Österreich"@de',
    '"EN"@en-GB',
    '"5"^^<http://www.w3.org/2001/XMLSchema#integer>',
    '"two \\"words\\"\\n\\\\"',
    '"\\U0001F642"@en',
    '"_:b0 . # <http://e.org/a> ."',
    '"tab\there\x00"',
    '"x"@en--ltr',
    "<<( <a:a> <a:b> <a:c> )>>",
]
BAD_LITERALS = [
    '"open',
    '"x"@',
    '"x"@1',
    '"x"^^<rel>',
    '"x"^^"y"',
    '"a""b"',
    '"x"#',
    '"x"@en.',
    '"x"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#langString>',
    '"\\q"',
    '"a\rb"',
    '"\udcff"',
]
GRAPHS = ["", "", " <http://e.org/g>", f" <{HELD_OUT['test']}>", " _:g"]
ODD_LINES = [
    "",
    "  \t",
    "# a comment",
    "#<a:a> <a:b> <a:c> .",
    "<a:a> <a:b> .",
    "nonsense",
    "\ufeff",
]


def lines(bad: bool) -> st.SearchStrategy[str]:
    """One line of N-Quads, most often plain."""

    def some(good: list[str], wrong: list[str]) -> st.SearchStrategy[str]:
        return st.sampled_from(good + wrong[: len(wrong) if bad else 0])

    space = st.sampled_from([" "] * 8 + ["\t", "  "])
    whole = st.tuples(
        st.sampled_from([""] * 9 + [" "]),
        some(IRIS, BAD_IRIS),
        space,
        some(PREDICATES, ["_:p", "<rel>"]),
        space,
        some(IRIS + LITERALS, BAD_IRIS + BAD_LITERALS),
        st.sampled_from(GRAPHS),
        st.sampled_from([" ."] * 8 + [".", " . # <x> .", " .# c", " . \r", " .\r"]),
    ).map("".join)
    return st.one_of(whole, whole, whole, st.sampled_from(ODD_LINES if bad else ODD_LINES[:4]))


def outcome(path: Path, store: Path | None, parsed: bool) -> tuple[object, ...]:
    """The graph's hash and meta, or the error."""
    read = formats._read_parsed if parsed else formats._read_rdf
    try:
        graph = read(path, store, OPTIONS)
    except AccordError as error:
        return (str(error),)
    return graph.hash, graph.meta


def record(store: Path) -> set[str]:
    from pyoxigraph import Store

    return set(map(str, Store(str(store))))


def same(text: str, suffix: str, packed: bool = False) -> bool:
    """Whether both readings agree."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"g{suffix}{'.gz' if packed else ''}"
        data = text.encode("utf-8", "surrogateescape")
        path.write_bytes(gzip.compress(data) if packed else data)
        return outcome(path, None, False) == outcome(path, None, True)


@settings(deadline=None, max_examples=60)
@given(st.lists(lines(bad=False), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_the_parsers_graph(rows: list[str], end: str) -> None:
    assert same(end.join(rows) + end, ".nq")
    without_graph = [row for row in rows if not any(g and g in row for g in GRAPHS)]
    assert same("\n".join(without_graph) or "#", ".nt", packed=True)


@settings(deadline=None, max_examples=80)
@given(st.lists(lines(bad=True), min_size=1, max_size=6))
def test_the_parsers_error(rows: list[str]) -> None:
    assert same("\n".join(rows), ".nq")
    assert same("\n".join(rows), ".nt")


@pytest.mark.parametrize("wrong", BAD_IRIS + BAD_LITERALS)
def test_each_mistake_is_found_among_good_lines(wrong: str) -> None:
    good = "<a:a> <a:b> <a:c> .\n"
    for line in (f"<a:a> <a:b> {wrong} .\n", f"{wrong} <a:b> <a:c> .\n"):
        assert same(good + line + good, ".nt")


@pytest.mark.parametrize("packed", [False, True])
def test_the_parsers_record(packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LEAST", 200)  # several parts, loaded side by side
    literals = [text for text in LITERALS if "<<(" not in text]  # dropped beside blank nodes
    rows = [f"{s} {LABEL} {o}{g} ." for s in IRIS for o in IRIS + literals for g in GRAPHS]
    path = tmp_path / ("g.nq.gz" if packed else "g.nq")
    data = "\n".join(rows).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert outcome(path, tmp_path / "fast", False) == outcome(path, tmp_path / "slow", True)
    assert record(tmp_path / "fast") == record(tmp_path / "slow")


def test_pieces_smaller_than_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines, blank nodes and numbers run on from piece to piece."""
    rows = [f'_:b{i % 3} <a:r{i % 2}> <a:e{i % 5}> .\n<a:e{i}> {LABEL} "{i}é" .' for i in range(9)]
    (tmp_path / "g.nt").write_text("\n".join(rows))
    wanted = outcome(tmp_path / "g.nt", None, True)
    for size in (1, 7, 64):
        monkeypatch.setattr(formats_lines, "PIECE", size)
        assert outcome(tmp_path / "g.nt", tmp_path / f"store{size}", False) == wanted
        assert len(record(tmp_path / f"store{size}")) == 18


def test_good_lines_do_not_need_the_parsers_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [f"{s} {p} {o} ." for s in IRIS for p in PREDICATES for o in IRIS + LITERALS]
    (tmp_path / "g.nt").write_text("\r\n".join(good), newline="")
    monkeypatch.setattr(formats, "_read_parsed", None)
    graph = import_graph(tmp_path / "g.nt", tmp_path / "graph")
    assert isinstance(graph, KnowledgeGraph)
    assert graph.meta["left_out"] == {"statements about statements": 21}


def test_a_line_without_end_is_left_to_the_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats_lines, "LINE_LIMIT", 100)
    monkeypatch.setattr(formats_lines, "PIECE", 10)
    (tmp_path / "g.nt").write_text(f'<a:a> <a:b> "{"x" * 200}" .\n')
    reader = formats_lines.LineReader(QuadReader(OPTIONS), ".nt")
    with (tmp_path / "g.nt").open("rb") as stream, pytest.raises(formats_lines.Irregular):
        list(reader.read(stream))
    assert import_graph(tmp_path / "g.nt").attributes_of(0)[0].value == "x" * 200
