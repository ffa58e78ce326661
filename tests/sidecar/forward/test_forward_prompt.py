"""The short way of answering a call: it says what the long one says, and keeps what HTTP asks of a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from forward_client import HOST, SECONDS
from forward_world import EDGE, Serving, World, bearer
from test_forward_app import describe

from iam_guard.asgi.cors import CORSSettings
from iam_guard.sidecar.ext_authz.http import make_http_app
from iam_guard.sidecar.ext_authz.settings import HttpDoor
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.forward.settings import ForwardDoor

DOORS = (ForwardDoor("nginx"), ForwardDoor("caddy", preflights="pass"), ForwardDoor("oathkeeper"))
CORS = CORSSettings(origins=("https://shop.example",))


def scope(path: str, headers: Mapping[str, str], **more: Any) -> dict[str, Any]:
    fields = [(name.lower().encode(), value.encode()) for name, value in {"host": "guard", **headers}.items()]
    return {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": fields, "client": ("127.0.0.1", 4711), "server": ("127.0.0.1", 9191), "http_version": "1.1",
            "scheme": "http", **more}


def calls() -> list[dict[str, Any]]:
    """Calls of every outcome, at every door."""
    nginx, caddy = "/forward-auth/nginx", "/forward-auth/caddy"
    found = [scope(nginx, {**describe("nginx", method, target, **more), **bearer(name)})
             for method, target, name, more in (
                 ("GET", "/docs/1", "alice", {}), ("HEAD", "/docs/1?a=%41", "alice", {}), ("GET", "/docs/1", "eve", {}),
                 ("GET", "/docs/secret", "alice", {}), ("GET", "/nowhere", "alice", {}),
                 ("DELETE", "/docs/1", "alice", {}), ("GET", "/docs/a;b", "alice", {}), ("GET", "/health", "alice", {}),
                 ("GET", "/strong/1", "alice", {}),
                 ("GET", "/docs/1", "alice", {"X_Guard_Principal": "root"}), ("BREW", "/docs/1", "alice", {}))]
    found += [scope(nginx, describe("nginx")), scope(nginx, {}), scope("/nowhere", describe("nginx")),
              scope(caddy, {**describe("caddy"), **bearer()}),
              scope(caddy, {**describe("caddy"), **bearer(), "Upgrade": "websocket", "Connection": "upgrade",
                            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}),
              scope(caddy, {**describe("caddy", "OPTIONS"), "Origin": "https://shop.example",
                            "Access-Control-Request-Method": "GET"}),
              scope("/decisions", {**describe("oathkeeper"), **bearer()}, method="HEAD"),
              scope(nginx, {**describe("nginx"), **bearer()}, client=("203.0.113.9", 1))]
    return found


def said(app: Any, call: dict[str, Any]) -> tuple[int, set[tuple[bytes, bytes]], bytes]:
    """What the long way says, but for the numbers of decisions."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(call, receive, send))
    body = b"" if call["method"] == "HEAD" else sent[1]["body"]
    return lasting(sent[0]["status"], sent[0]["headers"], body)


def lasting(status: int, headers: Any, body: bytes) -> tuple[int, set[tuple[bytes, bytes]], bytes]:
    changing = {b"x-guard-decision-id", b"x-iam-guard-decision-id", b"x-guard-problem"}
    return status, {field for field in headers if field[0] not in changing}, body[:40]


def apps(world: World) -> dict[str, Any]:
    return {"forward": make_forward_app(world.asker, DOORS, world.edge),
            "envoy": make_http_app(world.asker, HttpDoor(), world.edge)}


@pytest.mark.parametrize("name", ["forward", "envoy"])
def test_both_ways_say_the_same_and_a_call_that_has_to_wait_leaves_no_trace(name: str) -> None:
    long, short = World(EDGE, CORS), World(EDGE, CORS)
    one, other = apps(long)[name], apps(short)[name]
    asked = calls() if name == "forward" else [
        scope(path, {"host": HOST, **headers}, **more) for path, headers, more in (
            ("/docs/1", bearer(), {}), ("/docs/secret", bearer(), {}), ("/docs/1", {}, {}), ("/nowhere", bearer(), {}),
            ("/docs/1", bearer(), {"method": "HEAD"}), ("/docs/1", {**bearer(), "upgrade": "websocket"}, {}),
            ("/docs/1", {**bearer(), "x_iam_role": "root"}, {}), ("/docs/1", bearer(), {"client": ("203.0.113.9", 1)}))]
    prompt = 0
    for turn in range(2):
        for call in asked:
            before = short.judge.counts.copy()
            answer = other.promptly(call)
            assert sum(short.judge.counts.values()) - sum(before.values()) == (answer is not None)
            wanted, got = said(one, call), said(other, call) if answer is None else lasting(*answer)
            if call["method"] == "HEAD":
                wanted, got = (*wanted[:2], b""), (*got[:2], b"")
            assert got == wanted
            prompt += turn == 1 and answer is not None
    assert prompt > len(asked) // 2


def test_an_error_is_left_to_the_long_way() -> None:
    world = World()
    app = make_forward_app(world.asker, DOORS, world.edge)
    call = scope("/forward-auth/nginx", {**describe("nginx"), **bearer()})
    assert said(app, call)[0] == 200
    assert app.promptly(call) is not None
    assert app.promptly({**call, "headers": [(None, None)]}) is None
    world.take_policies_away()
    answer = app.promptly(call)
    assert answer is not None
    assert answer[0] == 503


# --- A connection of its own ---

NGINX = "".join(f"{name}: {value}\r\n" for name, value in {**describe("nginx"), **bearer()}.items())
DENIED = "".join(f"{name}: {value}\r\n" for name, value in {**describe("nginx", target="/docs/secret"),
                                                            **bearer()}.items())


def head(fields: str = NGINX, method: str = "GET", version: str = "1.1", more: str = "") -> bytes:
    return f"{method} /forward-auth/nginx HTTP/{version}\r\nHost: guard\r\n{fields}{more}\r\n".encode()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    world = World()
    with Serving(make_forward_app(world.asker, DOORS, world.edge), ws="none") as serving:
        with Line(serving.port) as line:
            line.ask(head())
            assert line.status() == 200  # from now on the credential is known
        yield serving.port


class Line:
    """A connection on which answers are read one by one."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()
        self._socket.close()

    def ask(self, data: bytes) -> None:
        self._socket.sendall(data)

    def status(self, *, body: bool = True) -> int:
        """Read an answer."""
        self.headers: dict[str, str] = {}
        status = int(self._reader.readline().split()[1])
        while line := self._reader.readline().strip():
            name, _, value = line.decode().partition(": ")
            self.headers[name] = value
        self.body = self._reader.read(int(self.headers["content-length"])) if body else b""
        return status

    def is_over(self) -> bool:
        return self._reader.read(1) == b""


def test_a_connection_goes_on(port: int) -> None:
    with Line(port) as line:
        for _ in range(3):
            line.ask(head())
            assert (line.status(), line.body, "connection" in line.headers) == (200, b"", False)
            assert {"date", "x-guard-principal", "x-guard-decision-id"} <= set(line.headers)
            line.ask(head(DENIED))
            assert line.status() == 403
            assert b"access-denied" in line.body


@pytest.mark.parametrize(("version", "more"), [("1.0", ""), ("1.1", "Connection: close\r\n"),
                                               ("1.0", "Connection: keep-alive\r\n")])
def test_a_connection_ends_where_its_caller_ends_it(port: int, version: str, more: str) -> None:
    with Line(port) as line:
        line.ask(head(version=version, more=more))
        assert (line.status(), line.headers["connection"]) == (200, "close")
        assert line.is_over()


def test_head_is_answered_without_a_body(port: int) -> None:
    with Line(port) as line:
        line.ask(head(DENIED, "HEAD"))
        assert line.status(body=False) == 403
        assert int(line.headers["content-length"]) > 0
        line.ask(head())
        assert line.status() == 200


def test_calls_that_are_sent_ahead_are_answered_in_their_order(port: int) -> None:
    unknown = head(NGINX.replace("Bearer ", "Bearer x"))
    with Line(port) as line:
        line.ask(head() + unknown + head(DENIED) + head() + unknown + head())
        assert [line.status() for _ in range(6)] == [200, 401, 403, 200, 401, 200]


def test_a_body_that_nobody_asked_for_is_not_read_as_the_next_call(port: int) -> None:
    with Line(port) as line:
        line.ask(head(more="Content-Length: 5\r\n") + b"GET /")
        assert line.status() == 200
        line.ask(head(DENIED))
        assert line.status() == 403


def test_a_body_that_comes_later_is_not_read_as_the_next_call_either(port: int) -> None:
    with Line(port) as line:
        line.ask(head(more="Content-Length: 600\r\n"))
        assert line.status() == 200
        line.ask(head().ljust(600, b"x") + head(DENIED))
        assert line.status() == 403


def test_a_call_whose_body_breaks_its_frame_is_refused_and_not_answered_before(port: int) -> None:
    """Threat F04.1."""
    with Line(port) as line:
        line.ask(head(more="Transfer-Encoding: chunked\r\n") + b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n" + head())
        assert line.status() == 400
        assert line.is_over()


def test_what_could_be_read_as_another_header_is_never_sent() -> None:
    class Strange:
        asked: list[str]

        def __init__(self) -> None:
            self.asked = []

        def promptly(self, scope: Any) -> Any:
            return 200, ((b"x-a", b"1\r\nx-guard-principal: root"), (b"content-length", b"0")), b""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            self.asked.append(scope["path"])
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    app = Strange()
    with Serving(app) as serving, Line(serving.port) as line:
        line.ask(head())
        assert line.status() == 403
    assert app.asked == ["/forward-auth/nginx"]
