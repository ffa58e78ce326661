"""Tags of users, roles and managed policies. Policies may turn on them, so a change may give rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import (
    check_changeable,
    drop_tags,
    find_policy,
    merge_tags,
    tag_context,
    tag_keys_context,
)
from iam_guard.directory.entities import ManagedPolicy, Role, User
from iam_guard.directory.operation import Answer, Listing, Work, slice_of
from iam_guard.directory.operations.holders import RoleListing, RoleOperation, UserListing, UserOperation
from iam_guard.directory.operations.policies import PolicyOperation, find_own_policy, policy_tags_context
from iam_guard.directory.shapes import Tag
from iam_guard.model import ContextValue, ascii_lower

_Tagged = User | Role | ManagedPolicy


def _changeable(operation: UserOperation | RoleOperation | PolicyOperation, work: Work) -> _Tagged:
    if isinstance(operation, PolicyOperation):
        return find_own_policy(work, operation.policy_arn)
    found = operation.find(work)
    assert isinstance(found, User | Role)  # groups have no tags
    if isinstance(found, Role):
        check_changeable(found)
    return found


# --- putting on -----------------------------------------------------------------------------------------


class TagUser(UserOperation, frozen=True, kw_only=True):
    """Put tags on a user.

    Attributes:
        tags: They replace those with the same keys, whatever the case.
    """

    grants: ClassVar[bool] = True

    tags: tuple[Tag, ...]

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The tags that are asked for, and those that are there."""
        return {**UserOperation.context(self, work), **tag_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Put them on."""
        return _tag(self, work)


class TagRole(RoleOperation, frozen=True, kw_only=True):
    """Put tags on a role.

    Attributes:
        tags: They replace those with the same keys, whatever the case.
    """

    grants: ClassVar[bool] = True

    tags: tuple[Tag, ...]

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The tags that are asked for, and those that are there."""
        return {**RoleOperation.context(self, work), **tag_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Put them on."""
        return _tag(self, work)


class TagPolicy(PolicyOperation, frozen=True, kw_only=True):
    """Put tags on a managed policy.

    Attributes:
        tags: They replace those with the same keys, whatever the case.
    """

    grants: ClassVar[bool] = True

    tags: tuple[Tag, ...]

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The tags that are asked for, and those that are there."""
        return {**PolicyOperation.context(self, work), **tag_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Put them on."""
        return _tag(self, work)


def _tag(operation: TagUser | TagRole | TagPolicy, work: Work) -> Answer:
    found = _changeable(operation, work)
    work.tx.put(replace(found, tags=merge_tags(found.tags, operation.tags, work.quotas)))
    return {}


# --- taking off -----------------------------------------------------------------------------------------


class UntagUser(UserOperation, frozen=True, kw_only=True):
    """Take tags off a user.

    Attributes:
        tag_keys: Their keys, in any case; one that is not there is no matter.
    """

    grants: ClassVar[bool] = True

    tag_keys: tuple[str, ...]

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The keys that are asked for, and the tags that are there."""
        return {**UserOperation.context(self, work), **tag_keys_context(self.tag_keys)}

    def run(self, work: Work) -> Answer:
        """Take them off."""
        return _untag(self, work)


class UntagRole(RoleOperation, frozen=True, kw_only=True):
    """Take tags off a role.

    Attributes:
        tag_keys: Their keys, in any case; one that is not there is no matter.
    """

    grants: ClassVar[bool] = True

    tag_keys: tuple[str, ...]

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The keys that are asked for, and the tags that are there."""
        return {**RoleOperation.context(self, work), **tag_keys_context(self.tag_keys)}

    def run(self, work: Work) -> Answer:
        """Take them off."""
        return _untag(self, work)


class UntagPolicy(PolicyOperation, frozen=True, kw_only=True):
    """Take tags off a managed policy.

    Attributes:
        tag_keys: Their keys, in any case; one that is not there is no matter.
    """

    grants: ClassVar[bool] = True

    tag_keys: tuple[str, ...]

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The keys that are asked for, and the tags that are there."""
        return {**PolicyOperation.context(self, work), **tag_keys_context(self.tag_keys)}

    def run(self, work: Work) -> Answer:
        """Take them off."""
        return _untag(self, work)


def _untag(operation: UntagUser | UntagRole | UntagPolicy, work: Work) -> Answer:
    found = _changeable(operation, work)
    work.tx.put(replace(found, tags=drop_tags(found.tags, operation.tag_keys)))
    return {}


# --- listing --------------------------------------------------------------------------------------------


class ListUserTags(UserListing, frozen=True, kw_only=True):
    """List the tags of a user."""

    def run(self, work: Work) -> Answer:
        """List them."""
        return _page(self, work.find(User, self.holder, self.name).tags)


class ListRoleTags(RoleListing, frozen=True, kw_only=True):
    """List the tags of a role."""

    def run(self, work: Work) -> Answer:
        """List them."""
        return _page(self, work.find(Role, self.holder, self.name).tags)


class ListPolicyTags(Listing, frozen=True, kw_only=True):
    """List the tags of a managed policy.

    Attributes:
        policy_arn: Its ARN.
    """

    policy_arn: str

    def resource(self, work: Work) -> str:
        """The policy."""
        return self.policy_arn

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The policy's tags."""
        return policy_tags_context(work, self.policy_arn)

    def run(self, work: Work) -> Answer:
        """List them."""
        return _page(self, find_policy(work, self.policy_arn).tags)


def _page(listing: Listing, tags: Mapping[str, str]) -> Answer:
    rows = ((ascii_lower(key), {"Key": key, "Value": value}) for key, value in tags.items())
    found, rest = slice_of(listing, rows)
    return {"Tags": found, **rest}
