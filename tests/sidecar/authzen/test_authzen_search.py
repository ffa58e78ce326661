"""Search is evaluation, asked of everybody and everything; pages go on where they ended, and for nobody else."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from authzen_fixture import ALICE, DOOR, fixture, policies
from authzen_pdp import EVALUATION, NOW, SEARCH, DecisionPoint, attachments, user
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.parse import parse_policy

# search == {x : evaluation(x)}

USERS = ("amy", "ben", "cyd")
RECORDS = ("1", "2", "3x", "own")
ACTIONS = ("read", "write", "delete")
RECORD = "arn:app:records::000000000000:record/"
CONDITIONS: list[dict[str, Any]] = [
    {}, {"StringEquals": {"aws:ResourceTag/status": "open"}}, {"StringNotEquals": {"aws:ResourceTag/status": "open"}},
    {"StringEquals": {"aws:PrincipalTag/team": "red"}}, {"StringEquals": {"aws:ResourceTag/owner": "${aws:username}"}},
    {"Null": {"aws:PrincipalTag/team": "true"}}, {"StringLike": {"request:where": "eu-*"}},
    {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
]
statements = st.builds(
    lambda effect, action, resource, condition: {"Effect": effect, "Action": action, "Resource": resource,
                                                 **({"Condition": condition} if condition else {})},
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.sampled_from(["records:read", "records:write", "records:*", "records:?e*", "*", "other:read"]),
    st.sampled_from([RECORD + "*", RECORD + "1", RECORD + "?", RECORD + "3*", "*", RECORD + "${aws:username}"]),
    st.sampled_from(CONDITIONS))
documents = st.lists(statements, min_size=1, max_size=4).map(
    lambda found: parse_policy({"Version": "2012-10-17", "Statement": found}))
properties = st.dictionaries(st.sampled_from(["status", "team", "owner"]), st.sampled_from(["open", "red", "amy"]))


@st.composite
def worlds(draw: st.DrawFn) -> PolicySet:
    """Users with policies of their own, of groups, of everybody; boundaries, organizations, policies of resources."""
    def policy(name: str) -> Policy:
        return Policy(name, draw(documents))

    group = "arn:app:iam::000000000000:group/all"
    holders = dict(attachments({}).holders)
    for name in USERS:
        holders[user(name)] = Holder(
            user(name), (policy(name),) if draw(st.booleans()) else (),
            boundary=policy("boundary") if draw(st.integers(0, 3)) == 0 else None,
            groups=(group,) if draw(st.booleans()) else (), tags={"team": "red"} if draw(st.booleans()) else {})
    own = {}
    if draw(st.booleans()):
        document = parse_policy({"Version": "2012-10-17", "Statement": {
            "Effect": draw(st.sampled_from(["Allow", "Deny"])),
            "Principal": {"AWS": user(draw(st.sampled_from(USERS)))},
            "Action": "records:*", "Resource": "*"}}, kind=PolicyKind.RESOURCE)
        own[RECORD + "own"] = Policy("own", document)
    rails = {"000000000000": Guardrails(scps=((policy("scp"),),))} if draw(st.integers(0, 3)) == 0 else {}
    if rails:  # those who ask live in the same account
        everything = parse_policy({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "iam-guard:*", "Resource": "*"}})
        [[scp]] = rails["000000000000"].scps or ((),)
        rails = {"000000000000": Guardrails(scps=((scp, Policy("peps", everything)),))}
    return PolicySet(Attachments(holders=holders, groups={group: (policy("all"),)}, resources=own, guardrails=rails,
                                 everyone=(policy("everyone"),) if draw(st.integers(0, 3)) == 0 else ()), revision="r")


PEPS = ("evaluator", "pep")


@given(worlds(), st.data())
def test_search_is_evaluation(world: PolicySet, data: st.DataObject) -> None:
    known = {id_: data.draw(properties) for id_ in RECORDS if id_ != "own"}
    point = DecisionPoint(world, services={"record": "records"}, actions={"record": ACTIONS}, known={"record": known},
                          believe_properties=data.draw(st.booleans()))
    question: dict[str, Any] = {
        "subject": {"type": "user", "id": data.draw(st.sampled_from(USERS)), "properties": data.draw(properties)},
        "action": {"name": data.draw(st.sampled_from(ACTIONS))},
        "resource": {"type": "record", "id": data.draw(st.sampled_from(RECORDS)), "properties": data.draw(properties)},
        "context": {"where": data.draw(st.sampled_from(["eu-1", "us-1"]))}}

    def allowed(member: str, change: dict[str, Any]) -> bool:
        reply = point.post(EVALUATION, {**question, member: {**question[member], **change}})
        assert reply.status in (200, 403)  # 403: who asks is denied it by a policy of everyone
        return reply.status == 200 and reply.json["decision"]

    for kind, member, universe in (("subject", "id", (*USERS, *PEPS)), ("resource", "id", RECORDS),
                                   ("action", "name", ACTIONS)):
        reply = point.post(SEARCH + kind, question)
        if reply.status == 200:
            found = {one[member] for one in reply.json["results"]}
            mine = {one for one in universe if allowed(kind, {member: one})}
            if "own" in mine and kind == "resource" and RECORD + "own" not in world.attachments.resources:
                mine.discard("own")  # nobody has told that there is such a record
            assert found == mine
        else:
            assert reply.status == 403


# What no list holds

def told(kind: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    context: dict[str, Any] = fixture(**more).post(SEARCH + kind + "?explain=true", body).json["context"]
    return context


ALICE_READS = {"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}, "resource": {"type": "record"}}


def test_whether_the_answer_is_the_whole_one() -> None:
    assert told("resource", ALICE_READS) == {"complete": False,
                                             "unlisted_patterns": ["arn:app:records:::record/*"]}
    assert told("action", {**ALICE_READS, "resource": {"type": "record", "id": "record-1"}}) == {"complete": True}
    subject = {**ALICE_READS, "subject": {"type": "user"}, "resource": {"type": "record", "id": "record-1"}}
    assert told("subject", subject) == {"complete": True}
    one = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "record:*", "Resource": "arn:app:records:::record/record-1"}]}
    everyone = (Policy("all", parse_policy(one)),)
    point = DecisionPoint(PolicySet(attachments({"alice": one}, everyone=everyone)), **DOOR)
    context = {kind: point.post(SEARCH + kind, {**subject, **ALICE_READS, **change}).json["context"]
               for kind, change in (("resource", {}), ("action", {"resource": subject["resource"]}),
                                    ("subject", subject))}
    assert context == {"resource": {"complete": True}, "action": {"complete": False}, "subject": {"complete": False}}


def test_patterns_are_for_those_who_may_read_reasons() -> None:
    assert fixture().post(SEARCH + "resource", ALICE_READS).json["context"] == {"complete": False}


def test_resources_with_a_policy_of_their_own_are_known() -> None:
    own = {"arn:app:records:::record/own": Policy("own", parse_policy({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "record:write", "Resource": "*"}}, kind=PolicyKind.RESOURCE))}
    point = DecisionPoint(PolicySet(attachments({"alice": ALICE}, resources=own)), **DOOR)
    assert {"type": "record", "id": "own"} in point.post(SEARCH + "resource", ALICE_READS).json["results"]


# Pages

MANY = {"record": {f"r{number:02}": {"status": "open"} for number in range(23)}}


def pages(point: DecisionPoint, limit: int, again: dict[str, Any]) -> list[list[str]]:
    found, token = [], ""
    while True:
        page = {"limit": limit} if not token else {"token": token}
        reply = point.post(SEARCH + "resource", {**(again if token else ALICE_READS), "page": page}).json
        found.append([one["id"] for one in reply["results"]])
        assert reply["page"]["count"] == len(found[-1])
        assert reply["page"]["total"] == 23
        token = reply["page"]["next_token"]
        if not token:
            return found


@pytest.mark.parametrize("again", [ALICE_READS, {}, {"subject": ALICE_READS["subject"]}])
@pytest.mark.parametrize("limit", [1, 5, 22, 23, 24])
def test_pages(limit: int, again: dict[str, Any]) -> None:
    """What is left out next to a token is as before."""
    found = pages(fixture(known=MANY), limit, again)
    assert [len(one) for one in found[:-1]] == [limit] * (len(found) - 1)
    assert [id_ for one in found for id_ in one] == sorted(MANY["record"])


def test_pages_have_a_greatest_size() -> None:
    reply = fixture(known=MANY, page_size=7).post(SEARCH + "resource", {**ALICE_READS, "page": {"limit": 1000}}).json
    assert reply["page"]["count"] == 7
    assert reply["page"]["next_token"]


def first(point: DecisionPoint, who: str = "pep") -> str:
    reply = point.post(SEARCH + "resource", {**ALICE_READS, "page": {"limit": 5}}, who=who)
    token: str = reply.json["page"]["next_token"]
    assert token
    return token


@pytest.mark.parametrize("change", [
    {"subject": {"type": "user", "id": "bob"}}, {"action": {"name": "write"}}, {"context": {"a": 1}},
    {"resource": {"type": "record", "properties": {"status": "x"}}}, {"page": {"limit": 6}},
])
def test_a_token_belongs_to_its_question(change: dict[str, Any]) -> None:
    point = fixture(known=MANY)
    page = {"token": first(point), **change.get("page", {})}
    assert point.post(SEARCH + "resource", {**ALICE_READS, **change, "page": page}).status == 400
    assert point.post(SEARCH + "resource", {**ALICE_READS, "page": {**page, "limit": 5}}).status == 200


def test_a_token_belongs_to_its_search_its_policies_its_time_and_whoever_got_it() -> None:
    body = {"page": {"token": first(fixture(known=MANY))}}
    point = fixture(known=MANY)
    assert point.post(SEARCH + "resource", body).status == 200
    for kind in ("subject", "action"):
        assert point.post(SEARCH + kind, body).status == 400
    other = DecisionPoint(policies("r2"), **{**DOOR, "known": MANY})
    assert other.post(SEARCH + "resource", body).status == 400
    second = {**attachments({}).holders}
    both = PolicySet(Attachments(holders={**policies().attachments.holders, user("pep2"): Holder(
        user("pep2"), second[user("pep")].policies)}), revision="r1")
    assert DecisionPoint(both, **{**DOOR, "known": MANY}).post(SEARCH + "resource", body, who="pep2").status == 400
    assert DecisionPoint(both, **{**DOOR, "known": MANY}).post(SEARCH + "resource", body).status == 200
    point.now = NOW + timedelta(seconds=599)
    assert point.post(SEARCH + "resource", body).status == 200
    point.now = NOW + timedelta(seconds=601)
    assert point.post(SEARCH + "resource", body).status == 400


def test_a_token_of_another_key_is_forged() -> None:
    body = {"page": {"token": first(DecisionPoint(policies(), page_key=b"x" * 32, **{**DOOR, "known": MANY}))}}
    assert fixture(known=MANY).post(SEARCH + "resource", body).status == 400


@pytest.mark.parametrize("token", ["x", "ä", "a" * 64, "=" * 8, "\n", "." * 100])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert fixture().post(SEARCH + "resource", {**ALICE_READS, "page": {"token": token}}).status == 400


def test_no_byte_of_a_token_can_be_changed() -> None:
    point = fixture(known=MANY)
    token = first(point)
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for place in range(0, len(raw), 7):
        forged = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1:]
        body = {"page": {"token": urlsafe_b64encode(forged).decode().rstrip("=")}}
        assert point.post(SEARCH + "resource", body).status == 400


@pytest.mark.parametrize("page", [1, "x", [], {"limit": -1}, {"limit": "5"}, {"limit": 1.5}, {"limit": True},
                                  {"token": 5}, {"token": ["x"]}])
def test_pages_that_are_none(page: Any) -> None:
    assert fixture().post(SEARCH + "resource", {**ALICE_READS, "page": page}).status == 400


def test_questions_that_no_token_holds() -> None:
    point = fixture(known=MANY)
    body = {**ALICE_READS, "context": {"x": "y" * 20_000}}
    assert point.post(SEARCH + "resource", body).status == 200
    assert point.post(SEARCH + "resource", {**body, "page": {"limit": 5}}).status == 400


class Changing:
    """Other policies every time."""

    def __init__(self) -> None:
        self.looks = 0

    @property
    def current(self) -> PolicySet:
        self.looks += 1
        return policies(f"r{self.looks}")


def test_a_search_is_answered_by_one_revision() -> None:
    point = DecisionPoint(Changing(), **{**DOOR, "known": {"record": {str(one): {} for one in range(500)}}})
    reply = point.post(SEARCH + "resource", {**ALICE_READS, "page": {"limit": 1}})
    raw = urlsafe_b64decode(reply.json["page"]["next_token"] + "==")[32:]
    assert reply.json["page"]["total"] == 500
    assert json.loads(raw)[4].startswith("r")
