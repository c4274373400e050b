"""Rationales by an OpenAI-compatible endpoint: timed out, retried, and counted where it fails."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx

from accord.errors import ConfigError
from accord.progress import say
from accord.synthesis.rationale_prompt import chat_messages, cleaned, room
from accord.synthesis.writers import DOWN, GIVEN_UP, NONSENSE, REFUSED, SLOW, Draft, Task

KEYS = ("ACCORD_API_KEY", "OPENAI_API_KEY")
"""Environment variables with the key; it is sent over https or to this machine only."""
_KEY_HINT = f"put the key alone into {KEYS[0]}"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
GIVE_UP_AFTER = 8
"""Questions in a row without an answer after which the endpoint is asked no more."""
LARGEST = 1 << 20
"""Bytes of a reply at most."""
PROMPT_FORMAT = 1
"""Raised when the messages change, so that what was kept is written anew."""


class Failure(Exception):
    """One request that brought no rationale."""

    def __init__(self, problem: str, detail: str, retry: bool = True, wait: float = 0.0) -> None:
        super().__init__(f"{problem} ({detail})" if detail else problem)
        self.problem, self.retry, self.wait = problem, retry, wait


class EndpointWriter:
    """Asks an OpenAI-compatible endpoint, several questions at a time.

    The key comes from ACCORD_API_KEY, else OPENAI_API_KEY; it is never printed or written.

    Args:
        base_url: Such as ``http://127.0.0.1:8000/v1``; ``/chat/completions`` is added.
        model: The model's name there.
        timeout: Seconds for one whole answer.
        attempts: Requests for one rationale at most.
        parallel: Requests at a time.
        first_wait: Seconds before the second attempt; doubled for each further one.

    Raises:
        ConfigError: No model or no http address is given, or a key would be sent in clear.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        timeout: float = 60.0,
        attempts: int = 4,
        parallel: int = 4,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        _judge_address(base_url, model)
        self.address, self.model = base_url.rstrip("/") + "/chat/completions", model
        self.timeout, self.attempts, self.first_wait = timeout, attempts, first_wait
        self.parallel, self.block = parallel, 8 * parallel
        self._failed = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def name(self) -> str:
        """Who writes, as a question's source names it."""
        return self.model

    @property
    def settings(self) -> str:
        """All that changes what it writes."""
        return f"endpoint {self.address} {self.model} {PROMPT_FORMAT}"

    def write(self, tasks: Sequence[Task]) -> Iterator[Draft]:
        """One draft a task, in the same order; failures are drafts with their problem."""
        headers = {"User-Agent": "accord-kg", **_authorisation()}
        encrypted = self.address.startswith("https")  # else no certificates need be read
        with (
            httpx.Client(headers=headers, timeout=self.timeout, verify=encrypted) as client,
            ThreadPoolExecutor(self.parallel) as pool,
        ):
            try:
                yield from pool.map(lambda task: self._draft(client, task), tasks)
            finally:  # after Ctrl-C nothing more is asked and nobody waits for a pause
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                self._stopped.clear()

    def _draft(self, client: httpx.Client, task: Task) -> Draft:
        """One rationale with its retries."""
        wait = self.first_wait
        failure = Failure(GIVEN_UP, "")
        for attempt in range(1, self.attempts + 1):
            if self._failed >= GIVE_UP_AFTER:
                return Draft("", GIVEN_UP)
            try:
                text = self._ask(client, task)
            except Failure as found:
                failure = found
            else:
                self._failed = 0
                return Draft(text)
            if not failure.retry or attempt == self.attempts:
                break
            if self._stopped.wait(min(max(wait, failure.wait), LONGEST_WAIT)):
                break
            wait *= 2
        self._count(failure)
        return Draft("", failure.problem)

    def _count(self, failure: Failure) -> None:
        with self._lock:
            self._failed += 1
            if self._failed == 1:
                say(f"{self.address}: {failure}")
            elif self._failed == GIVE_UP_AFTER:
                say(
                    f"{self.address}: {GIVE_UP_AFTER} questions in a row without an answer; not "
                    "asked again. Run the same command later: what was written is kept"
                )

    def _ask(self, client: httpx.Client, task: Task) -> str:
        """One request; the rationale in its reply.

        Raises:
            Failure: There is none.
        """
        body = {
            "model": self.model,
            "messages": chat_messages(task),
            "temperature": 0,
            "max_tokens": room(task),
        }
        deadline = time.monotonic() + self.timeout
        try:
            with client.stream("POST", self.address, json=body) as reply:
                content = _content(reply, deadline)
        except httpx.TimeoutException as error:
            raise Failure(SLOW, type(error).__name__) from error
        except httpx.HTTPError as error:
            raise Failure(DOWN, f"{type(error).__name__}: {error}") from error
        if not reply.is_success:
            retry = reply.status_code in RETRIED
            detail = f"HTTP {reply.status_code}"
            raise Failure(DOWN if retry else REFUSED, detail, retry, _retry_after(reply))
        return cleaned(_written(content))


def _judge_address(base_url: str, model: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"endpoint {base_url!r} is no http address", "such as http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password:
        raise ConfigError("the endpoint's address holds a name or password", _KEY_HINT)
    if not model:
        raise ConfigError("the endpoint needs a model's name", "set model to a name it serves")
    if _authorisation() and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ConfigError(
            f"an API key is set and {parts.hostname} is not asked over https",
            f"use https, or unset {' and '.join(KEYS)}",
        )


def _authorisation() -> Mapping[str, str]:
    """The header with the key.

    Raises:
        ConfigError: The key holds what a header may not; the key itself is not shown.
    """
    key = next(filter(None, map(os.environ.get, KEYS)), "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError("the API key holds spaces or characters outside ASCII", _KEY_HINT)
    return {"Authorization": f"Bearer {key}"} if key else {}


def _content(reply: httpx.Response, deadline: float) -> bytes:
    """The body, as long as it is small and comes in time: a drip would reset httpx's own limit.

    Raises:
        Failure: It is too large or too late.
    """
    found = bytearray()
    for chunk in reply.iter_bytes():
        found += chunk
        if len(found) > LARGEST:
            raise Failure(NONSENSE, f"more than {LARGEST:,} bytes")
        if time.monotonic() > deadline:
            raise Failure(SLOW, "the reply drips")
    return bytes(found)


def _written(content: bytes) -> str:
    """The message in a reply.

    Raises:
        Failure: The reply is not JSON, holds no message, or was cut at the limit of tokens.
    """
    try:
        choice: Any = json.loads(content)["choices"][0]
        text, ended = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Failure(NONSENSE, f"{type(error).__name__}") from error
    if not isinstance(text, str) or not text.strip():
        raise Failure(NONSENSE, "no text in the message")
    if ended == "length":
        raise Failure(NONSENSE, "cut at the limit of tokens", retry=False)
    return text


def _retry_after(reply: httpx.Response) -> float:
    value: str = reply.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0
