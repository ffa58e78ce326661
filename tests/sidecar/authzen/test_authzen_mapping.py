"""From the words of the Authorization API to ARNs and condition keys: literal, and the guard's own knowledge first."""

from __future__ import annotations

from typing import Any

import pytest
from authzen_fixture import DOOR, asking, fixture
from authzen_pdp import EVALUATION, DecisionPoint, attachments, user

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError
from iam_guard.http.naming import ResourceNames
from iam_guard.model import Principal
from iam_guard.sidecar.authzen.settings import AuthzenDoor
from iam_guard.sidecar.authzen.vocabulary import Vocabulary, tags

BASE = "https://pdp.example.com"


def allow(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    if condition:
        statement["Condition"] = {operator: dict([pair]) for operator, pair in condition.items()}
    return {"Version": "2012-10-17", "Statement": [statement]}


def decides(policy: dict[str, Any], body: dict[str, Any], known_tags: dict[str, str] | None = None,
            **door: Any) -> bool:
    source = PolicySet(attachments({"ann": policy}, {"ann": known_tags or {}}))
    decision = DecisionPoint(source, **{**DOOR, "known": {}, **door}).post(EVALUATION, body).json["decision"]
    assert isinstance(decision, bool)
    return decision


ANY = "arn:app:records:::record/*"


@pytest.mark.parametrize(("value", "texts"), [
    (True, "true"), (False, "false"), (3, "3"), (-0.5, "-0.5"), ("x", "x"), (1e21, "1000000000000000000000"),
])
def test_scalars_become_texts_as_conditions_read_them(value: Any, texts: str) -> None:
    body = asking("ann", "read", "1", context={"x": value})
    assert decides(allow("record:read", ANY, StringEquals=("request:x", texts)), body)
    assert not decides(allow("record:read", ANY, StringEquals=("request:x", texts + "!")), body)


def test_shapes() -> None:
    shaped = {"a": {"b": {"c": 1}, "d": None}, "e": [1, True, "x"], "f": [], "g": {}, "h": [{"z": 1, "y": 2}, [1]]}
    assert tags("t/", shaped) == {"t/a.b.c": "1", "t/e": ("1", "true", "x"), "t/f": (),
                                  "t/h": ('{"y":2,"z":1}', "[1]")}


@pytest.mark.parametrize("members", [{"Role": "a", "role": "b"}, {"a": {"b": 1}, "a.b": 2}])
@pytest.mark.parametrize("place", ["subject", "resource", "action", "context"])
def test_what_could_be_read_in_two_ways_is_refused(place: str, members: dict[str, Any]) -> None:
    body = asking("ann", "read", "1")
    body[place] = members if place == "context" else {**body[place], "properties": members}
    assert fixture().post(EVALUATION, body).status == 400


def test_null_is_absent() -> None:
    body = asking("ann", "read", "1", context={"x": None})
    assert decides(allow("record:read", ANY, Null=("request:x", "true")), body)
    assert not decides(allow("record:read", ANY, Null=("request:x", "false")), body)


def test_arrays_are_sets() -> None:
    policy = allow("record:read", ANY, **{"ForAllValues:StringEquals": ("request:x", ["a", "b"])})
    assert decides(policy, asking("ann", "read", "1", context={"x": ["a", "b", "a"]}))
    assert not decides(policy, asking("ann", "read", "1", context={"x": ["a", "c"]}))


@pytest.mark.parametrize("id_", ["*", "?", "a*", "record-?", "${aws:username}"])
def test_ids_are_no_patterns(id_: str) -> None:
    assert not decides(allow("record:read", "arn:app:records:::record/ann"), asking("ann", "read", id_))
    assert decides(allow("record:read", ANY), asking("ann", "read", id_))
    assert not decides(allow("record:read", ANY), asking(id_, "read", "1"))


@pytest.mark.parametrize("name", ["*", "re?d", "read ", "record:*", "record:", ":read", "a:b:c", "läs", "x" * 300])
def test_actions_are_no_patterns(name: str) -> None:
    assert not decides(allow("*", "*"), asking("ann", name, "1"))


@pytest.mark.parametrize("type_", ["*", "record/1", "rec:ord", "record\n", "", "a b"])
def test_types_are_no_patterns(type_: str) -> None:
    body = asking("ann", "read", "1") | {"resource": {"type": type_, "id": "1"}}
    reply = DecisionPoint(PolicySet(attachments({"ann": allow("*", "*")}))).post(EVALUATION, body)
    assert (reply.status == 400) if not type_ else (reply.json["decision"] is False)


def test_a_full_arn_is_a_subject_as_it_stands() -> None:
    policy = allow("record:read", ANY)
    assert decides(policy, asking(user("ann"), "read", "1"))
    assert not decides(policy, asking(user("bea"), "read", "1"))
    for nobody in ("arn:", "arn:app:s3:::bucket", "arn:app:iam::1:group/x", "arn:app:iam::000000000000:user"):
        assert not decides(policy, asking(nobody, "read", "1"))


def test_full_actions_are_taken_as_they_stand() -> None:
    assert decides(allow("other:Look", ANY), asking("ann", "other:Look", "1"))
    assert not decides(allow("record:Look", ANY), asking("ann", "other:Look", "1"))


def test_actions_that_policies_call_otherwise() -> None:
    renamed = {"can_read": "Read", "look": "other:Look"}
    assert decides(allow("record:Read", ANY), asking("ann", "can_read", "1"), renamed=renamed)
    assert decides(allow("other:Look", ANY), asking("ann", "look", "1"), renamed=renamed)
    assert not decides(allow("record:look", ANY), asking("ann", "look", "1"), renamed=renamed)


def test_default_names() -> None:
    words = Vocabulary(AuthzenDoor(base=BASE), ResourceNames(account="t1"))
    assert words.resource("photo", "a/b:c") == "arn:app:photo::t1:photo/a/b:c"
    assert words.action("View", "photo") == "photo:View"
    assert words.principal("user", "Ann Ö") == Principal.user("Ann Ö", account="t1")
    assert words.principal("role", "ops") == Principal.from_arn("arn:app:iam::t1:role/ops")
    assert words.principal("robot", "r2") is None


def test_services_of_types() -> None:
    words = Vocabulary(AuthzenDoor(base=BASE, services={"record": "records"}), ResourceNames())
    assert words.action("read", "record") == "records:read"
    assert words.resource("record", "1") == "arn:app:records::000000000000:record/1"


@pytest.mark.parametrize("id_", ["ann", "Ann Ö", "a/b", "%41", "arn:app:iam::000000000000:user/x", "a%2Fb"])
def test_ids_of_subjects_are_found_again(id_: str) -> None:
    words = Vocabulary(AuthzenDoor(base=BASE), ResourceNames())
    who = words.principal("user", id_)
    assert who is not None
    assert words.principal("user", words.subject_id("user", who.arn)) == who


# Whose word counts

ROLE = allow("record:read", ANY, StringEquals=("aws:PrincipalTag/role", "admin"))
STATUS = allow("record:read", ANY, StringEquals=("aws:ResourceTag/status", "open"))


def said(who: str, **properties: Any) -> dict[str, Any]:
    body = asking("ann", "read", "1")
    return {**body, who: {**body[who], "properties": properties}}


def test_own_tags_of_subjects_count_more() -> None:
    assert decides(ROLE, said("subject", role="admin"))
    assert not decides(ROLE, said("subject", role="admin"), {"role": "clerk"})
    assert not decides(ROLE, said("subject", ROLE="admin"), {"Role": "clerk"})
    assert decides(ROLE, said("subject", role="clerk"), {"role": "admin"})
    assert decides(ROLE, said("subject", role="admin"), {"role": "clerk"}, believe_properties=True)
    assert decides(ROLE, said("subject", team="x"), {"role": "admin"})


def test_own_tags_of_resources_count_more() -> None:
    known = {"record": {"1": {"status": "closed"}}}
    assert decides(STATUS, said("resource", status="open"))
    assert not decides(STATUS, said("resource", status="open"), known=known)
    assert not decides(STATUS, said("resource", Status="open"), known=known)
    assert decides(STATUS, said("resource", status="open"), known=known, believe_properties=True)
    assert decides(STATUS, asking("ann", "read", "1"), known={"record": {"1": {"status": "open"}}})


@pytest.mark.parametrize("name", ["impersonate", "aws:username", "aws:PrincipalArn", "sub", "account"])
def test_properties_make_nobody_else_of_a_subject(name: str) -> None:
    """Row J25.2 of the threats: what is said of a subject are tags and nothing else."""
    body = said("subject", **{name: "root"})
    policy = allow("record:read", ANY, StringEquals=("aws:username", "root"))
    assert not decides(policy, body)
    assert decides(allow("record:read", ANY, StringEquals=("aws:username", "ann")), body)


@pytest.mark.parametrize("name", ["aws:username", "aws:CurrentTime", "aws:PrincipalTag/role", "aws:SourceIp"])
def test_context_makes_no_global_keys_by_itself(name: str) -> None:
    policy = allow("record:read", ANY, StringEquals=(name, "x"))
    assert not decides(policy, asking("ann", "read", "1", context={name: "x"}))
    assert decides(allow("record:read", ANY, StringEquals=(f"request:{name}", "x")),
                   asking("ann", "read", "1", context={name: "x"}))


def test_context_makes_those_global_keys_that_are_named() -> None:
    policy = allow("record:read", ANY, IpAddress=("aws:SourceIp", "192.0.2.0/24"))
    body = asking("ann", "read", "1", context={"ip": "192.0.2.1"})
    assert decides(policy, body, context={"ip": "aws:SourceIp"})
    assert not decides(policy, body)
    assert not decides(policy, asking("ann", "read", "1", context={"ip": "198.51.100.1"}),
                       context={"ip": "aws:SourceIp"})


@pytest.mark.parametrize(("before", "decision"), [("2026-03-01T18:04:00Z", True), ("2026-03-01T18:02:00Z", False)])
def test_the_time_is_that_of_the_guard(before: str, decision: bool) -> None:
    policy = allow("record:read", ANY, DateLessThan=("aws:CurrentTime", before))
    body = asking("ann", "read", "1", context={"time": "1990-01-01T00:00:00Z", "aws:CurrentTime": "1990-01-01"})
    assert decides(policy, body) is decision


def test_a_value_that_is_no_date_is_no_error() -> None:
    policy = allow("record:read", ANY, DateLessThan=("request:time", "2030-01-01T00:00:00Z"))
    assert not decides(policy, asking("ann", "read", "1", context={"time": "yesterday"}))
    assert decides(policy, asking("ann", "read", "1", context={"time": "2026-03-01T18:03:00Z"}))


# Settings that are refused

@pytest.mark.parametrize(("door", "pointer"), [
    ({"base": "http://pdp.example.com"}, "/base"), ({"base": BASE + "/"}, "/base"), ({"base": BASE + "?x"}, "/base"),
    ({"subject": "{id}"}, "/subject"), ({"subject": "arn:app:iam::{tenant}:user/{id}"}, "/subject"),
    ({"subjects": {"user": "arn:app:iam::1:user/{id}/x"}}, "/subjects/user"), ({"resource": "{type}"}, "/resource"),
    ({"resources": {"x": "arn:app:x:::*{id}"}}, "/resources/x"), ({"resources": {"x": "{id}"}}, "/resources/x"),
    ({"services": {"x": "X:y"}}, "/services/x"), ({"renamed": {"x": "a_b"}}, "/renamed/x"),
    ({"actions": {"x": ("ok", "re*d")}}, "/actions/x/1"),
    ({"context": {"t": "aws:CurrentTime"}}, "/context/t"), ({"context": {"t": "AWS:EpochTime"}}, "/context/t"),
    ({"context": {"u": "aws:PrincipalTag/role"}}, "/context/u"), ({"context": {"u": "aws:userid"}}, "/context/u"),
    ({"context": {"u": "aws:ResourceTag/x"}}, "/context/u"), ({"context": {"u": "nothing"}}, "/context/u"),
])
def test_settings_that_contradict_themselves_are_refused(door: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AuthzenDoor(**{"base": BASE, **door})
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
    assert all(fault.mend for fault in caught.value.faults)


@pytest.mark.parametrize("properties", [{"Role": "a", "role": "b"}, {"a": {"b": 1}, "a.b": 2}])
def test_known_tags_that_are_one_are_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        fixture(known={"record": {"a/b": properties}})
    assert [fault.pointer for fault in caught.value.faults] == ["/known/record/a~1b"]
