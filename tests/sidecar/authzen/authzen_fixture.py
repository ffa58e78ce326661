"""The fixture of the certification scenario of the Authorization API 1.0: two users, two records, three actions."""

from __future__ import annotations

from typing import Any

from authzen_pdp import DecisionPoint, attachments

from iam_guard.engine.policy_set import PolicySet

ALICE = {"Version": "2012-10-17", "Statement": [
    {"Sid": "Records", "Effect": "Allow", "Action": ["record:read", "record:write"],
     "Resource": "arn:app:records:::record/*"},
    {"Sid": "NoArchived", "Effect": "Deny", "Action": "record:write", "Resource": "*",
     "Condition": {"StringEquals": {"aws:ResourceTag/status": "archived"}}},
    {"Sid": "SoftDelete", "Effect": "Allow", "Action": "record:delete", "Resource": "arn:app:records:::record/*",
     "Condition": {"Bool": {"aws:RequestTag/soft": "true"}}}]}
BOB = {"Version": "2012-10-17", "Statement": [
    {"Sid": "Read", "Effect": "Allow", "Action": "record:read", "Resource": "arn:app:records:::record/*"},
    {"Sid": "AdminArchive", "Effect": "Allow", "Action": "record:write", "Resource": "arn:app:records:::record/*",
     "Condition": {"StringEquals": {"aws:PrincipalTag/role": "admin", "aws:ResourceTag/status": "archived"}}}]}
DOOR: dict[str, Any] = {
    "resources": {"record": "arn:app:records:::{type}/{id}"},
    "actions": {"record": ("read", "write", "delete")},
    "known": {"record": {"record-1": {"status": "active"}, "record-2": {"status": "archived"}}},
}


def policies(revision: str = "r1") -> PolicySet:
    return PolicySet(attachments({"alice": ALICE, "bob": BOB}, {"bob": {"role": "admin"}}), revision=revision)


def fixture(**door: Any) -> DecisionPoint:
    return DecisionPoint(policies(), **{**DOOR, **door})


def asking(user: str, verb: str, record: str, **more: Any) -> dict[str, Any]:
    return {"subject": {"type": "user", "id": user}, "action": {"name": verb},
            "resource": {"type": "record", "id": record}, **more}
