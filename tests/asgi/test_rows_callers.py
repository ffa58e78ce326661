"""E10, E19, E23, C05: text of a request inside names, whose rights count, and failures that are not remembered."""

from __future__ import annotations

from typing import Any

import pytest
from driver import call
from fixture_app import ALICE, NOW, Guarded, bearer, policies, statement, token

from iam_guard.asgi.facts import NO_FACTS, ResourceFacts
from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.policy.parse import parse_policy

DOCS = statement("Allow", "app:GetDoc", "arn:iamg:docs:eu:t1:*")
ONE = statement("Allow", "app:GetItem", "arn:iamg:items:eu:t1:item/1")
ANY = statement("Allow", "app:GetItem", "arn:iamg:items:eu:t1:item/*")
OWN = statement("Allow", "app:GetItem", "arn:iamg:items:eu:t1:item/alice")
SHORT = statement("Allow", "app:GetItem", "arn:iamg:items:eu:t1:item/a")


def get(target: str, *statements: dict[str, Any]) -> tuple[int, list[str]]:
    """Status, and the resources that were decided on, for alice with these statements."""
    guarded = Guarded(policies=policies(alice=list(statements)))
    status = call(guarded.app, "GET", target, bearer("alice")).status
    return status, [record.resource for record in guarded.log.records if record.resource]


def test_e10_1_a_colon_moves_no_field() -> None:
    assert get("/tenants/t1/docs/1", DOCS) == (200, ["arn:iamg:docs:eu:t1:doc/1"])
    assert get("/tenants/t1:x/docs/1", DOCS) == (400, [])


def test_e10_2_a_star_is_a_name() -> None:
    assert get("/items/1", ONE)[0] == 200
    assert get("/items/*", ONE) == (403, ["arn:iamg:items:eu:t1:item/*"])


def test_e10_3_a_variable_is_a_name() -> None:
    told = "arn:iamg:items:eu:t1:item/${iamg:username}"
    assert get("/items/%24%7Biamg:username%7D", ANY) == (200, [told])
    assert get("/items/%24%7Biamg:username%7D", OWN) == (403, [told])
    assert get("/items/%24%7Baws:username%7D", OWN)[0] == 403


def test_e10_4_an_encoded_colon_stays_in_its_field() -> None:
    told = "arn:iamg:items:eu:t1:item/a:b"
    assert get("/items/a%3Ab", ANY) == (200, [told])
    assert get("/items/a%3Ab", SHORT) == (403, [told])


def test_e19_1_groups_that_name_each_other_grant_nothing() -> None:
    # A group has no groups: each is looked up once, whatever stands in the token, and however often.
    names = [f"arn:iamg:iam::t1:group/{name}" for name in ("a", "b", "a")]
    arn = "arn:iamg:iam::t1:user/alice"
    empty = Policy("none", parse_policy({"Version": "2012-10-17", "Statement": [
        statement("Allow", "app:Nothing", "*")]}))
    held = PolicySet(Attachments(holders={arn: Holder(arn, (), groups=tuple(names))},
                                 groups={names[0]: (empty,), names[1]: (empty,)}))
    guarded = Guarded(policies=held)
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 403
    assert [record.verdict for record in guarded.log.records] == ["implicitDeny"]


def test_e23_1_a_service_that_acts_for_somebody_has_no_rights_of_its_own() -> None:
    service = [statement("Allow", "app:*", "*")]
    guarded = Guarded(policies=policies(alice=ALICE, orders=service))
    alone = [("Authorization", f"Bearer {token('orders')}")]
    assert call(guarded.app, "GET", "/items/secret1", alone).status == 200
    for_alice = [("Authorization", f"Bearer {token('alice', act={'sub': 'orders'})}")]
    assert call(guarded.app, "GET", "/items/1", for_alice).status == 200
    assert call(guarded.app, "GET", "/items/secret1", for_alice).status == 403
    assert guarded.log.records[-1].verdict == "explicitDeny"


@pytest.mark.parametrize("failure", [TimeoutError("the groups did not come"), OSError("no connection")])
def test_c05_1_a_failure_is_no_answer_that_is_kept(failure: Exception) -> None:
    asked: list[Exception | None] = [failure, None]

    async def look_up(request: Any, match: Any, principal: Any) -> ResourceFacts:
        if (error := asked.pop(0)) is not None:
            raise error
        return NO_FACTS

    guarded = Guarded(guard=Guard(policies(alice=ALICE), clock=lambda: NOW), resolver=look_up)
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 200
    assert asked == []
