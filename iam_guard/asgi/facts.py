"""What a service knows about a resource, looked up before the decision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from iam_guard.guard import Question
from iam_guard.http.mapper import Match
from iam_guard.http.request import HTTPRequest
from iam_guard.model import EMPTY, ContextValue, Principal
from iam_guard.policy.document import PolicyDocument


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """Facts about the resource that a request names.

    Attributes:
        tags: Become ``aws:ResourceTag/...``.
        account: Who owns it; empty means the account in its ARN.
        policy: Its own policy.
        context: Further condition keys, such as ``posts:OwnerId``.
    """

    tags: Mapping[str, str] = EMPTY
    account: str = ""
    policy: PolicyDocument | None = None
    context: Mapping[str, ContextValue] = EMPTY


NO_FACTS = ResourceFacts()

#: Looks facts up; they are those of the route's own resource, not of its ``also`` pairs. Nothing known is
#: ``NO_FACTS``; a failure is raised and answered 503.
Resolver = Callable[[HTTPRequest, Match, Principal], Awaitable[ResourceFacts]]


def with_facts(question: Question, facts: ResourceFacts) -> Question:
    """Add what is known about the resource to the question about it."""
    tags = {f"aws:ResourceTag/{tag}": value for tag, value in facts.tags.items()}
    return Question(question.action, question.resource, {**question.context, **facts.context, **tags}, facts.policy,
                    facts.account)
