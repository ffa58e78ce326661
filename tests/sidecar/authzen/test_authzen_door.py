"""Who may ask, what is refused, and that nothing but a decision opens anything (threats G06 and G07)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from authzen_fixture import ALICE, BOB, DOOR, asking, fixture, policies
from authzen_pdp import EVALUATION, EVALUATIONS, EVALUATOR, PEP, SEARCH, STRANGER, DecisionPoint, attachments

from iam_guard.audit.log import DecisionRecord
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, UnavailableError

PDP = fixture()
READ = asking("alice", "read", "record-1")
EVERY = [EVALUATION, EVALUATIONS, *(SEARCH + kind for kind in ("subject", "resource", "action"))]


@pytest.mark.parametrize("path", [*EVERY, "/permissions"])
def test_nobody_asks_without_credentials(path: str) -> None:
    """Row G07.1."""
    reply = PDP.post(path, READ, who="")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="pdp"'
    assert reply.headers["cache-control"] == "no-store"
    assert not [word for word in (b"alice", b"record:", b"Policy") if word in reply.body]
    bad = PDP.post(path, READ, who="bad")
    assert bad.status == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]


@pytest.mark.parametrize("path", [*EVERY, "/permissions"])
def test_policies_say_who_asks(path: str) -> None:
    assert PDP.post(path, READ, who=STRANGER).status == 403
    assert PDP.post(path, READ, who="alice").status == 403  # whoever is asked about may not ask


def test_who_may_only_evaluate_neither_searches_nor_reads_reasons() -> None:
    """Row G07.2."""
    assert PDP.post(EVALUATION, READ, who=EVALUATOR).json["decision"] is True
    for kind in ("subject", "resource", "action"):
        assert PDP.post(SEARCH + kind, READ, who=EVALUATOR).status == 403
    for path in (EVALUATION, EVALUATIONS):
        assert PDP.post(path + "?explain=true", READ, who=EVALUATOR).status == 403


def test_reasons_are_for_those_who_may_read_them() -> None:
    denied = asking("alice", "write", "record-2")
    told = PDP.post(EVALUATION, denied).json["context"]
    assert set(told) == {"decision_id", "policy_version", "reason_user"}
    assert "NoArchived" not in json.dumps(told)
    why = PDP.post(EVALUATION + "?explain=true", denied).json["context"]
    assert why["effect"] == "ExplicitDeny"
    assert "NoArchived" in why["reason_admin"]["403"]
    nothing = PDP.post(EVALUATION + "?explain=true", asking("bob", "write", "record-1")).json["context"]
    assert nothing["effect"] == "ImplicitDeny"
    assert PDP.post(EVALUATION + "?explain=true", READ).json["context"]["effect"] == "Allow"


def test_an_action_twice_is_refused() -> None:
    """Row G06.1: two readers would take different ones."""
    whole = json.dumps(READ)
    for more in ('"action":{"name":"read"}', '"\\u0061ction":{"name":"write"}', '"x":{"a":1,"a":1}', '"action":null'):
        assert PDP.post(EVALUATION, (whole[:-1] + "," + more + "}").encode()).status == 400
    inner = whole.replace('"id": "alice"', '"id": "alice", "id": "bob"')
    assert PDP.post(EVALUATION, inner.encode()).status == 400
    assert PDP.post(EVALUATION, READ | {"note": 'a:b "c":d {"e":1}'}).status == 200


@pytest.mark.parametrize("value", [
    "1e400", "9007199254740993", "-9007199254740993", "9" * 400, "NaN", "Infinity", '"\\ud800"', '"\\udc00x"',
    "[" * 32 + "]" * 32, "[" * 50_000 + "]" * 50_000, '{"a":' * 32 + "1" + "}" * 32, "01", "+1", "'x'", "\x01",
])
def test_what_readers_could_read_differently_is_refused(value: str) -> None:
    whole = json.dumps(READ)[:-1]
    assert PDP.post(EVALUATION, f'{whole},"context":{{"x":{value}}}}}'.encode()).status == 400


@pytest.mark.parametrize("value", ["9007199254740992", "1e300", '"\\ud83d\\ude00"', '"ö"', "[" * 29 + "]" * 29, "-0"])
def test_what_all_read_alike_is_read(value: str) -> None:
    whole = json.dumps(READ)[:-1]
    assert PDP.post(EVALUATION, f'{whole},"context":{{"x":{value}}}}}'.encode()).json["decision"] is True


def test_long_bodies() -> None:
    small = fixture(max_body=2048)
    body = json.dumps(READ | {"pad": "x" * 1800}).encode()
    assert asyncio.run(small.call("POST", EVALUATION, body, chunks=5)).json["decision"] is True
    for chunks in (1, 7):
        long = json.dumps(READ | {"pad": "x" * 2048}).encode()
        assert asyncio.run(small.call("POST", EVALUATION, long, chunks=chunks)).status == 413


def test_other_methods_and_paths() -> None:
    assert PDP.get(EVALUATION).status == 405
    assert PDP.get(EVALUATION).headers["allow"] == "POST"
    for path in ("/", "/access/v1/evaluation/", "/access/v1", "/access/v1/search", "/access/v2/evaluation"):
        assert PDP.post(path, READ).status == 403
    assert asyncio.run(PDP.call("HEAD", "/.well-known/authzen-configuration", b"", who="")).body == b""


def test_other_connections() -> None:
    async def run() -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await PDP.app({"type": "websocket", "path": EVALUATION, "headers": []}, None, send)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError):
            await PDP.app({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
        return sent

    assert asyncio.run(run()) == [{"type": "websocket.close", "code": 1008, "reason": "access denied"}]


class Source:
    """Hands out policies, or fails."""

    def __init__(self, *found: PolicySet | Exception) -> None:
        self.found = list(found)

    @property
    def current(self) -> PolicySet:
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize("error", [UnavailableError("nothing is loaded"), RuntimeError("broken")])
@pytest.mark.parametrize("path", EVERY)
def test_without_policies_nothing_is_allowed(path: str, error: Exception) -> None:
    reply = DecisionPoint(Source(error), **DOOR).post(path, READ)
    assert reply.status == 500
    assert reply.json["status"] == 500
    assert "decision" not in reply.json


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("good", [1, 2])
def test_policies_that_vanish_in_the_middle_allow_nothing(path: str, good: int) -> None:
    source = Source(*[policies()] * good, UnavailableError("too old"))
    reply = DecisionPoint(source, **DOOR).post(path, READ)
    assert reply.status == 500
    assert not {"decision", "results", "evaluations"} & set(reply.json)


# Batches

def batch(*items: Any, **more: Any) -> Any:
    return PDP.post(EVALUATIONS, {"subject": {"type": "user", "id": "alice"}, "evaluations": list(items), **more})


def decisions(reply: Any) -> list[bool]:
    return [one["decision"] for one in reply.json["evaluations"]]


READ1 = {"action": {"name": "read"}, "resource": {"type": "record", "id": "record-1"}}
WRITE2 = {"action": {"name": "write"}, "resource": {"type": "record", "id": "record-2"}}


def test_items_inherit_whole_members() -> None:
    top = {"action": {"name": "delete", "properties": {"soft": True}}, "resource": READ1["resource"]}
    assert decisions(batch({}, {"action": {"name": "delete"}}, {"subject": {"type": "user", "id": "bob"}},
                           {"resource": {"type": "record"}}, **top)) == [True, False, False, False]
    assert "decision" not in batch({}, **top).json


def test_items_replace_the_context() -> None:
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "record:*", "Resource": "*", "Condition": {"Null": {"request:a": "true"}}}]}
    point = DecisionPoint(PolicySet(attachments({"alice": policy})), **DOOR)
    reply = point.post(EVALUATIONS, {**READ, "context": {"a": 1}, "evaluations": [{}, {"context": {}},
                                                                               {"context": {"b": 2}}]})
    assert decisions(reply) == [False, True, True]


@pytest.mark.parametrize(("semantic", "expected"), [
    ("execute_all", [True, False, True, False]), ("deny_on_first_deny", [True, False]),
    ("permit_on_first_permit", [True]),
])
def test_semantics(semantic: str, expected: list[bool]) -> None:
    options = {"evaluations_semantic": semantic, "another": 1}
    assert decisions(batch(READ1, WRITE2, READ1, WRITE2, options=options)) == expected
    assert decisions(batch(WRITE2, READ1, options={"evaluations_semantic": "permit_on_first_permit"})) == [False, True]


def test_broken_items_deny_themselves_alone() -> None:
    reply = batch(READ1, {"action": {"name": "read"}}, 7, {**READ1, "subject": "alice"}, None, READ1)
    assert reply.status == 200
    assert decisions(reply) == [True, False, False, False, False, True]
    for broken in reply.json["evaluations"][1:5]:
        assert broken["context"]["error"]["status"] == 400
        assert broken["context"]["error"]["message"]
    first = batch({"action": {"name": "read"}}, READ1, options={"evaluations_semantic": "deny_on_first_deny"})
    assert decisions(first) == [False]


@pytest.mark.parametrize("more", [
    {"evaluations": {}}, {"evaluations": "x"}, {"evaluations": 0}, {"evaluations": False}, {"subject": "alice"},
    {"context": []}, {"resource": 1}, {"options": []}, {"options": {"evaluations_semantic": "maybe"}},
    {"options": {"evaluations_semantic": []}}, {"options": {"evaluations_semantic": None}},
])
def test_broken_envelopes_are_refused(more: dict[str, Any]) -> None:
    assert batch(READ1, **more).status == 400


@pytest.mark.parametrize("evaluations", [{}, {"evaluations": []}, {"evaluations": None}])
def test_no_items_are_one_question(evaluations: dict[str, Any]) -> None:
    reply = PDP.post(EVALUATIONS, {**READ, **evaluations})
    assert reply.json["decision"] is True
    assert "evaluations" not in reply.json


def test_items_have_a_limit() -> None:
    """Row G06.3."""
    assert len(batch(*[READ1] * 1000).json["evaluations"]) == 1000
    assert batch(*[READ1] * 1001).status == 400
    assert PDP.post(EVALUATIONS, {**READ, "evaluations": [{}] * 1001}).status == 400


class Reloading:
    """Changes its policies every time that somebody looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.sets = (policies("even"), PolicySet(attachments({"alice": BOB, "bob": ALICE}), revision="odd"))

    @property
    def current(self) -> PolicySet:
        self.looks += 1
        return self.sets[self.looks % 2]


def test_a_batch_is_answered_by_one_revision() -> None:
    source = Reloading()
    point = DecisionPoint(source, **DOOR)
    items = [{"action": {"name": name}} for name in ("read", "write") * 50]
    seen = set()
    for _ in range(4):
        looks = source.looks
        told = point.post(EVALUATIONS, {**READ, "evaluations": items}).json["evaluations"]
        assert source.looks > looks + 50
        [revision] = {one["context"]["policy_version"] for one in told}
        writes = {one["decision"] for one in told[1::2]}
        assert writes == ({True} if revision == "even" else {False})
        seen.add(revision)
        _ = source.current  # so that the next one begins with the others
    assert seen == {"even", "odd"}


def test_every_decision_is_recorded_under_the_id_that_is_told() -> None:
    records: list[DecisionRecord] = []

    class Log:
        def record(self, allowed: bool, make: Any) -> None:
            records.append(make())

    point = DecisionPoint(policies(), log=Log(), **DOOR)
    told = point.post(EVALUATION, READ).json["context"]["decision_id"]
    assert [one.id for one in records[1:]] == [told]
    nobody = point.post(EVALUATION, READ | {"subject": {"type": "robot", "id": "r2"}}).json
    assert nobody["decision"] is False
    assert records[-1].id == nobody["context"]["decision_id"]


def test_counts() -> None:
    point = fixture()
    point.post(EVALUATION, READ)
    point.post(EVALUATION, READ, who="")
    point.post(EVALUATION, b"{", who=PEP)
    assert point.app.judge.counts == {"allow": 2, "unauthenticated": 1, "ambiguous": 1}
