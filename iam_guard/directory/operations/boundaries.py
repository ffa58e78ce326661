"""Permissions boundaries of users and roles: the most that they may ever do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import boundary_context, check_changeable, find_attachable
from iam_guard.directory.entities import Group, Role, User
from iam_guard.directory.operation import Answer, Work
from iam_guard.directory.operations.holders import RoleOperation, UserOperation
from iam_guard.errors import NoSuchEntityError
from iam_guard.model import ContextValue


def _changeable(operation: UserOperation | RoleOperation, work: Work) -> User | Role:
    holder = operation.find(work)
    assert not isinstance(holder, Group)  # a group has no boundary, and there is no such operation
    if isinstance(holder, Role):
        check_changeable(holder)
    return holder


# --- setting --------------------------------------------------------------------------------------------


class PutUserPermissionsBoundary(UserOperation, frozen=True, kw_only=True):
    """Limit what a user may ever do.

    Attributes:
        permissions_boundary: ARN of the managed policy that limits it; it replaces the one there is.
    """

    # Another boundary may leave more than the one before.
    grants: ClassVar[bool] = True

    permissions_boundary: str

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The boundary to be, and the user's tags."""
        return {**UserOperation.context(self, work), **boundary_context(self.permissions_boundary)}

    def run(self, work: Work) -> Answer:
        """Set it."""
        return _put(self, work)


class PutRolePermissionsBoundary(RoleOperation, frozen=True, kw_only=True):
    """Limit what a role may ever do.

    Attributes:
        permissions_boundary: ARN of the managed policy that limits it; it replaces the one there is.
    """

    grants: ClassVar[bool] = True

    permissions_boundary: str

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The boundary to be, and the role's tags."""
        return {**RoleOperation.context(self, work), **boundary_context(self.permissions_boundary)}

    def run(self, work: Work) -> Answer:
        """Set it."""
        return _put(self, work)


def _put(operation: PutUserPermissionsBoundary | PutRolePermissionsBoundary, work: Work) -> Answer:
    holder = _changeable(operation, work)
    work.tx.put(replace(holder, boundary=find_attachable(work, operation.permissions_boundary).arn))
    return {}


# --- taking away ----------------------------------------------------------------------------------------


class DeleteUserPermissionsBoundary(UserOperation, frozen=True, kw_only=True):
    """Take the permissions boundary away from a user."""

    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Take it away."""
        return _delete(self, work)


class DeleteRolePermissionsBoundary(RoleOperation, frozen=True, kw_only=True):
    """Take the permissions boundary away from a role."""

    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Take it away."""
        return _delete(self, work)


def _delete(operation: UserOperation | RoleOperation, work: Work) -> Answer:
    holder = _changeable(operation, work)
    if not holder.boundary:
        raise NoSuchEntityError(f"The {operation.holder} {holder.name} has no permissions boundary.")
    work.tx.put(replace(holder, boundary=""))
    return {}
