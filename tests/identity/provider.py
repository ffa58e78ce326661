"""An identity provider on a real socket, which publishes keys and fails in every way that is asked of it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class Provider:
    """What the provider publishes, and how it answers.

    Attributes:
        keys: The entries of its key set.
        answer: How requests for keys are answered instead; ``None`` for as they should be.
        asked: How many requests for keys there were.
        discovered: How many requests for metadata there were.
    """

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.answer: Answer | None = None
        self.asked = self.discovered = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; again on the same port after it went down."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/keys":
                    provider.asked += 1
                    (provider.answer or provider.publish)(self)
                else:
                    provider.discovered += 1
                    reply(self, json.dumps({"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"}))

            def log_message(self, *said: Any) -> None:
                """Say nothing."""

        return Handler

    def publish(self, handler: BaseHTTPRequestHandler) -> None:
        reply(handler, json.dumps({"keys": self.keys}))


@contextmanager
def provider(*keys: dict[str, Any]) -> Iterator[Provider]:
    one = Provider(*keys)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def reply(handler: BaseHTTPRequestHandler, body: str | bytes, status: int = 200, **headers: str) -> None:
    data = body.encode() if isinstance(body, str) else body
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(data))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b'{"keys": [' + b" " * 65_536)
    except OSError:
        """The reader had enough."""


def _answers(body: str | bytes, status: int = 200, **headers: str) -> Answer:
    return lambda handler: reply(handler, body, status, **headers)


def _greet(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-x\r\n")


#: What providers have answered in the field, and what an attacker in the middle might.
FAILURES: dict[str, Answer] = {
    "500": _answers("down", 500), "404": _answers("", 404), "204": _answers("", 204), "401": _answers("{}", 401),
    "429": _answers("{}", 429, Retry_After="1"),
    "empty": _answers(""), "blank": _answers(" \n"), "null": _answers("null"), "a list": _answers("[]"),
    "no keys": _answers('{"keys": []}'), "another document": _answers('{"error": "temporarily_unavailable"}'),
    "keys of another shape": _answers('{"keys": {"k1": {}}}'),
    "unusable keys": _answers('{"keys": [{}, null, 7, "k"]}'),
    "a sign-in page": _answers("<!doctype html><title>Sign in</title>", Content_Type="text/html"),
    "half a document": _answers('{"keys": [{"kty": "RSA", "n": "'),
    "repeated members": _answers('{"keys": [{}], "keys": []}'), "not UTF-8": _answers(b'{"keys": ["\xff\xfe"]}'),
    "nested": _answers('{"keys": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    "cut off": _answers('{"keys": [', Content_Length="90000"),
    "long": _answers(json.dumps({"keys": ["x" * 300_000]})), "endless": _endless,
    "a bomb": _answers(gzip.compress(b" " * 50_000_000), Content_Encoding="gzip"),
    "half a gzip": _answers(gzip.compress(b'{"keys": []}')[:-9], Content_Encoding="gzip"),
    "not gzip": _answers("{}", Content_Encoding="gzip"), "another encoding": _answers("{}", Content_Encoding="br"),
    "elsewhere": _answers("", 302, Location="http://127.0.0.2:1/keys"),
    "in circles": _answers("", 302, Location="/keys"), "nowhere": _answers("", 302, Location="http://"),
    "no HTTP": _greet, "hung up": lambda handler: None,
}
