"""Resource policies, by the ARN of the resource."""

from __future__ import annotations

from typing import ClassVar

from iam_guard.directory.checks import DocumentParameter, check_document, check_size
from iam_guard.directory.entities import Key, Kind, ResourcePolicy
from iam_guard.directory.operation import Answer, Listing, Operation, Work, page_of
from iam_guard.directory.trust import as_it_reads_now, ids_named
from iam_guard.errors import InvalidInputError, NoSuchEntityError
from iam_guard.model import ascii_lower
from iam_guard.policy.document import PolicyKind

_LONGEST = 2048
# A role's own policy is its trust policy, and nobody else in a directory has one.
_WITHOUT_POLICIES = frozenset({"iam", "sts", "organizations"})


# --- whose resources ------------------------------------------------------------------------------------


def check_resource(arn: str, work: Work) -> None:
    """Check that the account may say who may use a resource.

    A resource without an account belongs to the default account, so that no account can speak for another's.

    Raises:
        InvalidInputError: it is not the ARN of a resource, has no policy of this kind, or is another account's.
    """
    fields = arn.split(":", 5)
    if len(fields) < 6 or fields[0] != "arn" or not (fields[1] and fields[2] and fields[5]):
        raise InvalidInputError("The specified value for resourceArn is not an ARN.")
    if len(arn) > _LONGEST or not arn.isprintable():
        raise InvalidInputError(f"The specified value for resourceArn is invalid. It must have at most {_LONGEST} "
                                "printable characters.")
    if ascii_lower(fields[2]) in _WITHOUT_POLICIES:
        raise InvalidInputError("Users, groups, roles, policies and sessions have no resource policy.")
    if (fields[4] or work.settings.default_account) != work.account:
        raise InvalidInputError("The resource belongs to another account.")


# --- operations -----------------------------------------------------------------------------------------


class ResourceOperation(Operation, frozen=True, kw_only=True):
    """An operation on the policy of one resource.

    Attributes:
        resource_arn: ARN of the resource, taken literally.
    """

    resource_arn: str

    def resource(self, work: Work) -> str:
        """The resource."""
        return self.resource_arn

    def find(self, work: Work) -> ResourcePolicy:
        """The policy.

        Raises:
            NoSuchEntityError: the resource has none, or is another account's.
        """
        found = work.tx.get(Key(Kind.RESOURCE_POLICY, work.account, self.resource_arn))
        if not isinstance(found, ResourcePolicy):
            raise NoSuchEntityError("The resource has no policy.")
        return found


class PutResourcePolicy(ResourceOperation, frozen=True, kw_only=True):
    """Give a resource a policy, or replace the one it has.

    Attributes:
        policy_document: Its document.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter

    def run(self, work: Work) -> Answer:
        """Put it."""
        check_resource(self.resource_arn, work)
        text, document = check_document(self.policy_document, PolicyKind.RESOURCE)
        check_size([text], work.quotas.resource_policy_size, "a resource policy")
        before = work.tx.get(Key(Kind.RESOURCE_POLICY, work.account, self.resource_arn))
        name = before.name if isinstance(before, ResourcePolicy) else ""
        work.tx.put(ResourcePolicy(account=work.account, arn=self.resource_arn, document=text, name=name,
                                   named_ids=ids_named(document, work)))
        return {}


class GetResourcePolicy(ResourceOperation, frozen=True, kw_only=True):
    """Look at the policy of a resource: as it was given, but that who is gone is called by id."""

    changes: ClassVar[bool] = False

    def run(self, work: Work) -> Answer:
        """Look."""
        policy = self.find(work)
        return {"ResourceArn": policy.arn, "PolicyDocument": as_it_reads_now(policy.document, policy.named_ids, work)}


class DeleteResourcePolicy(ResourceOperation, frozen=True, kw_only=True):
    """Take the policy of a resource away."""

    # It may have denied something.
    grants: ClassVar[bool] = True

    def run(self, work: Work) -> Answer:
        """Take it away."""
        work.tx.delete(self.find(work).key)
        return {}


class ListResourcePolicies(Listing, frozen=True, kw_only=True):
    """List the resources of the account that have a policy."""

    def run(self, work: Work) -> Answer:
        """List them."""
        page, rest = page_of(self, Kind.RESOURCE_POLICY, work)
        return {"ResourcePolicies": [{"ResourceArn": one.arn} for one in page if isinstance(one, ResourcePolicy)],
                **rest}
