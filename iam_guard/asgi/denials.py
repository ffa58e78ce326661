"""Denials: turns every kind of no into a response, counts it and has it recorded."""

from __future__ import annotations

from iam_guard.asgi.replies import as_credentials, denial_for_error, is_of_anonymous
from iam_guard.asgi.rules import Rules
from iam_guard.engine.decision import Decision, Verdict
from iam_guard.errors import AccessDeniedError, AuthenticationError, RequestRefusedError
from iam_guard.http.mapper import Unmapped
from iam_guard.http.request import HTTPRequest
from iam_guard.http.response import Denial, denial_for_anonymous, denial_for_unmapped
from iam_guard.model import Principal

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
        error, record = as_credentials(error, self._guard.now), request or sent
        of_caller = isinstance(error, AccessDeniedError | AuthenticationError)
        # Without a request at all, its denial would be one of whoever was served before on the same connection.
        return self._readable(denial_for_error(
            error, record, challenges=self._rules.authenticator.challenges() if of_caller else (), style=self._style,
            decision_id=self._noted(error, record), methods=self._rules.edge.methods), request)

    def _noted(self, error: Exception, record: HTTPRequest | None) -> str:
        """Count it, and record what is not a decision and so has no record yet; returns the record's id."""
        match error:
            case AccessDeniedError():
                self._counts[_outcome(error.decision)] += 1
                return error.decision.id
            case AuthenticationError():
                self._counts["unauthenticated"] += 1
                return self._guard.record_refusal("unauthenticated", error.detail, request=record)
            case RequestRefusedError():
                self._counts["ambiguous"] += 1
                return self._guard.record_refusal("refused", error.description, request=record)
        self._counts["error"] += 1
        return self._guard.record_refusal("unavailable", f"{type(error).__name__}: {error}", request=record)

    def _readable(self, denial: Denial, request: HTTPRequest | None) -> Denial:
        """Let scripts of allowed origins read why they were denied."""
        cors = self._rules.preflight
        if cors is None or request is None:
            return denial
        return denial._replace(headers=(*denial.headers, *cors.for_denial(request)))


def _outcome(decision: Decision) -> str:
    if is_of_anonymous(decision):
        return "unauthenticated"
    return "error" if decision.error else _OUTCOMES[decision.verdict]
