"""Session policies: the one that is given and the managed ones that are named, as they are at that moment."""

from __future__ import annotations

from iam_guard.directory.checks import check_document
from iam_guard.errors import TokenServiceError
from iam_guard.policy.document import PolicyKind
from iam_guard.sts.facts import Facts
from iam_guard.sts.parameters import MAX_POLICY_SIZE, SessionRequest, invalid


def session_policies(wanted: SessionRequest, facts: Facts, account: str) -> tuple[str, ...] | None:
    """The documents of a session, as text.

    Args:
        wanted: Names and holds them.
        facts: Where managed policies are.
        account: Whose managed policies may be named.

    Returns:
        ``None`` when none were given, which is not the same as one that allows nothing.

    Raises:
        MalformedPolicyDocumentError: the given one is no identity policy.
        TokenServiceError: a named one is not there, or all are too large together.
    """
    texts = [_managed(arn, facts, account) for arn in wanted.policy_arns]
    if wanted.policy is not None:
        texts.append(check_document(wanted.policy, PolicyKind.SESSION)[0])
    if sum(map(len, texts)) > MAX_POLICY_SIZE:
        raise TokenServiceError("PackedPolicyTooLarge",
                                f"Session policies have at most {MAX_POLICY_SIZE} characters together.")
    return tuple(texts) if texts else None


def _managed(arn: str, facts: Facts, account: str) -> str:
    text = facts.policy(arn, account)
    if text is None:
        raise invalid("PolicyArns names a policy that is not there.")
    return text
