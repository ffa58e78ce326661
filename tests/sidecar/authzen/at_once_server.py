"""Two real servers of one decision point, which differ in nothing but the way of answering; and a client of bytes."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

import uvicorn
from authzen_fixture import DOOR, policies
from authzen_pdp import EVALUATION, DecisionPoint, Names
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from iam_guard.model import Principal

_DATE = re.compile(rb"\r\ndate: [^\r]+")
DEADLINE = 10.0


class Known(Names):
    """Hands out one principal for a name, and says that names may be judged twice."""

    def __init__(self) -> None:
        self._known: dict[str, Principal] = {}

    async def authenticate(self, request: Any) -> Principal | None:
        found = await super().authenticate(request)
        return found and self._known.setdefault(found.key, found)

    def again(self, request: Any, principal: Principal) -> Any:
        return lambda: True


class Counting:
    """An application that counts what it answered in which way."""

    def __init__(self) -> None:
        point = DecisionPoint(policies(), authenticator=Known(), **{**DOOR, "max_body": 2048})
        # every decision has one id, so that answers are the same to the byte
        point.guard._new_id = lambda: "0" * 20
        self._app = point.app
        self.counts = point.app.judge.counts
        self.usual = self.quick = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.usual += 1
        await self._app(scope, receive, send)

    def at_once(self, *asked: Any) -> Any:
        answer = self._app.at_once(*asked)
        self.quick += answer is not None
        return answer


class Server:
    """One server in a thread."""

    def __init__(self, protocol: type[HttpToolsProtocol], *, around: Callable[[Any], Any] = lambda app: app,
                 **more: Any) -> None:
        self.app, self.pieces, self.protocols = Counting(), 0, list[Any]()
        outer = self

        class Watched(protocol):  # type: ignore[valid-type, misc]
            def data_received(self, data: bytes) -> None:
                outer.protocols[:] = [self]
                super().data_received(data)
                outer.pieces += 1

        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # what is not read has to wait
        self.port = self._socket.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(around(self.app), log_level="error", lifespan="off", http=Watched,
                                                    ws="none", access_log=False, proxy_headers=False,
                                                    server_header=False, **more))
        self._thread = Thread(target=self.server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self._thread.join(timeout=DEADLINE)
        self._socket.close()
        assert not self._thread.is_alive()


class Client:
    """One connection."""

    def __init__(self, server: Server, receive_buffer: int = 0) -> None:
        self._server = server
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send, and wait after each piece until the server has taken it."""
        for piece in pieces:
            before = self._server.pieces
            self.socket.sendall(piece)
            until(lambda before=before: self._server.pieces > before)

    def reply(self, *, of_head: bool = False) -> bytes:
        """The next answer, without its date."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self._read = self._read[:end + 4], self._read[end + 4:]
        length = 0 if of_head else int(re.findall(rb"(?i)\r\ncontent-length: (\d+)", head)[0])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return _DATE.sub(b"", head, count=1) + body

    def is_closed(self) -> bool:
        """Whether the server closed the connection, once everything was read; waits for it."""
        return not self._read and self.socket.recv(1) == b""

    def _more(self) -> None:
        piece = self.socket.recv(65_536)
        assert piece, "the connection was closed within an answer"
        self._read += piece


def until(happened: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.001)


def call(body: Any, *fields: str, path: str = EVALUATION, method: str = "POST", version: str = "1.1",
         length: int | None = None) -> bytes:
    """A request in bytes."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    given: Sequence[str] = fields or ("authorization: Bearer pep",)
    head = [f"{method} {path} HTTP/{version}", "host: pdp.example.com", *given]
    if not any(one.lower().startswith("content-type") for one in given):
        head.append("content-type: application/json")
    if not any(one.lower().startswith(("content-length", "transfer-encoding")) for one in given):
        head.append(f"Content-Length: {len(payload) if length is None else length}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + payload


