"""Roles: made, looked at, listed, described, trusted to somebody else, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from iam_guard.directory.checks import (
    DocumentParameter,
    boundary_context,
    check_boundary,
    check_changeable,
    check_count,
    check_description,
    check_document,
    check_free,
    check_name,
    check_path,
    check_path_prefix,
    check_size,
    new_tags_context,
    tag_context,
    tags_from,
)
from iam_guard.directory.entities import Kind, Role
from iam_guard.directory.operation import Answer, Listing, Operation, Work, page_of
from iam_guard.directory.operations.holders import RoleOperation
from iam_guard.directory.shapes import Shape, Tag, role_shape
from iam_guard.directory.trust import as_it_reads_now, check_principals, ids_named
from iam_guard.errors import DeleteConflictError
from iam_guard.model import ContextValue
from iam_guard.policy.document import PolicyKind

#: Seconds: an hour to twelve.
SessionDuration = Annotated[int, msgspec.Meta(ge=3600, le=43200)]


def shape_of(work: Work, role: Role) -> Shape:
    """How answers write a role, its trust policy as it reads by now."""
    return role_shape(role, as_it_reads_now(role.trust, role.trusted_ids, work) if role.trust else "")


def trusting(role: Role, document: DocumentParameter, work: Work) -> Role:
    """The role with a trust policy.

    Raises:
        MalformedPolicyDocumentError: the document is refused, or names a principal of this directory that is not there.
        LimitExceededError: it is too long.
    """
    text, read = check_document(document, PolicyKind.TRUST)
    check_size([text], work.quotas.trust_policy_size, f"the trust policy of role {role.name}")
    check_principals(read, work)
    return replace(role, trust=text, trusted_ids=ids_named(read, work))


class CreateRole(Operation, frozen=True, kw_only=True):
    """Make a role.

    Attributes:
        role_name: Its name.
        assume_role_policy_document: Who may assume it.
        path: Where it stands.
        description: In words.
        max_session_duration: How long a session may be, in seconds.
        permissions_boundary: ARN of a managed policy that limits what it may ever do.
        tags: Its tags.
    """

    # Policies may speak of whoever has this name, or these tags.
    grants: ClassVar[bool] = True

    role_name: str
    assume_role_policy_document: DocumentParameter
    path: str = "/"
    description: str = ""
    max_session_duration: SessionDuration = 3600
    permissions_boundary: str = ""
    tags: tuple[Tag, ...] = ()

    def resource(self, work: Work) -> str:
        """The role to be."""
        return work.arn("role", self.path, self.role_name)

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The boundary and the tags that are asked for."""
        return {**boundary_context(self.permissions_boundary), **tag_context(self.tags), **new_tags_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Make it."""
        check_name(self.role_name, "roleName", 64)
        check_path(self.path)
        check_description(self.description)
        check_free(work, Kind.ROLE, self.role_name)
        check_count(work, Kind.ROLE, work.quotas.roles)
        check_boundary(work, self.permissions_boundary)
        bare = Role(account=work.account, name=self.role_name, path=self.path, id=work.new_id("AROA"),
                    arn=work.arn("role", self.path, self.role_name), created=work.timestamp,
                    description=self.description, max_session_duration=self.max_session_duration,
                    boundary=self.permissions_boundary, tags=tags_from(self.tags, work.quotas))
        check_changeable(bare)
        role = trusting(bare, self.assume_role_policy_document, work)
        work.tx.put(role)
        return {"Role": shape_of(work, role)}


class GetRole(RoleOperation, frozen=True, kw_only=True):
    """Look at a role, with its trust policy and when it was last assumed."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        role = work.find(Role, Kind.ROLE, self.role_name)
        used = {"RoleLastUsed": {"LastUsedDate": role.last_used}} if role.last_used else {}
        return {"Role": {**shape_of(work, role), **used}}


class ListRoles(Listing, frozen=True, kw_only=True):
    """List the roles of the account.

    Attributes:
        path_prefix: Only those whose path begins so.
    """

    path_prefix: str = "/"

    def run(self, work: Work) -> Answer:
        """List them."""
        check_path_prefix(self.path_prefix)
        roles, rest = page_of(self, Kind.ROLE, work, self.path_prefix)
        return {"Roles": [shape_of(work, role) for role in roles if isinstance(role, Role)], **rest}


class UpdateRole(RoleOperation, frozen=True, kw_only=True):
    """Describe a role, or say how long its sessions may be.

    Attributes:
        description: In words; ``None`` to keep it.
        max_session_duration: In seconds; ``None`` to keep it.
    """

    # A longer session is more than a shorter one.
    grants: ClassVar[bool] = True

    description: str | None = None
    max_session_duration: SessionDuration | None = None

    def run(self, work: Work) -> Answer:
        """Replace what is given."""
        role = work.find(Role, Kind.ROLE, self.role_name)
        check_changeable(role)
        description = role.description if self.description is None else self.description
        check_description(description)
        work.tx.put(replace(role, description=description,
                            max_session_duration=self.max_session_duration or role.max_session_duration))
        return {}


class UpdateRoleDescription(RoleOperation, frozen=True, kw_only=True):
    """Describe a role.

    Attributes:
        description: In words.
    """

    description: str

    def run(self, work: Work) -> Answer:
        """Describe it."""
        role = work.find(Role, Kind.ROLE, self.role_name)
        check_changeable(role)
        check_description(self.description)
        described = replace(role, description=self.description)
        work.tx.put(described)
        return {"Role": shape_of(work, described)}


class UpdateAssumeRolePolicy(RoleOperation, frozen=True, kw_only=True):
    """Say anew who may assume a role.

    Attributes:
        policy_document: The trust policy; it replaces the one there is.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter

    def run(self, work: Work) -> Answer:
        """Replace the trust policy."""
        role = work.find(Role, Kind.ROLE, self.role_name)
        check_changeable(role)
        work.tx.put(trusting(role, self.policy_document, work))
        return {}


class DeleteRole(RoleOperation, frozen=True, kw_only=True):
    """Delete a role that holds nothing any more."""

    def run(self, work: Work) -> Answer:
        """Delete it."""
        role = work.find(Role, Kind.ROLE, self.role_name)
        check_changeable(role)
        if role.policies:
            raise DeleteConflictError("Cannot delete entity, must detach all policies first.")
        if role.inline:
            raise DeleteConflictError("Cannot delete entity, must delete policies first.")
        if role.extra.get("InstanceProfileList"):
            raise DeleteConflictError("Cannot delete entity, must remove roles from instance profile first.")
        work.tx.delete(role.key)
        return {}
