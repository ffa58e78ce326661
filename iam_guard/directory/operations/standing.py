"""Standing policies: of everybody, and the ceiling over every request. They hold in all accounts."""

from __future__ import annotations

from typing import ClassVar, Literal

from iam_guard.directory.checks import DocumentParameter, check_document, check_name, check_room, check_size
from iam_guard.directory.entities import Key, Kind, StandingPolicy
from iam_guard.directory.management import Managing
from iam_guard.directory.operation import Answer, Listing, Operation, Work, slice_of
from iam_guard.directory.paging import walk
from iam_guard.directory.shapes import Shape
from iam_guard.errors import NoSuchEntityError
from iam_guard.model import ascii_lower
from iam_guard.policy.document import PolicyKind

#: Whose policy: of every user and session, or the ceiling over every request.
Reach = Literal["everyone", "endpoint"]
_KINDS = {"everyone": PolicyKind.IDENTITY, "endpoint": PolicyKind.ENDPOINT}
_MOST = 100


class StandingOperation(Managing, Operation, frozen=True, kw_only=True):
    """An operation on one standing policy.

    Attributes:
        reach: Whose it is.
        policy_name: Its name.
    """

    reach: Reach
    policy_name: str

    @property
    def action(self) -> str:
        """``iam:PutStandingPolicy``: it needs no organization."""
        return f"iam:{type(self).__name__}"

    def resource(self, work: Work) -> str:
        """The policy."""
        return standing_arn(work, self.reach, self.policy_name)

    def key(self, work: Work) -> Key:
        """What it is found by."""
        return Key(Kind.STANDING_POLICY, work.account, f"{self.reach}/{ascii_lower(self.policy_name)}")

    def find(self, work: Work) -> StandingPolicy:
        """The policy.

        Raises:
            NoSuchEntityError: there is none.
        """
        found = work.tx.get(self.key(work))
        if not isinstance(found, StandingPolicy):
            raise NoSuchEntityError("There is no standing policy of this reach and name.")
        return found


def standing_arn(work: Work, reach: str, name: str) -> str:
    """The ARN that operations on a standing policy are decided on."""
    return work.arn("standing-policy", f"/{reach}/", name)


def _shape(work: Work, policy: StandingPolicy) -> Shape:
    return {"Reach": policy.reach, "PolicyName": policy.name, "Arn": standing_arn(work, policy.reach, policy.name)}


class PutStandingPolicy(StandingOperation, frozen=True, kw_only=True):
    """Make a standing policy, or replace the one of its name.

    Attributes:
        policy_document: Its document: an identity policy for everyone, one with principals for the ceiling.
    """

    grants: ClassVar[bool] = True

    policy_document: DocumentParameter

    def manage(self, work: Work) -> Answer:
        """Put it."""
        check_name(self.policy_name, "policyName", 128)
        text, _ = check_document(self.policy_document, _KINDS[self.reach])
        check_size([text], work.quotas.managed_policy_size, "a standing policy")
        if work.tx.get(self.key(work)) is None:
            check_room(work.tx.count(Kind.STANDING_POLICY, work.account), _MOST, "StandingPolicies")
        work.tx.put(StandingPolicy(account=work.account, name=self.policy_name, reach=self.reach, document=text))
        return {}


class GetStandingPolicy(StandingOperation, frozen=True, kw_only=True):
    """Look at a standing policy, with its document as it was given."""

    changes: ClassVar[bool] = False

    def manage(self, work: Work) -> Answer:
        """Look."""
        policy = self.find(work)
        return {**_shape(work, policy), "PolicyDocument": policy.document}


class DeleteStandingPolicy(StandingOperation, frozen=True, kw_only=True):
    """Delete a standing policy."""

    # It may have denied something, or have been the whole ceiling.
    grants: ClassVar[bool] = True

    def manage(self, work: Work) -> Answer:
        """Delete it."""
        work.tx.delete(self.find(work).key)
        return {}


class ListStandingPolicies(Managing, Listing, frozen=True, kw_only=True):
    """List the standing policies.

    Attributes:
        reach: Only these.
    """

    reach: Reach | None = None

    @property
    def action(self) -> str:
        """``iam:ListStandingPolicies``."""
        return f"iam:{type(self).__name__}"

    def manage(self, work: Work) -> Answer:
        """List them."""
        rows = [(policy.key.name, policy) for policy in walk(work.tx, Kind.STANDING_POLICY, work.account)
                if isinstance(policy, StandingPolicy) and self.reach in (None, policy.reach)]
        page, rest = slice_of(self, rows)
        return {"StandingPolicies": [_shape(work, policy) for policy in page], **rest}
