"""A small OpenAI-compatible server on loopback that a real model answers; it can also misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], str]
Misbehave = Callable[[BaseHTTPRequestHandler, int], bool]
"""Called with the number of the request; True where it has answered in its own way."""


class Server(ThreadingHTTPServer):
    """What it was asked is kept for the tests."""

    daemon_threads = True

    def __init__(self, answer: Answer, misbehave: Misbehave | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.misbehave = answer, misbehave
        self.requests: list[dict[str, Any]] = []
        self.authorisations: list[str | None] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(body)
            self.server.authorisations.append(self.headers.get("Authorization"))
            number = len(self.server.requests)
        if self.server.misbehave is not None and self.server.misbehave(self, number):
            return
        if self.path != "/v1/chat/completions":
            send(self, 404, b"{}")
            return
        with self.server.lock:  # a model answers one at a time
            text = self.server.answer(body)
        reply(self, text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


def send(handler: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def reply(handler: BaseHTTPRequestHandler, text: object, ended: str = "stop") -> None:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": ended}
    send(handler, 200, json.dumps({"object": "chat.completion", "choices": [choice]}).encode())


@contextmanager
def serving(answer: Answer, misbehave: Misbehave | None = None) -> Iterator[Server]:
    """A server for as long as it is needed."""
    server = Server(answer, misbehave)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Bytes one by one, each before a client's own limit would end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    try:
        for _ in range(50):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        return


def chat_model(model: Any, tokenizer: Any) -> Answer:
    """Any causal model of transformers as the one who answers."""

    def answer(body: dict[str, Any]) -> str:
        import torch

        prompt = "".join(f"{m['role']}: {m['content']}\n" for m in body["messages"])
        ids = tokenizer(prompt + "assistant:", return_tensors="pt")["input_ids"][:, -200:]
        with torch.no_grad():
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=min(24, int(body["max_tokens"])),
                do_sample=False,
            )
        return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))

    return answer
