"""A guard, an application and a client for tests with real proxies, all on ports of their own."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from iam_guard.asgi.cors import CORSSettings
from iam_guard.asgi.judge import Judge
from iam_guard.asgi.rules import Rules
from iam_guard.audit.sinks import MemorySink
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import UnavailableError
from iam_guard.guard import Guard
from iam_guard.http.caller_headers import CallerHeaders, with_caller_headers
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.mapper import PUBLIC, RequestMapper
from iam_guard.http.response import DenialStyle
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.policy.parse import parse_policy
from iam_guard.sidecar.answer import Asker

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER, SECRET = "https://idp.example", "s" * 64
HOST = "shop.example"
ALICE = "arn:app:iam::t1:user/alice"
NAMES = CallerHeaders()
EDGE = with_caller_headers(EdgeSettings(trusted_proxies=("127.0.0.1",)), NAMES)
STYLE = DenialStyle(show_scopes=True, show_step_up=True)
SECONDS = 20.0

ROUTES: dict[str, Any] = {
    "GET /health": PUBLIC,
    "GET,POST,OPTIONS /docs/{id}": ("app:Use", "arn:app:docs::t1:doc/{id}"),
    "WS /docs/{id}": ("app:Connect", "arn:app:docs::t1:doc/{id}"),
    "GET,POST,OPTIONS /scoped/{id}": ("app:Scoped", "*"),
    "WS /scoped/{id}": ("app:Scoped", "*"),
    "GET,POST,OPTIONS /strong/{id}": ("app:Strong", "*"),
    "WS /strong/{id}": ("app:Strong", "*"),
    "GET /pages/1": ("app:ReadOnly", "*"),
    "WS /pages/1": ("app:Forbidden", "*"),
    "GET /talks/1": ("app:Forbidden", "*"),
    "WS /talks/1": ("app:ConnectOnly", "*"),
    "GET /admin": ("app:Admin", "*"),
    "GET /public/{p:path}": PUBLIC,
    "GET /at-home": ("app:AtHome", "*"),
    "GET /tls": ("app:Encrypted", "*"),
}


def _allow(action: str, resource: str = "*", effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    more = {"Condition": condition} if condition else {}
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


STATEMENTS = [
    *[_allow(action, "arn:app:docs::t1:doc/*") for action in ("app:Use", "app:Connect")],
    _allow("app:*", "arn:app:docs::t1:doc/secret", "Deny"),
    _allow("app:ReadOnly"),
    _allow("app:ConnectOnly"),
    _allow("app:Scoped", **{"ForAnyValue:StringEquals": {"jwt:scope": "docs:read"}}),
    _allow("app:Strong", StringEquals={"jwt:acr": "gold"}),
    _allow("app:AtHome", IpAddress={"aws:SourceIp": "127.0.0.1/32"}),
    _allow("app:Encrypted", Bool={"aws:SecureTransport": "true"}),
]


def _policies() -> PolicySet:
    document = parse_policy({"Version": "2012-10-17", "Statement": STATEMENTS})
    return PolicySet(Attachments(holders={ALICE: Holder(ALICE, (Policy("alice", document),))}))


def token(name: str = "alice", lifetime: float = 3600, **claims: Any) -> str:
    now = NOW.timestamp()
    return jwt.encode({"iss": ISSUER, "aud": "shop", "sub": name, "iat": now - 7200, "exp": now + lifetime, **claims},
                      SECRET, "HS256")


def bearer(name: str = "alice", **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(name, **claims)}"}


class Source:
    """Policies that can be taken away."""

    def __init__(self) -> None:
        self._policies = _policies()
        self.fault: Exception | None = None

    @property
    def current(self) -> PolicySet:
        if self.fault is not None:
            raise self.fault
        return self._policies


class World:
    """The guard of a test."""

    def __init__(self, edge: EdgeSettings = EDGE, cors: CORSSettings | None = None) -> None:
        self.source = Source()
        self.log = MemorySink()
        self.edge = edge
        claims = ClaimMapping(account="t1")
        issuer = Issuer(ISSUER, audience="shop", algorithms="HS256", secret=SECRET, leeway=0, claims=claims)
        self.authenticator = JWTAuthenticator([issuer], clock=NOW.timestamp)
        self.guard = Guard(self.source, log=self.log, clock=lambda: NOW)
        rules = Rules(self.guard, self.authenticator, RequestMapper(ROUTES), None, 2.0, edge, cors, False, (), (),
                      STYLE)
        self.judge = Judge(rules)
        self.asker = Asker(self.judge, NAMES, edge)

    def take_policies_away(self) -> None:
        self.source.fault = UnavailableError("no policies were loaded yet")

    def give_them_back(self) -> None:
        self.source.fault = None


class Serving:
    """An ASGI application on a port that the kernel chose, or on a Unix socket, in a thread."""

    def __init__(self, app: Any, path: str = "", **settings: Any) -> None:
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._socket.bind(path or ("127.0.0.1", 0))
        self.port = 0 if path else self._socket.getsockname()[1]
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, proxy_headers=False,
                                timeout_graceful_shutdown=2, **settings)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Serving:
        self._thread.start()
        try:
            wait_for(lambda: self._server.started or not self._thread.is_alive(), "the server starts")
            assert self._server.started
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(SECONDS)
        self._socket.close()
        assert not self._thread.is_alive()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class App:
    """An application that says what it received."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        seen = {"type": scope["type"], "method": scope.get("method", ""), "body": "",
                "target": (scope["raw_path"] + query).decode("latin-1"),
                "headers": [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]}
        self.seen.append(seen)
        if scope["type"] == "websocket":
            await self._echo(receive, send)
            return
        seen["body"] = (await self._body(receive)).decode("latin-1")
        told = json.dumps(seen).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]})
        await send({"type": "http.response.body", "body": b"" if seen["method"] == "HEAD" else told})

    async def _body(self, receive: Any) -> bytes:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                return body

    async def _echo(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "echo " + message["text"]})

    def header(self, name: str) -> list[str]:
        """All values of a header of the last request, under every name that a CGI-style application takes for it."""
        return [value for key, value in self.seen[-1]["headers"]
                if re.sub("[^a-z0-9]", "-", key.lower()) == name.lower()]


@dataclass
class Reply:
    """What a client got."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        return ", ".join(self.values(name))


class _Verbatim(http.client.HTTPConnection):
    """Sends a target that is no ASCII as it is."""

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")


def http_call(port: int, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None,
              *, host: str = HOST, seconds: float = SECONDS) -> Reply:
    """Send one request exactly as it is written here."""
    connection = _Verbatim("127.0.0.1", port, timeout=seconds)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def socket_call(port: int, target: str, headers: dict[str, str]) -> Reply:
    """Open a WebSocket; 101 when a message comes back."""
    try:
        with connect(f"ws://{HOST}{target}", additional_headers=headers, proxy=None, compression=None,
                     open_timeout=SECONDS, close_timeout=SECONDS,
                     sock=socket.create_connection(("127.0.0.1", port), SECONDS)) as opened:
            opened.send("hello")
            assert opened.recv(SECONDS) == "echo hello"
            return Reply(101)
    except InvalidStatus as error:
        response = error.response
        return Reply(response.status_code, list(response.headers.raw_items()), response.body or b"")


PREFLIGHT = {"Origin": "https://front.example", "Access-Control-Request-Method": "GET"}
KINDS = ("GET", "POST", "HEAD", "OPTIONS", "WS")


def send(port: int, kind: str, target: str, headers: dict[str, str]) -> Reply:
    """One of the five kinds of request."""
    if kind == "WS":
        return socket_call(port, target, headers)
    more = PREFLIGHT if kind == "OPTIONS" else {}
    body = b"a body" if kind == "POST" else None
    return http_call(port, kind, target, [*headers.items(), *more.items()], body)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so; the test fails when it takes too long."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
