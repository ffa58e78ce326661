"""Programs that ask again: what is remembered of them changes no answer, no count and no record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from authzen_fixture import DOOR, asking
from authzen_pdp import (
    EVALUATION,
    EVALUATIONS,
    EVALUATOR,
    PDP,
    PEP,
    STRANGER,
    DecisionPoint,
    Reply,
    attachments,
    reply_of,
)
from hypothesis import given
from hypothesis import strategies as st
from tokens import NOW, FakeClock, authenticator, claims_of, i1, token

from iam_guard.asgi.admissions import KEPT, KEPT_OF_ONE, Admissions
from iam_guard.asgi.judge import Admission
from iam_guard.audit.sinks import MemorySink
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import InformedCaller, Question
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator
from iam_guard.identity.claims import ClaimMapping
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.token_identity import TokenIdentity
from iam_guard.model import Principal

KEY = "igk_7Q2mX9aBfT3k_" + "s3cret-" * 6
ISSUER = i1(claims=ClaimMapping(account="000000000000"), leeway=0)
TOKENS = {name: token(claims_of(name, jti=name, exp=NOW + life))
          for name, life in ((PEP, 600), (EVALUATOR, 4), (STRANGER, 600))}
CREDENTIALS: dict[str, dict[str, str]] = {
    **{name: {"authorization": f"Bearer {text}"} for name, text in TOKENS.items()},
    "key": {"x_api_key": KEY}, "nobody": {}, "forged": {"authorization": f"Bearer {TOKENS[PEP][:-4]}AAAA"},
    "two": {"authorization": f"Bearer {TOKENS[PEP]}", "x_api_key": KEY},
}
MAY = {"Effect": "Allow", "Action": "iam-guard:*", "Resource": PDP}
UNTIL = datetime.fromtimestamp(NOW + 5, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _policies(revision: str, *statements: Any) -> PolicySet:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    alice = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "record:read", "Resource": "*"}]}
    return PolicySet(attachments({PEP: document, "alice": alice}), revision=revision)


POLICIES = [_policies("may", MAY), _policies("none", {**MAY, "Effect": "Deny"}),
            _policies("until", {**MAY, "Condition": {"DateLessThan": {"aws:CurrentTime": UNTIL}}}),
            _policies("agent", {**MAY, "Condition": {"StringEquals": {"aws:UserAgent": "one"}}})]


class World:
    """Everything that an admission depends on, and that a test can change."""

    def __init__(self) -> None:
        self.current = POLICIES[0]
        self.clock = FakeClock()
        self.revoked: set[str] = set()
        self.keys = {KEY[:16]: ApiKey(KEY[:16], sha256(KEY.encode()).digest(), Principal.user(PEP))}

    def is_revoked(self, identity: TokenIdentity) -> bool:
        return identity.token_id in self.revoked

    def find(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    def accepts(self) -> OneCredential:
        return OneCredential(authenticator(ISSUER, clock=self.clock, is_revoked=self.is_revoked),
                             ApiKeyAuthenticator(self, clock=self.clock))


class Anew:
    """The same authenticator, which does not say that anything could be looked at again."""

    def __init__(self, inner: OneCredential) -> None:
        self.authenticate, self.challenges = inner.authenticate, inner.challenges
        self.start, self.close = inner.start, inner.close


class Point(DecisionPoint):
    """A decision point in a world, with its records."""

    def __init__(self, world: World, way: Any) -> None:
        self.records = MemorySink()
        super().__init__(world, log=self.records, authenticator=way, **DOOR)
        self.guard._clock = lambda: datetime.fromtimestamp(world.clock(), UTC)

    def ask(self, step: tuple[Any, ...], *, at_once: bool = False) -> Reply:
        """Ask; *at_once* as a server does that knows heads by their bytes."""
        _, credential, more, path, body = step
        if at_once:
            sent = more.get("x_request_id", "")
            self.head = (credential, path, len(sent), *sorted(pair for pair in more.items() if pair[1] != sent))
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            told = self.app.at_once(self.head, payload, sent.encode() or None) if len(sent) < 257 else None
            if told is not None:
                return reply_of(*told)
        return self.post(path, body, who="", **CREDENTIALS[credential], **more)

    def wrote(self) -> list[dict[str, Any]]:
        kept = [msgspec.to_builtins(one) for one in self.records.records]
        return [{name: value for name, value in one.items() if name not in ("id", "latency_us")} for one in kept]


def _without_ids(reply: Reply) -> Any:
    """An answer as both give it: every decision has a number of its own."""
    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(one) for name, one in value.items()
                    if name not in ("decision_id", "reason_user", "instance")}
        return [bare(one) for one in value] if isinstance(value, list) else value

    headers = {name: value for name, value in reply.headers.items() if name != "x-iam-guard-decision-id"}
    return reply.status, headers, bare(json.loads(reply.body))


HEADERS = st.sampled_from([{}, {"user_agent": "one"}, {"user_agent": "two"}, {"x_request_id": "r-1"},
                           {"x_request_id": "r-2"}, {"x_request_id": "x" * 300}, {"content_length": "7"},
                           {"content_length": "+7"}, {"content_length": "7", "transfer_encoding": "chunked"},
                           {"transfer_encoding": "chunked"}, {"host": "other.example"}, {"host": "?"},
                           {"content_type": "text/plain"}, {"x_forwarded_for": "10.0.0.1"}])
QUESTION = asking("alice", "read", "record-1")
ASK = st.tuples(st.just("ask"), st.sampled_from(sorted(CREDENTIALS)), HEADERS,
                st.sampled_from([EVALUATION, EVALUATIONS, EVALUATION + "?explain=true", "/access/v1/search/action"]),
                st.sampled_from([QUESTION, asking("bob", "read", "record-1"), {"evaluations": [QUESTION]}, b"{", b""]))
USUAL = st.tuples(st.just("ask"), st.sampled_from([PEP, EVALUATOR, "key"]), st.just({}), st.just(EVALUATION),
                  st.just(QUESTION))
STEPS = st.lists(st.one_of(ASK, USUAL, USUAL, st.tuples(st.just("policies"), st.sampled_from(POLICIES)),
                           st.tuples(st.just("revoke"), st.sampled_from([PEP, EVALUATOR])),
                           st.tuples(st.just("restore"), st.just("")),
                           st.tuples(st.just("remove key"), st.just("")),
                           st.tuples(st.just("clock"), st.sampled_from([0.25, 1.0, 3.0, -1.0]))), max_size=12)


def _change(world: World, step: tuple[Any, ...]) -> None:
    match step:
        case "policies", found:
            world.current = found
        case "revoke", name:
            world.revoked.add(name)
        case "restore", _:
            world.revoked.clear()
        case "remove key", _:
            world.keys.clear()
        case "clock", passed:
            world.clock.now += passed


@given(STEPS)
def test_what_is_remembered_changes_nothing(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    way = world.accepts()
    remembering, at_once, anew = Point(world, way), Point(world, way), Point(world, Anew(way))
    for step in steps:
        if step[0] == "ask":
            expected = _without_ids(anew.ask(step))
            assert _without_ids(remembering.ask(step)) == expected
            assert _without_ids(at_once.ask(step, at_once=True)) == expected
        else:
            _change(world, step)
    assert remembering.wrote() == at_once.wrote() == anew.wrote()
    assert dict(remembering.app.judge.counts) == dict(at_once.app.judge.counts) == dict(anew.app.judge.counts)


class Watched:
    """Counts how often somebody is judged from the start."""

    def __init__(self, inner: OneCredential) -> None:
        self._inner = inner
        self.asked = 0

    async def authenticate(self, request: HTTPRequest) -> Principal | None:
        self.asked += 1
        return await self._inner.authenticate(request)

    def again(self, request: HTTPRequest, principal: Principal) -> Any:
        return self._inner.again(request, principal)

    def challenges(self) -> tuple[str, ...]:
        return self._inner.challenges()

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@pytest.fixture
def watched() -> tuple[World, Watched, Point]:
    world = World()
    way = Watched(world.accepts())
    return world, way, Point(world, way)


def _usual(who: str, **more: str) -> tuple[Any, ...]:
    return "ask", who, more, EVALUATION, QUESTION


@pytest.mark.parametrize("who", [PEP, "key"])
def test_a_program_that_asks_again_is_not_judged_from_the_start(watched: Any, who: str) -> None:
    _, way, point = watched
    for number in range(10):
        assert point.ask(_usual(who, x_request_id=f"r-{number}")).json["decision"] is True
    assert way.asked in (1, 2)  # a second may end in between


def test_a_program_that_may_not_ask_is_judged_each_time(watched: Any) -> None:
    _, way, point = watched
    for _ in range(3):
        assert point.ask(_usual(STRANGER)).status == 403
    assert way.asked == 3


def test_a_token_that_is_revoked_while_it_is_remembered(watched: Any) -> None:
    world, _, point = watched
    assert point.ask(_usual(PEP)).status == 200
    world.revoked.add(PEP)
    assert point.ask(_usual(PEP)).status == 401


def test_a_list_of_revocations_that_cannot_be_read_while_a_token_is_remembered(watched: Any) -> None:
    world, _, point = watched
    assert point.ask(_usual(PEP)).status == 200
    world.revoked = None
    assert point.ask(_usual(PEP)).status == 500


# The memory itself


def _admission(name: str, **request: Any) -> Admission:
    principal = Principal.user(name)
    return Admission(InformedCaller(principal, HTTPRequest(**request), {}, {}), (Question("a:B", "*"),))


class Always:
    """Says that everything may be judged twice."""

    def again(self, request: HTTPRequest, principal: Principal) -> Any:
        return lambda: True


@pytest.fixture
def memory() -> tuple[Admissions, FakeClock]:
    clock = FakeClock()
    return Admissions(Always(), clock), clock  # type: ignore[arg-type]


def test_everything_is_forgotten_after_a_second(memory: tuple[Admissions, FakeClock]) -> None:
    kept, clock = memory
    kept.keep("head", _admission("pep"))
    clock.now += 0.99
    assert kept.find("head") is not None
    clock.now += 0.01
    assert kept.find("head") is None


def test_one_caller_leaves_room_for_others_and_all_of_them_push_nobody_out(memory: Any) -> None:
    kept, _ = memory
    kept.keep("first", _admission("first"))
    for number in range(3 * KEPT):
        kept.keep(("one", number), _admission("one"))
    assert [kept.find(("one", number)) is not None for number in (KEPT_OF_ONE - 1, KEPT_OF_ONE)] == [True, False]
    for number in range(3 * KEPT):
        kept.keep(("many", number), _admission(f"caller-{number}"))
    assert kept.find("first") is not None
    assert sum(kept.find(("many", number)) is not None for number in range(3 * KEPT)) == KEPT - KEPT_OF_ONE - 1


class Body:
    """A body that a signature covers."""


@pytest.mark.parametrize("request_of", [{"body": Body()}, {"tls_chain": ("-----BEGIN CERTIFICATE-----",)}])
def test_what_is_good_for_one_request_or_one_connection_is_not_remembered(memory: Any, request_of: Any) -> None:
    kept, _ = memory
    kept.keep("head", _admission("pep", **request_of))
    assert kept.find("head") is None


def test_what_asked_nothing_is_not_remembered(memory: Any) -> None:
    kept, _ = memory
    kept.keep("head", Admission(_admission("pep").caller))
    assert kept.find("head") is None
