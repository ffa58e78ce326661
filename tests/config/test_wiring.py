"""A settings file, an application, requests: everything put together by one call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from iam_guard.config import Wiring, load_settings, protect
from iam_guard.errors import ConfigurationError
from iam_guard.model import Principal

SECRET = "0123456789abcdef0123456789abcdef"
SETTINGS = """\
policies: iam
routes: {file: routes.yaml}
issuers:
  - issuer: https://idp.example
    audience: orders
    algorithms: [HS256]
    secret: {env: IAM_GUARD_TEST_SECRET}
log: {logger: "", jsonl: decisions.jsonl}
"""
READ = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "docs:Read", "Resource": "*"}}'
ROUTES = """\
version: 1
routes:
  GET /health: public
  GET /documents/{id}: {action: docs:Read, resource: "document/{id}"}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IAM_GUARD_TEST_SECRET", SECRET)
    (tmp_path / "iam/users").mkdir(parents=True)
    (tmp_path / "iam/users/ann.json").write_text(READ)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    path = tmp_path / "iam-guard.yaml"
    path.write_text(SETTINGS)
    return path


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here you are")


def application(*more: Route) -> Starlette:
    return Starlette(routes=[Route("/health", answer), Route("/documents/{id}", answer), *more])


def bearer(subject: str) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": "https://idp.example", "aud": "orders", "sub": subject, "iat": now, "exp": now + 600}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}


async def serve(app: Any, story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Run *story* between start-up and shutdown, as a server does."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    lifespan = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, to_app.get,
                                         from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await asyncio.wait_for(from_app.get(), 20)) == {"type": "lifespan.startup.complete"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://orders.example") as client:
        await story(client)
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await asyncio.wait_for(from_app.get(), 20)) == {"type": "lifespan.shutdown.complete"}
    await lifespan


def test_one_call_protects_an_application(settings: Path) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/documents/7")).status_code == 401
        assert (await client.get("/documents/7", headers=bearer("ann"))).text == "here you are"
        assert (await client.get("/documents/7", headers=bearer("bob"))).status_code == 403
        assert (await client.get("/else", headers=bearer("ann"))).status_code == 403

    asyncio.run(serve(protect(application(), settings), story))
    lines = [json.loads(line) for line in (settings.parent / "decisions.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines if line["principal"].endswith(("ann", "bob"))][:2] == [
        "allowed", "implicitDeny"]


def test_c07_3_without_policies_only_what_is_public_is_served(settings: Path) -> None:
    (settings.parent / "iam/users/ann.json").write_text(READ[:-1])

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/documents/7", headers=bearer("ann"))).status_code == 503

    asyncio.run(serve(protect(application(), settings), story))


def test_a_revoked_permission_is_gone_with_the_next_look_at_the_folder(settings: Path) -> None:
    wiring = load_settings(settings).build()

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/documents/7", headers=bearer("ann"))).status_code == 200
        (settings.parent / "iam/users/ann.json").write_text("{}")
        await asyncio.to_thread(wiring.refresher.check)
        assert (await client.get("/documents/7", headers=bearer("ann"))).status_code == 403

    asyncio.run(serve(wiring.middleware(application()), story))


def test_an_unmapped_route_stops_a_strict_start(settings: Path) -> None:
    app = protect(application(Route("/forgotten", answer)), settings)
    with pytest.raises(AssertionError, match="forgotten"):
        asyncio.run(serve(app, lambda client: asyncio.sleep(0)))


def test_strictness_can_be_turned_off_and_the_route_stays_closed(settings: Path) -> None:
    settings.write_text(SETTINGS + "strict: false")

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/forgotten", headers=bearer("ann"))).status_code == 403

    asyncio.run(serve(protect(application(Route("/forgotten", answer)), settings), story))


def test_routes_may_come_from_decorators(settings: Path) -> None:
    settings.write_text(SETTINGS.replace("{file: routes.yaml}", "{app: true}") + "strict: false")
    wiring = load_settings(settings).build()
    app = FastAPI()

    @app.get("/documents/{id}")
    @wiring.guard.requires("docs:Read", resource="docs:document/{id}")
    async def read(id: str) -> str:
        return f"decorated {id}"

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/documents/7", headers=bearer("ann"))).json() == "decorated 7"
        assert (await client.get("/documents/7", headers=bearer("bob"))).status_code == 403

    asyncio.run(serve(wiring.middleware(app), story))


OPENAPI = """\
openapi: 3.1.0
paths:
  /documents/{id}:
    get: {operationId: read, x-iam-resource: "document/{id}"}
  /health:
    get: {x-iam-public: true}
"""


def test_routes_may_come_from_an_openapi_document(settings: Path) -> None:
    (settings.parent / "openapi.yaml").write_text(OPENAPI)
    settings.write_text(SETTINGS.replace("{file: routes.yaml}", "{openapi: openapi.yaml, naming: {service: docs}}"))

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/documents/7", headers=bearer("ann"))).status_code == 200

    asyncio.run(serve(protect(application(), settings), story))


def test_an_operation_without_an_action_is_told_with_its_line(settings: Path) -> None:
    (settings.parent / "openapi.yaml").write_text(OPENAPI)
    settings.write_text(SETTINGS.replace("{file: routes.yaml}", "{openapi: openapi.yaml}"))
    with pytest.raises(ConfigurationError) as refused:
        load_settings(settings).build()
    assert [(fault.file, fault.line) for fault in refused.value.faults] == [
        (str(settings.parent / "openapi.yaml"), 4)]


def test_a_program_without_a_door_starts_and_closes_the_parts_itself(settings: Path) -> None:
    async def run() -> Wiring:
        async with load_settings(settings).build() as wiring:
            assert wiring.guard.authorize(Principal.user("ann"), "docs:Read", "docs:document/7")
            return wiring

    wiring = asyncio.run(run())
    assert wiring.refresher.status().loaded == 1
    assert len((settings.parent / "decisions.jsonl").read_text().splitlines()) == 1
