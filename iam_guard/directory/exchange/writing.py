"""Writes an account as ``GetAccountAuthorizationDetails`` answers it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from iam_guard.directory.effective import pages
from iam_guard.directory.entities import (
    Account,
    AnyEntity,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    PolicyVersion,
    ResourcePolicy,
    Role,
    Unit,
    User,
)
from iam_guard.directory.exchange.beside import FULL_ACCESS, ROOT, Beside, Levels
from iam_guard.directory.exchange.counts import count_all, uses
from iam_guard.directory.exchange.members import listed
from iam_guard.directory.exchange.reading import ALSO, ANSWER
from iam_guard.directory.guardrails import ORGANIZATION, nodes_above
from iam_guard.directory.port import Reading
from iam_guard.directory.trust import as_it_reads_in
from iam_guard.model import ascii_lower

_PLATFORM = "aws"
_BESIDE = frozenset({Kind.RESOURCE_POLICY, Kind.CONTROL_POLICY, Kind.UNIT, Kind.ORGANIZATION})
_HELD = frozenset({Kind.ACCOUNT, Kind.USER, Kind.GROUP, Kind.ROLE, Kind.POLICY, Kind.SETTINGS})


# What the extra has of members that are written anew: it is nothing without the rest of them.
_APART = {
    Kind.USER: frozenset({"Path", "UserPolicyList", "AttachedManagedPolicies", "PermissionsBoundary", "Tags"}),
    Kind.GROUP: frozenset({"Path", "GroupPolicyList", "AttachedManagedPolicies"}),
    Kind.ROLE: frozenset({"Path", "RolePolicyList", "AttachedManagedPolicies", "PermissionsBoundary", "Tags"}),
    Kind.POLICY: frozenset({"Path", "Tags"}),
}


class Documents(StrEnum):
    """How documents are written: as AWS's own command line prints them, as text, or as AWS's API does."""

    OBJECTS = "objects"
    TEXT = "text"
    ENCODED = "encoded"


_Say = Callable[[str], Any]
_FORMS: dict[Documents, _Say] = {
    Documents.OBJECTS: json.loads, Documents.TEXT: str, Documents.ENCODED: lambda text: quote(text, safe=""),
}


def write_details(reading: Reading, account: str, *, documents: Documents = Documents.OBJECTS) -> dict[str, Any]:
    """An account in AWS's form.

    Principals that are gone are written as their ids: whoever has their names now was never meant.

    Args:
        reading: The directory.
        account: Id of the account.
        documents: How they are written.
    """
    say = _FORMS[documents]
    own = reading.get(Key(Kind.ACCOUNT, account, account))
    extra = own.extra if isinstance(own, Account) else {}
    accounts = dict.fromkeys((account, *extra.get(ALSO, ())))
    holders = [one for kind in (Kind.USER, Kind.GROUP, Kind.ROLE) for place in accounts
               for one in pages(reading, kind, place)]
    policies = [one for place in {**accounts, _PLATFORM: None} for one in pages(reading, Kind.POLICY, place)]
    counted = uses(holders)
    return {"UserDetailList": [_user(one, say) for one in holders if isinstance(one, User)],
            "GroupDetailList": [_holding(one, "Group", say) for one in holders if isinstance(one, Group)],
            "RoleDetailList": [_role(_as_it_reads(one, reading), say) for one in holders if isinstance(one, Role)],
            "Policies": [_policy(one, counted, say) for one in policies if isinstance(one, ManagedPolicy)],
            "IsTruncated": False, **extra.get(ANSWER, {})}


def write_beside(reading: Reading, account: str) -> Beside:
    """What the form has no place for, and files beside it have: control policies over an account, and resources."""
    nodes = _nodes_over(reading, account)
    resources = {one.arn: as_it_reads_in(one.document, one.named_ids, reading)
                 for one in pages(reading, Kind.RESOURCE_POLICY, account) if isinstance(one, ResourcePolicy)}
    scps: Levels = tuple(_controls(reading, "scp", one.scps) for one in nodes)
    rcps: Levels = tuple(_controls(reading, "rcp", one.rcps or None) for one in nodes)
    return Beside(_if_said(scps), _if_said(rcps), resources)


def _nodes_over(reading: Reading, account: str) -> list[Account | Unit]:
    """The account and the units above it, root first, where they limit it."""
    own, top = reading.get(Key(Kind.ACCOUNT, account, account)), reading.get(ORGANIZATION)
    if not isinstance(top, Organization) or top.management == account or not (isinstance(own, Account) and own.parent):
        return []
    # The root that an import made is only there so that there is one.
    return [one for one in nodes_above(reading, own) if getattr(one, "id", "") != ROOT][::-1]


def _if_said(levels: Levels) -> Levels:
    return levels if any(one is not None for one in levels) else ()


def _controls(reading: Reading, type: str, names: tuple[str, ...] | None) -> dict[str, str] | None:
    if names is None:
        return None
    found = (reading.get(Key(Kind.CONTROL_POLICY, "", f"{type}/{ascii_lower(name)}")) for name in names)
    held = {one.name: one.document for one in found if isinstance(one, ControlPolicy)}
    return {name: held.get(name, FULL_ACCESS) for name in names}


def left_out(reading: Reading, account: str, *, beside: bool = False) -> Counter[str]:
    """What is not written, counted by kind: the form says nothing of passwords, keys, resources and limits.

    Args:
        reading: The directory.
        account: Id of the account.
        beside: Whether the files beside it are written.
    """
    left: Counter[str] = Counter()
    for key, text in reading.scan():
        if key.kind in _BESIDE and beside and key.account in ("", account):
            continue
        if key.kind not in _HELD:
            left[str(key.kind)] += 1
        elif key.account not in ("", account, _PLATFORM):
            left["entity of other accounts"] += 1
        elif key.kind is Kind.USER and json.loads(text).get("password"):
            left["password"] += 1
    return left


# --- entities -------------------------------------------------------------------------------------------


def _as_it_reads(role: Role, reading: Reading) -> Role:
    return role if not role.trust else replace(role, trust=as_it_reads_in(role.trust, role.trusted_ids, reading))


def _user(user: User, say: _Say) -> dict[str, Any]:
    return {**_holding(user, "User", say), "GroupList": list(user.groups), **_boundary(user), **_tags(user),
            **_if("PasswordLastUsed", user.password_last_used)}


def _role(role: Role, say: _Say) -> dict[str, Any]:
    used = _rest(role, "RoleLastUsed") | _if("LastUsedDate", role.last_used)
    return {**_holding(role, "Role", say), **_if("AssumeRolePolicyDocument", role.trust and say(role.trust)),
            "InstanceProfileList": role.extra.get("InstanceProfileList", []), **_boundary(role), **_tags(role),
            **_if("RoleLastUsed", used), **_if("Description", role.description),
            **_if("MaxSessionDuration", role.max_session_duration if role.max_session_duration != 3600 else None)}


def _policy(policy: ManagedPolicy, counted: dict[str, Counter[str]], say: _Say) -> dict[str, Any]:
    versions = [_version(one, policy.default, say) for one in reversed(policy.versions)]
    policy = replace(policy, extra=count_all(policy, counted))
    return {**_named(policy, "Policy"), "DefaultVersionId": policy.default,
            "IsAttachable": policy.attachable, **_if("Description", policy.description),
            **_if("UpdateDate", policy.updated), "PolicyVersionList": versions, **_tags(policy)}


def _version(version: PolicyVersion, default: str, say: _Say) -> dict[str, Any]:
    return {"Document": say(version.document), "VersionId": version.id,
            "IsDefaultVersion": version.id == default, **_if("CreateDate", version.created), **version.extra}


# --- what several have ----------------------------------------------------------------------------------


def _named(one: User | Group | Role | ManagedPolicy, noun: str) -> dict[str, Any]:
    kept = {name: value for name, value in one.extra.items() if name not in _APART[one.kind]}
    return {**kept, "Path": _rest(one, "Path").get(one.path, one.path), f"{noun}Name": one.name,
            **_if(f"{noun}Id", one.id), "Arn": one.arn, **_if("CreateDate", one.created)}


def _holding(one: User | Group | Role, noun: str, say: _Say) -> dict[str, Any]:
    own = f"{noun}PolicyList"
    inline = ((name, {"PolicyDocument": say(text)}) for name, text in one.inline.items())
    attached = ((arn, {"PolicyName": arn.rpartition("/")[2]}) for arn in one.policies)
    return {**_named(one, noun), own: listed(inline, "PolicyName", one.extra.get(own)),
            "AttachedManagedPolicies": listed(attached, "PolicyArn", one.extra.get("AttachedManagedPolicies"))}


def _boundary(one: User | Role) -> dict[str, Any]:
    if not one.boundary:
        return {}
    # Named otherwise here than in IAM's other answers.
    said = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": one.boundary}
    return {"PermissionsBoundary": said | _rest(one, "PermissionsBoundary")}


def _tags(one: User | Role | ManagedPolicy) -> dict[str, Any]:
    values = ((key, {"Value": value}) for key, value in one.tags.items())
    return _if("Tags", listed(values, "Key", one.extra.get("Tags")))


def _rest(one: AnyEntity, name: str) -> dict[str, Any]:
    found = one.extra.get(name)
    return dict(found) if isinstance(found, dict) else {}


def _if(name: str, value: Any) -> dict[str, Any]:
    """A member, unless it is empty."""
    return {name: value} if value else {}
