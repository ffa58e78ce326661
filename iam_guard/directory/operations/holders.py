"""What operations on one user, group or role have in common. No operation stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from iam_guard.directory.checks import holder_context, holder_of
from iam_guard.directory.entities import Group, Kind, Role, User
from iam_guard.directory.operation import Listing, Operation, Work
from iam_guard.model import ContextValue


class Held:
    """Made part of an operation, it is about one user, group or role.

    Attributes:
        holder: Of which kind.
    """

    __slots__ = ()

    holder: ClassVar[Kind]

    @property
    def name(self) -> str:
        """The name of the user, group or role."""
        return str(getattr(self, f"{self.holder}_name"))

    def resource(self, work: Work) -> str:
        """The user, group or role, as it is or as it would be."""
        return work.arn_of(self.holder, self.name)

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """Its tags, and its permissions boundary."""
        return holder_context(work, self.holder, self.name, boundary=True)

    def find(self, work: Work) -> User | Group | Role:
        """The user, group or role.

        Raises:
            NoSuchEntityError: there is none of that name.
        """
        return holder_of(work, self.holder, self.name)


class UserOperation(Held, Operation, frozen=True, kw_only=True):
    """An operation on a user.

    Attributes:
        user_name: Its name.
    """

    holder: ClassVar[Kind] = Kind.USER

    user_name: str


class GroupOperation(Held, Operation, frozen=True, kw_only=True):
    """An operation on a group.

    Attributes:
        group_name: Its name.
    """

    holder: ClassVar[Kind] = Kind.GROUP

    group_name: str


class RoleOperation(Held, Operation, frozen=True, kw_only=True):
    """An operation on a role.

    Attributes:
        role_name: Its name.
    """

    holder: ClassVar[Kind] = Kind.ROLE

    role_name: str


class UserListing(Held, Listing, frozen=True, kw_only=True):
    """A list of what belongs to a user.

    Attributes:
        user_name: Its name.
    """

    holder: ClassVar[Kind] = Kind.USER

    user_name: str


class GroupListing(Held, Listing, frozen=True, kw_only=True):
    """A list of what belongs to a group.

    Attributes:
        group_name: Its name.
    """

    holder: ClassVar[Kind] = Kind.GROUP

    group_name: str


class RoleListing(Held, Listing, frozen=True, kw_only=True):
    """A list of what belongs to a role.

    Attributes:
        role_name: Its name.
    """

    holder: ClassVar[Kind] = Kind.ROLE

    role_name: str
