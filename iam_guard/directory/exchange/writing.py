"""Writes an account as ``GetAccountAuthorizationDetails`` answers it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from iam_guard.directory.effective import pages
from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
)
from iam_guard.directory.exchange.counts import count_all, uses
from iam_guard.directory.exchange.members import listed
from iam_guard.directory.exchange.reading import ALSO, ANSWER
from iam_guard.directory.port import Reading
from iam_guard.directory.shapes import boundary_shape

_PLATFORM = "aws"
_HELD = frozenset({Kind.ACCOUNT, Kind.USER, Kind.GROUP, Kind.ROLE, Kind.POLICY, Kind.SETTINGS})


def write_details(reading: Reading, account: str) -> dict[str, Any]:
    """An account in AWS's form. Documents are objects, as AWS's own command line prints them.

    Args:
        reading: The directory.
        account: Id of the account.
    """
    own = reading.get(Key(Kind.ACCOUNT, account, account))
    extra = own.extra if isinstance(own, Account) else {}
    accounts = dict.fromkeys((account, *extra.get(ALSO, ())))
    holders = [one for kind in (Kind.USER, Kind.GROUP, Kind.ROLE) for place in accounts
               for one in pages(reading, kind, place)]
    policies = [one for place in {**accounts, _PLATFORM: None} for one in pages(reading, Kind.POLICY, place)]
    counted = uses(holders)
    return {"UserDetailList": [_user(one) for one in holders if isinstance(one, User)],
            "GroupDetailList": [_holding(one, "Group") for one in holders if isinstance(one, Group)],
            "RoleDetailList": [_role(one) for one in holders if isinstance(one, Role)],
            "Policies": [_policy(one, counted) for one in policies if isinstance(one, ManagedPolicy)],
            "IsTruncated": False, **extra.get(ANSWER, {})}


def left_out(reading: Reading, account: str) -> Counter[str]:
    """What the form has no place for, counted by kind: it says nothing of passwords, keys, resources and limits."""
    left: Counter[str] = Counter()
    for key, text in reading.scan():
        if key.kind not in _HELD:
            left[str(key.kind)] += 1
        elif key.kind is Kind.USER and key.account == account and json.loads(text).get("password"):
            left["password"] += 1
        elif key.account not in ("", account, _PLATFORM):
            left["entity of other accounts"] += 1
    return left


# --- entities -------------------------------------------------------------------------------------------


def _user(user: User) -> dict[str, Any]:
    return {**_holding(user, "User"), "GroupList": list(user.groups), **_boundary(user), **_tags(user),
            **_if("PasswordLastUsed", user.password_last_used)}


def _role(role: Role) -> dict[str, Any]:
    used = _rest(role, "RoleLastUsed") | _if("LastUsedDate", role.last_used)
    return {**_holding(role, "Role"), **_if("AssumeRolePolicyDocument", role.trust and json.loads(role.trust)),
            "InstanceProfileList": role.extra.get("InstanceProfileList", []), **_boundary(role), **_tags(role),
            **_if("RoleLastUsed", used), **_if("Description", role.description),
            **_if("MaxSessionDuration", role.max_session_duration if role.max_session_duration != 3600 else None)}


def _policy(policy: ManagedPolicy, counted: dict[str, Counter[str]]) -> dict[str, Any]:
    versions = [_version(one, policy.default) for one in reversed(policy.versions)]
    return {**_named(policy, "Policy"), **count_all(policy, counted), "DefaultVersionId": policy.default,
            "IsAttachable": policy.attachable, **_if("Description", policy.description),
            **_if("UpdateDate", policy.updated), "PolicyVersionList": versions, **_tags(policy)}


def _version(version: PolicyVersion, default: str) -> dict[str, Any]:
    return {"Document": json.loads(version.document), "VersionId": version.id,
            "IsDefaultVersion": version.id == default, **_if("CreateDate", version.created), **version.extra}


# --- what several have ----------------------------------------------------------------------------------


def _named(one: User | Group | Role | ManagedPolicy, noun: str) -> dict[str, Any]:
    return {**one.extra, "Path": one.path, f"{noun}Name": one.name, **_if(f"{noun}Id", one.id), "Arn": one.arn,
            **_if("CreateDate", one.created)}


def _holding(one: User | Group | Role, noun: str) -> dict[str, Any]:
    own = f"{noun}PolicyList"
    inline = ((name, {"PolicyDocument": json.loads(text)}) for name, text in one.inline.items())
    attached = ((arn, {"PolicyName": arn.rpartition("/")[2]}) for arn in one.policies)
    return {**_named(one, noun), own: listed(inline, "PolicyName", one.extra.get(own)),
            "AttachedManagedPolicies": listed(attached, "PolicyArn", one.extra.get("AttachedManagedPolicies"))}


def _boundary(one: User | Role) -> dict[str, Any]:
    if not one.boundary:
        return {}
    return {"PermissionsBoundary": boundary_shape(one.boundary) | _rest(one, "PermissionsBoundary")}


def _tags(one: User | Role | ManagedPolicy) -> dict[str, Any]:
    values = ((key, {"Value": value}) for key, value in one.tags.items())
    return _if("Tags", listed(values, "Key", one.extra.get("Tags")))


def _rest(one: AnyEntity, name: str) -> dict[str, Any]:
    found = one.extra.get(name)
    return dict(found) if isinstance(found, dict) else {}


def _if(name: str, value: Any) -> dict[str, Any]:
    """A member, unless it is empty."""
    return {name: value} if value else {}
