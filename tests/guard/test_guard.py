"""Guard: answers, never raises for a denial, and nobody speaks for the principal, the request or the clock."""

from __future__ import annotations

import asyncio
import contextvars
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from iam_guard.audit.sinks import MemorySink
from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.engine.decision import Decision, ReasonType, Verdict
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import AccessDeniedError, ConfigurationError, UnavailableError
from iam_guard.guard import Guard, Question
from iam_guard.http.naming import ResourceNames
from iam_guard.identity.caller import Caller, current_caller
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.parse import parse_policy

ADA = Principal.user("ada")
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def allow(action: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, **({"Condition": condition} if condition else {})}


def guard_of(*statements: dict[str, Any], **more: Any) -> Guard:
    more.setdefault("clock", lambda: NOON)
    return Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": list(statements)})), **more)


class Broken(PolicySet):
    """A policy set whose evaluation fails in a given way."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    def evaluate(self, request: AuthorizationRequest) -> Decision:
        raise self.failure


class Nothing:
    """A source that has no policies."""

    @property
    def current(self) -> PolicySet:
        raise UnavailableError("no policies were loaded yet")


def test_a_denial_is_a_falsy_value() -> None:
    guard = guard_of(allow("docs:GetDocument", "arn:app:docs::000000000000:document/*"))
    assert guard.authorize(ADA, "docs:GetDocument", "docs:document/42")
    denied = guard.authorize(ADA, "docs:DeleteDocument", "docs:document/42")
    assert not denied
    assert denied.verdict is Verdict.IMPLICIT_DENY


def test_enforce_raises_with_the_decision() -> None:
    guard = guard_of(allow("docs:GetDocument"))
    assert guard.enforce(ADA, "docs:GetDocument", "document/42")
    with pytest.raises(AccessDeniedError) as raised:
        guard.enforce(ADA, "docs:DeleteDocument", "document/42")
    assert raised.value.decision.request.resource == "arn:app:docs::000000000000:document/42"


def test_short_names_are_completed_with_the_guards_own_names() -> None:
    guard = guard_of(allow("docs:*", "arn:corp:docs:eu:acme:document/1"),
                     names=ResourceNames("corp", "eu", "acme"))
    assert guard.authorize(Principal.user("ada", account="acme", partition="corp"), "docs:Get", "docs:document/1")
    assert not guard.authorize(ADA, "docs:Get", "arn:app:docs::000000000000:document/1")


@pytest.mark.parametrize("resource", ["docs:document/*", "docs:document/4?", "docs:*"])
def test_a_resource_is_taken_literally(resource: str) -> None:
    guard = guard_of(allow("docs:Get", "arn:app:docs::000000000000:document/42"))
    assert not guard.authorize(ADA, "docs:Get", resource)


def test_each_decision_has_an_id_of_its_own() -> None:
    guard = guard_of(allow("docs:Get"))
    ids = {guard.authorize(ADA, "docs:Get", "*").id for _ in range(100)}
    assert len(ids) == 100
    assert "" not in ids


# Context


def test_the_clock_is_a_context_value() -> None:
    before = guard_of(allow("docs:Get", DateLessThan={"aws:CurrentTime": "2026-03-01T12:00:01Z"}))
    after = guard_of(allow("docs:Get", NumericGreaterThan={"aws:EpochTime": str(int(NOON.timestamp()))}))
    assert before.authorize(ADA, "docs:Get", "*")
    assert not after.authorize(ADA, "docs:Get", "*")


def test_what_the_service_says_is_heard() -> None:
    guard = guard_of(allow("posts:Edit", StringEquals={"posts:OwnerId": "${aws:username}"}))
    assert guard.authorize(ADA, "posts:Edit", "*", context={"posts:OwnerId": "ada"})
    assert not guard.authorize(ADA, "posts:Edit", "*", context={"posts:OwnerId": "bob"})
    assert not guard.authorize(ADA, "posts:Edit", "*")


@pytest.mark.parametrize("key", ["aws:ResourceTag/team", "aws:RequestTag/team", "aws:TagKeys",
                                 "aws:RequestedRegion", "aws:ResourceAccount", "aws:ResourceOrgID"])
def test_keys_of_the_resource_are_heard(key: str) -> None:
    guard = guard_of(allow("docs:Get", **{"ForAnyValue:StringEquals": {key: "red"}}))
    assert guard.authorize(ADA, "docs:Get", "*", context={key: ("red",)})


@pytest.mark.parametrize("key", [
    "aws:PrincipalArn", "aws:username", "aws:userid", "AWS:USERNAME", "aws:PrincipalTag/role", "aws:PrincipalTag/new",
    "aws:PrincipalAccount", "aws:PrincipalIsAWSService", "aws:MultiFactorAuthPresent", "aws:TokenIssueTime",
    "aws:CurrentTime", "aws:EpochTime", "jwt:sub",
])
def test_nobody_speaks_for_the_principal_or_the_clock(key: str) -> None:
    ada = Principal.user("ada", tags={"role": "reader"}, attributes={"jwt:sub": "ada"})
    guard = guard_of(allow("docs:Get", StringLike={key: "admin*"}))
    assert not guard.authorize(ada, "docs:Get", "*", context={key: "admin"})


def test_nobody_speaks_for_the_request() -> None:
    guard = guard_of(allow("docs:Get", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    caller = Caller(ADA, context={"aws:sourceip": "203.0.113.7"})

    def handle() -> None:
        current_caller.set(caller)
        assert not guard.authorize(ADA, "docs:Get", "*", context={"aws:SourceIp": "10.0.0.1"})

    contextvars.copy_context().run(handle)
    assert guard.authorize(ADA, "docs:Get", "*", context={"aws:SourceIp": "10.0.0.1"})


def test_the_requests_context_belongs_to_its_caller_only() -> None:
    guard = guard_of(allow("docs:Get", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))

    def handle() -> None:
        current_caller.set(Caller(ADA, context={"aws:sourceip": "10.0.0.1"}))
        assert guard.authorize(ADA, "docs:Get", "*")
        assert not guard.authorize(Principal.user("ada"), "docs:Get", "*")  # equal, and somebody else's request

    contextvars.copy_context().run(handle)


def test_a_session_that_expired_is_nobodys() -> None:
    guard = guard_of(allow("docs:Get"))
    expired = Principal.user("ada", expires_at=NOON.timestamp())
    living = Principal.user("ada", expires_at=NOON.timestamp() + 1)
    assert guard.authorize(living, "docs:Get", "*")
    assert not guard.authorize(expired, "docs:Get", "*")


# Failing closed (threats M12)


@pytest.mark.parametrize("failure", [RuntimeError("boom"), RecursionError(), MemoryError(), KeyError("x")],
                         ids=["M12.1", "M12.3-recursion", "M12.3-memory", "KeyError"])
def test_an_error_is_a_denial(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    decision = Guard(Broken(failure)).authorize(ADA, "docs:Get", "*")
    assert not decision
    assert decision.reason_type is ReasonType.EVALUATION_ERROR
    assert type(failure).__name__ in decision.error
    assert len(caplog.records) == 1


def test_m12_4_cancellation_goes_upwards() -> None:
    with pytest.raises(asyncio.CancelledError):
        Guard(Broken(asyncio.CancelledError())).authorize(ADA, "docs:Get", "*")


def test_without_policies_everything_is_denied() -> None:
    guard = Guard(Nothing())
    decision = guard.authorize(ADA, "docs:Get", "*")
    assert not decision
    assert "no policies" in decision.error
    assert [bool(one) for one in guard.authorize_many(ADA, [Question("docs:Get", "*")] * 2)] == [False, False]
    with pytest.raises(AccessDeniedError):
        guard.enforce(ADA, "docs:Get", "*")


def test_a_failing_clock_or_context_is_a_denial() -> None:
    def no_time() -> datetime:
        raise OSError("no clock")

    assert not guard_of(allow("docs:Get"), clock=no_time).authorize(ADA, "docs:Get", "*")
    naive = {"docs:When": datetime(2026, 1, 1)}
    assert not guard_of(allow("docs:Get")).authorize(ADA, "docs:Get", "*", context=naive)


def test_the_empty_policy_set_allows_nothing() -> None:
    assert not Guard(PolicySet()).authorize(ADA, "docs:Get", "*")


# Several questions


def test_many_answers_in_order_with_one_state_of_the_policies() -> None:
    first = PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": [allow("docs:Get")]}))

    class Changing:
        reads = 0

        @property
        def current(self) -> PolicySet:
            self.reads += 1
            return first if self.reads == 1 else PolicySet()

    questions = [Question("docs:Get", "document/1"), ("docs:Put", "document/1"), ("docs:Get", "document/2")]
    assert [bool(one) for one in Guard(Changing()).authorize_many(ADA, questions)] == [True, False, True]


def test_mw_52_a_filtered_list_agrees_with_single_questions() -> None:
    guard = guard_of(allow("docs:Get", StringEquals={"docs:Owner": "${aws:username}"}),
                     allow("docs:Get", StringEquals={"aws:ResourceTag/visibility": "public"}))
    rows = [{"id": n, "owner": ("ada", "bob", "cat", "dan")[n % 4], "tag": "public" if n % 10 == 0 else "no"}
            for n in range(100)]

    def context(row: dict[str, Any]) -> dict[str, str]:
        return {"docs:Owner": row["owner"], "aws:ResourceTag/visibility": row["tag"]}

    def resource(row: dict[str, Any]) -> str:
        return f"document/{row['id']}"

    kept = guard.filter_allowed(ADA, "docs:Get", rows, resource=resource, context=context)
    assert kept == [row for row in rows if row["owner"] == "ada" or row["tag"] == "public"]
    assert kept == [row for row in rows if guard.authorize(ADA, "docs:Get", resource(row), context=context(row))]


def test_mw_53_tenants_do_not_meet() -> None:
    document = parse_policy({"Version": "2012-10-17", "Statement": [allow("docs:Get")]})
    guard = Guard(PolicySet(Attachments(everyone=(Policy("editors", document),))))
    of_a = Principal.user("u1", account="aaaa")
    assert guard.authorize(of_a, "docs:Get", "arn:app:docs::aaaa:doc/1")
    assert not guard.authorize(of_a, "docs:Get", "arn:app:docs::bbbb:doc/1")


# The current caller


def test_require_without_a_caller_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="no current caller"):
        guard_of(allow("docs:Get")).require("docs:Get", "*")


def test_require_asks_for_the_current_caller_and_keeps_the_decision() -> None:
    guard, caller = guard_of(allow("docs:Get")), Caller(ADA)

    def handle() -> None:
        current_caller.set(caller)
        assert guard.require("docs:Get", "*")
        with pytest.raises(AccessDeniedError):
            guard.require("docs:Put", "*")

    contextvars.copy_context().run(handle)
    assert [bool(one) for one in caller.decisions] == [True, False]


def test_a_caller_does_not_keep_decisions_without_end() -> None:
    guard, caller = guard_of(allow("docs:Get")), Caller(ADA)

    def handle() -> None:
        current_caller.set(caller)
        for _ in range(1000):
            guard.require("docs:Get", "*")

    contextvars.copy_context().run(handle)
    assert len(caller.decisions) == 100


# Records


def test_every_decision_is_recorded() -> None:
    log = MemorySink()
    guard = guard_of(allow("docs:Get"), log=log)
    decisions = [guard.authorize(ADA, "docs:Get", "document/1"), guard.authorize(ADA, "docs:Put", "document/1")]
    first, second = log.records
    assert [record.id for record in log.records] == [decision.id for decision in decisions]
    assert (first.verdict, second.verdict) == ("allowed", "implicitDeny")
    assert (first.principal, first.action, first.resource, first.time) == (
        ADA.arn, "docs:Get", "arn:app:docs::000000000000:document/1", NOON)


def test_a_failing_log_changes_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def record(self, allowed: bool, make: object) -> None:
            raise OSError("disk full")

    guard = guard_of(allow("docs:Get"), log=Full())
    assert guard.authorize(ADA, "docs:Get", "*")
    assert not guard.authorize(ADA, "docs:Put", "*")
    assert guard.log_failures == 2
    assert "could not be recorded" in caplog.text


def test_a_refusal_without_a_decision_is_recorded_too() -> None:
    log = MemorySink()
    guard = Guard(PolicySet(), log=log, clock=lambda: NOON)
    made = guard.record_refusal("unmapped", "no rule", principal=ADA)
    assert [(record.id, record.verdict, record.principal) for record in log.records] == [(made, "unmapped", ADA.arn)]
