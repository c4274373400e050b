"""Rationales by an endpoint: served by a real model on loopback, and by servers that fail."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from accord.errors import ConfigError
from accord.synthesis import endpoint as ep
from accord.synthesis import rationale_check as rc
from accord.synthesis import writers as problems
from accord.synthesis.endpoint import EndpointWriter
from accord.synthesis.rationale import TOO_LONG, RationaleConfig, Tally, Written, write_rationales
from accord.text.questions import Question
from tests.synthesis.rationale_graphs import BOLIVIA, CHILE, asked, build_map
from tests.synthesis.serving import chat_model, drip, reply, send, serving

MAP = build_map()
QUESTIONS = [asked(MAP, CHILE), asked(MAP, BOLIVIA)]
UNCACHED = RationaleConfig(cache=None)
REASONS = {
    rc.EMPTY,
    rc.MISSING,
    rc.UNREACHED,
    rc.FOREIGN,
    rc.NUMBER,
    rc.NEGATION,
    rc.WRONG,
    rc.OTHER,
}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ep.KEYS:
        monkeypatch.delenv(name, raising=False)


def copying(body: dict[str, Any]) -> str:
    """A stand-in that says the facts it is given."""
    return str(body["messages"][-1]["content"]).partition("Facts: ")[2]


def ask(url: str, questions: list[Question] | None = None, **settings: Any) -> list[Written]:
    writer = EndpointWriter(url, "m", **{"first_wait": 0.0, "timeout": 30.0, **settings})
    return list(write_rationales(MAP, questions or QUESTIONS, UNCACHED, writer))


def test_a_real_model_on_loopback_is_asked_read_and_checked(tiny_llama: tuple[Any, Any]) -> None:
    """A random model writes nonsense: it is read, judged, and none of it reaches the data."""
    with serving(chat_model(*tiny_llama)) as server:
        written = ask(server.url, timeout=120.0, attempts=1)
    assert [body["model"] for body in server.requests] == ["m", "m"]
    assert all("Facts: Peru shares" in b["messages"][-1]["content"] for b in server.requests)
    for one in written:
        assert one.question is None
        assert one.reason in REASONS | {problems.NONSENSE}


def test_what_passes_the_check_comes_back_with_its_writer() -> None:
    with serving(copying) as server:
        written = ask(server.url)
    assert [w.reason for w in written] == ["", ""]
    assert written[0].question is not None and written[0].question.source == "rationale by m"
    assert written[0].text == "Peru shares a border with Chile. Chile has the capital Santiago."


def test_thoughts_labels_and_emphasis_are_no_part_of_it() -> None:
    def dressed(body: dict[str, Any]) -> str:
        return f"<think>Lima?\nno</think>\n**Rationale:** {copying(body)}"

    with serving(dressed) as server:
        assert [w.reason for w in ask(server.url)] == ["", ""]


HALF = b'{"choices": [{"message": {"content": "Peru sha'
FAULTS: list[tuple[str, Callable[[BaseHTTPRequestHandler], None], str, int]] = [
    ("HTTP 500", lambda h: send(h, 500, b"oops"), problems.DOWN, 3),
    ("HTTP 401", lambda h: send(h, 401, b"{}"), problems.REFUSED, 1),
    ("a redirect", lambda h: send(h, 302, b""), problems.REFUSED, 1),
    ("half JSON", lambda h: send(h, 200, HALF), problems.NONSENSE, 3),
    ("a page", lambda h: send(h, 200, b"<html>hello</html>"), problems.NONSENSE, 3),
    ("no choices", lambda h: send(h, 200, b'{"choices": []}'), problems.NONSENSE, 3),
    ("a list", lambda h: send(h, 200, b"[1]"), problems.NONSENSE, 3),
    ("bytes", lambda h: send(h, 200, b"\xff\xfe\x00"), problems.NONSENSE, 3),
    ("nothing", lambda h: reply(h, ""), problems.NONSENSE, 3),
    ("a number", lambda h: reply(h, 7), problems.NONSENSE, 3),
    ("cut text", lambda h: reply(h, "Peru shares", "length"), problems.NONSENSE, 1),
    ("too much", lambda h: send(h, 200, b" " * (ep.LARGEST + 9)), problems.NONSENSE, 3),
]


@pytest.mark.parametrize(
    ("fault", "reason", "tries"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_faults_are_retried_then_counted(
    fault: Callable[[BaseHTTPRequestHandler], None], reason: str, tries: int
) -> None:
    def misbehave(handler: BaseHTTPRequestHandler, number: int) -> bool:
        fault(handler)
        return True

    with serving(copying, misbehave) as server:
        written = ask(server.url, QUESTIONS[:1], attempts=3)
    assert [(w.question, w.reason) for w in written] == [(None, reason)]
    assert len(server.requests) == tries


def test_after_a_fault_the_next_attempt_succeeds() -> None:
    def misbehave(handler: BaseHTTPRequestHandler, number: int) -> bool:
        if number < 3:
            send(handler, 503, b"")
        return number < 3

    with serving(copying, misbehave) as server:
        assert [w.reason for w in ask(server.url, QUESTIONS[:1])] == [""]
    assert len(server.requests) == 3


def test_nonsense_in_good_form_is_rejected_by_the_check() -> None:
    with serving(lambda body: "Buy more of our lovely products!") as server:
        tally = Tally()
        for written in ask(server.url):
            tally.add(written)
    found = tally.to_dict()
    assert (found["written"], found["reasons"]) == (0, {rc.OTHER: 2})
    assert found["examples"][rc.OTHER][0]["rationale"].startswith("Buy more")


def test_a_server_that_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    written = ask(f"http://127.0.0.1:{port}/v1", attempts=2)
    assert [w.reason for w in written] == [problems.DOWN, problems.DOWN]
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("how", [drip, lambda handler: __import__("time").sleep(1.0)])
def test_a_server_that_is_slow(how: Callable[[BaseHTTPRequestHandler], None]) -> None:
    def misbehave(handler: BaseHTTPRequestHandler, number: int) -> bool:
        how(handler)
        return True

    with serving(copying, misbehave) as server:
        written = ask(server.url, QUESTIONS[:1], attempts=2, timeout=0.3)
    assert [w.reason for w in written] == [problems.SLOW]


def test_a_dead_endpoint_is_given_up() -> None:
    def misbehave(handler: BaseHTTPRequestHandler, number: int) -> bool:
        send(handler, 500, b"")
        return True

    with serving(copying, misbehave) as server:
        written = ask(server.url, QUESTIONS[:1] * 40, attempts=1, parallel=1)
    assert len(server.requests) == ep.GIVE_UP_AFTER
    assert [w.reason for w in written].count(problems.GIVEN_UP) == 40 - ep.GIVE_UP_AFTER


def test_what_was_written_is_kept_and_failures_are_asked_again(tmp_path: Path) -> None:
    config = RationaleConfig(cache=str(tmp_path))

    def misbehave(handler: BaseHTTPRequestHandler, number: int) -> bool:
        if number == 2:
            send(handler, 500, b"")
        return number == 2

    with serving(copying, misbehave) as server:
        for expected in (["", problems.DOWN], ["", ""], ["", ""]):
            writer = EndpointWriter(server.url, "m", attempts=1, parallel=1)
            found = [w.reason for w in write_rationales(MAP, QUESTIONS, config, writer)]
            assert found == expected
        assert len(server.requests) == 3  # two, then the one that failed, then none


def test_the_key_is_sent_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    monkeypatch.setenv("ACCORD_API_KEY", "sk-secret")

    def echo(handler: BaseHTTPRequestHandler, number: int) -> bool:
        send(handler, 200, json.dumps(dict(handler.headers)).encode())
        return True

    config = RationaleConfig(cache=str(tmp_path))
    with serving(copying, echo) as server:
        writer = EndpointWriter(server.url, "m", attempts=1)
        written = list(write_rationales(MAP, QUESTIONS, config, writer))
    assert set(server.authorisations) == {"Bearer sk-secret"}
    shown = capsys.readouterr()
    kept = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "secret" not in shown.err + shown.out + kept + str(written) + writer.settings


def test_wrong_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, model in (("nope", "m"), ("http://127.0.0.1/v1", ""), ("http://a:b@127.0.0.1", "m")):
        with pytest.raises(ConfigError):
            EndpointWriter(url, model)
    monkeypatch.setenv("ACCORD_API_KEY", "sk-secret")
    with pytest.raises(ConfigError, match="https"):
        EndpointWriter("http://models.example.org/v1", "m")
    monkeypatch.setenv("ACCORD_API_KEY", "sk-sécret")
    with pytest.raises(ConfigError) as raised:
        EndpointWriter("https://models.example.org/v1", "m")
    assert "cret" not in str(raised.value)


@pytest.mark.real_model
def test_the_embedded_model_on_loopback() -> None:
    """The 135M model writes what it can; whatever comes through has passed the check."""
    from accord.model.saving import load_model

    model = load_model("smollm2-135m-q4", "cpu")

    def answer(body: dict[str, Any]) -> str:
        turns = [f"{m['content']}\nRationale:" for m in body["messages"] if m["role"] == "user"]
        said = [f" {m['content']}\n\n" for m in body["messages"] if m["role"] == "assistant"]
        prompt = "".join(a + b for a, b in zip(turns, [*said, ""], strict=True))
        return model.generate([prompt], int(body["max_tokens"]))[0]

    with serving(answer) as server:
        written = ask(server.url, timeout=300.0, attempts=1, parallel=1)
    assert len(server.requests) == len(QUESTIONS)
    for one in written:  # a small model often says only the first fact; that is for the check
        assert one.reason in REASONS | {"", TOO_LONG}
        assert any(name in one.text for name in ("Peru", "Chile", "Bolivia"))
