"""The SPARQL source against a real Oxigraph store, served on loopback HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest
from pyoxigraph import QueryResultsFormat, QueryTriples, RdfFormat, Store, serialize

from accord.errors import ConfigError, DataError
from accord.graph import sparql
from accord.graph.export import graph_quads
from accord.graph.formats import ImportOptions, import_graph
from accord.graph.graph import KnowledgeGraph
from tests.graph.random_graphs import content

Reply = tuple[int, dict[str, str], bytes]
CONSTRUCT = "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }"


@dataclass
class Endpoint:
    """A small SPARQL 1.1 endpoint; `trouble` may answer first."""

    store: Store
    address: str = ""
    queries: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    trouble: Callable[[int], Reply | None] = lambda number: None

    def answer(self, query: str) -> Reply:
        result = self.store.query(query, use_default_graph_as_union=True)
        if isinstance(result, QueryTriples):
            media, body = "text/turtle", serialize(result, format=RdfFormat.TURTLE)
        else:
            media, body = sparql.ROWS, result.serialize(format=QueryResultsFormat.JSON)
        return 200, {"Content-Type": media}, body or b""


def handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = parse_qs(body)["query"][0]
            endpoint.queries.append(query)
            endpoint.tokens.append(self.headers["Authorization"])
            reply = endpoint.trouble(len(endpoint.queries)) or endpoint.answer(query)
            self.send_response(reply[0])
            for name, value in reply[1].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply[2])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serve(store: Store) -> Iterator[Endpoint]:
    endpoint = Endpoint(store)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(endpoint))
    endpoint.address = f"http://127.0.0.1:{server.server_port}/sparql"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def endpoint(tiny_graph: KnowledgeGraph) -> Iterator[Endpoint]:
    store = Store()
    store.bulk_extend(graph_quads(tiny_graph))
    with serve(store) as running:
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize("page", [1, 7, 1000])
def test_everything_arrives_whatever_the_page(
    endpoint: Endpoint, tiny_graph: KnowledgeGraph, tmp_path: Path, page: int
) -> None:
    graph = import_graph(endpoint.address, tmp_path / "graph", ImportOptions(page=page))
    expected = content(tiny_graph)
    assert content(graph)["entities"] == expected["entities"]
    assert content(graph)["relations"] == expected["relations"]
    assert content(graph)["attributes"] == expected["attributes"]
    assert {row[:3] for row in content(graph)["triples"]} == {
        row[:3] for row in expected["triples"]
    }
    assert len(endpoint.queries) == -(-46 // page) + 1
    assert all(f"LIMIT {page} OFFSET" in query for query in endpoint.queries)


def test_a_server_that_caps_its_answers_loses_nothing(
    endpoint: Endpoint, tiny_graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many public endpoints give fewer rows than were asked for."""
    answer = endpoint.answer

    def capped(query: str) -> Reply:
        return answer(query.replace("LIMIT 40", "LIMIT 9"))

    monkeypatch.setattr(endpoint, "answer", capped)
    graph = import_graph(endpoint.address, None, ImportOptions(page=40))
    assert graph.num_triples == tiny_graph.num_triples


def test_own_select_and_construct(endpoint: Endpoint) -> None:
    where = "{ ?s ?p ?o . FILTER(STRENDS(STR(?p), 'borders')) }"
    select = import_graph(
        endpoint.address, None, ImportOptions(query=f"SELECT ?s ?p ?o WHERE {where}")
    )
    assert len(endpoint.queries) == 2
    construct = import_graph(
        endpoint.address,
        None,
        ImportOptions(query=f"CONSTRUCT {{ ?s ?p ?o }} WHERE {where} ORDER BY ?s ?p ?o", page=1),
    )
    assert content(select)["triples"] == content(construct)["triples"]
    assert len(content(select)["triples"]) == 2
    endpoint.queries.clear()
    import_graph(endpoint.address, None, ImportOptions(query=CONSTRUCT))
    import_graph(endpoint.address, None, ImportOptions(query="SELECT * {?s ?p ?o} LIMIT 5"))
    assert len(endpoint.queries) == 2  # neither may be paged: no order, and a limit of its own


def test_a_limit_inside_the_query_is_not_its_own() -> None:
    inner = "SELECT ?s ?p ?o { { SELECT ?s { ?s a ?c } LIMIT 3 } ?s ?p ?o } # LIMIT 9"
    assert sparql._shape(inner) == ("SELECT", True, False)
    assert sparql._shape("SELECT ?s { ?s ?p 'LIMIT 3' } LIMIT 3") == ("SELECT", False, False)


def test_a_query_in_a_comment_does_not_break_paging(endpoint: Endpoint) -> None:
    query = "SELECT ?s ?p ?o { ?s ?p ?o } # all"
    graph = import_graph(endpoint.address, None, ImportOptions(query=query, page=20))
    assert graph.num_triples == 12


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_waited_out(
    endpoint: Endpoint, pauses: list[float], status: int
) -> None:
    headers = {"Retry-After": "7"} if status == 429 else {}
    endpoint.trouble = lambda number: (status, headers, b"busy") if number <= 2 else None
    assert import_graph(endpoint.address).num_triples == 12
    assert pauses == ([7.0, 7.0] if status == 429 else [1.0, 2.0])


def test_lasting_trouble_ends_with_what_the_server_said(
    endpoint: Endpoint, pauses: list[float], tmp_path: Path
) -> None:
    endpoint.trouble = lambda number: (503, {}, b"down for repairs")
    with pytest.raises(DataError, match="503: down for repairs"):
        import_graph(endpoint.address, tmp_path / "graph")
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_not_retried(endpoint: Endpoint, pauses: list[float]) -> None:
    endpoint.trouble = lambda number: (400, {}, b"malformed query")
    with pytest.raises(DataError, match="malformed query"):
        import_graph(endpoint.address)
    assert (len(endpoint.queries), pauses) == (1, [])


def test_timeouts_are_retried(endpoint: Endpoint, pauses: list[float]) -> None:
    from threading import Event

    stall = Event()

    def slow(number: int) -> Reply | None:
        if number == 1:
            stall.wait(30)
        return None

    endpoint.trouble = slow
    try:
        graph = import_graph(endpoint.address, None, ImportOptions(timeout=1))
    finally:
        stall.set()
    assert graph.num_triples == 12
    assert pauses[0] == 1.0


def test_nobody_there(pauses: list[float]) -> None:
    with pytest.raises(DataError, match="does not answer"):
        import_graph("http://127.0.0.1:9/sparql")


def test_a_web_page_is_not_an_endpoint(endpoint: Endpoint) -> None:
    endpoint.trouble = lambda number: (200, {"Content-Type": "text/html"}, b"<html>hello</html>")
    with pytest.raises(DataError, match="text/html"):
        import_graph(endpoint.address)


def test_a_select_needs_its_three_variables(endpoint: Endpoint) -> None:
    with pytest.raises(DataError, match="SELECT results") as caught:
        import_graph(endpoint.address, None, ImportOptions(query="SELECT ?s WHERE { ?s ?p ?o }"))
    assert "?s ?p ?o" in caught.value.hint


@pytest.mark.parametrize("query", ["ASK { ?s ?p ?o }", "DELETE WHERE { ?s ?p ?o }", "hello"])
def test_only_select_and_construct(endpoint: Endpoint, query: str) -> None:
    with pytest.raises(ConfigError, match="SELECT or CONSTRUCT"):
        import_graph(endpoint.address, None, ImportOptions(query=query))
    assert endpoint.queries == []


def test_token_comes_from_the_environment_and_is_never_shown(
    endpoint: Endpoint,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(sparql.TOKEN, "very-secret")
    endpoint.trouble = lambda number: (503, {}, b"") if number == 1 else None
    graph = import_graph(endpoint.address)
    assert set(endpoint.tokens) == {"Bearer very-secret"}
    shown = capsys.readouterr()
    assert "very-secret" not in shown.out + shown.err + str(graph.meta)
    with pytest.raises(ConfigError, match="not asked over https"):
        import_graph("http://example.org/sparql")
