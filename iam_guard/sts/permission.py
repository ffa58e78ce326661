"""Whether a session may be had: the decisions that a request takes, and what they are told (6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from iam_guard.errors import TokenServiceError
from iam_guard.guard import Guard, Question
from iam_guard.model import ContextValue, Principal
from iam_guard.sts.parameters import AssumeRole, AssumeRoleWithWebIdentity, GetFederationToken, SessionRequest
from iam_guard.sts.tags import SessionTags


class Permission(NamedTuple):
    """What is to be decided.

    Attributes:
        caller: Who asks.
        wanted: What for.
        resource: ARN of the role, or of the session where there is no role.
        tags: Tags of the session.
        resource_tags: Tags of the role.
    """

    caller: Principal
    wanted: SessionRequest
    resource: str
    tags: SessionTags
    resource_tags: Mapping[str, str]


def denied(caller: Principal, action: str, resource: str) -> TokenServiceError:
    """The refusal: the same for a role that is not there and one that trusts others."""
    return TokenServiceError(
        "AccessDenied", f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource}")


def check_allowed(guard: Guard, asked: Permission, action: str, *, source: str, exists: bool) -> None:
    """Check that everything is allowed that a session takes.

    Args:
        guard: Decides.
        asked: What about.
        action: The operation itself.
        source: The source identity that the session will have; empty for none.
        exists: Whether there is such a resource at all. It is asked about all the same, so that the record shows it.

    Raises:
        TokenServiceError: something is not allowed; carries the decision.
    """
    actions = [action]
    if asked.tags.passed:
        actions.append("sts:TagSession")
    if source:
        actions.append("sts:SetSourceIdentity")
    context = _context(asked, source)
    decisions = guard.answers(asked.caller, [Question(one, asked.resource, context) for one in actions])
    for one, decision in zip(actions, decisions, strict=True):
        if not decision:
            refusal = denied(asked.caller, one, asked.resource)
            refusal.decision = decision
            raise refusal
    if not exists:
        raise denied(asked.caller, action, asked.resource)


def _context(asked: Permission, source: str) -> dict[str, ContextValue]:
    """The condition keys of the request (language specification, sections 4.5 and 4.7); what is not sent is absent."""
    wanted, tags = asked.wanted, asked.tags
    context: dict[str, ContextValue] = {f"aws:RequestTag/{key}": value for key, value in tags.passed.items()}
    context |= {f"aws:ResourceTag/{key}": value for key, value in tags.on_resource(asked.resource_tags).items()}
    optional: dict[str, ContextValue | None] = {
        "aws:TagKeys": tuple(tags.passed), "sts:DurationSeconds": wanted.duration_seconds}
    match wanted:
        case AssumeRole():
            optional |= {
                "sts:RoleSessionName": wanted.role_session_name, "sts:ExternalId": wanted.external_id,
                "sts:SourceIdentity": wanted.source_identity, "sts:TransitiveTagKeys": wanted.transitive_tag_keys}
        case AssumeRoleWithWebIdentity():
            optional |= {"sts:RoleSessionName": wanted.role_session_name, "sts:SourceIdentity": source,
                         "sts:TransitiveTagKeys": tags.transitive}
        case GetFederationToken():
            pass
    return context | {key: value for key, value in optional.items() if value not in (None, "", ())}
