"""Own permissions: about oneself alone, and kept by browsers no longer than they are true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from authzen_pdp import NOW, PDP, PEP, STRANGER, DecisionPoint, Reply, attachments

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import UnavailableError

DOC = "arn:app:docs::000000000000:document/"
SELF = {"Effect": "Allow", "Action": "iam-guard:ReadOwnPermissions", "Resource": PDP}
ANN = {"Version": "2012-10-17", "Statement": [
    SELF, {"Effect": "Allow", "Action": "docs:Read", "Resource": DOC + "*"},
    {"Effect": "Deny", "Action": "docs:*", "Resource": DOC + "secret"},
    {"Effect": "Allow", "Action": "docs:Print", "Resource": "*",
     "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1"}}},
    {"Effect": "Allow", "Action": "docs:Write", "Resource": "*",
     "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-01T18:04:00Z"}}}]}
BEA = {"Version": "2012-10-17", "Statement": [SELF]}


def point(revision: str = "r1", source: Any = None, **door: Any) -> DecisionPoint:
    return DecisionPoint(source or PolicySet(attachments({"ann": ANN, "bea": BEA}), revision=revision), **door)


READ, SECRET, PRINT, WRITE = (("docs:Read", "docs:document/1"), ("docs:Read", DOC + "secret"),
                              ("docs:Print", "docs:document/1"), ("docs:Write", "docs:document/1"))


def query(*asked: tuple[str, str]) -> str:
    return "/permissions?" + "&".join(f"ask={action}%20{resource}" for action, resource in asked)


def allowed(reply: Reply) -> list[bool]:
    assert reply.status == 200
    return [one["allowed"] for one in reply.json["permissions"]]


def body(*asked: tuple[str, str]) -> dict[str, Any]:
    return {"permissions": [{"action": action, "resource": resource} for action, resource in asked]}


def test_both_ways_of_asking_say_the_same() -> None:
    asked = (READ, SECRET, PRINT, WRITE)
    told = point().post("/permissions", body(*asked), who="ann")
    assert told.json == point().get(query(*asked), who="ann").json
    assert allowed(told) == [True, False, True, True]
    assert [(one["action"], one["resource"]) for one in told.json["permissions"]] == list(asked)
    assert allowed(point().post("/permissions", body(*asked), who="bea")) == [False] * 4


def test_nobody_asks_about_others() -> None:
    for more in ({"subject": {"type": "user", "id": "ann"}}, {"principal": "ann"},
                 {"context": {"aws:username": "ann"}}):
        assert allowed(point().post("/permissions", {**body(READ), **more}, who="bea")) == [False]


def test_policies_say_who_may_ask() -> None:
    assert point().post("/permissions", body(READ), who=STRANGER).status == 403
    assert point().post("/permissions", body(READ), who="").status == 401
    assert point().get(query(READ), who="").status == 401
    assert point().post("/permissions", body(READ), who=PEP).status == 200
    assert point().post("/access/v1/evaluation", body(READ), who="ann").status == 403


def test_a_browser_keeps_it_for_itself_and_not_for_long() -> None:
    for reply in (point().get(query(READ), who="ann"), point().post("/permissions", body(READ), who="ann")):
        assert reply.headers["cache-control"] == "private, max-age=5"
        assert reply.headers["vary"] == "authorization"
        assert reply.headers["etag"].startswith('"')
    told = point(permissions_max_age=0).get(query(READ), who="ann")
    assert told.headers["cache-control"] == "private, no-cache"
    assert point().get(query(READ), who="").headers["cache-control"] == "no-store"


def tag(where: DecisionPoint, who: str = "ann", *asked: tuple[str, str]) -> str:
    return where.get(query(*(asked or (WRITE,))), who=who).headers["etag"]


def test_the_tag_is_of_whom_what_and_by_which_policies() -> None:
    here = point()
    assert tag(here) == tag(point())
    tags = {tag(here), tag(here, "bea"), tag(here, "ann", READ), tag(here, "ann", WRITE, READ), tag(point("r2"))}
    assert len(tags) == 5


def test_who_has_the_answer_already_gets_none() -> None:
    here = point()
    known = tag(here)
    for sent in (known, f"W/{known}", f'"x", {known}'):
        reply = here.get(query(WRITE), who="ann", if_none_match=sent)
        assert (reply.status, reply.body) == (304, b"")
        assert reply.headers["etag"] == known
    assert here.get(query(WRITE), who="ann", if_none_match='"x"').status == 200
    assert here.get(query(WRITE), who="bea", if_none_match=known).status == 200
    assert here.post("/permissions", body(WRITE), who="ann", if_none_match=known).status == 200


def test_what_time_ends_is_not_the_same_answer() -> None:
    here = point()
    known = tag(here)
    here.now = NOW + timedelta(minutes=2)
    reply = here.get(query(WRITE), who="ann", if_none_match=known)
    assert allowed(reply) == [False]


@pytest.mark.parametrize("wrong", [
    {}, {"permissions": {}}, {"permissions": []}, {"permissions": [1]}, {"permissions": [{"action": "docs:Read"}]},
    {"permissions": [{"action": "docs:*", "resource": "*"}]}, {"permissions": [{"action": "Read", "resource": "x"}]},
    {"permissions": [{"action": "docs:Read", "resource": ""}]},
    {"permissions": [{"action": "docs:Read", "resource": 1}]},
    {"permissions": [{"action": "docs:Read", "resource": "x" * 2049}]},
    {"permissions": [{"action": "docs:Read", "resource": "x"}] * 1001},
])
def test_what_is_no_question(wrong: dict[str, Any]) -> None:
    assert point().post("/permissions", wrong, who="ann").status == 400


@pytest.mark.parametrize("target", ["/permissions", "/permissions?ask=docs:Read", "/permissions?ask=",
                                    "/permissions?x=y", "/permissions?ask=docs:Read%20a&ask=b"])
def test_what_is_no_query(target: str) -> None:
    assert point().get(target, who="ann").status == 400


class Vanishing:
    """Policies that are too old after the first look."""

    def __init__(self) -> None:
        self.found = [PolicySet(attachments({"ann": ANN}), revision="r1")]

    @property
    def current(self) -> PolicySet:
        if self.found:
            return self.found.pop()
        raise UnavailableError("too old")


def test_what_cannot_be_decided_is_no_permission() -> None:
    reply = point(source=Vanishing()).get(query(READ), who="ann")
    assert reply.status == 500
    assert "permissions" not in reply.json
