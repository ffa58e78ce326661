"""Users: made, looked at, listed, renamed, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import (
    boundary_context,
    check_boundary,
    check_count,
    check_free,
    check_name,
    check_path,
    check_path_prefix,
    holder_context,
    new_tags_context,
    tag_context,
    tags_from,
)
from iam_guard.directory.entities import Kind, User
from iam_guard.directory.operation import Answer, Listing, Operation, Work, page_of
from iam_guard.directory.operations.access_keys import OwnOperation, keys_of
from iam_guard.directory.operations.holders import UserOperation
from iam_guard.directory.shapes import Tag, user_shape
from iam_guard.errors import DeleteConflictError
from iam_guard.model import ContextValue


class CreateUser(Operation, frozen=True, kw_only=True):
    """Make a user.

    Attributes:
        user_name: Its name.
        path: Where it stands.
        permissions_boundary: ARN of a managed policy that limits what it may ever do.
        tags: Its tags.
    """

    # Policies may speak of whoever has this name, or these tags.
    grants: ClassVar[bool] = True

    user_name: str
    path: str = "/"
    permissions_boundary: str = ""
    tags: tuple[Tag, ...] = ()

    def resource(self, work: Work) -> str:
        """The user to be."""
        return work.arn("user", self.path, self.user_name)

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The boundary and the tags that are asked for."""
        return {**boundary_context(self.permissions_boundary), **tag_context(self.tags), **new_tags_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Make it."""
        check_name(self.user_name, "userName", 64, subject=True)
        check_path(self.path)
        check_free(work, Kind.USER, self.user_name)
        check_count(work, Kind.USER, work.quotas.users)
        check_boundary(work, self.permissions_boundary)
        user = User(account=work.account, name=self.user_name, path=self.path, id=work.new_id("AIDA"),
                    arn=work.arn("user", self.path, self.user_name), created=work.timestamp,
                    boundary=self.permissions_boundary, tags=tags_from(self.tags, work.quotas))
        work.tx.put(user)
        return {"User": user_shape(user)}


class GetUser(OwnOperation, frozen=True, kw_only=True):
    """Look at a user."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        return {"User": user_shape(self.user(work))}


class ListUsers(Listing, frozen=True, kw_only=True):
    """List the users of the account.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        check_path_prefix(self.path_prefix)
        users, rest = page_of(self, Kind.USER, work, self.path_prefix)
        return {"Users": [user_shape(user) for user in users if isinstance(user, User)], **rest}


class UpdateUser(UserOperation, frozen=True, kw_only=True):
    """Give a user another name or path. It stays who it is, with its id and all it holds.

    Attributes:
        new_user_name: Its name from now on; empty to keep it.
        new_path: Its path from now on; empty to keep it.
    """

    # Policies may speak of whoever has the new name or path.
    grants: ClassVar[bool] = True

    new_user_name: str = ""
    new_path: str = ""

    def run(self, work: Work) -> Answer:
        """Rename it."""
        user = work.find(User, Kind.USER, self.user_name)
        name, path = self.new_user_name or user.name, self.new_path or user.path
        check_name(name, "newUserName", 64, subject=True)
        check_path(path)
        renamed = replace(user, name=name, path=path, arn=work.arn("user", path, name))
        if renamed.key != user.key:
            check_free(work, Kind.USER, name)
            work.tx.delete(user.key)
        work.tx.put(renamed)
        _follow(work, user, renamed)
        return {}


def _follow(work: Work, before: User, after: User) -> None:
    """What carries the user's name along with its id."""
    for key in keys_of(work, before):
        if key.user != after.name:
            work.tx.put(replace(key, user=after.name))


class DeleteUser(UserOperation, frozen=True, kw_only=True):
    """Delete a user that holds nothing any more."""

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """Its tags, and its permissions boundary."""
        return holder_context(work, Kind.USER, self.user_name, boundary=True)

    def run(self, work: Work) -> Answer:
        """Delete it."""
        user = work.find(User, Kind.USER, self.user_name)
        for hindrance in _hindrances(user, work):
            raise DeleteConflictError(f"Cannot delete entity, must {hindrance} first.")
        work.tx.delete(user.key)
        return {}


def _hindrances(user: User, work: Work) -> Iterator[str]:
    """What has to be done before, in IAM's words."""
    if user.policies:
        yield "detach all policies"
    if user.inline:
        yield "delete policies"
    if user.groups:
        yield "remove users from group"
    if keys_of(work, user):
        yield "delete access keys"
    if user.password:
        yield "delete login profile"
