"""A small company: two users, a group, a role, a boundary, an organization."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iam_guard.engine.attachments import Attachments, Guardrails, Holder, Policy
from iam_guard.policy.document import PolicyKind
from iam_guard.policy.parse import parse_policy

ACCOUNT = "000000000000"
DOC = f"arn:app:docs::{ACCOUNT}:document/1"
ANN, BEN = (f"arn:app:iam::{ACCOUNT}:user/{name}" for name in ("ann", "ben"))
EDITORS = f"arn:app:iam::{ACCOUNT}:group/editors"
ROOT = f"arn:app:iam::{ACCOUNT}:root"
PUBLISHER = f"arn:app:iam::{ACCOUNT}:role/team/Publisher"


def policy(id: str, *statements: dict[str, Any], kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    """A policy; a statement allows unless it says otherwise, and everything when it names no resource."""
    resource = {} if kind is PolicyKind.TRUST else {"Resource": "*"}
    full = [{"Effect": "Allow", **({} if "NotResource" in one else resource), **one} for one in statements]
    return Policy(id, parse_policy({"Version": "2012-10-17", "Statement": full}, kind=kind))


def company() -> Attachments:
    """Nobody limits anybody."""
    reads = policy("ReadDocuments", {"Action": "docs:Get*", "Resource": "arn:app:docs:*:*:document/*"})
    edits = policy("EditDocuments", {"Action": "docs:Put*"})
    at_work = policy("AtWork", {"Action": "docs:Delete*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})
    trust = policy("role/Publisher/trust", {"Action": "sts:AssumeRole", "Principal": {"AWS": BEN}},
                   kind=PolicyKind.TRUST)
    publishes = policy("Publish", {"Action": "docs:Publish"})
    return Attachments(
        holders={
            ANN: Holder(ANN, (reads, at_work), groups=(EDITORS,)),
            BEN: Holder(BEN, (policy("Assume", {"Action": "sts:AssumeRole", "Resource": PUBLISHER}),)),
            PUBLISHER: Holder(PUBLISHER, (publishes,)),
        },
        groups={EDITORS: (edits,)}, resources={PUBLISHER: trust})


def limited() -> Attachments:
    """The same company in an organization that forbids to delete."""
    scp = policy("NoDelete", {"Action": "*"}, {"Effect": "Deny", "Action": "docs:Delete*"}, kind=PolicyKind.SCP)
    full = policy("FullAWSAccess", {"Action": "*"}, kind=PolicyKind.SCP)
    rails = Guardrails(scps=((full,), (scp,), (full,)), organization_id="o-1", organization_path="o-1/r-1/ou-1/")
    return replace(company(), guardrails={ACCOUNT: rails})
