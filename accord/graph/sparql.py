"""A SPARQL 1.1 endpoint as a source: paged, timed out, retried."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from accord.errors import ConfigError, DataError
from accord.graph.labels import ImportOptions
from accord.progress import say

if TYPE_CHECKING:
    from pyoxigraph import Quad

TOKEN = "ACCORD_SPARQL_TOKEN"
"""Environment variable with a bearer token; it is sent over https or to this machine only."""
EVERYTHING = "SELECT ?s ?p ?o WHERE { ?s ?p ?o }"
ATTEMPTS = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
RETRIED = (429, 500, 502, 503, 504)
ROWS = "application/sparql-results+json"
TRIPLES = "application/n-triples, text/turtle;q=0.8"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What could hold a keyword without being one: comments, strings, IRIs.
_OPAQUE = re.compile(r"#[^\n]*|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|<[^<>\s]*>")


def endpoint_quads(address: str, options: ImportOptions) -> Iterator[Quad]:
    """Reads an endpoint page by page.

    Args:
        address: The endpoint's address.
        options: `query`, `page` and `timeout` are used. A SELECT must give ?s ?p ?o; where it
            has no LIMIT it is paged with ORDER BY ?s ?p ?o. A CONSTRUCT is paged where it has an
            ORDER BY and no LIMIT, else asked once.

    Yields:
        Quads of the default graph.

    Raises:
        ConfigError: The query is neither SELECT nor CONSTRUCT, or a token would be sent in clear.
        DataError: The endpoint does not answer, refuses, or answers something else.
    """
    query = options.query.strip() or EVERYTHING
    kind, paged, ordered = _shape(query)
    answered = 0
    with _client(address, options.timeout) as client:
        for number in itertools.count():
            text = _page(query, options.page, answered, ordered) if paged else query
            content, media = _ask(client, address, text, kind)
            quads = list(_parse(content, media, kind, address))
            yield from quads
            # A CONSTRUCT's page is counted in solutions, which the triples do not tell.
            answered += options.page if kind == "CONSTRUCT" else len(quads)
            if number and number % 10 == 0:
                say(f"{address}: {answered:,} rows so far")
            if not paged or not quads:
                return


def _shape(query: str) -> tuple[str, bool, bool]:
    """(SELECT or CONSTRUCT, whether to page, whether it has its own ORDER BY)."""
    plain = _OPAQUE.sub(" ", query).upper()
    found = re.search(r"\b(SELECT|CONSTRUCT|ASK|DESCRIBE|INSERT|DELETE)\b", plain)
    kind = found[1] if found else ""
    if kind not in ("SELECT", "CONSTRUCT"):
        raise ConfigError(
            f"the query is not a SELECT or CONSTRUCT: {query[:80]!r}",
            "write SELECT ?s ?p ?o WHERE { ... } or CONSTRUCT { ... } WHERE { ... }",
        )
    # Only what follows the last brace belongs to the whole query and not to one inside it.
    tail = plain[plain.rfind("}") :]
    limited, ordered = (bool(re.search(rf"\b{word}\b", tail)) for word in ("LIMIT", r"ORDER\s+BY"))
    return kind, not limited and (ordered or kind == "SELECT"), ordered


def _page(query: str, size: int, offset: int, ordered: bool) -> str:
    order = "" if ordered else "\nORDER BY ?s ?p ?o"
    return f"{query}{order}\nLIMIT {size} OFFSET {offset}"


def _client(address: str, timeout: float) -> httpx.Client:
    token, parts = os.environ.get(TOKEN, ""), urlsplit(address)
    if token and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ConfigError(
            f"{TOKEN} is set and {parts.hostname} is not asked over https",
            f"use https, or unset {TOKEN}",
        )
    headers = {"User-Agent": "accord-kg"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)


def _ask(client: httpx.Client, address: str, query: str, kind: str) -> tuple[bytes, str]:
    """One request with its retries; gives the body and its media type."""
    accept = ROWS if kind == "SELECT" else TRIPLES
    wait, problem = FIRST_WAIT, ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            reply = client.post(address, data={"query": query}, headers={"Accept": accept})
        except (httpx.TimeoutException, httpx.TransportError) as error:
            problem, advised = f"{type(error).__name__}: {error}", 0.0
        else:
            if reply.is_success:
                media = reply.headers.get("Content-Type", "").partition(";")[0].strip()
                return reply.content, media
            problem, advised = _problem(reply), _retry_after(reply)
            if reply.status_code not in RETRIED:
                break
        if attempt < ATTEMPTS:
            pause = min(max(wait, advised), LONGEST_WAIT)
            say(f"{address}: {problem}; trying again in {pause:.0f} s")
            time.sleep(pause)
            wait *= 2
    raise DataError(
        f"{address} does not answer the query ({problem})",
        hint="check the address and the query; a smaller --page or a longer --timeout may help",
    )


def _problem(reply: httpx.Response) -> str:
    return f"HTTP {reply.status_code}: {reply.text[:200].strip()}"


def _retry_after(reply: httpx.Response) -> float:
    value: str = reply.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0


def _parse(content: bytes, media: str, kind: str, address: str) -> Iterator[Quad]:
    from pyoxigraph import (
        Quad,
        QueryBoolean,
        QueryResultsFormat,
        RdfFormat,
        parse,
        parse_query_results,
    )

    try:
        if kind == "CONSTRUCT":
            form = RdfFormat.from_media_type(media) or RdfFormat.N_TRIPLES
            yield from parse(content, format=form)
            return
        rows = parse_query_results(content, format=QueryResultsFormat.JSON)
        if isinstance(rows, QueryBoolean):
            raise TypeError("a truth value")
        names = [variable.value for variable in rows.variables]
        if not {"s", "p", "o"} <= set(names):
            # The parser's iterator may only die on the thread that made it: not in a traceback.
            del rows
            raise TypeError(f"its variables are {names}")
        for row in rows:
            yield Quad(row["s"], row["p"], row["o"])
    except (SyntaxError, ValueError, TypeError) as error:
        raise DataError(
            f"{address} did not answer with {kind} results ({media or 'no type'}: {error})",
            hint="is this the address of the endpoint itself? a SELECT must give ?s ?p ?o",
        ) from error
