"""Rows of kinds M12 to M17: failures, streams, sockets and identities that must not mix."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from driver import answer_of, call, handshake, http_scope, speak
from fixture_app import (
    ROUTES,
    TOKENS,
    Guarded,
    authenticator,
    bearer,
    policies,
    statement,
)
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from iam_guard.asgi import IAMGuardMiddleware, ResourceFacts
from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import UnavailableError
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.caller import current_principal
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.model import AuthorizationRequest


class Failing(PolicySet):
    """Policies whose evaluation fails in a given way."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    def evaluate(self, request: AuthorizationRequest) -> Decision:
        raise self.failure


@pytest.mark.parametrize(("row", "failure"), [
    ("M12.1", RuntimeError("boom")), ("M12.3", RecursionError()), ("M12.3", MemoryError())])
def test_m12_an_evaluator_that_raises(row: str, failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    guarded = Guarded(policies=Failing(failure))
    answer = call(guarded.app, "GET", "/items/1", bearer("alice"))
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert guarded.seen == []
    assert len(caplog.records) == 1


def test_m12_2_facts_that_do_not_come_in_time() -> None:
    async def resolver(*_: Any) -> ResourceFacts:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    guarded = Guarded(resolver=resolver, resolver_timeout=0.001)
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert guarded.seen == []


@pytest.mark.parametrize("failure", [RuntimeError("boom"), UnavailableError("no database"), TimeoutError()])
def test_facts_that_cannot_be_found(failure: Exception) -> None:
    async def resolver(*_: Any) -> ResourceFacts:
        raise failure

    guarded = Guarded(resolver=resolver)
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert guarded.seen == []


def test_facts_decide() -> None:
    async def resolver(request: Any, match: Any, principal: Any) -> ResourceFacts:
        return ResourceFacts(tags={"team": "red"}, context={"app:Owner": match.params["id"]})

    red = statement("Allow", "app:GetItem", "*", Condition={"StringEquals": {
        "aws:ResourceTag/team": "red", "app:Owner": "${aws:username}"}})
    guarded = Guarded(policies=policies(alice=[red]), resolver=resolver)
    assert call(guarded.app, "GET", "/items/alice", bearer("alice")).status == 200
    assert call(guarded.app, "GET", "/items/bob", bearer("alice")).status == 403


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), KeyboardInterrupt()], ids=["cancelled", "interrupted"])
def test_m12_4_what_is_no_exception_goes_upwards(failure: BaseException) -> None:
    guarded = Guarded(policies=Failing(failure))
    with pytest.raises(type(failure)):
        call(guarded.app, "GET", "/items/1", bearer("alice"))
    assert guarded.seen == []


def test_m12_5_an_authenticator_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(JWTAuthenticator):
        async def authenticate(self, request: Any) -> Any:
            raise KeyError("roles")

    guarded = Guarded(authenticator=Broken.__new__(Broken))
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert guarded.seen == []
    assert len(caplog.records) == 1


def test_keys_that_cannot_be_had_are_503() -> None:
    class NoKeys(JWTAuthenticator):
        async def authenticate(self, request: Any) -> Any:
            raise UnavailableError("the key set was never fetched")

    guarded = Guarded(authenticator=NoKeys.__new__(NoKeys))
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert call(guarded.app, "GET", "/health").status == 200


def test_m13_3_a_second_object_inside_a_stream() -> None:
    guarded = Guarded()

    async def both(request: Request) -> Response:
        async def chunks() -> Any:
            for name in ("1", "secret1"):
                guarded.guard.require("app:GetItem", f"arn:iamg:items:eu:t1:item/{name}")
                yield name

        return StreamingResponse(chunks())

    app = IAMGuardMiddleware(Starlette(routes=[Route("/items", both)]), guard=guarded.guard,
                             authenticator=authenticator(), mapper=RequestMapper(ROUTES))
    messages: list[Any] = []
    with pytest.raises(RuntimeError, match="response already started"):
        asyncio.run(speak(app, http_scope("GET", "/items", bearer("alice")), [], messages.append))
    assert answer_of(messages).body == b"1"
    assert messages[-1].get("more_body")


def test_m15_1_a_cookie_is_no_credential() -> None:
    guarded = Guarded()
    headers = [("Cookie", f"session={TOKENS['alice']}"), ("Origin", "https://evil.example")]
    assert handshake(guarded.app, "/ws/feed", headers)[0].status == 401
    assert guarded.seen == []


def test_m15_2_a_program_with_a_token_is_accepted() -> None:
    _, messages = handshake(Guarded().app, "/ws/feed", bearer("alice"))
    assert messages[0]["type"] == "websocket.accept"


def _bleeding_app() -> Starlette:
    async def asynchronous(request: Request) -> Response:
        names = []
        for _ in range(random.Random(request.url.path).randrange(4)):
            await asyncio.sleep(0)
            names.append(current_principal().name)
        names.append(await run_in_threadpool(lambda: current_principal().name))
        return JSONResponse([current_principal().name, *names])

    def threaded(request: Request) -> Response:
        return JSONResponse([current_principal().name])

    return Starlette(routes=[Route("/items/{id}", asynchronous), Route("/items", threaded),
                             Route("/public/{p:path}", asynchronous)])


def test_m17_1_identities_do_not_mix() -> None:
    guarded = Guarded(app=_bleeding_app())
    people = ["alice", "root", "bob", "anon"]
    asked = [(people[number % 4], f"/items/{number}" if number % 3 else ("/items", f"/public/{number}")[number % 2])
             for number in range(2000)]

    async def one(who: str, target: str) -> tuple[int, set[str]]:
        messages: list[Any] = []
        await speak(guarded.app, http_scope("GET", target, bearer(who)), [], messages.append)
        answer = answer_of(messages)
        return answer.status, set(answer.json()) if answer.status == 200 else set()

    async def all_at_once() -> Any:
        return await asyncio.gather(*(one(*question) for question in asked))

    async def in_order() -> Any:
        return [await one(*question) for question in asked]

    together = asyncio.run(all_at_once())
    assert together == asyncio.run(in_order())
    for (who, target), (status, names) in zip(asked, together, strict=True):
        expected = "anonymous" if target.startswith("/public") else who
        assert names == ({expected} if status == 200 else set())


def test_m17_2_a_task_keeps_its_own_caller() -> None:
    seen: list[str] = []

    async def session() -> None:
        resume = asyncio.Event()
        tasks = []

        async def later() -> None:
            await resume.wait()
            seen.append(current_principal().name)

        async def handler(scope: Any, receive: Any, send: Any) -> None:
            if current_principal().name == "alice":
                tasks.append(asyncio.ensure_future(later()))
            else:
                resume.set()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await PlainTextResponse("done")(scope, receive, send)

        app = Guarded(app=handler).app
        for who in ("alice", "root"):
            await speak(app, http_scope("GET", "/items/1", bearer(who)), [], lambda message: None)
        await asyncio.gather(*tasks)

    asyncio.run(session())
    assert seen == ["alice"]
