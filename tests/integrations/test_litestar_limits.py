"""What the page about Litestar says works, and what it says does not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, get
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


def test_strict_refuses_even_a_mapped_application() -> None:
    guard = Guard(POLICIES)
    with pytest.raises(ConfigurationError, match="has no rule"):
        refuse_unguarded(service_of(guard, answered=True), MAPPER, guard)
