"""Users: made, looked at, listed, renamed, deleted."""

from __future__ import annotations

from collections.abc import Mapping

from iam_guard.directory.checks import (
    boundary_context,
    check_boundary,
    check_count,
    check_free,
    check_name,
    check_path,
    tag_context,
    tags_from,
)
from iam_guard.directory.entities import Kind, User
from iam_guard.directory.operation import Answer, Listing, Operation, Work, page_of
from iam_guard.directory.shapes import Tag, user_shape
from iam_guard.model import ContextValue


class CreateUser(Operation, frozen=True, kw_only=True):
    """Make a user.

    Attributes:
        user_name: Its name.
        path: Where it stands.
        permissions_boundary: ARN of a managed policy that limits what it may ever do.
        tags: Its tags.
    """

    user_name: str
    path: str = "/"
    permissions_boundary: str = ""
    tags: tuple[Tag, ...] = ()

    def resource(self, work: Work) -> str:
        """The user to be."""
        return work.arn("user", self.path, self.user_name)

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The boundary and the tags that are asked for."""
        return {**boundary_context(self.permissions_boundary), **tag_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Make it."""
        check_name(self.user_name, "userName", 64)
        check_path(self.path)
        check_free(work, Kind.USER, self.user_name)
        check_count(work, Kind.USER, work.quotas.users)
        check_boundary(work, self.permissions_boundary)
        user = User(account=work.account, name=self.user_name, path=self.path, id=work.new_id("AIDA"),
                    arn=work.arn("user", self.path, self.user_name), created=work.timestamp,
                    boundary=self.permissions_boundary, tags=tags_from(self.tags, work.quotas))
        work.tx.put(user)
        return {"User": user_shape(user)}


class ListUsers(Listing, frozen=True, kw_only=True):
    """List the users of the account.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        users, rest = page_of(self, Kind.USER, work, self.path_prefix)
        return {"Users": [user_shape(user) for user in users if isinstance(user, User)], **rest}
