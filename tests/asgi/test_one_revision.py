"""Row C09.1 at the door: policies that change while a request is under way do not change its answers."""

from __future__ import annotations

from typing import Any

from driver import call
from fixture_app import NOW, ROUTES, authenticator, bearer, policies, statement
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper

#: A request mixes the two when it is let in by the first and finds what only the second allows.
FIRST = policies(alice=[statement("Allow", ["app:GetItem", "app:First"], "*")])
SECOND = policies(alice=[statement("Allow", ["app:GetItem", "app:Second"], "*")])


class Source:
    current: PolicySet = FIRST


def test_c09_1_what_the_door_decided_with_answers_the_handler_too() -> None:
    source = Source()
    guard = Guard(source, clock=lambda: NOW)

    def item(request: Request) -> JSONResponse:
        source.current = SECOND
        who: Any = request.scope["state"]["iam_guard"].principal
        return JSONResponse([bool(guard.authorize(who, action, "*")) for action in ("app:First", "app:Second")])

    app = IAMGuardMiddleware(Starlette(routes=[Route("/items/{id}", item)]), guard=guard,
                             authenticator=authenticator(), mapper=RequestMapper(ROUTES))
    assert call(app, "GET", "/items/1", bearer("alice")).json() == [True, False]
    assert call(app, "GET", "/items/1", bearer("alice")).json() == [False, True]
