"""Which scopes of a token would turn a denial into a yes (RFC 6750 section 3.1, ``insufficient_scope``).

A scope is only told when asking for it would help, so nothing is read off the policies: each scope that they
mention is tried, by evaluating the same request as if the token had it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from iam_guard.engine.combine import layers_in_order
from iam_guard.engine.decision import Decision
from iam_guard.engine.statement import speaks_of_action
from iam_guard.http.challenge import is_scope
from iam_guard.model import ascii_lower

#: The condition key that holds the scopes of a token.
SCOPE_KEY = "jwt:scope"
#: How many scopes are tried for one denial; each is an evaluation.
MAX_TRIED = 32


def missing_scopes(decision: Decision) -> tuple[str, ...]:
    """The scopes that *decision*'s caller lacks: one that suffices, or those that suffice together.

    Empty when the decision allows, when it could not be made, when the caller sent no token, and when no
    scope would help.
    """
    if decision.allowed or decision.error or not decision.request.principal.issuer:
        return ()
    mentioned = tuple(dict.fromkeys(_mentioned(decision)))[:MAX_TRIED]
    for added in (*((scope,) for scope in mentioned), mentioned):
        if added and _allows_with(decision, added):
            return added
    return ()


def _allows_with(decision: Decision, added: tuple[str, ...]) -> bool:
    request = decision.request
    had = request.context.get(SCOPE_KEY, ())
    scopes = (*((had,) if isinstance(had, str) else had), *added)
    return decision.policies.evaluate(
        msgspec.structs.replace(request, context={**request.context, SCOPE_KEY: scopes})).allowed


def _mentioned(decision: Decision) -> Iterator[str]:
    """Scopes by name, in statements that speak of the action."""
    request, policies, action = decision.request, decision.policies, ascii_lower(decision.request.action)
    case = policies.case(request, request.principal, policies.subject_of(request.principal))
    for _, _, layer in layers_in_order(case):
        for one in (statement for policy in layer.policies for statement in policy.all_statements()):
            if speaks_of_action(one.statement, action):
                for condition in one.statement.conditions:
                    if ascii_lower(condition.key) == SCOPE_KEY:
                        yield from filter(_is_name, condition.values)


def _is_name(scope: str) -> bool:
    """Whether a client could ask for it: a pattern or a variable is no scope."""
    return is_scope(scope) and not any(sign in scope for sign in ("*", "?", "${"))
