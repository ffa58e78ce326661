"""Rows of kinds P and M that need a scope or a setting of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from driver import call, call_scope, handshake, http_scope, speak
from fixture_app import (
    ROUTES,
    Guarded,
    bearer,
    policies,
    statement,
)
from starlette.applications import Starlette
from starlette.routing import Mount

from iam_guard.asgi import CORSSettings
from iam_guard.errors import ConfigurationError
from iam_guard.http.edge import EdgeSettings

# P: paths


@pytest.mark.parametrize(("row", "who", "target", "status", "path"), [
    ("P01.1", "anon", "/public/../admin", 401, None),
    ("P01.1", "root", "/public/../admin", 200, "/admin"),
    ("P01.2", "alice", "/items/1/../secret1", 403, None),
    ("P01.4", "root", "/../admin", 400, None),
    ("P04.1", "root", "//admin", 200, "/admin"),
    ("P15.6", "anon", "/public/../pub_private/key", 401, None),
])
def test_normalize_mode_serves_what_it_checked(row: str, who: str, target: str, status: int, path: str | None) -> None:
    guarded = Guarded(edge=EdgeSettings(path_mode="normalize"))
    assert call(guarded.app, "GET", target, bearer(who)).status == status
    assert [seen["path"] for seen in guarded.seen] == ([path] if path else [])


@pytest.mark.parametrize(("row", "root_path", "path", "who", "status"), [
    ("P16.1", "/ad", "/admin", "anon", 401),
    ("P16.2", "/svc", "/svc/admin", "anon", 401),
    ("P16.2", "/svc", "/svc/admin", "root", 200),
    ("P16.2", "/svc", "/svc/items/secret1", "alice", 403),
    ("P16.4", "/v", "/v1/items", "alice", 403),
])
def test_p16_root_path(row: str, root_path: str, path: str, who: str, status: int) -> None:
    guarded = Guarded()
    assert call(guarded.app, "GET", path, bearer(who), root_path=root_path).status == status


def test_p16_5_a_guard_on_the_mounted_application_guards_that() -> None:
    inner = Guarded()
    outer = Starlette(routes=[Mount("/sub", app=inner.app)])
    assert call(outer, "GET", "/sub/admin").status == 401
    assert call(outer, "GET", "/sub/admin", bearer("root")).status == 200


@pytest.mark.parametrize("host", ["ADMIN.example.", "admin.example", "admin.example:80"])
def test_p21_1_a_host_has_one_spelling(host: str) -> None:
    only = policies(alice=[statement("Allow", "app:*", "*"),
                           statement("Deny", "app:*", "*", Condition={"StringEquals": {"http:host": "admin.example"}})])
    guarded = Guarded(policies=only)
    assert call(guarded.app, "GET", "/items/1", [*bearer("alice"), ("Host", host)], host=False).status == 403
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 200


def test_p22_1_unmapped_is_counted() -> None:
    guarded = Guarded()
    assert call(guarded.app, "GET", "/forgot", bearer("root")).status == 403
    assert guarded.app.counts["unmapped"] == 1


def test_p22_2_another_method_is_405_with_allow() -> None:
    answer = call(Guarded().app, "PATCH", "/items/1", bearer("root"))
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")


@pytest.mark.parametrize(("row", "template"), [
    ("P24.1", "/items/.*"), ("P24.2", "*/admin/*"), ("P24.4", "/files/**/logo.png"), ("P24.4", "/{any}")])
def test_p24_loose_public_rules_are_refused(row: str, template: str) -> None:
    with pytest.raises(ConfigurationError):
        Guarded(routes={f"GET {template}": ROUTES["GET /health"]})


# M: methods and protocols

CORS = CORSSettings(("https://ui.example",))
PREFLIGHT = [("Origin", "https://ui.example"), ("Access-Control-Request-Method", "DELETE")]


def test_m02_1_a_preflight_is_answered_when_that_is_on() -> None:
    guarded = Guarded(preflight=CORS)
    answer = call(guarded.app, "OPTIONS", "/items/1", PREFLIGHT)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://ui.example"
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    assert guarded.seen == []


@pytest.mark.parametrize("headers", [
    [("Origin", "https://evil.example"), PREFLIGHT[1]],
    [PREFLIGHT[0]],
    [PREFLIGHT[1]],
    [PREFLIGHT[0], ("Access-Control-Request-Method", "PURGE")],
], ids=["other-origin", "no-method", "no-origin", "M02.4"])
def test_m02_what_is_no_preflight_is_refused(headers: list[tuple[str, str]]) -> None:
    guarded = Guarded(preflight=CORS)
    assert call(guarded.app, "OPTIONS", "/items/1", headers).status == 401
    assert guarded.seen == []


@pytest.mark.parametrize("preflight", [None, CORS])
@pytest.mark.parametrize("requested", ["OPTIONS", "GET", "POST"])
def test_m02_3_forged_preflights_run_nothing(preflight: CORSSettings | None, requested: str) -> None:
    guarded = Guarded(preflight=preflight, routes={"OPTIONS /items": ("app:CreateItem", "arn:iamg:items:eu:t1:items")})
    headers = [PREFLIGHT[0], ("Access-Control-Request-Method", requested), ("Content-Type", "application/json")]
    answer = call(guarded.app, "OPTIONS", "/items", headers, body=b"{}")
    assert answer.status == (401 if preflight is None else 204)
    assert guarded.seen == []


def test_a_denial_can_be_read_by_an_allowed_origin() -> None:
    app = Guarded(preflight=CORS).app
    denied = call(app, "GET", "/items/1", [PREFLIGHT[0]])
    assert denied.headers["access-control-allow-origin"] == "https://ui.example"
    assert denied.headers["access-control-expose-headers"] == "WWW-Authenticate"
    other = call(app, "GET", "/items/1", [("Origin", "https://evil.example")])
    assert "access-control-allow-origin" not in other.headers


def test_m05_1_without_the_extension_a_handshake_is_closed() -> None:
    guarded = Guarded()
    answer, messages = handshake(guarded.app, "/ws/feed", extensions={})
    assert [message["type"] for message in messages] == ["websocket.close"]
    assert answer.status == 1008
    assert guarded.seen == []


def test_m07_2_an_unknown_scope_is_refused() -> None:
    called = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope)

    guarded = Guarded(app=app)
    with pytest.raises(ConfigurationError, match="'foo' connections"):
        asyncio.run(speak(guarded.app, {"type": "foo"}, [], called.append))
    assert called == []


@pytest.mark.parametrize(("row", "scope"), [
    ("M09.1", {"path": "/public/x HTTP/1.1\r\nX: y", "raw_path": b"/public/x HTTP/1.1\r\nX: y"}),
    ("M09.2", {"headers": [(b"host", b"app.example"), (b"host", b"admin.example")]}),
])
def test_m09_pseudo_headers(row: str, scope: dict[str, Any]) -> None:
    guarded = Guarded()
    assert call_scope(guarded.app, {**http_scope("GET", "/public/x", http_version="2"), **scope}).status == 400
    assert guarded.seen == []
