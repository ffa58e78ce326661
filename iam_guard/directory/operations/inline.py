"""Inline policies of users, groups and roles."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import DocumentParameter, check_changeable, check_document, check_name, check_size
from iam_guard.directory.entities import Group, Kind, Role, User
from iam_guard.directory.operation import Answer, Work, slice_of
from iam_guard.directory.operations.holders import (
    GroupListing,
    GroupOperation,
    RoleListing,
    RoleOperation,
    UserListing,
    UserOperation,
)
from iam_guard.directory.quotas import Quotas
from iam_guard.errors import NoSuchEntityError

_NAME = {Kind.USER: "UserName", Kind.GROUP: "GroupName", Kind.ROLE: "RoleName"}


class _UserPolicy(UserOperation, frozen=True, kw_only=True):
    """An operation on one inline policy of a user.

    Attributes:
        policy_name: Name of the inline policy.
    """

    policy_name: str


class _GroupPolicy(GroupOperation, frozen=True, kw_only=True):
    """An operation on one inline policy of a group.

    Attributes:
        policy_name: Name of the inline policy.
    """

    policy_name: str


class _RolePolicy(RoleOperation, frozen=True, kw_only=True):
    """An operation on one inline policy of a role.

    Attributes:
        policy_name: Name of the inline policy.
    """

    policy_name: str


_OnOne = _UserPolicy | _GroupPolicy | _RolePolicy


# --- putting --------------------------------------------------------------------------------------------


class PutUserPolicy(_UserPolicy, frozen=True, kw_only=True):
    """Give a user an inline policy, or replace the one of that name.

    Attributes:
        policy_document: Its document.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter

    def run(self, work: Work) -> Answer:
        """Put it."""
        return _put(self, work)


class PutGroupPolicy(_GroupPolicy, frozen=True, kw_only=True):
    """Give a group an inline policy, or replace the one of that name.

    Attributes:
        policy_document: Its document.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter

    def run(self, work: Work) -> Answer:
        """Put it."""
        return _put(self, work)


class PutRolePolicy(_RolePolicy, frozen=True, kw_only=True):
    """Give a role an inline policy, or replace the one of that name.

    Attributes:
        policy_document: Its document.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter

    def run(self, work: Work) -> Answer:
        """Put it."""
        return _put(self, work)


def _put(operation: PutUserPolicy | PutGroupPolicy | PutRolePolicy, work: Work) -> Answer:
    check_name(operation.policy_name, "policyName", 128)
    holder = _changeable(operation, work)
    text, _ = check_document(operation.policy_document)
    inline = holder.inline | {operation.policy_name: text}
    check_size(inline.values(), _most(work.quotas, operation.holder), f"{operation.holder} {holder.name}")
    work.tx.put(replace(holder, inline=inline))
    return {}


def _most(quotas: Quotas, kind: Kind) -> int:
    return {Kind.USER: quotas.user_inline_size, Kind.GROUP: quotas.group_inline_size,
            Kind.ROLE: quotas.role_inline_size}[kind]


def _changeable(operation: _OnOne, work: Work) -> User | Group | Role:
    holder = operation.find(work)
    if isinstance(holder, Role):
        check_changeable(holder)
    return holder


# --- looking --------------------------------------------------------------------------------------------


class GetUserPolicy(_UserPolicy, frozen=True, kw_only=True):
    """Look at an inline policy of a user, with its document as it was given."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        return _get(self, work)


class GetGroupPolicy(_GroupPolicy, frozen=True, kw_only=True):
    """Look at an inline policy of a group, with its document as it was given."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        return _get(self, work)


class GetRolePolicy(_RolePolicy, frozen=True, kw_only=True):
    """Look at an inline policy of a role, with its document as it was given."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        return _get(self, work)


def _get(operation: _OnOne, work: Work) -> Answer:
    holder = operation.find(work)
    return {_NAME[operation.holder]: holder.name, "PolicyName": operation.policy_name,
            "PolicyDocument": _document(operation, holder)}


def _document(operation: _OnOne, holder: User | Group | Role) -> str:
    if operation.policy_name not in holder.inline:
        raise NoSuchEntityError(f"The {operation.holder} policy with name {operation.policy_name} cannot be found.")
    return holder.inline[operation.policy_name]


# --- taking away ----------------------------------------------------------------------------------------


class DeleteUserPolicy(_UserPolicy, frozen=True, kw_only=True):
    """Take an inline policy away from a user."""

    # It may have denied something.
    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Take it away."""
        return _delete(self, work)


class DeleteGroupPolicy(_GroupPolicy, frozen=True, kw_only=True):
    """Take an inline policy away from a group."""

    # It may have denied something.
    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Take it away."""
        return _delete(self, work)


class DeleteRolePolicy(_RolePolicy, frozen=True, kw_only=True):
    """Take an inline policy away from a role."""

    # It may have denied something.
    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Take it away."""
        return _delete(self, work)


def _delete(operation: _OnOne, work: Work) -> Answer:
    holder = _changeable(operation, work)
    _document(operation, holder)
    left = {name: text for name, text in holder.inline.items() if name != operation.policy_name}
    work.tx.put(replace(holder, inline=left))
    return {}


# --- listing --------------------------------------------------------------------------------------------


class ListUserPolicies(UserListing, frozen=True, kw_only=True):
    """List the names of the inline policies of a user."""

    def run(self, work: Work) -> Answer:
        """List them."""
        return _names(self, work)


class ListGroupPolicies(GroupListing, frozen=True, kw_only=True):
    """List the names of the inline policies of a group."""

    def run(self, work: Work) -> Answer:
        """List them."""
        return _names(self, work)


class ListRolePolicies(RoleListing, frozen=True, kw_only=True):
    """List the names of the inline policies of a role."""

    def run(self, work: Work) -> Answer:
        """List them."""
        return _names(self, work)


def _names(listing: UserListing | GroupListing | RoleListing, work: Work) -> Answer:
    names, rest = slice_of(listing, ((name, name) for name in listing.find(work).inline))
    return {"PolicyNames": names, **rest}
