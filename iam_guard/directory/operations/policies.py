"""Managed policies: made, looked at, listed, deleted, and who uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Literal

from iam_guard.directory.checks import (
    PLATFORM,
    DocumentParameter,
    check_count,
    check_description,
    check_document,
    check_free,
    check_name,
    check_path,
    check_path_prefix,
    check_size,
    find_policy,
    new_tags_context,
    policy_key,
    tag_context,
    tagged_context,
    tags_from,
)
from iam_guard.directory.entities import Group, Key, Kind, ManagedPolicy, PolicyVersion, Relation, Role, User
from iam_guard.directory.operation import Answer, Listing, Operation, Work, read_marker, slice_of, write_marker
from iam_guard.directory.paging import walk
from iam_guard.directory.shapes import Shape, Tag, policy_shape
from iam_guard.errors import DeleteConflictError, InvalidInputError, UnmodifiableEntityError
from iam_guard.model import ContextValue

_PATH = re.compile(r"(/[A-Za-z0-9.,+@=_-]+)*/")

#: Which of the two ways of using a policy count.
Usage = Literal["PermissionsPolicy", "PermissionsBoundary"]
_RELATIONS: dict[Usage, Relation] = {"PermissionsPolicy": Relation.POLICY, "PermissionsBoundary": Relation.BOUNDARY}


# --- what all operations on one policy share ------------------------------------------------------------


class PolicyOperation(Operation, frozen=True, kw_only=True):
    """An operation on one managed policy.

    Attributes:
        policy_arn: Its ARN.
    """

    policy_arn: str

    def resource(self, work: Work) -> str:
        """The policy."""
        return self.policy_arn

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The policy's tags, if there is such a policy."""
        return policy_tags_context(work, self.policy_arn)


def policy_tags_context(work: Work, arn: str) -> dict[str, ContextValue]:
    """The tags of a managed policy as condition keys; none when there is none with this ARN."""
    try:
        found = work.tx.get(policy_key(arn))
    except InvalidInputError:
        return {}
    return tagged_context(found.tags) if isinstance(found, ManagedPolicy) and found.arn == arn else {}


def find_own_policy(work: Work, arn: str) -> ManagedPolicy:
    """The managed policy with an ARN, which the account may change.

    Raises:
        InvalidInputError, NoSuchEntityError: as of :func:`~iam_guard.directory.checks.find_policy`.
        UnmodifiableEntityError: it belongs to the platform.
    """
    policy = find_policy(work, arn)
    if policy.account == PLATFORM:
        raise UnmodifiableEntityError(f"Policy {arn} comes with the platform and cannot be changed.")
    return policy


def users_of(work: Work, policy: ManagedPolicy, usage: Usage) -> list[Key]:
    """Who of this account uses a policy in one of the two ways.

    A policy of the platform is used in many accounts, and none learns of another's.
    """
    return [key for key in work.tx.linking(_RELATIONS[usage], policy.arn) if key.account == work.account]


def shape_of(work: Work, policy: ManagedPolicy) -> Shape:
    """How answers write a policy, with the counts of its uses in this account."""
    return policy_shape(policy, len(users_of(work, policy, "PermissionsPolicy")),
                        len(users_of(work, policy, "PermissionsBoundary")))


# --- operations -----------------------------------------------------------------------------------------


class CreatePolicy(Operation, frozen=True, kw_only=True):
    """Make a managed policy with a first version.

    Attributes:
        policy_name: Its name.
        policy_document: Its document.
        path: Where it stands.
        description: In words; it cannot be changed later.
        tags: Its tags.
    """

    # Attached to nobody yet; but an import may have left an attachment to this ARN that had no policy.
    grants: ClassVar[bool] = True

    policy_name: str
    policy_document: DocumentParameter
    path: str = "/"
    description: str = ""
    tags: tuple[Tag, ...] = ()

    def resource(self, work: Work) -> str:
        """The policy to be."""
        return work.arn("policy", self.path, self.policy_name)

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The tags that are asked for."""
        return {**tag_context(self.tags), **new_tags_context(self.tags)}

    def run(self, work: Work) -> Answer:
        """Make it."""
        self._check_parameters()
        check_free(work, Kind.POLICY, self.policy_name)
        check_count(work, Kind.POLICY, work.quotas.policies)
        version = new_version("v1", self.policy_document, work)
        policy = ManagedPolicy(account=work.account, name=self.policy_name, path=self.path, id=work.new_id("ANPA"),
                               arn=work.arn("policy", self.path, self.policy_name), created=work.timestamp,
                               versions=(version,), description=self.description, updated=work.timestamp,
                               tags=tags_from(self.tags, work.quotas))
        work.tx.put(policy)
        return {"Policy": shape_of(work, policy)}

    def _check_parameters(self) -> None:
        check_name(self.policy_name, "policyName", 128)
        check_path(self.path)
        check_description(self.description)
        if not _PATH.fullmatch(self.path):
            raise InvalidInputError("The specified value for path is invalid. In the path of a policy, only "
                                    "alphanumeric characters and .,+@=_- stand between slashes.")


def new_version(id: str, document: DocumentParameter, work: Work) -> PolicyVersion:
    """A version of a managed policy.

    Raises:
        MalformedPolicyDocumentError: the document is refused.
        LimitExceededError: it is too long.
    """
    text, _ = check_document(document)
    check_size([text], work.quotas.managed_policy_size, "a managed policy")
    return PolicyVersion(id=id, document=text, created=work.timestamp)


class GetPolicy(PolicyOperation, frozen=True, kw_only=True):
    """Look at a managed policy, without its document."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        return {"Policy": shape_of(work, find_policy(work, self.policy_arn))}


class DeletePolicy(PolicyOperation, frozen=True, kw_only=True):
    """Delete a managed policy that nobody uses and that has one version."""

    def run(self, work: Work) -> Answer:
        """Delete it."""
        policy = find_own_policy(work, self.policy_arn)
        if any(users_of(work, policy, usage) for usage in _RELATIONS):
            raise DeleteConflictError("Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise DeleteConflictError("This policy has more than one version. Before you delete a policy, you must "
                                      "delete the policy's versions. The default version is deleted with the policy.")
        work.tx.delete(policy.key)
        return {}


class ListPolicies(Listing, frozen=True, kw_only=True):
    """List managed policies, first the account's own and then the platform's.

    Attributes:
        scope: Whose.
        only_attached: Leave out those that nobody uses.
        path_prefix: Only those whose path begins so.
        policy_usage_filter: Only those that are used in this way.
    """

    scope: Literal["All", "AWS", "Local"] = "All"
    only_attached: bool = False
    path_prefix: str = "/"
    policy_usage_filter: Usage | None = None

    def run(self, work: Work) -> Answer:
        """List them."""
        check_path_prefix(self.path_prefix)
        wanted = (policy for policy in self._in_scope(work) if self._is_wanted(work, policy))
        found, rest = _first(self.max_items, wanted)
        return {"Policies": [shape_of(work, policy) for policy in found], **rest}

    def _in_scope(self, work: Work) -> Iterator[ManagedPolicy]:
        at, _, after = read_marker(self.marker).partition("/")
        owners = {"All": (work.account, PLATFORM), "AWS": (PLATFORM,), "Local": (work.account,)}[self.scope]
        begin = owners.index(at) if at in owners else 0
        for owner in owners[begin:]:
            for found in walk(work.tx, Kind.POLICY, owner, path=self.path_prefix, after=after if owner == at else ""):
                if isinstance(found, ManagedPolicy):
                    yield found

    def _is_wanted(self, work: Work, policy: ManagedPolicy) -> bool:
        usages = (self.policy_usage_filter,) if self.policy_usage_filter else tuple(_RELATIONS)
        any_is_fine = not self.only_attached and self.policy_usage_filter is None
        return any_is_fine or any(users_of(work, policy, usage) for usage in usages)


def _first(count: int, policies: Iterable[ManagedPolicy]) -> tuple[list[ManagedPolicy], Answer]:
    """The first *count*, and what the answer says about the rest."""
    found: list[ManagedPolicy] = []
    for policy in policies:
        if len(found) == count:
            last = found[-1].key
            return found, {"IsTruncated": True, "Marker": write_marker(f"{last.account}/{last.name}")}
        found.append(policy)
    return found, {"IsTruncated": False}


class ListEntitiesForPolicy(Listing, frozen=True, kw_only=True):
    """List who of the account uses a managed policy.

    Attributes:
        policy_arn: Its ARN.
        entity_filter: Only these.
        path_prefix: Only those whose path begins so.
        policy_usage_filter: Only those that use it in this way.
    """

    policy_arn: str
    entity_filter: Literal["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"] | None = None
    path_prefix: str = "/"
    policy_usage_filter: Usage | None = None

    def resource(self, work: Work) -> str:
        """The policy."""
        return self.policy_arn

    def context(self, work: Work) -> Mapping[str, ContextValue]:
        """The policy's tags, if there is such a policy."""
        return policy_tags_context(work, self.policy_arn)

    def run(self, work: Work) -> Answer:
        """List them."""
        check_path_prefix(self.path_prefix)
        policy = find_policy(work, self.policy_arn)
        usages = (self.policy_usage_filter,) if self.policy_usage_filter else tuple(_RELATIONS)
        keys = {key for usage in usages for key in users_of(work, policy, usage)}
        page, rest = slice_of(self, [(f"{key.kind}/{key.name}", work.tx.get(key)) for key in keys if self._asks(key)])
        found = [one for one in page if isinstance(one, User | Group | Role) and one.path.startswith(self.path_prefix)]
        return {f"Policy{kind.__name__}s": [{f"{kind.__name__}Name": one.name, f"{kind.__name__}Id": one.id}
                                            for one in found if isinstance(one, kind)]
                for kind in (Group, User, Role)} | rest

    def _asks(self, key: Key) -> bool:
        return self.entity_filter is None or self.entity_filter.lower() == key.kind
