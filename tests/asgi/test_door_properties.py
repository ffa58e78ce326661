"""Properties of threats section 5 at the door: mutated targets, noise in headers, crashes at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from driver import call_scope, http_scope
from fixture_app import NOW, POLICIES, ROUTES, TOKENS, Guarded, authenticator, bearer
from hypothesis import given, settings
from hypothesis import strategies as st

from iam_guard.asgi import NO_FACTS
from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.model import AuthorizationRequest

TARGETS = ("/admin", "/items/secret1", "/items/1", "/items", "/files/pub/x", "/files/other", "/sub/admin", "/num/5",
           "/forgot", "/public/x", "/health", "/tenants/t1/docs/1")


def _at(text: str, place: int, inserted: str) -> str:
    place %= len(text) + 1
    return text[:place] + inserted + text[place:]


def _encoded(text: str, place: int, form: str) -> str:
    place %= len(text)
    return text[:place] + form.format(ord(text[place]) & 0xFF) + text[place + 1:]


INSERTS = ("/", "//", "/.", "/..", "/../", "..;/", ";x", "#x", "?x", "\\", "\n", "\x00", "\t", "\r", "%2e", "%2F",
           "%5c", "%0a", "%00", "%FF", "%C0%AE", "%EF%BC%8F", "%EF%BC%8E", ".", "/public/", "/health", "*", " ")
MUTATIONS = st.one_of(
    st.tuples(st.just(_at), st.integers(0, 40), st.sampled_from(INSERTS)),
    st.tuples(st.just(_encoded), st.integers(0, 40), st.sampled_from(("%{:02x}", "%{:02X}", "%25{:02x}"))),
    st.sampled_from([(lambda text, *_: text.swapcase(), 0, ""), (lambda text, *_: text.replace("/", "\\"), 0, ""),
                     (lambda text, *_: "http://evil.example" + text, 0, ""), (lambda text, *_: text[1:], 0, "")]),
)


def _scope(target: str, who: str) -> dict[str, Any]:
    """The scope that a server makes of raw bytes: decoded once, invalid UTF-8 replaced."""
    raw, _, query = target.partition("?")
    sent = raw.encode("latin-1", "replace")
    return {**http_scope("GET", "/", bearer(who)), "path": unquote_to_bytes(sent).decode("utf-8", "replace"),
            "raw_path": sent, "query_string": quote(query).encode()}


def may_see(who: str, path: str) -> bool:
    """What the fixture's policies grant, written down again."""
    if path == "/health" or path.startswith("/public/"):
        return True
    if who == "alice":
        item = path.removeprefix("/items/")
        return path == "/items" or path.startswith("/files/pub/") or (
            path != item and "/" not in item and not item.startswith("secret"))
    return False


GUARDED = Guarded()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TARGETS), st.lists(MUTATIONS, max_size=4), st.sampled_from(("anon", "alice")))
def test_no_spelling_opens_a_door(target: str, mutations: list[Any], who: str) -> None:
    for mutate, place, piece in mutations:
        if target:
            target = mutate(target, place, piece)
    GUARDED.seen.clear()
    call_scope(GUARDED.app, _scope(target, who))
    for seen in GUARDED.seen:
        assert may_see(who, seen["path"])
        assert ".." not in seen["path"].split("/")
        if not seen["path"].startswith(("/public/", "/health")):
            assert GUARDED.log.records[-1].path == seen["path"]
            assert GUARDED.log.records[-1].verdict == "allowed"


NOISE = st.sampled_from((
    "X-IAM-Principal", "X_IAM_Principal", "x-iam-groups", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-For",
    "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "X-HTTP-Method-Override",
    "X-Middleware-Subrequest", "X-IAM-Guard-Decision", "Connection", "Cookie", "User-Agent", "X-Client-Cert", "Via"))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TARGETS), st.sampled_from(("anon", "alice")),
       st.lists(st.tuples(NOISE, st.sampled_from(("root", "/public/x", "10.0.0.1", "allow", TOKENS["root"]))),
                max_size=4))
def test_noise_in_headers_changes_nothing(target: str, who: str, noise: list[tuple[str, str]]) -> None:
    def ask(headers: list[tuple[str, str]]) -> tuple[int, list[Any]]:
        GUARDED.seen.clear()
        answer = call_scope(GUARDED.app, http_scope("GET", target, [*bearer(who), *headers]))
        return answer.status, [seen["principal"] for seen in GUARDED.seen]

    assert ask(noise) == ask([])


class Fails:
    """A function that raises."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.failure


class FailingPolicies(PolicySet):
    failure: BaseException

    def evaluate(self, request: AuthorizationRequest) -> Decision:
        raise self.failure


class FailingSource:
    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    @property
    def current(self) -> PolicySet:
        raise self.failure


class FailingAuthenticator(JWTAuthenticator):
    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    async def authenticate(self, request: Any) -> Any:
        raise self.failure


class FailingMapper(RequestMapper):
    failure: BaseException

    def match(self, request: Any) -> Any:
        raise self.failure


def _with(cls: type[Any], failure: BaseException, *args: Any) -> Any:
    made = cls(*args)
    made.failure = failure
    return made


async def _resolver_fails(failure: BaseException) -> Any:
    raise failure


STEPS: dict[str, Callable[[BaseException], dict[str, Any]]] = {
    "authenticator": lambda failure: {"authenticator": FailingAuthenticator(failure)},
    "mapper": lambda failure: {"mapper": _with(FailingMapper, failure, ROUTES)},
    "policies": lambda failure: {"policies": FailingSource(failure)},
    "evaluation": lambda failure: {"policies": _with(FailingPolicies, failure)},
    "clock": lambda failure: {"guard": Guard(POLICIES, clock=Fails(failure)), "authenticator": authenticator()},
    "id": lambda failure: {"guard": Guard(POLICIES, clock=lambda: NOW, new_id=Fails(failure))},
    "resolver": lambda failure: {"resolver": lambda *_: _resolver_fails(failure)},
}


@pytest.mark.parametrize("failure", [RuntimeError("x"), TimeoutError(), RecursionError(), asyncio.CancelledError(),
                                     KeyError("x"), SystemExit(1)], ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_is_a_denial(step: str, failure: BaseException) -> None:
    guarded = Guarded(**STEPS[step](failure))
    try:
        status = call_scope(guarded.app, http_scope("GET", "/items/1", bearer("alice"))).status
    except type(failure):
        status = 0
    assert guarded.seen == []
    assert status == (503 if isinstance(failure, Exception) and step != "id" else 0)


def test_facts_that_are_none_are_a_mistake_and_a_denial() -> None:
    async def forgetful(*_: Any) -> Any:
        return None

    async def knows_nothing(*_: Any) -> Any:
        return NO_FACTS

    def ask(resolver: Any) -> int:
        return call_scope(Guarded(resolver=resolver).app, http_scope("GET", "/items/1", bearer("alice"))).status

    assert (ask(forgetful), ask(knows_nothing)) == (503, 200)
