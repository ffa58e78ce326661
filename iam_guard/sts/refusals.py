"""How refusals are told to OAuth clients (RFC 6749 section 5.2, RFC 8693 section 2.2.2)."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse

from iam_guard.errors import AuthenticationError, DirectoryError, IAMGuardError, TokenServiceError, UnavailableError

_NOT_DESCRIPTIVE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_LONGEST = 400
_AWAY = frozenset({"IDPCommunicationError"})
#: Nothing of the token endpoint may stay in a cache (RFC 6749 section 5.1).
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(IAMGuardError):
    """A token request is refused.

    Args:
        error: The OAuth code.
        description: For the developer of the client.
        status: HTTP status.
        code: IAM's name of the reason, where it has one.
        headers: Further headers of the answer.
    """

    def __init__(self, error: str, description: str, *, status: int = 400, code: str = "",
                 headers: dict[str, str] | None = None) -> None:
        super().__init__(description)
        self.error, self.description, self.status, self.code = error, description, status, code
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """The answer."""
        body = {"error": self.error, "error_description": _NOT_DESCRIPTIVE.sub("?", self.description)[:_LONGEST]}
        if self.code:
            body["code"] = self.code
        return JSONResponse(body, self.status, {**NO_STORE, **self.headers})


def invalid_request(description: str, *, status: int = 400, code: str = "") -> OAuthError:
    """The request is not acceptable."""
    return OAuthError("invalid_request", description, status=status, code=code)


def invalid_client() -> OAuthError:
    """Who asks is not known: one text for every reason, so that nobody learns which keys there are."""
    return OAuthError("invalid_client", "The client is not known by this key.", status=401,
                      headers={"WWW-Authenticate": 'Basic realm="token"'})


def unavailable() -> OAuthError:
    """It cannot be said now."""
    return OAuthError("temporarily_unavailable", "Try again later.", status=503, headers={"Retry-After": "5"})


def refusal_of(problem: IAMGuardError, *, exchange: bool) -> OAuthError:
    """The answer to a request that failed.

    Args:
        problem: Why.
        exchange: Whether a token was to be exchanged; what is wrong with that is a wrong request there.
    """
    match problem:
        case OAuthError():
            return problem
        case TokenServiceError(code=code) if code in _AWAY:
            return unavailable()
        case TokenServiceError(code="AccessDenied") if not exchange:
            return OAuthError("unauthorized_client", str(problem), code=problem.code)
        case TokenServiceError() | DirectoryError():
            return invalid_request(str(problem), code=problem.code)
        case AuthenticationError():
            return invalid_request("The subject token is not good.", code="InvalidIdentityToken")
        case UnavailableError():
            return unavailable()
    return OAuthError("server_error", "The token service failed.", status=500)
