"""Samples that must not reach production (threat G18): refused outside development."""

from __future__ import annotations

from iam_guard.engine.attachments import Attachments
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.policy.document import PolicyDocument, Statement
from iam_guard.store.refresh import make_policy_set


def refuse_samples(attachments: Attachments, *, revision: str, before: PolicySet | None = None) -> PolicySet:
    """Compile policies, unless they let everybody do everything.

    Args:
        attachments: What is attached to whom.
        revision: Names this state of the policies.
        before: As for :func:`~iam_guard.store.refresh.make_policy_set`.

    Raises:
        ConfigurationError: a document for everybody allows every action on every resource.
    """
    check_samples(attachments)
    return make_policy_set(attachments, revision=revision, before=before)


def check_samples(attachments: Attachments) -> None:
    """See that nobody lets everybody do everything.

    Raises:
        ConfigurationError: a document for everybody allows every action on every resource.
    """
    faults = [_fault(policy.document, statement) for policy in attachments.everyone
              for statement in policy.document.statements if _allows_everything(statement)]
    if faults:
        raise ConfigurationError(faults)


def _allows_everything(statement: Statement) -> bool:
    return (not statement.is_deny and not statement.conditions and not statement.not_action
            and not statement.not_resource and _has_star(statement.actions) and _has_star(statement.resources or ()))


def _has_star(patterns: tuple[str, ...]) -> bool:
    return any(set(pattern) == {"*"} for pattern in patterns)


def _fault(document: PolicyDocument, statement: Statement) -> Fault:
    return Fault("everybody may do everything", "name actions, or set 'development: true' in the settings",
                 f"{document.pointer}/Statement/{statement.index}", document.line_of(statement.index), 0, document.file)
