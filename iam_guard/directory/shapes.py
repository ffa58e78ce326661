"""How IAM's answers write entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from iam_guard.directory.entities import Group, ManagedPolicy, PolicyVersion, Role, User

Shape = dict[str, Any]


class Tag(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """A tag, as a parameter.

    Attributes:
        key: Its key; keys ignore case.
        value: Its value.
    """

    key: str
    value: str = ""


def tags_shape(tags: dict[str, str]) -> list[Shape]:
    """``[{"Key": ..., "Value": ...}]``."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def boundary_shape(arn: str) -> Shape:
    """What an answer says of a permissions boundary."""
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def _filled(members: Iterable[tuple[str, Any]]) -> Shape:
    """Leave out what is empty."""
    return {name: value for name, value in members if value not in ("", None, [], {})}


def user_shape(user: User) -> Shape:
    """A user."""
    return _filled([("Path", user.path), ("UserName", user.name), ("UserId", user.id), ("Arn", user.arn),
                    ("CreateDate", user.created), ("PasswordLastUsed", user.password_last_used),
                    ("PermissionsBoundary", boundary_shape(user.boundary) if user.boundary else None),
                    ("Tags", tags_shape(user.tags))])


def group_shape(group: Group) -> Shape:
    """A group."""
    return _filled([("Path", group.path), ("GroupName", group.name), ("GroupId", group.id), ("Arn", group.arn),
                    ("CreateDate", group.created)])


def role_shape(role: Role, trust: Any) -> Shape:
    """A role, and its trust policy as it reads now."""
    return _filled([("Path", role.path), ("RoleName", role.name), ("RoleId", role.id), ("Arn", role.arn),
                    ("CreateDate", role.created), ("AssumeRolePolicyDocument", trust),
                    ("Description", role.description), ("MaxSessionDuration", role.max_session_duration),
                    ("PermissionsBoundary", boundary_shape(role.boundary) if role.boundary else None),
                    ("Tags", tags_shape(role.tags))])


def policy_shape(policy: ManagedPolicy, attachments: int, boundaries: int) -> Shape:
    """A managed policy, and how many use it."""
    return _filled([("PolicyName", policy.name), ("PolicyId", policy.id), ("Arn", policy.arn), ("Path", policy.path),
                    ("DefaultVersionId", policy.default), ("AttachmentCount", attachments),
                    ("PermissionsBoundaryUsageCount", boundaries), ("IsAttachable", policy.attachable),
                    ("Description", policy.description), ("CreateDate", policy.created),
                    ("UpdateDate", policy.updated or policy.created), ("Tags", tags_shape(policy.tags))])


def version_shape(policy: ManagedPolicy, version: PolicyVersion) -> Shape:
    """A version without its document."""
    return _filled([("VersionId", version.id), ("IsDefaultVersion", version.id == policy.default),
                    ("CreateDate", version.created)])
