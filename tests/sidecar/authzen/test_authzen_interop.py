"""The published interoperability scenarios of AuthZEN (github.com/openid/authzen, ``interop``): their decisions as
data, decided by policies written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from authzen_pdp import EVALUATION, EVALUATIONS, SEARCH, DecisionPoint, attachments, user

from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.policy_set import PolicySet
from iam_guard.policy.parse import parse_policy

FACTS = json.loads((Path(__file__).parent / "authzen_interop.json").read_text())
USERS = FACTS["users"]


def statement(action: Any, resource: Any, **condition: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**told, "Condition": condition} if condition else told


# The todo list, asked by the application and by a gateway in front of it

NAMES = {"can_read_user": "ReadUser", "can_read_todos": "ReadTodos", "can_create_todo": "CreateTodo",
         "can_update_todo": "UpdateTodo", "can_delete_todo": "DeleteTodo"}
TODO, ROUTE = "arn:app:todo::000000000000:todo/*", "arn:app:route::000000000000:route/"
OWN = {"StringEquals": {"aws:ResourceTag/ownerID": "${aws:PrincipalTag/email}"}}
VIEWER = [statement("user:ReadUser", "*"), statement("todo:ReadTodos", TODO),
          statement("route:GET", [f"{ROUTE}/todos", f"{ROUTE}/users/*"])]
EDITOR = [*VIEWER, statement("todo:CreateTodo", TODO),
          statement(["todo:UpdateTodo", "todo:DeleteTodo"], TODO, **OWN),
          statement("route:POST", f"{ROUTE}/todos"), statement(["route:PUT", "route:DELETE"], f"{ROUTE}/todos/*")]
ROLES = {"viewer": VIEWER, "editor": EDITOR, "admin": [*EDITOR, statement("todo:DeleteTodo", TODO)],
         "evil_genius": [*EDITOR, statement("todo:UpdateTodo", TODO)]}


def todo() -> DecisionPoint:
    groups = {f"arn:app:iam::000000000000:group/{role}": (Policy(role, parse_policy(
        {"Version": "2012-10-17", "Statement": statements})),) for role, statements in ROLES.items()}
    everybody = dict(attachments({}).holders)
    for id_, mail, roles in USERS.values():
        everybody[user(id_)] = Holder(user(id_), groups=tuple(f"arn:app:iam::000000000000:group/{role}"
                                                              for role in roles), tags={"email": mail})
    return DecisionPoint(PolicySet(Attachments(holders=everybody, groups=groups)),
                         renamed=NAMES, subjects={"identity": "arn:app:iam::{account}:user/{id}"})


PDP = todo()


def test_the_scenarios_are_whole() -> None:
    assert [len(FACTS[name]) for name in ("todo", "todo_batches", "gateway", "records", "search_subject",
                                          "search_resource", "search_action")] == [40, 3, 25, 20, 60, 18, 120]


@pytest.mark.parametrize("row", FACTS["todo"], ids=lambda row: f"{row[0]}-{row[1]}-{row[4]}")
def test_todo(row: list[Any]) -> None:
    who, action, type_, id_, owner, expected = row
    body = {"subject": {"type": "user", "id": USERS[who][0]}, "action": {"name": action},
            "resource": {"type": type_, "id": id_, **({"properties": {"ownerID": owner}} if owner else {})}}
    assert PDP.post(EVALUATION, body).json["decision"] is expected


@pytest.mark.parametrize("told", FACTS["todo_batches"], ids=lambda told: told["user"])
def test_todo_batches(told: dict[str, Any]) -> None:
    body = {"subject": {"type": "user", "id": USERS[told["user"]][0]}, "action": {"name": told["action"]},
            "evaluations": [{"resource": {"type": "todo", "id": id_, "properties": {"ownerID": owner}}}
                            for id_, owner, _ in told["items"]]}
    answers = PDP.post(EVALUATIONS, body).json["evaluations"]
    assert [one["decision"] for one in answers] == [expected for _, _, expected in told["items"]]


@pytest.mark.parametrize("row", FACTS["gateway"], ids=lambda row: "-".join(map(str, row[:3])))
def test_gateway(row: list[Any]) -> None:
    who, method, route, expected = row
    body = {"subject": {"type": "identity", "id": USERS[who][0]}, "action": {"name": method},
            "resource": {"type": "route", "id": route}}
    assert PDP.post(EVALUATION, body).json["decision"] is expected


# The search demo

RECORD = "arn:app:record::000000000000:record/*"
OWNER = {"aws:ResourceTag/owner": "${aws:username}"}
SAME = {"aws:ResourceTag/department": "${aws:PrincipalTag/department}"}
EVERYBODY = {"Version": "2012-10-17", "Statement": [
    statement("record:*", RECORD, StringEquals=OWNER),
    statement("record:view", RECORD, StringEquals=SAME),
    statement("record:view", RECORD, StringEquals={"aws:PrincipalTag/role": "manager"}),
    statement("record:edit", RECORD, StringEquals={**SAME, "aws:PrincipalTag/role": "manager"})]}


def demo() -> DecisionPoint:
    people = {name: {"role": role, "department": department} for name, (role, department) in FACTS["people"].items()}
    known = {id_: {"department": department, "owner": owner} for id_, (department, owner) in FACTS["records"].items()}
    return DecisionPoint(PolicySet(attachments(dict.fromkeys(people, EVERYBODY), people)),
                         known={"record": known}, actions={"record": ("view", "edit", "delete")})


DEMO = demo()


def results(kind: str, body: dict[str, Any]) -> list[str]:
    reply = DEMO.post(SEARCH + kind, body)
    assert reply.status == 200
    return [one.get("id") or one["name"] for one in reply.json["results"]]


@pytest.mark.parametrize(("asked", "expected"), FACTS["search_subject"].items())
def test_subjects(asked: str, expected: str) -> None:
    action, id_ = asked.split()
    body = {"subject": {"type": "user"}, "action": {"name": action}, "resource": {"type": "record", "id": id_}}
    assert results("subject", body) == sorted(expected.split())


@pytest.mark.parametrize(("asked", "expected"), FACTS["search_resource"].items())
def test_resources(asked: str, expected: str) -> None:
    who, action = asked.split()
    body = {"subject": {"type": "user", "id": who}, "action": {"name": action}, "resource": {"type": "record"}}
    assert results("resource", body) == sorted(expected.split())


@pytest.mark.parametrize(("asked", "expected"), FACTS["search_action"].items())
def test_actions(asked: str, expected: str) -> None:
    who, id_ = asked.split()
    body = {"subject": {"type": "user", "id": who}, "resource": {"type": "record", "id": id_}}
    assert results("action", body) == sorted(expected.split())
