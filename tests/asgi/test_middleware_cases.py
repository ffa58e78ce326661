"""Middleware cases about the door itself, by id.

    mw-01 .. mw-27, mw-57   here; mw-10 in test_streams.py
    mw-28 .. mw-43          test_middleware_cases_of_tokens.py; key sets (30, 31) and Entra (33) in tests/identity
    mw-46 .. mw-49          test_middleware_cases_of_code.py
    mw-51 .. mw-55          test_middleware_cases_of_objects.py; the list helper of mw-52 in tests/guard
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from cases import door, echo, with_token
from driver import call, call_scope, handshake, http_scope, speak
from fastapi import FastAPI
from fixture_app import (
    NOW,
    POLICIES,
    ROUTES,
    TOKENS,
    Guarded,
    authenticator,
    bearer,
    policies,
    statement,
)
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from iam_guard.asgi import CORSSettings, IAMGuardMiddleware
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError
from iam_guard.guard import Guard
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.mapper import PUBLIC, RequestMapper
from iam_guard.identity.caller import current_caller
from iam_guard.identity.jwt import JWTAuthenticator

# Order, preflights and errors

PREFLIGHT = [("Origin", "https://ui.example"), ("Access-Control-Request-Method", "POST")]


def test_mw_01_cors_outside_never_asks_the_guard() -> None:
    guarded = Guarded()
    app = CORSMiddleware(guarded.app, allow_origins=["https://ui.example"], allow_methods=["*"])
    answer = call(app, "OPTIONS", "/items", PREFLIGHT)
    assert (answer.status, guarded.app.counts) == (200, {})
    assert call(app, "GET", "/items/1", PREFLIGHT[:1]).headers["access-control-allow-origin"] == "https://ui.example"


def test_mw_01_cors_inside_is_answered_by_the_guard_when_told_so() -> None:
    assert call(Guarded().app, "OPTIONS", "/items", PREFLIGHT).status == 401
    guarded = Guarded(preflight=CORSSettings(("https://ui.example",)))
    answer = call(guarded.app, "OPTIONS", "/items", PREFLIGHT)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://ui.example"
    assert guarded.seen == []


def test_mw_04_a_bad_token_is_a_plain_401(caplog: pytest.LogCaptureFixture) -> None:
    answer = call(Guarded().app, "GET", "/items/1", [("Authorization", f"Bearer {TOKENS['alice'][:-3]}AAA")])
    assert answer.status == 401
    assert answer.json()["status"] == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(("headers", "status", "error"), [
    ([], 401, None),
    ([("Authorization", "Basic abc")], 401, None),
    ([("Authorization", "Bearer")], 400, "invalid_request"),
    ([("Authorization", "Bearer ")], 400, "invalid_request"),
], ids=["a", "b", "c", "c-space"])
def test_mw_05_no_identity_is_401(headers: list[tuple[str, str]], status: int, error: str | None) -> None:
    answer = call(Guarded().app, "GET", "/items/1", headers)
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer")
    assert answer.status == status
    assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)


def test_mw_05_no_permission_is_403() -> None:
    answer = call(Guarded().app, "GET", "/items/secret1", bearer("alice"))
    assert answer.status == 403
    assert "www-authenticate" not in answer.headers


# WebSockets


def test_mw_07_sockets_are_decided_too() -> None:
    guarded = Guarded()
    assert handshake(guarded.app, "/ws/feed")[0].status == 401
    with pytest.raises(ConfigurationError):
        asyncio.run(speak(guarded.app, {"type": "webtransport"}, [], print))
    assert guarded.seen == []


def test_mw_08_a_denied_handshake() -> None:
    guarded = Guarded()
    answer, messages = handshake(guarded.app, "/ws/feed")
    assert (answer.status, answer.json()["status"]) == (401, 401)
    assert messages[0]["type"] == "websocket.http.response.start"
    closed, messages = handshake(guarded.app, "/ws/feed", extensions={})
    assert closed.status == 1008
    assert [message["type"] for message in messages] == ["websocket.close"]


# mw-10: see test_streams.py

# Staying out of the way

INNER: contextvars.ContextVar[str] = contextvars.ContextVar("inner", default="unset")


def test_mw_11_context_variables_reach_outwards() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        INNER.set("set by the handler")
        await echo(scope, receive, send)

    guarded = door(app)

    async def outer(scope: Any, receive: Any, send: Any) -> str:
        await guarded(scope, receive, send)
        return INNER.get()

    async def session() -> str:
        async def nothing(message: Any = None) -> Any: ...

        return await outer(http_scope("GET", "/x", with_token()), nothing, nothing)

    assert asyncio.run(session()) == "set by the handler"
    assert current_caller.get() is None


def test_mw_12_background_tasks_run_to_their_end() -> None:
    done: list[str] = []

    async def session() -> None:
        release = asyncio.Event()

        async def work() -> None:
            await release.wait()
            done.append("task")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await Response("made", 201, background=BackgroundTask(work))(scope, receive, send)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                assert not message.get("more_body")
                done.append("body")
                release.set()

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        await door(app)(http_scope("GET", "/x", with_token()), receive, send)

    asyncio.run(session())
    assert done == ["body", "task"]


# Paths


@pytest.mark.parametrize("path", ["/svc/items/7", "/items/7"])
def test_mw_15_a_deployment_prefix_changes_nothing(path: str) -> None:
    guarded = Guarded()
    assert call(guarded.app, "GET", path, bearer("alice"), root_path="/svc").status == 200
    assert guarded.log.records[-1].resource == "arn:iamg:items:eu:t1:item/7"


def test_mw_16_root_path_is_cut_at_a_slash() -> None:
    guarded = door(echo, routes={"GET /products/{id}": ("app:Get", "app:product/{id}")})
    assert call(guarded, "GET", "/products/7", with_token(), root_path="/product").json() == {"path": "/products/7"}


@pytest.mark.parametrize("target", ["/health%3F/x", "/health%23/x"])
def test_mw_18_encoded_separators_of_urls_are_text(target: str) -> None:
    guarded = Guarded()
    assert call(guarded.app, "GET", target).status == 401
    assert guarded.seen == []


def test_mw_19_public_by_omission_cannot_be_written() -> None:
    guarded = door(echo, routes={"GET /v1/{p:path}": ("app:Get", "app:path/{p:path}"), "GET /health": PUBLIC})
    assert call(guarded, "GET", "//v1/models").status in (400, 401)
    assert call(guarded, "GET", "/other", with_token()).status == 403
    for everything in ("/{p:path}", "/{any}"):
        with pytest.raises(ConfigurationError):
            RequestMapper({f"GET {everything}": PUBLIC})


@pytest.mark.parametrize(("target", "status"), [
    ("/api/../admin", 400), ("/api/%2e%2e/admin", 400), ("/api/%252e%252e/admin", 400)])
def test_mw_20_dot_segments_are_refused(target: str, status: int) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await echo(scope, receive, send)

    guarded = door(app, statement("Allow", "app:Get", "arn:app:app::000000000000:path/api/*"))
    assert call(guarded, "GET", target, with_token()).status == status
    assert seen == []


def test_mw_22_a_star_in_an_id_is_a_star() -> None:
    guarded = Guarded(policies=policies(alice=[statement("Allow", "app:GetItem", "arn:iamg:items:eu:t1:item/7")]))
    assert call(guarded.app, "GET", "/items/*", bearer("alice")).status == 403
    assert guarded.log.records[-1].resource == "arn:iamg:items:eu:t1:item/*"
    assert call(guarded.app, "GET", "/items/7", bearer("alice")).status == 200


def test_mw_24_head_is_get_and_overrides_are_ignored() -> None:
    guarded = Guarded()
    assert call(guarded.app, "HEAD", "/items/1", bearer("alice")).status == 200
    assert guarded.log.records[-1].action == "app:GetItem"
    answer = call(guarded.app, "POST", "/items", [*bearer("root"), ("X-HTTP-Method-Override", "DELETE")])
    assert answer.status == 200
    assert guarded.log.records[-1].action == "app:CreateItem"
    assert "x-http-method-override" not in answer.json()["headers"]


def test_mw_25_mounted_files_are_guarded(tmp_path: Any) -> None:
    (tmp_path / "a.pdf").write_text("secret")
    app = Starlette(routes=[Mount("/private", StaticFiles(directory=tmp_path))])
    guarded = door(app, routes={"GET /private/{p:path}": ("app:Read", "app:file/{p:path}")})
    assert call(guarded, "GET", "/private/a.pdf").status == 401
    assert call(guarded, "GET", "/private/a.pdf", with_token()).body == b"secret"


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"])
def test_mw_26_documentation_is_closed_or_open_as_a_whole(path: str) -> None:
    assert call(door(FastAPI(), docs_public=False), "GET", path).status == 401
    assert call(door(FastAPI(), docs_public=True), "GET", path).status == 200


def test_mw_26_documentation_elsewhere() -> None:
    app = FastAPI(docs_url="/help", redoc_url=None, openapi_url="/help/schema.json")
    guarded = door(app, docs_public=True)
    assert call(guarded, "GET", "/help/schema.json").status == 200
    assert call(guarded, "GET", "/redoc").status == 401


class Unreachable(JWTAuthenticator):
    """No keys can be had."""

    def __init__(self) -> None:
        pass

    async def authenticate(self, request: Any) -> Any:
        raise AssertionError("a probe has nobody to authenticate")


@pytest.mark.parametrize(("method", "target", "status"), [
    ("GET", "/health", 200), ("GET", "/health/secrets", None), ("POST", "/health", None)])
def test_mw_27_a_probe_needs_no_keys_and_no_policies(method: str, target: str, status: int | None) -> None:
    class Never:
        @property
        def current(self) -> PolicySet:
            raise AssertionError("a probe asks no policy")

    guarded = Guarded(policies=Never(), authenticator=Unreachable() if status else authenticator())
    answer = call(guarded.app, method, target)
    assert answer.status == (status or 401)
    assert len(guarded.seen) == (1 if status else 0)


# Where a request came from, and where the guard stands


@pytest.mark.parametrize(("peer", "forwarded"), [
    ("198.51.100.9", "203.0.113.7"), ("10.0.0.2", "203.0.113.7, 198.51.100.9")])
def test_mw_57_forwarded_addresses(peer: str, forwarded: str) -> None:
    only = policies(alice=[statement("Allow", "*", "*", Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})])
    guarded = Guarded(policies=only, edge=EdgeSettings(trusted_proxies=("10.0.0.2",)))
    headers = [*bearer("alice"), ("X-Forwarded-For", forwarded)]
    assert call(guarded.app, "GET", "/items/1", headers, client=(peer, 1)).status == 403
    assert guarded.log.records[-1].source_ip == "198.51.100.9"
    assert call(guarded.app, "GET", "/items/1", bearer("alice"), client=("203.0.113.7", 1)).status == 200


def test_the_guard_in_a_middleware_list() -> None:
    guard = Guard(POLICIES, clock=lambda: NOW)
    app = Starlette(routes=[Route("/items/{id}", lambda request: PlainTextResponse("x"))], middleware=[
        Middleware(IAMGuardMiddleware, guard=guard, authenticator=authenticator(), mapper=RequestMapper(ROUTES))])
    assert call_scope(app, http_scope("GET", "/items/1", bearer("alice"))).status == 200
    assert call_scope(app, http_scope("GET", "/items/secret1", bearer("alice"))).status == 403
