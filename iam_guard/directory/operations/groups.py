"""Groups of users: made, looked at, listed, renamed, deleted; who is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import check_count, check_free, check_name, check_path, check_path_prefix, check_room
from iam_guard.directory.entities import Group, Kind, Relation, User
from iam_guard.directory.operation import Answer, Listing, Operation, Work, page_of, slice_of
from iam_guard.directory.operations.holders import GroupListing, GroupOperation, UserListing
from iam_guard.directory.shapes import group_shape, user_shape
from iam_guard.errors import DeleteConflictError
from iam_guard.model import ascii_lower


def members_of(work: Work, group: Group) -> Iterator[User]:
    """The users that are in a group, by name."""
    target = f"{group.account}/{ascii_lower(group.name)}"
    for key in work.tx.linking(Relation.GROUP, target, kind=Kind.USER):
        if isinstance(found := work.tx.get(key), User):
            yield found


# --- groups themselves ----------------------------------------------------------------------------------


class CreateGroup(Operation, frozen=True, kw_only=True):
    """Make a group.

    Attributes:
        group_name: Its name.
        path: Where it stands.
    """

    group_name: str
    path: str = "/"

    def resource(self, work: Work) -> str:
        """The group to be."""
        return work.arn("group", self.path, self.group_name)

    def run(self, work: Work) -> Answer:
        """Make it."""
        check_name(self.group_name, "groupName", 128)
        check_path(self.path)
        check_free(work, Kind.GROUP, self.group_name)
        check_count(work, Kind.GROUP, work.quotas.groups)
        group = Group(account=work.account, name=self.group_name, path=self.path, id=work.new_id("AGPA"),
                      arn=work.arn("group", self.path, self.group_name), created=work.timestamp)
        work.tx.put(group)
        return {"Group": group_shape(group)}


class GetGroup(GroupListing, frozen=True, kw_only=True):
    """Look at a group and who is in it."""

    def run(self, work: Work) -> Answer:
        """Look."""
        group = work.find(Group, Kind.GROUP, self.group_name)
        users, rest = slice_of(self, ((user.key.name, user_shape(user)) for user in members_of(work, group)))
        return {"Group": group_shape(group), "Users": users, **rest}


class ListGroups(Listing, frozen=True, kw_only=True):
    """List the groups of the account.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        check_path_prefix(self.path_prefix)
        groups, rest = page_of(self, Kind.GROUP, work, self.path_prefix)
        return {"Groups": [group_shape(group) for group in groups if isinstance(group, Group)], **rest}


class UpdateGroup(GroupOperation, frozen=True, kw_only=True):
    """Give a group another name or path. It stays what it is, with its id, policies and members.

    Attributes:
        new_group_name: Its name from now on; empty to keep it.
        new_path: Its path from now on; empty to keep it.
    """

    # A token may vouch for a group of the new name.
    grants: ClassVar[bool] = True

    new_group_name: str = ""
    new_path: str = ""

    def run(self, work: Work) -> Answer:
        """Rename it, in its members too."""
        group = work.find(Group, Kind.GROUP, self.group_name)
        name, path = self.new_group_name or group.name, self.new_path or group.path
        check_name(name, "newGroupName", 128)
        check_path(path)
        renamed = replace(group, name=name, path=path, arn=work.arn("group", path, name))
        if renamed.key != group.key:
            check_free(work, Kind.GROUP, name)
            work.tx.delete(group.key)
        for user in list(members_of(work, group)):
            work.tx.put(replace(user, groups=_renamed(user.groups, group.name, name)))
        work.tx.put(renamed)
        return {}


def _renamed(groups: tuple[str, ...], before: str, after: str) -> tuple[str, ...]:
    return tuple(after if ascii_lower(one) == ascii_lower(before) else one for one in groups)


class DeleteGroup(GroupOperation, frozen=True, kw_only=True):
    """Delete a group that nobody is in and that holds nothing."""

    def run(self, work: Work) -> Answer:
        """Delete it."""
        group = work.find(Group, Kind.GROUP, self.group_name)
        if next(members_of(work, group), None) is not None:
            raise DeleteConflictError("Cannot delete entity, must remove users from group first.")
        if group.policies:
            raise DeleteConflictError("Cannot delete entity, must detach all policies first.")
        if group.inline:
            raise DeleteConflictError("Cannot delete entity, must delete policies first.")
        work.tx.delete(group.key)
        return {}


# --- who is in them -------------------------------------------------------------------------------------


class _Membership(GroupOperation, frozen=True, kw_only=True):
    """An operation on a user and a group.

    Attributes:
        user_name: The user.
    """

    # What the group holds reaches the user, and a denial among it may be what the user gets rid of.
    grants: ClassVar[bool] = True

    user_name: str


class AddUserToGroup(_Membership, frozen=True, kw_only=True):
    """Put a user into a group; one that is in it stays there."""

    def run(self, work: Work) -> Answer:
        """Put it there."""
        group = work.find(Group, Kind.GROUP, self.group_name)
        user = work.find(User, Kind.USER, self.user_name)
        if ascii_lower(group.name) not in map(ascii_lower, user.groups):
            check_room(len(user.groups), work.quotas.groups_per_user, "GroupsPerUser")
            work.tx.put(replace(user, groups=(*user.groups, group.name)))
        return {}


class RemoveUserFromGroup(_Membership, frozen=True, kw_only=True):
    """Take a user out of a group; one that is not in it is no matter."""

    def run(self, work: Work) -> Answer:
        """Take it out."""
        group = work.find(Group, Kind.GROUP, self.group_name)
        user = work.find(User, Kind.USER, self.user_name)
        left = tuple(name for name in user.groups if ascii_lower(name) != ascii_lower(group.name))
        work.tx.put(replace(user, groups=left))
        return {}


class ListGroupsForUser(UserListing, frozen=True, kw_only=True):
    """List the groups that a user is in."""

    def run(self, work: Work) -> Answer:
        """List them."""
        user = work.find(User, Kind.USER, self.user_name)
        groups = (work.find(Group, Kind.GROUP, name) for name in user.groups)
        found, rest = slice_of(self, ((group.key.name, group_shape(group)) for group in groups))
        return {"Groups": found, **rest}
