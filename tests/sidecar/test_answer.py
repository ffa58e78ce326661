"""What a proxy is told: the columns of one table of results, and everything that must stay closed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from iam_guard.asgi.judge import Judge
from iam_guard.asgi.rules import Rules
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AuthenticationError, RequestRefusedError, UnavailableError
from iam_guard.guard import Guard
from iam_guard.http.caller_headers import CallerHeaders, with_caller_headers
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.mapper import PUBLIC, RequestMapper
from iam_guard.http.response import DenialStyle
from iam_guard.model import Principal
from iam_guard.policy.parse import parse_policy
from iam_guard.sidecar.answer import Answer, Asker, for_subrequest
from iam_guard.sidecar.original import OriginalRequest

ADA = Principal.user("ada", account="t1")
NAMES = CallerHeaders()
EDGE = with_caller_headers(EdgeSettings(), NAMES)
ROUTES = {"GET /items/{id}": ("app:GetItem", "arn:app:items::t1:item/{id}"), "GET /health": PUBLIC,
          "WS /feed": ("app:GetItem", "arn:app:items::t1:item/feed")}
DOCUMENT = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "app:*", "Resource": "arn:app:items::t1:item/*"},
    {"Effect": "Deny", "Action": "app:*", "Resource": "arn:app:items::t1:item/secret"}]}


class Names:
    """Believes who says a name; for these tests only."""

    async def authenticate(self, request: Any) -> Principal | None:
        sent = request.header("authorization")
        if sent is None:
            return None
        if sent != "Bearer ada":
            code = "invalid_request" if sent == "Bearer" else "invalid_token"
            raise AuthenticationError("The access token is not valid", code=code)
        return ADA

    def challenges(self) -> tuple[str, ...]:
        return ('Bearer realm="items"',)

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Broken:
    """A source of policies that has none, or fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @property
    def current(self) -> PolicySet:
        raise self._error


def asker(source: Any = None, more: Any = None) -> Asker:
    holder = Holder(ADA.arn, (Policy("ada/inline", parse_policy(DOCUMENT)),))
    policies = source or PolicySet(Attachments(holders={ADA.arn: holder}))
    guard = Guard(policies, clock=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    rules = Rules(guard, Names(), RequestMapper(ROUTES), None, 2.0, EDGE, None, False, (), (), DenialStyle())
    return Asker(Judge(rules), NAMES, EDGE, more)


def ask(target: str, *, method: str = "GET", who: str | None = "ada", source: Any = None,
        headers: tuple[tuple[bytes, bytes], ...] = (), websocket: bool = False) -> Answer:
    sent = (*headers, (b"authorization", f"Bearer {who}".strip().encode())) if who is not None else headers
    original = OriginalRequest(method, target.encode(), "http", "items.example", "192.0.2.7", sent,
                               websocket=websocket)
    return asyncio.run(asker(source).ask(original))


TABLE = [
    # target, method, who, status of the answer, status for a sub-request, outcome
    ("/items/1", "GET", "ada", 200, 200, "allow"),
    ("/items/1", "HEAD", "ada", 200, 200, "allow"),
    ("/health", "GET", None, 200, 200, "allow"),
    ("/items/1", "GET", None, 401, 401, "authentication-required"),
    ("/items/1", "GET", "eve", 401, 401, "invalid-token"),
    ("/items/1", "GET", "", 400, 401, "invalid-request"),
    ("/items/secret", "GET", "ada", 403, 403, "access-denied"),
    ("/unknown", "GET", "ada", 403, 403, "unmapped-route"),
    ("/items/1", "DELETE", "ada", 405, 403, "method-not-allowed"),
    ("/items/1", "BREW", "ada", 405, 403, "method-not-allowed"),
    ("/items/..%2fadmin", "GET", "ada", 400, 403, "ambiguous-path"),
    ("/items//1", "GET", "ada", 400, 403, "ambiguous-path"),
    ("/items/%ff", "GET", "ada", 400, 403, "ambiguous-path"),
    ("items", "GET", "ada", 400, 403, "ambiguous-path"),
    ("", "GET", "ada", 400, 403, "ambiguous-path"),
    ("/items/" + "a" * 9000, "GET", "ada", 414, 403, "target-too-long"),
]


@pytest.mark.parametrize(("target", "method", "who", "status", "of_subrequest", "outcome"), TABLE)
def test_results(target: str, method: str, who: str | None, status: int, of_subrequest: int, outcome: str) -> None:
    answer = ask(target, method=method, who=who)
    assert (answer.status, answer.outcome, answer.allowed) == (status, outcome, status == 200)
    told = for_subrequest(answer)
    assert (told.status, told.outcome, told.allowed) == (of_subrequest, outcome, status == 200)
    if told.body:
        assert json.loads(told.body)["status"] == of_subrequest
        assert dict(told.headers)[b"content-length"] == str(len(told.body)).encode()
    assert dict(told.headers)[b"cache-control"] == b"no-store"


def test_a_handshake_is_a_request_of_its_own() -> None:
    assert ask("/feed", websocket=True).allowed
    assert not ask("/feed").allowed
    assert not ask("/items/1", websocket=True).allowed


def test_an_admission_tells_the_upstream_who_was_let_in() -> None:
    told = dict(ask("/items/1").headers)
    assert told[b"x-guard-principal"] == b"arn:app:iam::t1:user/ada"
    assert told[b"x-guard-account"] == b"t1"
    assert told[b"x-guard-decision-id"] != b""


def test_a_public_route_has_every_header_and_nobody_in_it() -> None:
    told = dict(ask("/health", who=None).headers)
    assert {name: told[name.lower().encode()] for name in NAMES.names} == dict.fromkeys(NAMES.names, b"")


def test_a_name_that_no_header_may_hold_is_encoded() -> None:
    caller = Principal.user("ada", account="t\u00e9\r\nX-Admin: 1")
    told = dict(NAMES.for_caller(caller, "d"))
    assert told[b"x-guard-account"] == b"t%C3%A9%0D%0AX-Admin: 1"


@pytest.mark.parametrize("name", [b"X-Guard_Principal", b"x-guard-role", b"X_IAM_Role", b"X.Guard.Role", b"x~iam!role",
                                  b"X-HTTP-Method-Override", b"x-original-uri"])
def test_copies_of_a_client_are_named_for_removal(name: bytes) -> None:
    assert ask("/items/1", headers=((name, b"root"),)).remove == (name.decode(),)


def test_what_a_client_may_say_and_what_is_set_anew_stays() -> None:
    sent = ((b"x-request-id", b"1"), (b"X-Guard-Principal", b"arn:app:iam::t1:root"))
    answer = ask("/items/1", headers=sent)
    assert answer.remove == ()
    assert dict(answer.headers)[b"x-guard-principal"] == b"arn:app:iam::t1:user/ada"


@pytest.mark.parametrize("error", [UnavailableError("there are no policies yet"), RuntimeError("broken"),
                                   MemoryError()])
def test_a_guard_that_cannot_decide_stays_closed(error: Exception) -> None:
    answer = ask("/items/1", source=Broken(error))
    assert (answer.status, answer.allowed, answer.outcome) == (503, False, "policy-unavailable")
    assert for_subrequest(answer).status == 503
    assert dict(answer.headers)[b"retry-after"] == b"5"


def test_further_headers_are_set_and_copies_of_them_removed() -> None:
    def more(caller: Any, original: OriginalRequest) -> Any:
        return ((b"x-iam-told", f"{caller.principal.arn} {original.host}".encode()),)

    sent = (b"authorization", b"Bearer ada"), (b"x-iam-told", b"root"), (b"X_Iam_Told", b"root")
    original = OriginalRequest("GET", b"/items/1", "http", "items.example", "192.0.2.7", sent)
    answer = asyncio.run(asker(more=more).ask(original))
    assert dict(answer.headers)[b"x-iam-told"] == f"{ADA.arn} items.example".encode()
    assert answer.remove == ("X_Iam_Told",)
    denied = asyncio.run(asker(more=more).ask(OriginalRequest("GET", b"/items/1", "http", "h", "192.0.2.7")))
    assert (denied.status, b"x-iam-told" in dict(denied.headers)) == (401, False)


def test_further_headers_that_cannot_be_made_close_the_door() -> None:
    def more(caller: Any, original: OriginalRequest) -> Any:
        raise UnavailableError("no key")

    original = OriginalRequest("GET", b"/health", "http", "items.example", "192.0.2.7")
    answer = asyncio.run(asker(more=more).ask(original))
    assert (answer.status, answer.allowed, answer.headers.count((b"cache-control", b"no-store"))) == (503, False, 1)


def test_a_judge_that_fails_stays_closed() -> None:
    class Failing:
        async def judge(self, scope: Any, receive: Any) -> Any:
            raise RuntimeError("broken")

    original = OriginalRequest("GET", b"/items/1", "http", "items.example", "192.0.2.7")
    answer = asyncio.run(Asker(Failing(), NAMES, EDGE).ask(original))
    assert (answer.status, answer.allowed) == (503, False)


def test_a_target_is_cut_before_it_is_decoded() -> None:
    scope = OriginalRequest("GET", b"/public%3f/../admin?x=%3f", "http", "h", "192.0.2.7").scope()
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/public?/../admin", b"/public%3f/../admin", b"x=%3f")
    assert ask("/public%3f/../admin").status == 400


def test_a_call_that_says_nothing_is_denied_recorded_and_named() -> None:
    answer = asker().refuse(RequestRefusedError("The original URI is missing.", status=403, code="invalid-request"))
    assert (answer.status, answer.allowed, answer.outcome) == (403, False, "invalid-request")
    assert json.loads(answer.body)["decision_id"]
