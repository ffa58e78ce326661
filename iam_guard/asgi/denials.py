"""Denials: turns every kind of no into a response, counts it and has it recorded."""

from __future__ import annotations

from iam_guard.asgi.rules import Rules
from iam_guard.engine.decision import Decision, Verdict
from iam_guard.errors import AccessDeniedError, AuthenticationError, RequestRefusedError
from iam_guard.http.mapper import Unmapped
from iam_guard.http.request import HTTPRequest
from iam_guard.http.response import (
    Denial,
    denial_for,
    denial_for_anonymous,
    denial_for_authentication,
    denial_for_refusal,
    denial_for_scope,
    denial_for_unmapped,
    unavailable,
)
from iam_guard.model import Principal, PrincipalKind
from iam_guard.scopes import missing_scopes

_OUTCOMES = {Verdict.EXPLICIT_DENY: "explicit_deny", Verdict.IMPLICIT_DENY: "implicit_deny"}


class Denials:
    """Answers those who may not.

    Args:
        rules: What requests are judged by.
        counts: Where outcomes are counted.
    """

    def __init__(self, rules: Rules, counts: dict[str, int]) -> None:
        self._rules = rules
        self._guard = rules.guard
        self._style = rules.style
        self._counts = counts

    def of_anonymous(self, request: HTTPRequest) -> Denial:
        """No credentials were sent where some are needed."""
        self._counts["unauthenticated"] += 1
        name = self._guard.record_refusal("unauthenticated", "no credentials were sent", request=request)
        return self._readable(denial_for_anonymous(
            self._rules.authenticator.challenges(), request, decision_id=name, style=self._style), request)

    def of_unmapped(self, found: Unmapped, principal: Principal, request: HTTPRequest) -> Denial:
        """No rule says what the request asks for."""
        self._counts["unmapped"] += 1
        name = self._guard.record_refusal("unmapped", "no rule maps this request", principal=principal, request=request)
        return self._readable(denial_for_unmapped(found, request, decision_id=name, style=self._style), request)

    def of_error(self, error: Exception, request: HTTPRequest | None, *, sent: HTTPRequest | None = None) -> Denial:
        """What the guard, or the application, raised.

        Args:
            error: Anything that is not one of ours is answered like a decision that cannot be made.
            request: The request, if it could be read.
            sent: What is known of one that could not, for the record.
        """
        record = request or sent
        match error:
            case AccessDeniedError():
                denial = self._of_decision(error.decision, request)
            case AuthenticationError():
                denial = self._of_credentials(error, request, record)
            case RequestRefusedError():
                self._counts["ambiguous"] += 1
                name = self._guard.record_refusal("refused", error.description, request=record)
                denial = denial_for_refusal(error, request, allow=self._rules.edge.methods, decision_id=name,
                                            style=self._style)
            case _:
                self._counts["error"] += 1
                name = self._guard.record_refusal("unavailable", f"{type(error).__name__}: {error}", request=record)
                denial = unavailable(request, decision_id=name, style=self._style)
        return self._readable(denial, request)

    def _of_decision(self, decision: Decision, request: HTTPRequest | None) -> Denial:
        principal = decision.request.principal
        if principal.expires_at is not None and self._guard.now().timestamp() >= principal.expires_at:
            return self._of_credentials(AuthenticationError("The access token expired"), request, request)
        if principal.kind is PrincipalKind.ANONYMOUS and not decision.error:
            self._counts["unauthenticated"] += 1
            return denial_for_anonymous(self._rules.authenticator.challenges(), request, decision_id=decision.id,
                                        style=self._style)
        self._counts["error" if decision.error else _OUTCOMES[decision.verdict]] += 1
        if decision.error and principal.groups is None:  # nothing is wrong with the guard: the token says too little
            told = RequestRefusedError("The groups of the caller are not in the token.", status=403,
                                       code="access-denied")
            return denial_for_refusal(told, request, decision_id=decision.id, style=self._style)
        if self._style.show_scopes and (scopes := missing_scopes(decision)):
            return denial_for_scope(scopes, self._rules.authenticator.challenges(), request, decision_id=decision.id,
                                    style=self._style)
        return denial_for(decision, request, style=self._style)

    def _of_credentials(self, error: AuthenticationError, request: HTTPRequest | None,
                        record: HTTPRequest | None) -> Denial:
        self._counts["unauthenticated"] += 1
        name = self._guard.record_refusal("unauthenticated", error.detail, request=record)
        return denial_for_authentication(error, self._rules.authenticator.challenges(), request, decision_id=name,
                                         style=self._style)

    def _readable(self, denial: Denial, request: HTTPRequest | None) -> Denial:
        """Let scripts of allowed origins read why they were denied."""
        cors = self._rules.preflight
        if cors is None or request is None:
            return denial
        return denial._replace(headers=(*denial.headers, *cors.for_denial(request)))
