"""What the page about Litestar says works, and what it says does not."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Controller, Litestar, Request, Response, Router, WebSocket, asgi, delete, get, post, websocket
from litestar.logging import LoggingConfig
from litestar.params import FromPath

from iam_guard import (
    AccessDeniedError,
    ConfigurationError,
    Guard,
    IAMGuardMiddleware,
    PolicySet,
    Principal,
    RequestMapper,
)
from iam_guard.asgi.census import refuse_unguarded
from iam_guard.http.app_routes import census, routes_from_app
from iam_guard.http.route import Route
from iam_guard.testing import ActingAuthenticator, act_as

POLICIES = PolicySet.from_json("""{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "notes:Enter", "Resource": "*"},
    {"Effect": "Allow", "Action": "notes:GetNote", "Resource": "arn:app:notes:*:*:note/1"}]}""")
MAPPER = RequestMapper([Route("GET", "/notes/{note_id}", "notes:Enter", "*")])


def service_of(guard: Guard, *, answered: bool) -> Any:
    @get("/notes/{note_id:str}")
    @guard.requires("notes:GetNote", resource="note/{note_id}")
    async def read(note_id: FromPath[str]) -> dict[str, str]:
        return {"id": note_id}

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return Response(b"", status_code=403)

    return Litestar([read], openapi_config=None, exception_handlers={AccessDeniedError: answer} if answered else {},
                    logging_config=LoggingConfig(log_exceptions="never"))


def statuses(app: IAMGuardMiddleware, *paths: str) -> list[int]:
    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return [(await client.get(path)).status_code for path in paths]
    with act_as(Principal.user("ann")):
        return asyncio.run(ask())


@pytest.mark.parametrize(("answered", "status"), [(True, 403), (False, 500)])
def test_a_check_below_the_route_decorator_runs(answered: bool, status: int) -> None:
    guard = Guard(POLICIES)
    app = IAMGuardMiddleware(service_of(guard, answered=answered), guard=guard, authenticator=ActingAuthenticator(),
                             mapper=MAPPER)
    assert statuses(app, "/notes/1", "/notes/2", "/other") == [200, status, 403]
    assert app.counts == {"allow": 2, "unmapped": 1}  # the denial was not the middleware's


def test_strict_compares_the_routes_with_the_map() -> None:
    guard = Guard(POLICIES)
    refuse_unguarded(service_of(guard, answered=True), MAPPER, guard)
    with pytest.raises(ConfigurationError, match="has no rule") as refused:
        refuse_unguarded(service_of(guard, answered=True), RequestMapper([Route("GET", "/other", public=True)]), guard)
    assert [fault.message.split("'")[1] for fault in refused.value.faults] == ["GET /notes/{note_id}"]


def everything(guard: Guard) -> Any:
    class Notes(Controller):
        path = "/notes"

        @get("/")
        async def all_of_them(self) -> str:
            return ""

        @post(["/", "/new/{kind:str}"])
        @guard.requires("notes:CreateNote", resource="*")
        async def create(self) -> str:
            return ""

        @delete("/{note_id:int}")
        async def remove(self, note_id: FromPath[int]) -> None: ...

    @get("/days/{day:date}/{rest:path}")
    async def days(day: FromPath[date], rest: FromPath[Path]) -> str:
        return ""

    @asgi("/files", is_mount=True, copy_scope=True)
    async def files(scope: Any, receive: Any, send: Any) -> None: ...

    @asgi("/raw", copy_scope=True)
    async def raw(scope: Any, receive: Any, send: Any) -> None: ...

    @websocket("/feed")
    async def feed(socket: WebSocket[Any, Any, Any]) -> None: ...

    return Litestar([Router("/v1", route_handlers=[Notes]), days, files, raw, feed], openapi_config=None)


def test_every_route_is_found() -> None:
    found = census(everything(Guard(POLICIES)))
    assert sorted(one.key for one in found.found) == [
        "* /files/{path:path}", "* /raw", "DELETE /v1/notes/{note_id:int}", "GET /days/{day}/{rest:path}",
        "GET /v1/notes", "POST /v1/notes", "POST /v1/notes/new/{kind}", "WS /feed"]
    assert {one.key: one.checks for one in found.guarded} == {
        "POST /v1/notes": (("notes:CreateNote", "*"),), "POST /v1/notes/new/{kind}": (("notes:CreateNote", "*"),)}
    assert all(one.file.endswith("test_litestar_limits.py") and one.line for one in found.found)


def test_decorators_can_be_the_map() -> None:
    guard = Guard(POLICIES)
    assert [(one.method, one.template, one.action) for one in routes_from_app(service_of(guard, answered=True))] == [
        ("GET", "/notes/{note_id}", "notes:GetNote")]


def test_the_documentation_pages_of_litestar_are_routes_too() -> None:
    keys = {one.key for one in census(Litestar([])).found}
    assert {"GET /schema", "GET /schema/openapi.json"} <= keys
