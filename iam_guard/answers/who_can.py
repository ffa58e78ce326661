"""Who can do something: every caller that is allowed to, directly or by way of roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from iam_guard.answers.examiner import ANYBODY, Access, Certainty, Examiner
from iam_guard.engine.arn import account_of
from iam_guard.engine.attachments import Attachments, Policy
from iam_guard.model import Principal, PrincipalKind

ASSUME_ROLE = "sts:AssumeRole"
_OFTEN = 256

Progress = Callable[[int], None]


def who_can(examiner: Examiner, action: str, resource: str, *, through_roles: bool = True,
            progress: Progress = lambda done: None) -> Iterator[Access]:
    """Everybody who may do something.

    Args:
        examiner: Knows the policies, and what is known of the request.
        action: ``service:Name``.
        resource: A full ARN, or ``*``.
        through_roles: Also who may get there by assuming roles; nobody is named twice.
        progress: Told how many principals have been looked at, from time to time.
    """
    seen: dict[str, Access] = {}
    for access in _direct(examiner, action, resource, progress):
        seen[access.principal] = access
        yield access
    ways = [access for access in seen.values() if _is_role(access.principal)] if through_roles else []
    while ways:
        way = ways.pop(0)
        for step in _direct(examiner, ASSUME_ROLE, way.principal, progress):
            if step.principal not in seen:
                access = seen[step.principal] = _through(way, step)
                yield access
                if _is_role(access.principal):
                    ways.append(access)


def _direct(examiner: Examiner, action: str, resource: str, progress: Progress) -> Iterator[Access]:
    for done, who in enumerate(_everybody(examiner.attachments, resource)):
        access = examiner.access(who, action, resource)
        if access.certainty is not Certainty.DENIED:
            yield access
        if done % _OFTEN == 0:
            progress(done)


def _everybody(attachments: Attachments, resource: str) -> Iterator[Principal]:
    """Everybody in the directory, and those outside whom policies could mean."""
    yield Principal.anonymous()
    if home := account_of(resource):
        partition = resource.split(":", 2)[1]
        yield Principal.root(account=home, partition=partition)
        if attachments.everyone:
            yield Principal.user(ANYBODY, account=home, partition=partition)
    for arn in attachments.holders:
        yield Principal.from_arn(arn)
    if policy := attachments.resources.get(resource):
        yield from _outsiders(attachments, policy, resource)


def _outsiders(attachments: Attachments, policy: Policy, resource: str) -> Iterator[Principal]:
    """Services, accounts and strangers that the resource's own policy names."""
    for text in dict.fromkeys(_named(policy)):
        who = None if text in attachments.holders else _principal(text, resource)
        if who is not None and not (who.kind is PrincipalKind.ROOT and who.account == account_of(resource)):
            yield who


def _through(way: Access, step: Access) -> Access:
    """The access of whoever may assume the role that has it."""
    certain = way.certainty is step.certainty is Certainty.ALLOWED
    return Access(step.principal, Certainty.ALLOWED if certain else Certainty.DEPENDS,
                  tuple(dict.fromkeys((*step.depends_on, *way.depends_on))), step.reason, step.policy_id, step.path,
                  (way.principal, *way.via))


def _is_role(arn: str) -> bool:
    return arn.startswith("arn:") and arn.split(":", 5)[5].startswith("role/")


def _named(policy: Policy) -> Iterator[str]:
    for statement in policy.document.statements:
        if statement.principals and not statement.is_deny and not statement.principals.negated:
            for _, text in statement.principals.entries:
                yield text


def _principal(text: str, resource: str) -> Principal | None:
    """Somebody a policy names by one exact name; of a whole account, its root."""
    if text.isdigit():
        return Principal.root(account=text, partition=resource.split(":", 2)[1])
    if "*" in text or "?" in text or text.startswith(("AIDA", "AROA")):
        return None
    try:
        return Principal.from_arn(text)
    except ValueError:
        return None
