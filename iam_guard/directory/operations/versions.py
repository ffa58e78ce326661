"""Versions of managed policies: one of them counts, up to five are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from iam_guard.directory.checks import DocumentParameter, find_policy
from iam_guard.directory.entities import ManagedPolicy, PolicyVersion
from iam_guard.directory.operation import Answer, Listing, Work, slice_of
from iam_guard.directory.operations.policies import (
    PolicyOperation,
    find_own_policy,
    new_version,
    policy_tags_context,
)
from iam_guard.directory.shapes import version_shape
from iam_guard.errors import DeleteConflictError, InvalidInputError, LimitExceededError, NoSuchEntityError
from iam_guard.model import ContextValue

_VERSION = re.compile(r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?")


def find_version(policy: ManagedPolicy, id: str) -> PolicyVersion:
    """The version of a policy with an id.

    Raises:
        InvalidInputError: no version has such an id.
        NoSuchEntityError: this policy has none.
    """
    if not _VERSION.fullmatch(id):
        raise InvalidInputError("The specified value for versionId is invalid. It must be v and a number.")
    found = policy.version(id)
    if found is None:
        raise NoSuchEntityError(f"Policy {policy.arn} version {id} does not exist.")
    return found


class CreatePolicyVersion(PolicyOperation, frozen=True, kw_only=True):
    """Give a managed policy another version.

    Attributes:
        policy_document: Its document.
        set_as_default: Whether it counts from now on.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter
    set_as_default: bool = False

    def run(self, work: Work) -> Answer:
        """Add it."""
        policy = find_own_policy(work, self.policy_arn)
        if len(policy.versions) >= work.quotas.versions:
            raise LimitExceededError(f"A managed policy can have up to {work.quotas.versions} versions. Before you "
                                     "create a new version, you must delete an existing version.")
        version = new_version(f"v{policy.next_version}", self.policy_document, work)
        policy = replace(policy, versions=(*policy.versions, version), next_version=policy.next_version + 1,
                         default=version.id if self.set_as_default else policy.default, updated=work.timestamp)
        work.tx.put(policy)
        return {"PolicyVersion": version_shape(policy, version)}


class VersionOperation(PolicyOperation, frozen=True, kw_only=True):
    """An operation on one version.

    Attributes:
        version_id: Its id.
    """

    version_id: str


class GetPolicyVersion(VersionOperation, frozen=True, kw_only=True):
    """Look at a version, with its document as it was given."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        policy = find_policy(work, self.policy_arn)
        version = find_version(policy, self.version_id)
        return {"PolicyVersion": {"Document": version.document, **version_shape(policy, version)}}


class SetDefaultPolicyVersion(VersionOperation, frozen=True, kw_only=True):
    """Make another version count, at once and for everybody the policy is attached to."""

    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Make it count."""
        policy = find_own_policy(work, self.policy_arn)
        work.tx.put(replace(policy, default=find_version(policy, self.version_id).id))
        return {}


class DeletePolicyVersion(VersionOperation, frozen=True, kw_only=True):
    """Delete a version that does not count."""

    def run(self, work: Work) -> Answer:
        """Delete it."""
        policy = find_own_policy(work, self.policy_arn)
        version = find_version(policy, self.version_id)
        if version.id == policy.default:
            raise DeleteConflictError("Cannot delete the default version of a policy.")
        work.tx.put(replace(policy, versions=tuple(one for one in policy.versions if one is not version)))
        return {}


class ListPolicyVersions(Listing, frozen=True, kw_only=True):
    """List the versions of a managed policy, newest first, without documents.

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

    def run(self, work: Work) -> Answer:
        """List them."""
        policy = find_policy(work, self.policy_arn)
        newest_first = reversed(policy.versions)
        rows = [(f"{_MOST - _number_of(version):09}", version) for version in newest_first]
        page, rest = slice_of(self, rows)
        return {"Versions": [version_shape(policy, version) for version in page], **rest}


_MOST = 999_999_999


def _number_of(version: PolicyVersion) -> int:
    return int(re.sub(r"\..*|\D", "", version.id) or 0)
