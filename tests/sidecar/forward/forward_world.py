"""A guard and an application for tests with real proxies, all on ports of their own."""

from __future__ import annotations

import json
import re
import socket
import threading
from datetime import UTC, datetime
from typing import Any

import jwt
import uvicorn
from forward_client import SECONDS, wait_for

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
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.policy.parse import parse_policy
from iam_guard.sidecar.answer import Asker
from iam_guard.sidecar.prompt import PromptProtocol

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER, SECRET = "https://idp.example", "s" * 64
ALICE = "arn:app:iam::t1:user/alice"
WEB = "arn:app:iam::t1:user/spiffe/prod.example/web"
NAMES = CallerHeaders()
EDGE = with_caller_headers(EdgeSettings(trusted_proxies=("127.0.0.1",)), NAMES)
STYLE = DenialStyle(show_scopes=True, show_step_up=True)

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
    return PolicySet(Attachments(holders={arn: Holder(arn, (Policy("inline", document),)) for arn in (ALICE, WEB)}))


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

    def __init__(self, edge: EdgeSettings = EDGE, cors: CORSSettings | None = None,
                 authenticator: Authenticator | None = None) -> None:
        self.source = Source()
        self.log = MemorySink()
        self.edge = edge
        claims = ClaimMapping(account="t1")
        issuer = Issuer(ISSUER, audience="shop", algorithms="HS256", secret=SECRET, leeway=0, claims=claims)
        self.authenticator = authenticator or JWTAuthenticator([issuer], clock=NOW.timestamp)
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
                                timeout_graceful_shutdown=2, **{"http": PromptProtocol, **settings})
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
                "target": (scope["raw_path"] + query).decode("latin-1"), "headers": _fields(scope)}
        self.seen.append(seen)
        if scope["type"] == "websocket":
            await self._echo(receive, send)
            return
        seen["body"] = (await self._body(receive)).decode("latin-1")
        seen["headers"] = _fields(scope)  # this server adds what came after the body
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


def _fields(scope: Any) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
