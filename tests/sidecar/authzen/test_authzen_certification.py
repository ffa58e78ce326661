"""The certification scenario: eight decisions, six searches, and the structure of every answer."""

from __future__ import annotations

from typing import Any

import pytest
from authzen_fixture import asking, fixture
from authzen_pdp import EVALUATION, EVALUATIONS, SEARCH

PDP = fixture()
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
ADMIN = {"type": "user", "id": "bob", "properties": {"role": "admin"}}
RECORD = {"type": "record", "id": "record-1"}

DECISIONS = [
    (asking("alice", "read", "record-1"), True),
    (asking("alice", "write", "record-1"), True),
    (asking("bob", "read", "record-1"), True),
    (asking("bob", "write", "record-1"), False),
    (asking("alice", "write", "", resource=ARCHIVED), False),
    (asking("", "write", "", subject=ADMIN, resource=ARCHIVED), True),
    (asking("alice", "", "record-1", action={"name": "delete", "properties": {"soft": True}}), True),
    (asking("alice", "", "record-1", action={"name": "delete", "properties": {"soft": False}}), False),
]


@pytest.mark.parametrize(("body", "decision"), DECISIONS)
def test_decisions(body: dict[str, Any], decision: bool) -> None:
    reply = PDP.post(EVALUATION, body)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["decision"] is decision


@pytest.mark.parametrize(("body", "decision"), DECISIONS)
@pytest.mark.parametrize("path", [EVALUATION, EVALUATIONS])
def test_decisions_do_not_depend_on_context_nor_on_unknown_members(body: dict[str, Any], decision: bool,
                                                                   path: str) -> None:
    more = {"context": {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}, "foo": "bar", "f": {"nested": True}}
    for _ in range(2):
        assert PDP.post(path, {**body, **more}).json["decision"] is decision


def test_further_properties_are_no_error() -> None:
    body = {"subject": {"type": "user", "id": "alice", "properties": {"department": "Sales", "role": "manager"}},
            "action": {"name": "read", "properties": {"method": "GET"}},
            "resource": {**RECORD, "properties": {"status": "active", "owner": "bob"}}}
    assert PDP.post(EVALUATION, body).json["decision"] is True


SEARCHES = [
    ("subject", {"subject": {"type": "user"}, "action": {"name": "read"}, "resource": RECORD}, {"alice", "bob"}),
    ("resource", {"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"},
                  "resource": {"type": "record"}}, {"record-1", "record-2"}),
    ("action", {"subject": {"type": "user", "id": "alice"}, "resource": RECORD}, {"read", "write"}),
    ("subject", {"subject": {"type": "user"}, "action": {"name": "write"}, "resource": ARCHIVED}, {"bob"}),
    ("resource", {"subject": ADMIN, "action": {"name": "write"}, "resource": {"type": "record"}}, {"record-2"}),
    ("action", {"subject": ADMIN, "resource": ARCHIVED}, {"read", "write"}),
]


@pytest.mark.parametrize(("kind", "body", "found"), SEARCHES)
def test_searches(kind: str, body: dict[str, Any], found: set[str]) -> None:
    reply = PDP.post(SEARCH + kind, body)
    assert reply.status == 200
    results = reply.json["results"]
    assert {one.get("id") or one.get("name") for one in results} == found
    assert all(set(one) == ({"name"} if kind == "action" else {"type", "id"}) for one in results)
    assert reply.json["page"]["next_token"] == ""


# Structure of requests

SINGLE = asking("alice", "read", "record-1")
BY_PATH = {
    EVALUATION: (SINGLE, ("subject", "action", "resource"),
                 (("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"),
                  ("resource", "id"))),
    SEARCH + "subject": ({**SINGLE, "subject": {"type": "user"}}, ("subject", "action", "resource"),
                         (("subject", "type"), ("action", "name"), ("resource", "type"), ("resource", "id"))),
    SEARCH + "resource": ({**SINGLE, "resource": {"type": "record"}}, ("subject", "action", "resource"),
                          (("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"))),
    SEARCH + "action": ({"subject": SINGLE["subject"], "resource": RECORD}, ("subject", "resource"),
                        (("subject", "type"), ("subject", "id"), ("resource", "type"), ("resource", "id"))),
}
BY_PATH[EVALUATIONS] = BY_PATH[EVALUATION]


@pytest.mark.parametrize("path", BY_PATH)
def test_whatever_is_required_is_missed(path: str) -> None:
    whole, members, inner = BY_PATH[path]
    assert PDP.post(path, whole).status == 200
    for name in members:
        assert PDP.post(path, {one: value for one, value in whole.items() if one != name}).status == 400
        for wrong in ("text", 1, None, [], True):
            assert PDP.post(path, {**whole, name: wrong}).status == 400
    for name, member in inner:
        left = {one: value for one, value in whole[name].items() if one != member}
        assert PDP.post(path, {**whole, name: left}).status == 400
        for wrong in (7, None, {}, ["x"], "", False):
            assert PDP.post(path, {**whole, name: {**left, member: wrong}}).status == 400


@pytest.mark.parametrize("path", BY_PATH)
def test_what_is_not_json_is_refused(path: str) -> None:
    whole = BY_PATH[path][0]
    for type_ in ("text/plain", "application/xml", "", "application/json-patch+json",
                  "application/json; charset=utf-16"):
        assert PDP.post(path, whole, content_type=type_).status == 400
    for type_ in ("application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"'):
        assert PDP.post(path, whole, content_type=type_).status == 200
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"{} {}", b'{"subject":{},}', b"\xef\xbb\xbf{}", b'{"a":"\xff"}'):
        reply = PDP.post(path, body)
        assert reply.status == 400
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json["status"] == 400


@pytest.mark.parametrize("path", BY_PATH)
def test_ids_of_what_is_searched_are_ignored(path: str) -> None:
    if path.startswith(SEARCH) and not path.endswith("action"):
        whole = BY_PATH[path][0]
        kind = path.rsplit("/", 1)[1]
        with_id = PDP.post(path, {**whole, kind: {**whole[kind], "id": "nobody"}})
        assert with_id.json == PDP.post(path, whole).json


@pytest.mark.parametrize("path", BY_PATH)
def test_the_id_of_a_request_comes_back(path: str) -> None:
    whole = BY_PATH[path][0]
    sent = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
    for body, who in ((whole, "pep"), (b"{", "pep"), (whole, ""), (whole, "stranger"), (whole, "bad")):
        assert PDP.post(path, body, who=who, x_request_id=sent).headers["x-request-id"] == sent
    assert "x-request-id" not in PDP.post(path, whole).headers
    for bad in ("a\tb", "x" * 257, "é"):
        reply = PDP.post(path, whole, x_request_id=bad)
        assert reply.status == 400
        assert "x-request-id" not in reply.headers


@pytest.mark.parametrize("limit", [0, 1, 2, 1000, 10**6])
def test_limits_are_no_error(limit: int) -> None:
    assert PDP.post(SEARCH + "subject", {**SEARCHES[0][1], "page": {"limit": limit}}).status == 200


@pytest.mark.parametrize(("kind", "change"), [
    ("subject", {"subject": {"type": "robot"}}), ("subject", {"resource": {"type": "record", "id": "record-9"}}),
    ("subject", {"resource": {"type": "planet", "id": "mars"}}), ("subject", {"action": {"name": "fly"}}),
    ("resource", {"resource": {"type": "planet"}}), ("resource", {"subject": {"type": "user", "id": "nobody"}}),
    ("resource", {"subject": {"type": "robot", "id": "r2"}}), ("action", {"subject": {"type": "user", "id": "nobody"}}),
    ("action", {"resource": {"type": "planet", "id": "mars"}}), ("action", {"subject": {"type": "a b/*", "id": "x"}}),
])
def test_the_unknown_is_found_by_nobody(kind: str, change: dict[str, Any]) -> None:
    body = {**BY_PATH[SEARCH + kind][0], **change}
    reply = PDP.post(SEARCH + kind, body)
    assert reply.status == 200
    if change != {"resource": {"type": "record", "id": "record-9"}}:  # those who may read any record may read that
        assert reply.json["results"] == []


def test_metadata() -> None:
    reply = PDP.get("/.well-known/authzen-configuration", who="", host="evil.example", x_forwarded_host="evil.example")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {
        "policy_decision_point": "https://pdp.example.com",
        "access_evaluation_endpoint": "https://pdp.example.com/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.example.com/access/v1/evaluations",
        "search_subject_endpoint": "https://pdp.example.com/access/v1/search/subject",
        "search_resource_endpoint": "https://pdp.example.com/access/v1/search/resource",
        "search_action_endpoint": "https://pdp.example.com/access/v1/search/action",
    }


def test_metadata_below_a_path() -> None:
    below = fixture(base="https://pdp.example.com/tenant1")
    told = below.get("/.well-known/authzen-configuration/tenant1", who="").json
    assert told["access_evaluation_endpoint"] == "https://pdp.example.com/tenant1/access/v1/evaluation"
    assert below.post("/tenant1/access/v1/evaluation", SINGLE).json["decision"] is True
    assert below.post(EVALUATION, SINGLE).status == 403
