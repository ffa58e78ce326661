"""What the resolver knows about resources: asked once for each pair, and known to later checks of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cases import door, echo, everyone, with_token
from driver import call
from fixture_app import NOW, statement

from iam_guard.asgi.facts import NO_FACTS, ResourceFacts
from iam_guard.guard import Guard
from iam_guard.http.mapper import Route
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.parse import parse_policy

PREFIX = "arn:app:app::000000000000:"
COPY = [Route("POST", "/copy/{source}/{target}", "app:Put", "doc/{target}",
              also=(("app:Get", "doc/{source}"), ("app:Audit", "doc/{source}"), ("app:Create", "*")))]
OWN = statement("Allow", ["app:Get", "app:Put", "app:Audit"], "*",
                Condition={"StringEquals": {"app:Owner": "${aws:username}"}})
OWNERS = {"mine": "alice", "theirs": "bob"}


def owners(asked: list[tuple[str, str]]) -> Callable[..., Awaitable[ResourceFacts]]:
    async def resolver(request: Any, match: Any, principal: Any) -> ResourceFacts:
        asked.append((match.action, match.resource.removeprefix(PREFIX)))
        owner = OWNERS.get(match.resource.rpartition("/")[2])
        return ResourceFacts(context={"app:Owner": owner}) if owner else NO_FACTS
    return resolver


@pytest.mark.parametrize(("path", "status"), [
    ("/copy/mine/mine", 200), ("/copy/theirs/mine", 403), ("/copy/mine/theirs", 403), ("/copy/mine/new", 403)])
def test_every_pair_has_facts_of_its_own(path: str, status: int) -> None:
    asked: list[tuple[str, str]] = []
    guarded = door(echo, OWN, statement("Allow", "app:Create", "*"), routes=COPY, resolver=owners(asked))
    assert call(guarded, "POST", path, with_token()).status == status
    _, _, source, target = path.split("/")
    assert asked == [("app:Put", f"doc/{target}"), ("app:Get", f"doc/{source}"), ("app:Audit", f"doc/{source}"),
                     ("app:Create", "*")]


def test_a_pair_that_stands_twice_is_asked_once() -> None:
    asked: list[tuple[str, str]] = []
    twice = [Route("GET", "/d/{a}/{b}", "app:Get", "doc/{a}", also=(("app:Get", "doc/{b}"),))]
    guarded = door(echo, OWN, routes=twice, resolver=owners(asked))
    assert call(guarded, "GET", "/d/mine/mine", with_token()).status == 200
    assert asked == [("app:Get", "doc/mine")]


ONE = {"GET /d/{id}": ("app:Get", "doc/{id}")}


def asking(guard: Guard, check: Callable[[], Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        check()
        await echo(scope, receive, send)
    return app


def status_of(check: Callable[[Guard], Any], *statements: dict[str, Any], facts: ResourceFacts | None = None,
              path: str = "/d/mine") -> tuple[int, int]:
    """The status when a handler makes a check of its own, and how often the resolver was asked."""
    asked: list[Any] = []

    async def resolver(request: Any, match: Any, principal: Any) -> ResourceFacts:
        asked.append(match.resource)
        return facts or ResourceFacts(context={"app:Owner": OWNERS[match.params["id"]]}, tags={"state": "open"})

    guard = Guard(everyone(statement("Allow", "app:Get", "*"), *statements), clock=lambda: NOW)
    app = asking(guard, lambda: check(guard))
    return call(door(app, guard=guard, routes=ONE, resolver=resolver), "GET", path, with_token()).status, len(asked)


def decorated(guard: Guard, resource: str = "doc/mine") -> Any:
    return guard.requires("app:Put", resource=resource)(lambda: None)()


@pytest.mark.parametrize("check", [lambda guard: guard.require("app:Put", "doc/mine"),
                                   lambda guard: guard.require("App:put", PREFIX + "doc/mine"), decorated])
def test_later_checks_of_the_resource_know_its_facts(check: Callable[[Guard], Any]) -> None:
    needs = statement("Allow", "app:Put", "*", Condition={"StringEquals": {
        "app:Owner": "${aws:username}", "aws:ResourceTag/state": "open"}})
    assert status_of(check, needs) == (200, 1)


def test_other_resources_are_unknown() -> None:
    assert status_of(lambda guard: guard.require("app:Put", "doc/other"), OWN) == (403, 1)
    assert status_of(lambda guard: decorated(guard, "doc/other"), OWN) == (403, 1)


def test_what_a_handler_says_itself_counts_more() -> None:
    assert status_of(lambda guard: guard.require("app:Put", "doc/mine", context={"APP:owner": "bob"}), OWN) == (403, 1)
    assert status_of(lambda guard: guard.require("app:Put", "doc/theirs", context={"app:OWNER": "alice"}), OWN,
                     path="/d/theirs") == (200, 1)


def test_the_resource_policy_and_its_owner_are_known_later() -> None:
    policy = parse_policy({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "app:Put", "Resource": "*"}]}, kind=PolicyKind.RESOURCE)
    assert status_of(lambda guard: guard.require("app:Put", "doc/mine"), statement("Allow", "app:Put", "*"),
                     facts=ResourceFacts(policy=policy)) == (403, 1)
    assert status_of(lambda guard: guard.require("app:Put", "doc/mine"), statement("Allow", "app:Put", "*")) == (200, 1)
    elsewhere = parse_policy({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "app:Get", "Resource": "*"}]}, kind=PolicyKind.RESOURCE)
    assert status_of(lambda guard: guard.require("app:Put", "doc/mine"), statement("Allow", "app:Put", "*"),
                     facts=ResourceFacts(policy=elsewhere, account="999999999999")) == (403, 1)


def test_facts_of_no_resource_stay_with_their_action() -> None:
    async def resolver(request: Any, match: Any, principal: Any) -> ResourceFacts:
        return ResourceFacts(context={"app:Owner": "alice"})

    guard = Guard(everyone(OWN, statement("Allow", "app:List", "*")), clock=lambda: NOW)

    def run(action: str) -> int:
        return call(door(asking(guard, lambda: guard.require(action, "*")), guard=guard, resolver=resolver,
                         routes={"GET /d": ("app:Get", "*")}), "GET", "/d", with_token()).status

    assert (run("app:Get"), run("app:Put")) == (200, 403)


def test_facts_do_not_outlive_their_request() -> None:
    guard = Guard(everyone(OWN, statement("Allow", "app:Look", "*")), clock=lambda: NOW)
    asked: list[tuple[str, str]] = []
    routes = {"GET /d/{id}": ("app:Get", "doc/{id}"), "GET /look": ("app:Look", "doc/look")}
    guarded = door(asking(guard, lambda: guard.require("app:Put", "doc/mine")), guard=guard, routes=routes,
                   resolver=owners(asked))
    assert call(guarded, "GET", "/d/mine", with_token()).status == 200
    assert call(guarded, "GET", "/look", with_token()).status == 403


@pytest.mark.parametrize("wrong", [None, {}, "owner"])
def test_what_is_no_facts_is_no_answer(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def resolver(*_: Any) -> Any:
        return wrong

    assert call(door(echo, resolver=resolver), "GET", "/x", with_token()).status == 503
    assert "return NO_FACTS" in caplog.text
