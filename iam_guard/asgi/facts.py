"""What a service knows about a resource, looked up before the decision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from iam_guard.guard import Question
from iam_guard.http.mapper import Match
from iam_guard.http.request import HTTPRequest
from iam_guard.http.route import Pair
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

#: Looks facts up, once for every (action, resource) pair that a route asks for: ``match.action`` and
#: ``match.resource`` name the pair. Nothing known is ``NO_FACTS``; a failure is raised and answered 503.
Resolver = Callable[[HTTPRequest, Match, Principal], Awaitable[ResourceFacts]]


async def resolve(resolver: Resolver, request: HTTPRequest, match: Match, principal: Principal,
                  pairs: Iterable[Pair]) -> list[Question]:
    """Ask *resolver* about each of the *pairs*, once; the answers as questions, in the order of the pairs.

    Raises:
        TypeError: it returned something that is no facts.
    """
    found: list[Question] = []
    for action, resource in dict.fromkeys(pairs):
        facts = await resolver(request, msgspec.structs.replace(match, action=action, resource=resource), principal)
        found.append(_question(action, resource, facts))
    return found


def _question(action: str, resource: str, facts: ResourceFacts) -> Question:
    if not isinstance(facts, ResourceFacts):
        raise TypeError(f"the resolver returned a {type(facts).__name__}; when nothing is known, return NO_FACTS")
    tags = {f"aws:ResourceTag/{tag}": value for tag, value in facts.tags.items()}
    return Question(action, resource, {**facts.context, **tags}, facts.policy, facts.account)


def with_given(question: Question, given: Mapping[str, ContextValue]) -> Question:
    """Add what the route says to what is known about the resource, which counts more."""
    return msgspec.structs.replace(question, context={**given, **question.context})
