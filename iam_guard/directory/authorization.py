"""Who may change the directory: an operation is an action on a resource, and grants never exceed the granter.

Every operation is first decided like any other request, by the policies as they are. What it has done is then held
against what its caller could do *before*, and undone when it gives anybody more (promise S19 of the threat model).
No operation is trusted to say of itself that it grants nothing: every change is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

from iam_guard.directory.attaching import Attaching
from iam_guard.directory.effective import NOTHING, Instead, attachments_of
from iam_guard.directory.operation import Operation, Work
from iam_guard.directory.port import Reading
from iam_guard.directory.review import Review
from iam_guard.engine.arn import account_of
from iam_guard.engine.attachments import Attachments
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import OperationDeniedError
from iam_guard.model import AuthorizationRequest, ContextValue, Principal, PrincipalKind, normalise_context

_PLATFORM = "aws"


class Authorization:
    """The referee of a directory; see :class:`iam_guard.directory.directory.Referee`."""

    def __init__(self) -> None:
        self._attaching = Attaching()
        self._policies = PolicySet()

    def before(self, operation: Operation, work: Work) -> None:
        """Whether the caller may perform it, by the policies as they are.

        Raises:
            OperationDeniedError: not; carries the decision.
        """
        policies = self._policy_set(work.tx)
        _check_credentials(work.caller)
        _check_identity(work.caller, policies.attachments)
        decision = policies.evaluate(request_of(policies, work, operation.action, operation.resource(work),
                                                operation.context(work)))
        if not decision:
            raise OperationDeniedError(decision.message, decision)

    def after(self, operation: Operation, work: Work) -> None:
        """Whether what it did gives nobody more than the caller had before.

        Raises:
            OperationDeniedError: it does.
        """
        entries = work.tx.entries() if operation.changes else ()
        if entries and not _is_own_root(work):
            before = self._policy_set(work.tx, {entry.key: entry.before for entry in entries})
            after = self._policy_set(work.tx).attachments
            Review(before, after, work, entries, lambda action, resource: before.evaluate(
                request_of(before, work, action, resource, {}))).review()

    def _policy_set(self, reading: Reading, instead: Instead = NOTHING) -> PolicySet:
        attachments = attachments_of(reading, instead=instead, attaching=self._attaching)
        return self._policies.successor(attachments, revision=str(reading.revision))


def _is_own_root(work: Work) -> bool:
    return work.caller.kind is PrincipalKind.ROOT and work.caller.account == work.account


def _check_credentials(who: Principal) -> None:
    """Sessions that no policy can let in: of somebody a user vouches for, and of users without a second factor.

    Source: language specification, section 6.1.
    """
    if who.kind is PrincipalKind.FEDERATED_USER:
        raise OperationDeniedError("A federated user cannot work on the directory.")
    if who.kind is PrincipalKind.USER and "aws:tokenissuetime" in who.context and who.mfa_at is None:
        raise OperationDeniedError("A session of a user works on the directory only with a second factor.")


def _check_identity(who: Principal, attachments: Attachments) -> None:
    """Whoever had the caller's name before is somebody else (threat E25)."""
    holder = attachments.holders.get(who.role_arn or who.user_arn or who.arn)
    if who.unique_id and holder is not None and holder.unique_id and holder.unique_id != who.unique_id:
        raise OperationDeniedError(f"The caller {who.arn} is not the one that has this name now.")


def request_of(policies: PolicySet, work: Work, action: str, resource: str,
               context: Mapping[str, ContextValue]) -> AuthorizationRequest:
    """The question whether an operation may be; what belongs to no account belongs to the one that is worked in."""
    epoch = int(work.now.timestamp())
    known = {**normalise_context(work.request), **normalise_context(context), **policies.principal_context(work.caller),
             **normalise_context({"aws:CurrentTime": work.now.replace(microsecond=0), "aws:EpochTime": epoch})}
    owner = account_of(resource)
    return AuthorizationRequest(work.caller, action, resource, known,
                                work.account if owner in ("", _PLATFORM) else owner)
