"""A denial tried again, as if the caller's token said something else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from iam_guard.engine.combine import layers_in_order
from iam_guard.engine.decision import Decision
from iam_guard.engine.statement import speaks_of_action
from iam_guard.model import ascii_lower
from iam_guard.policy.document import Condition

#: How many values of one key are tried for one denial; each is an evaluation.
MAX_TRIED = 32


def is_remediable(decision: Decision) -> bool:
    """Whether a token stands behind a denial that was really decided."""
    return not decision.allowed and not decision.error and bool(decision.request.principal.issuer)


def allows_with(decision: Decision, known: Mapping[str, str | tuple[str, ...]]) -> bool:
    """Whether the same policies would allow the same request with these condition keys instead."""
    request = decision.request
    return decision.policies.evaluate(
        msgspec.structs.replace(request, context={**request.context, **known})).allowed


def conditions_on(decision: Decision, keys: Collection[str]) -> Iterator[Condition]:
    """Conditions on one of *keys* (lower case), in the statements about the caller that speak of the action."""
    request, policies, action = decision.request, decision.policies, ascii_lower(decision.request.action)
    case = policies.case(request, request.principal, policies.subject_of(request.principal))
    for _, _, layer in layers_in_order(case):
        for one in (statement for policy in layer.policies for statement in policy.all_statements()):
            if speaks_of_action(one.statement, action):
                yield from (found for found in one.statement.conditions if ascii_lower(found.key) in keys)


def is_fixed(text: str) -> bool:
    """Whether a policy's value is one text: a pattern or a variable is none."""
    return not any(sign in text for sign in ("*", "?", "${"))
