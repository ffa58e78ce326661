"""Middleware cases of guarded functions and of tests of guarded applications."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from cases import door, everyone, trusting, with_token
from client import TestClient
from driver import call
from fastapi import Depends, FastAPI
from fixture_app import (
    NOW,
    POLICIES,
    Guarded,
    authenticator,
    bearer,
    statement,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.audit.sinks import MemorySink
from iam_guard.errors import AccessDeniedError, ConfigurationError
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.caller import current_caller, current_principal
from iam_guard.model import Principal
from iam_guard.testing import ActingAuthenticator, act_as

# Decorators


def fastapi_app(guard: Guard, *, sync: bool = False, decorated: bool = True) -> FastAPI:
    app = FastAPI()

    def maybe(function: Any) -> Any:
        return guard.requires("orders:Read", resource="order/{id}")(function) if decorated else function

    if sync:
        @app.get("/orders/{id}")
        @maybe
        def get_sync(id: int, q: str = "") -> dict[str, Any]:
            return {"who": current_principal().name, "thread": threading.current_thread() is threading.main_thread(),
                    "decisions": len(current_caller.get().decisions), "q": q}  # type: ignore[union-attr]
    else:
        @app.get("/orders/{id}")
        @maybe
        async def get_async(id: int, q: str = "") -> dict[str, Any]:
            return {"who": current_principal().name, "q": q}
    return app


def orders_guard(log: MemorySink | None = None) -> Guard:
    return Guard(everyone(statement("Allow", "orders:Read", "arn:app:orders::000000000000:order/1"),
                          statement("Allow", "app:Call", "*")), log=log, clock=lambda: NOW)


def orders_door(app: Any, guard: Guard) -> IAMGuardMiddleware:
    routes = {"GET /orders/{id}": ("app:Call", "app:orders"), "GET /both/{id}": ("app:Call", "app:orders")}
    return door(app, guard=guard, routes=routes)


@pytest.mark.parametrize("sync", [False, True])
def test_mw_46_the_decorated_route_looks_as_before(sync: bool) -> None:
    guard = orders_guard()
    decorated, plain = (fastapi_app(guard, sync=sync, decorated=one).openapi() for one in (True, False))
    assert decorated == plain
    app = orders_door(fastapi_app(guard, sync=sync), guard)
    assert call(app, "GET", "/orders/1?q=x", with_token()).json()["q"] == "x"
    answer = call(app, "GET", "/orders/2", with_token())
    assert (answer.status, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.json()["action"] == "orders:Read"


def test_mw_47_a_sync_handler_runs_in_a_thread_and_knows_its_caller() -> None:
    guard = orders_guard()
    answer = call(orders_door(fastapi_app(guard, sync=True), guard), "GET", "/orders/1", with_token())
    assert answer.json() == {"who": "alice", "thread": False, "decisions": 2, "q": ""}


def test_a_requirement_is_a_dependency_too() -> None:
    guard = orders_guard()
    app = FastAPI()

    @app.get("/orders/{id}", dependencies=[Depends(guard.requires("orders:Read", resource="order/{id}"))])
    async def get(id: int) -> int:
        return id

    guarded = orders_door(app, guard)
    assert call(guarded, "GET", "/orders/1", with_token()).status == 200
    assert call(guarded, "GET", "/orders/2", with_token()).status == 403
    (operation,) = app.openapi()["paths"]["/orders/{id}"].values()
    assert [parameter["name"] for parameter in operation["parameters"]] == ["id"]


@pytest.mark.parametrize("build", ["around", "inside", "mounted"])
def test_a_denial_of_a_handler_is_403_wherever_the_guard_stands(build: str) -> None:
    guard = orders_guard()
    inner = fastapi_app(guard)
    settings = {"guard": guard, "authenticator": trusting(), "mapper": RequestMapper({
        "GET /{p:path}": ("app:Call", "app:orders")})}
    if build == "inside":
        inner.add_middleware(IAMGuardMiddleware, **settings)
        app: Any = inner
    elif build == "mounted":
        app = IAMGuardMiddleware(Starlette(routes=[Mount("/sub", inner)]), **settings)
    else:
        app = IAMGuardMiddleware(inner, **settings)
    prefix = "/sub" if build == "mounted" else ""
    assert call(app, "GET", f"{prefix}/orders/1", with_token()).status == 200
    assert call(app, "GET", f"{prefix}/orders/2", with_token()).status == 403


def test_without_a_middleware_a_decorated_handler_is_closed() -> None:
    with pytest.raises(ConfigurationError, match="no current caller"):
        call(fastapi_app(orders_guard()), "GET", "/orders/1", with_token())


def test_an_applications_own_handler_is_kept() -> None:
    guard = orders_guard()
    app = fastapi_app(guard)

    @app.exception_handler(AccessDeniedError)
    async def own(request: Request, error: AccessDeniedError) -> Response:
        return PlainTextResponse(f"no: {error.decision.request.action}", 404)

    answer = call(orders_door(app, guard), "GET", "/orders/2", with_token())
    assert (answer.status, answer.body) == (404, b"no: orders:Read")


# Tests of applications


def acting_app() -> tuple[Any, Guard]:
    guard = Guard(POLICIES, clock=lambda: NOW)
    guarded = Guarded(guard=guard, authenticator=ActingAuthenticator())
    return guarded.app, guard


ALICE, ROOT = (Principal.user(name, account="t1", partition="iamg") for name in ("alice", "root"))


def test_mw_49_acting_goes_through_the_same_policies() -> None:
    app, _ = acting_app()
    client = TestClient(app)
    with act_as(ALICE):
        assert client.get("/items/1").json()["principal"] == "alice"
        assert client.get("/items/secret1").status_code == 403
        with act_as(Principal.root(account="t1", partition="iamg")):
            assert client.get("/items/secret1").status_code == 200
        assert client.get("/items/secret1").status_code == 403
    assert client.get("/items/1").status_code == 401


def test_mw_49_nothing_is_left_behind_on_failure() -> None:
    app, _ = acting_app()
    with pytest.raises(ZeroDivisionError), act_as(ROOT):
        raise ZeroDivisionError
    assert current_caller.get() is None
    assert TestClient(app).get("/items/1").status_code == 401


def test_mw_49_websockets() -> None:
    app, _ = acting_app()
    with act_as(ALICE), TestClient(app).websocket_connect("/ws/feed") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "alice: hello"


def test_mw_49_concurrent_tests() -> None:
    app, _ = acting_app()

    async def names() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.example") as client:
            async def one(who: Principal) -> str:
                with act_as(who):
                    await asyncio.sleep(0)
                    return str((await client.get("/items/1")).json()["principal"])

            return await asyncio.gather(*(one(who) for who in (ALICE, ROOT) * 10))

    assert asyncio.run(names()) == ["alice", "root"] * 10


def test_mw_49_code_called_directly() -> None:
    _, guard = acting_app()

    @guard.requires("app:GetItem", resource="arn:iamg:items:eu:t1:item/{id}")
    def read(id: str) -> str:
        return id

    with act_as(ALICE):
        assert read("1") == "1"
        with pytest.raises(AccessDeniedError):
            read("secret1")


def test_mw_49_no_request_can_turn_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GUARD_ACT_AS", "root")
    app, _ = acting_app()
    headers = [("X-Act-As", "root"), ("Authorization", "Bearer root"), ("Cookie", "act_as=root")]
    assert call(app, "GET", "/items/1?act_as=root", headers).status == 401
    real = Guarded(authenticator=authenticator())
    with act_as(ROOT):
        assert call(real.app, "GET", "/items/1").status == 401


def test_mw_49_outside_of_blocks_the_real_authenticator_is_asked() -> None:
    app = Guarded(authenticator=ActingAuthenticator(authenticator())).app
    assert call(app, "GET", "/items/1", bearer("alice")).json()["principal"] == "alice"
    answer = call(app, "GET", "/items/1")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
