"""What an error is answered with: the same at the door, in an exception handler, and wherever somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from iam_guard.engine.decision import Decision
from iam_guard.errors import AccessDeniedError, AuthenticationError, RequestRefusedError
from iam_guard.http.edge import METHODS
from iam_guard.http.request import HTTPRequest
from iam_guard.http.response import (
    Denial,
    DenialStyle,
    denial_for,
    denial_for_anonymous,
    denial_for_authentication,
    denial_for_refusal,
    denial_for_scope,
    denial_for_step_up,
    unavailable,
)
from iam_guard.identity.caller import current_caller
from iam_guard.model import PrincipalKind
from iam_guard.remedies.scopes import missing_scopes
from iam_guard.remedies.step_up import step_up


def denial_for_error(error: Exception, request: HTTPRequest | None = None, *, challenges: Iterable[str] = ("Bearer",),
                     style: DenialStyle = DenialStyle(), decision_id: str = "",  # noqa: B008 - frozen
                     methods: Sequence[str] = METHODS) -> Denial:
    """The response with which the middleware would answer *error*; nothing is counted or recorded.

    For code that asks the guard itself and answers itself. Behind an IAMGuardMiddleware, its own ``denial_for`` knows
    the challenges and the style, and counts and records.

    Args:
        error: What the guard, or an authenticator, raised; any other exception is answered like a decision that
            cannot be made.
        request: What was asked; by default the request that is being handled, if there is one.
        challenges: Those of the authenticator.
        style: How denials look.
        decision_id: Names the refusal in the log, where the error is no decision with an id of its own.
        methods: What a refused method is told instead.
    """
    caller = current_caller.get()
    if request is None and caller is not None:
        request = caller.request
    match error:
        case AccessDeniedError():
            return _of_decision(error.decision, request, tuple(challenges), style)
        case AuthenticationError():
            return denial_for_authentication(error, challenges, request, decision_id=decision_id, style=style)
        case RequestRefusedError():
            return denial_for_refusal(error, request, allow=methods, decision_id=decision_id, style=style)
    return unavailable(request, decision_id=decision_id, style=style)


def as_credentials(error: Exception, now: Callable[[], datetime]) -> Exception:
    """*error*; a denial of somebody whose session has ended meanwhile is a matter of credentials.

    So is one of a caller whose user or role was deleted (threat E25), which a new login may mend.
    """
    if isinstance(error, AccessDeniedError):
        decision = error.decision
        expires_at = decision.request.principal.expires_at
        if expires_at is not None and now().timestamp() >= expires_at:
            return AuthenticationError("The access token expired")
        if not decision.error and decision.policies.is_gone(decision.request.principal):
            return AuthenticationError("The caller of these credentials is gone")
    return error


def is_of_anonymous(decision: Decision) -> bool:
    """Whether it denies somebody who could still send credentials."""
    return decision.request.principal.kind is PrincipalKind.ANONYMOUS and not decision.error


def _of_decision(decision: Decision, request: HTTPRequest | None, challenges: tuple[str, ...],
                 style: DenialStyle) -> Denial:
    if is_of_anonymous(decision):
        return denial_for_anonymous(challenges, request, decision_id=decision.id, style=style)
    if decision.error and decision.request.principal.groups is None:
        # nothing is wrong with the guard: the token says too little
        told = RequestRefusedError("The groups of the caller are not in the token.", status=403, code="access-denied")
        return denial_for_refusal(told, request, decision_id=decision.id, style=style)
    return _with_remedy(decision, request, challenges, style) or denial_for(decision, request, style=style)


def _with_remedy(decision: Decision, request: HTTPRequest | None, challenges: tuple[str, ...],
                 style: DenialStyle) -> Denial | None:
    """What the caller could do about it, where the operator lets that be told."""
    if style.show_scopes and (scopes := missing_scopes(decision)):
        return denial_for_scope(scopes, challenges, request, decision_id=decision.id, style=style)
    if style.show_step_up and (login := step_up(decision)) is not None:
        return denial_for_step_up(request, acr_values=login.acr_values, max_age=login.max_age, challenges=challenges,
                                  decision_id=decision.id, style=style)
    return None
