"""The fixture of the threat catalogue, section 2: application, route map, policies, principals and tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.audit.sinks import MemorySink
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.mapper import PUBLIC, RequestMapper
from iam_guard.identity.caller import current_principal
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.issuer import Issuer
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.policy.parse import parse_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = {"https://idp.example": "s" * 64, "https://partner.example": "p" * 64}
EDGE = EdgeSettings(trusted_proxies=("10.9.0.0/16",),
                    identity_headers=("X-IAM-Principal", "X-IAM-Groups", "X-IAM-Role"))

ROUTES = {
    "GET /health": PUBLIC,
    "GET /public/{p:path}": PUBLIC,
    "GET /items": ("app:ListItems", "arn:iamg:items:eu:t1:items"),
    "POST /items": ("app:CreateItem", "arn:iamg:items:eu:t1:items"),
    "GET /items/{id}": ("app:GetItem", "arn:iamg:items:eu:t1:item/{id}"),
    "PUT /items/{id}": ("app:PutItem", "arn:iamg:items:eu:t1:item/{id}"),
    "DELETE /items/{id}": ("app:DeleteItem", "arn:iamg:items:eu:t1:item/{id}"),
    "POST /items/{id}/copy": ("app:CreateItem", "arn:iamg:items:eu:t1:item/{id}"),
    "GET /files/{p:path}": ("app:GetFile", "arn:iamg:files:eu:t1:file/{p:path}"),
    "GET /tenants/{t}/docs/{d}": ("app:GetDoc", "arn:iamg:docs:eu:{t}:doc/{d}"),
    "GET,POST /admin": ("app:Admin", "arn:iamg:admin:eu:t1:console/"),
    "GET,POST /admin/{p:path}": ("app:Admin", "arn:iamg:admin:eu:t1:console/{p:path}"),
    "WS /ws/feed": ("app:Subscribe", "arn:iamg:feed:eu:t1:feed/main"),
    "GET /sub/x": ("app:SubX", "arn:iamg:sub:eu:t1:sub/x"),
    "GET /sub/admin": ("app:SubAdmin", "arn:iamg:sub:eu:t1:sub/admin"),
    "GET /num/{n:int}": ("app:GetNum", "arn:iamg:num:eu:t1:num/{n}"),
    "GET /events": ("app:Subscribe", "arn:iamg:feed:eu:t1:feed/main"),
    "POST /bulk": ("app:DeleteMany", "arn:iamg:items:eu:t1:items"),
}


def statement(effect: str, action: str | list[str], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": list(resources), **more}


ALICE = [
    statement("Allow", ["app:GetItem", "app:ListItems", "app:Subscribe"], "arn:iamg:items:eu:t1:item/*",
              "arn:iamg:items:eu:t1:items", "arn:iamg:feed:eu:t1:feed/main"),
    statement("Allow", "app:GetFile", "arn:iamg:files:eu:t1:file/pub/*"),
    statement("Deny", "app:*", "arn:iamg:items:eu:t1:item/secret*"),
]
#: May create anything and delete in bulk, and read item 1 only; no secret ever.
OPERATOR = [
    statement("Allow", ["app:CreateItem", "app:DeleteMany", "app:DeleteItem"], "*"),
    statement("Allow", "app:GetItem", "arn:iamg:items:eu:t1:item/1"),
    statement("Deny", "app:*", "arn:iamg:items:eu:t1:item/secret*"),
]
ROOT = [statement("Allow", "app:*", "*")]
#: Allowed from 10.0.0.0/8 or over TLS only.
INSIDER = [statement("Allow", "app:GetItem", "*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
           statement("Allow", "app:ListItems", "*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
           statement("Allow", "app:GetFile", "*"),
           statement("Deny", "app:GetFile", "*",
                     Condition={"ForAnyValue:StringEquals": {"http:header/x-role": "admin"}})]


def policies(**people: list[dict[str, Any]]) -> PolicySet:
    """A policy set of users of tenant t1 and, with a name that starts with ``t2_``, of tenant t2."""
    holders = {}
    for name, statements in people.items():
        account, who = ("t2", name[3:]) if name.startswith("t2_") else ("t1", name)
        arn = f"arn:iamg:iam::{account}:user/{who}"
        document = parse_policy({"Version": "2012-10-17", "Statement": statements})
        holders[arn] = Holder(arn, (Policy(f"{who}/inline", document),))
    return PolicySet(Attachments(holders=holders))


POLICIES = policies(alice=ALICE, root=ROOT, operator=OPERATOR, insider=INSIDER, t2_bob=ROOT)


def token(name: str, *, issuer: str = "https://idp.example", lifetime: float = 3600, **claims: Any) -> str:
    now = NOW.timestamp()
    payload = {"iss": issuer, "aud": "iam-guard", "sub": name, "iat": now, "exp": now + lifetime, **claims}
    return jwt.encode(payload, SECRETS[issuer], "HS256")


TOKENS = {name: token(name) for name in ("alice", "root", "operator", "insider")}
TOKENS["bob"] = token("bob", issuer="https://partner.example")


def bearer(name: str) -> list[tuple[str, str]]:
    """The header of a principal; none for anon."""
    return [("Authorization", f"Bearer {TOKENS[name]}")] if name != "anon" else []


def authenticator(**more: Any) -> JWTAuthenticator:
    issuers = [Issuer(name, audience="iam-guard", algorithms="HS256", secret=SECRETS[name], leeway=0,
                      claims=ClaimMapping(account=account, partition="iamg"))
               for name, account in (("https://idp.example", "t1"), ("https://partner.example", "t2"))]
    more.setdefault("clock", NOW.timestamp)
    return JWTAuthenticator(issuers, **more)


class FixtureApp:
    """The application, and what its handlers saw."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.guard: Guard | None = None
        self.app = Starlette(routes=[
            *self._routes("/health", "/public/{p:path}", "/items", "/items/{id}", "/files/{p:path}",
                          "/tenants/{t}/docs/{d}", "/admin", "/admin/{p:path}", "/num/{n:int}", "/forgot",
                          "/foo/{p:path}"),
            Route("/items/{id}/copy", self.copy, methods=["POST"]),
            Route("/bulk", self.bulk, methods=["POST"]),
            Route("/events", self.events),
            Route("/odd", self.odd_endpoint()),
            WebSocketRoute("/ws/feed", self.feed),
            Mount("/sub", routes=[Route("/x", self.handle), Route("/admin", self.handle),
                                  WebSocketRoute("/ws", self.feed)]),
        ])

    def _routes(self, *paths: str) -> Iterable[Route]:
        for path in paths:
            yield Route(path, self.handle, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

    def saw(self, scope: Any) -> None:
        self.seen.append({"path": scope["path"], "method": scope.get("method"), "headers": scope["headers"],
                          "principal": current_principal().name})

    async def handle(self, request: Request) -> Response:
        self.saw(request.scope)
        body = await request.body()
        self.seen[-1]["headers_after"] = list(request.scope["headers"])
        return JSONResponse({"path": request.scope["path"], "principal": current_principal().name,
                             "method": request.method, "body": len(body),
                             "headers": sorted({name.decode() for name, _ in request.scope["headers"]})})

    async def copy(self, request: Request) -> Response:
        source = json.loads(await request.body())["from"]
        assert self.guard is not None
        self.guard.require("app:GetItem", f"arn:iamg:items:eu:t1:item/{source}")
        self.saw(request.scope)
        return PlainTextResponse("copied")

    async def bulk(self, request: Request) -> Response:
        ids = json.loads(await request.body())["ids"]
        assert self.guard is not None
        asked = [("app:DeleteItem", f"arn:iamg:items:eu:t1:item/{item}") for item in ids]
        decisions = self.guard.authorize_many(current_principal(), asked)
        return JSONResponse({item: bool(decision) for item, decision in zip(ids, decisions, strict=True)})

    async def events(self, request: Request) -> Response:
        self.saw(request.scope)

        async def ticks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"data: tick\n\n"
                    await asyncio.sleep(1)
            finally:
                self.seen.append({"stream": "ended"})

        return StreamingResponse(ticks(), media_type="text/event-stream")

    async def feed(self, socket: WebSocket) -> None:
        self.saw(socket.scope)
        await socket.accept()
        try:
            while True:
                await socket.send_text(f"{current_principal().name}: {await socket.receive_text()}")
        except WebSocketDisconnect as gone:
            self.seen.append({"socket": gone.code})

    def odd_endpoint(self) -> type[HTTPEndpoint]:
        fixture = self

        class Odd(HTTPEndpoint):
            async def get(self, request: Request) -> Response:
                return await fixture.handle(request)

            async def _do_delete(self, request: Request) -> Response:
                return await fixture.handle(request)

        return Odd


class Guarded:
    """The fixture behind the guard, and everything a test may want to look at."""

    def __init__(self, **more: Any) -> None:
        self.fixture = FixtureApp()
        self.seen = self.fixture.seen
        self.log = MemorySink()
        source = more.pop("policies", POLICIES)
        self.guard = more.pop("guard", None) or Guard(source, log=self.log, clock=more.pop("clock", lambda: NOW))
        self.fixture.guard = self.guard
        routes = {**ROUTES, **more.pop("routes", {})}
        more = {"authenticator": authenticator(), "mapper": RequestMapper(routes), "edge": EDGE, **more}
        self.app = IAMGuardMiddleware(more.pop("app", self.fixture.app), guard=self.guard, **more)
