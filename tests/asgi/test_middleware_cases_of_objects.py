"""Middleware cases of objects that a handler decides about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cases import ISSUER, door, everyone, with_token
from driver import Answer, call
from fixture_app import (
    NOW,
    Guarded,
    statement,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.errors import AccessDeniedError
from iam_guard.guard import Guard
from iam_guard.http.naming import ResourceNames

# Objects that are known only after loading


@pytest.fixture
def posts() -> IAMGuardMiddleware:
    owners = {"7": "bob"}
    guard = Guard(everyone(
        statement("Allow", "app:Call", "*"),
        statement("Allow", "posts:Edit", "*", Condition={"StringEquals": {"posts:OwnerId": "${jwt:sub}"}})),
        clock=lambda: NOW)

    async def put(request: Request) -> Response:
        owner = owners.get(request.path_params["id"])
        context = {} if owner is None or request.query_params else {"posts:OwnerId": owner}
        guard.require("posts:Edit", f"posts:post/{request.path_params['id']}", context=context)
        return PlainTextResponse("edited")

    return door(Starlette(routes=[Route("/posts/{id}", put, methods=["PUT"])]), guard=guard,
                routes={"PUT /posts/{id}": ("app:Call", "app:posts")})


@pytest.mark.parametrize(("who", "target", "status"), [
    ("alice", "/posts/7", 403), ("bob", "/posts/7", 200), ("bob", "/posts/7?forgotten", 403), ("bob", "/posts/8", 403)])
def test_mw_51_ownership(posts: IAMGuardMiddleware, who: str, target: str, status: int) -> None:
    assert call(posts, "PUT", target, with_token(who)).status == status


def test_mw_51_a_missing_row_and_a_foreign_one_look_alike(posts: IAMGuardMiddleware) -> None:
    def shape(answer: Answer) -> tuple[int, int, list[str]]:
        return answer.status, len(answer.body), sorted(answer.headers)

    missing, foreign = (call(posts, "PUT", f"/posts/{row}", with_token()) for row in "87")
    assert shape(missing) == shape(foreign)


# mw-52: the first helper is Guard.filter_allowed, see tests/guard; the filter for databases is in tests/rows


def test_mw_53_tenants_do_not_meet_at_the_door() -> None:
    both = everyone(statement("Allow", "app:GetDoc", "*"))
    guarded = Guarded(policies=both)
    for issuer, tenant, status in ((ISSUER, "t1", 200), (ISSUER, "t2", 403),
                                   ("https://partner.example", "t2", 200), ("https://partner.example", "t1", 403)):
        headers = with_token("u1", issuer=issuer)
        assert call(guarded.app, "GET", f"/tenants/{tenant}/docs/1", headers).status == status


def test_mw_55_resolvers_decide_field_by_field() -> None:
    """Guard.require is all that a field API needs (iam_guard.graphql is one): by the schema's name, in batches too."""
    guard = Guard(everyone(statement("Allow", "graphql:Call", "*"), statement("Allow", "graphql:Query", "*"),
                           statement("Deny", "graphql:Query", "arn:app:graphql::000000000000:Query/users")),
                  names=ResourceNames(), clock=lambda: NOW)
    data = {"users": [{"email": "x"}], "me": {"id": "alice"}}

    def resolve(field: str) -> tuple[Any, list[str]]:
        try:
            guard.require("graphql:Query", f"graphql:Query/{field}")
        except AccessDeniedError:
            return None, [f"{field}: access denied"]
        return data[field], []

    async def graphql(request: Request) -> Response:
        answers = []
        for operation in await request.json():
            resolved = {alias: resolve(field) for alias, field in operation.items()}
            answers.append({"data": {alias: value for alias, (value, _) in resolved.items()},
                            "errors": [error for _, errors in resolved.values() for error in errors]})
        return JSONResponse(answers)

    app = Starlette(routes=[Route("/graphql", graphql, methods=["POST"])])
    routes = {"POST /graphql": ("graphql:Call", "graphql:endpoint")}
    batch = json.dumps([{"a": "users", "ok": "me"}, {"users": "me"}]).encode()
    answer = call(door(app, guard=guard, routes=routes), "POST", "/graphql", with_token(), body=batch)
    assert answer.json() == [{"data": {"a": None, "ok": {"id": "alice"}}, "errors": ["users: access denied"]},
                             {"data": {"users": {"id": "alice"}}, "errors": []}]
    closed = Guard(everyone(statement("Allow", "graphql:*", "*"), statement("Deny", "graphql:Call", "*")),
                   clock=lambda: NOW)
    assert call(door(app, guard=closed, routes=routes), "POST", "/graphql", with_token(), body=batch).status == 403
