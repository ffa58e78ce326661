"""Managed policies attached to users, groups and roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import (
    check_changeable,
    check_path_prefix,
    check_room,
    find_attachable,
    policy_context,
    policy_key,
)
from iam_guard.directory.entities import Group, Kind, ManagedPolicy, Role, User
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
from iam_guard.model import ContextValue

_QUOTAS = {Kind.USER: "PoliciesPerUser", Kind.GROUP: "PoliciesPerGroup", Kind.ROLE: "PoliciesPerRole"}


class _UserPolicy(UserOperation, frozen=True, kw_only=True):
    """An operation on a user and a managed policy.

    Attributes:
        policy_arn: ARN of the managed policy.
    """

    # What is taken away may have denied something.
    grants: ClassVar[bool] = True

    policy_arn: str

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The policy, and what is known of the user."""
        return {**UserOperation.context(self, work), **policy_context(self.policy_arn)}


class _GroupPolicy(GroupOperation, frozen=True, kw_only=True):
    """An operation on a group and a managed policy.

    Attributes:
        policy_arn: ARN of the managed policy.
    """

    # What is taken away may have denied something.
    grants: ClassVar[bool] = True

    policy_arn: str

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The policy, and what is known of the group."""
        return {**GroupOperation.context(self, work), **policy_context(self.policy_arn)}


class _RolePolicy(RoleOperation, frozen=True, kw_only=True):
    """An operation on a role and a managed policy.

    Attributes:
        policy_arn: ARN of the managed policy.
    """

    # What is taken away may have denied something.
    grants: ClassVar[bool] = True

    policy_arn: str

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The policy, and what is known of the role."""
        return {**RoleOperation.context(self, work), **policy_context(self.policy_arn)}


_OnOne = _UserPolicy | _GroupPolicy | _RolePolicy


# --- attaching ------------------------------------------------------------------------------------------


class AttachUserPolicy(_UserPolicy, frozen=True, kw_only=True):
    """Attach a managed policy to a user."""

    def run(self, work: Work) -> Answer:
        """Attach it; what is attached already stays so."""
        return _attach(self, work)


class AttachGroupPolicy(_GroupPolicy, frozen=True, kw_only=True):
    """Attach a managed policy to a group."""

    def run(self, work: Work) -> Answer:
        """Attach it; what is attached already stays so."""
        return _attach(self, work)


class AttachRolePolicy(_RolePolicy, frozen=True, kw_only=True):
    """Attach a managed policy to a role."""

    def run(self, work: Work) -> Answer:
        """Attach it; what is attached already stays so."""
        return _attach(self, work)


def _attach(operation: _OnOne, work: Work) -> Answer:
    holder = _changeable(operation, work)
    policy = find_attachable(work, operation.policy_arn)
    if policy.arn not in holder.policies:
        check_room(len(holder.policies), _most(work.quotas, operation.holder), _QUOTAS[operation.holder])
        work.tx.put(replace(holder, policies=(*holder.policies, policy.arn)))
    return {}


def _most(quotas: Quotas, kind: Kind) -> int:
    return {Kind.USER: quotas.policies_per_user, Kind.GROUP: quotas.policies_per_group,
            Kind.ROLE: quotas.policies_per_role}[kind]


def _changeable(operation: _OnOne, work: Work) -> User | Group | Role:
    holder = operation.find(work)
    if isinstance(holder, Role):
        check_changeable(holder)
    return holder


# --- detaching ------------------------------------------------------------------------------------------


class DetachUserPolicy(_UserPolicy, frozen=True, kw_only=True):
    """Detach a managed policy from a user."""

    def run(self, work: Work) -> Answer:
        """Detach it, be there such a policy or not."""
        return _detach(self, work)


class DetachGroupPolicy(_GroupPolicy, frozen=True, kw_only=True):
    """Detach a managed policy from a group."""

    def run(self, work: Work) -> Answer:
        """Detach it, be there such a policy or not."""
        return _detach(self, work)


class DetachRolePolicy(_RolePolicy, frozen=True, kw_only=True):
    """Detach a managed policy from a role."""

    def run(self, work: Work) -> Answer:
        """Detach it, be there such a policy or not."""
        return _detach(self, work)


def _detach(operation: _OnOne, work: Work) -> Answer:
    holder = _changeable(operation, work)
    if operation.policy_arn not in holder.policies:
        policy_key(operation.policy_arn)
        raise NoSuchEntityError(f"Policy {operation.policy_arn} was not found.")
    left = tuple(arn for arn in holder.policies if arn != operation.policy_arn)
    work.tx.put(replace(holder, policies=left))
    return {}


# --- listing --------------------------------------------------------------------------------------------


class ListAttachedUserPolicies(UserListing, frozen=True, kw_only=True):
    """List the managed policies attached to a user.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        return _attached(self, work)


class ListAttachedGroupPolicies(GroupListing, frozen=True, kw_only=True):
    """List the managed policies attached to a group.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        return _attached(self, work)


class ListAttachedRolePolicies(RoleListing, frozen=True, kw_only=True):
    """List the managed policies attached to a role.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        return _attached(self, work)


def _attached(listing: ListAttachedUserPolicies | ListAttachedGroupPolicies | ListAttachedRolePolicies,
              work: Work) -> Answer:
    check_path_prefix(listing.path_prefix)
    rows = ((arn, {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn})
            for arn in listing.find(work).policies if _is_under(arn, listing.path_prefix, work))
    found, rest = slice_of(listing, rows)
    return {"AttachedPolicies": found, **rest}


def _is_under(arn: str, prefix: str, work: Work) -> bool:
    if prefix == "/":
        return True
    found = work.tx.get(policy_key(arn))
    return isinstance(found, ManagedPolicy) and found.path.startswith(prefix)
