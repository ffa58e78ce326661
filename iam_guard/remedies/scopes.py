"""Which scopes of a token would turn a denial into a yes (RFC 6750 section 3.1, ``insufficient_scope``)."""

from __future__ import annotations

from iam_guard.engine.decision import Decision
from iam_guard.http.challenge import is_scope
from iam_guard.remedies.trial import MAX_TRIED, allows_with, conditions_on, is_fixed, is_remediable

#: The condition key that holds the scopes of a token.
SCOPE_KEY = "jwt:scope"


def missing_scopes(decision: Decision) -> tuple[str, ...]:
    """The scopes that *decision*'s caller lacks: one that suffices, or those that suffice together.

    Empty when the decision allows, when it could not be made, when the caller sent no token, and when no
    scope would help.
    """
    if not is_remediable(decision):
        return ()
    mentioned = tuple(dict.fromkeys(value for condition in conditions_on(decision, (SCOPE_KEY,))
                                    for value in condition.values if is_scope(value) and is_fixed(value)))[:MAX_TRIED]
    for added in (*((scope,) for scope in mentioned), mentioned):
        if added and _allows_with(decision, added):
            return added
    return ()


def _allows_with(decision: Decision, added: tuple[str, ...]) -> bool:
    had = decision.request.context.get(SCOPE_KEY, ())
    return allows_with(decision, {SCOPE_KEY: (*((had,) if isinstance(had, str) else had), *added)})
