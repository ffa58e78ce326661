"""Start-up and shutdown (threat M07.1), and start-ups that are refused (promise S5, trap M13.1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from fixture_app import ROUTES, Guarded
from starlette.applications import Starlette

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import PUBLIC, RequestMapper
from iam_guard.testing import ActingAuthenticator


class Part:
    def __init__(self, name: str, log: list[str], *, fails: bool = False) -> None:
        self.name, self.log, self.fails = name, log, fails

    async def start(self) -> None:
        self.log.append(f"start {self.name}")
        if self.fails:
            raise OSError("no database")

    async def close(self) -> None:
        self.log.append(f"close {self.name}")


def live(app: Any, log: list[str]) -> list[str]:
    """Start and stop; returns what the server was told."""
    told: list[str] = []

    async def session() -> None:
        said = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Any:
            return {"type": next(said)}

        async def send(message: Any) -> None:
            told.append(message["type"].removeprefix("lifespan."))
            log.append(told[-1])

        await app({"type": "lifespan", "state": {}}, receive, send)

    asyncio.run(session())
    return told


def starlette(log: list[str], *, fails: bool = False) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        log.append("app starts")
        if fails:
            raise OSError("no")
        yield {"own": 1}
        log.append("app stops")

    return Starlette(lifespan=lifespan)


def guarded(app: Any, log: list[str], *, fails: bool = False, **more: Any) -> Any:
    parts = (Part("one", log), Part("two", log, fails=fails))
    return Guarded(app=app, background=parts, **more).app


def test_m07_1_parts_start_before_the_application_and_stop_after_it() -> None:
    log: list[str] = []
    live(guarded(starlette(log), log), log)
    assert log == ["start one", "start two", "app starts", "startup.complete", "app stops", "close two", "close one",
                   "shutdown.complete"]


def test_m07_1_a_part_that_cannot_start_aborts_the_start(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    assert live(guarded(starlette(log), log, fails=True), log) == ["startup.failed"]
    assert log == ["start one", "start two", "close two", "close one", "startup.failed"]


def test_an_application_that_cannot_start_stops_the_parts() -> None:
    log: list[str] = []
    with pytest.raises(OSError, match="no"):
        live(guarded(starlette(log, fails=True), log), log)
    assert log == ["start one", "start two", "app starts", "close two", "close one", "startup.failed"]


async def raises(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def ignores(scope: Any, receive: Any, send: Any) -> None:
    return None


@pytest.mark.parametrize("app", [raises, ignores])
def test_an_application_without_lifespan_is_spoken_for(app: Any) -> None:
    log: list[str] = []
    live(guarded(app, log), log)
    assert log == ["start one", "start two", "startup.complete", "close two", "close one", "shutdown.complete"]


def test_no_decision_is_made_for_it() -> None:
    log: list[str] = []
    fixture = Guarded(app=starlette(log))
    live(fixture.app, log)
    assert fixture.log.records == ()


# Strict starts


def told(app: Any, caplog: pytest.LogCaptureFixture) -> str:
    assert live(app, []) == ["startup.failed"]
    return caplog.text


def test_s5_a_strict_start_names_every_unmapped_route(caplog: pytest.LogCaptureFixture) -> None:
    text = told(Guarded(strict=True).app, caplog)
    for route in ("GET /forgot", "PATCH /items/{id}", "WS /sub/ws", "GET /odd"):
        assert f"'{route}' " in text
    assert "'GET /items/{id}' " not in text


def test_s5_a_strict_start_with_everything_mapped() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/items/{id}")
    async def read(id: str) -> None: ...

    assert live(guarded(app, [], strict=True), []) == ["startup.complete", "shutdown.complete"]


def test_m13_1_a_check_above_the_route_decorator_is_found(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    guard = Guard(PolicySet())

    @guard.requires("app:GetItem", resource="item/{id}")
    @app.get("/items/{id}")
    async def read(id: str) -> None: ...

    door = IAMGuardMiddleware(app, guard=guard, authenticator=ActingAuthenticator(), mapper=RequestMapper(ROUTES),
                              strict=True)
    assert "never runs" in told(door, caplog)


def test_mw_26_documentation_counts_as_routes(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.get("/health")
    async def health() -> None: ...

    mapper = RequestMapper({"GET /health": PUBLIC})
    assert "'GET /openapi.json'" in told(Guarded(app=app, mapper=mapper, strict=True).app, caplog)
    assert live(Guarded(app=app, mapper=mapper, strict=True, docs_public=True).app, [])[0] == "startup.complete"


def test_a_strict_start_of_an_application_without_routes_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert "no routes were found" in told(Guarded(app=raises, strict=True).app, caplog)
