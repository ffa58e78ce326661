"""The Bearer scheme: finding the one token in a request, and asking for one (RFC 6750)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iam_guard.errors import AuthenticationError
from iam_guard.identity.token import malformed
from iam_guard.model import ascii_lower

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest


def bearer_token(request: HTTPRequest) -> bytes | None:
    """The token of the ``Authorization`` header.

    A token in the query is no credential: it reaches logs and other people (RFC 6750 section 5.3). Beside
    one in the header it is a second way of sending a token, which section 2 forbids.

    Returns:
        ``None`` when the request has no such header, or one of another scheme.

    Raises:
        AuthenticationError: there are two such headers, a second token in the query, or no token after
            the scheme.
    """
    value = request.only(b"authorization")
    if value is None:
        if request.header_values("authorization"):
            raise AuthenticationError("More than one Authorization header was sent", code="invalid_request")
        return None
    if b"access_token" in request.query_string and "access_token" in request.query:
        raise AuthenticationError("A token was sent in the header and in the query", code="invalid_request")
    if value.startswith(b"Bearer ") and value[7:8] != b" " != value[-1:]:
        return value[7:]  # what everybody sends; whatever else is wrong with it, reading the token will tell
    return _unusual(value.decode("latin-1"))


def _unusual(value: str) -> bytes | None:
    scheme, *rest = value.split(None, 1)[:2] or [""]
    if ascii_lower(scheme) != "bearer":
        return None
    token = rest[0].rstrip(" ") if rest else ""
    if not token:
        raise AuthenticationError("There is no token after the scheme", code="invalid_request")
    if value.strip(" ")[len(scheme):].lstrip(" ") != token:
        raise malformed("there is something else than spaces before it")
    return token.encode("latin-1")


def bearer_challenge(realm: str, resource_metadata: str = "") -> str:
    """The ``WWW-Authenticate`` value for a request without credentials: no ``error`` (RFC 6750 section 3.1)."""
    challenge = f"Bearer realm={quoted(realm)}"
    return f"{challenge}, resource_metadata={quoted(resource_metadata)}" if resource_metadata else challenge


def quoted(text: str) -> str:
    """A quoted string (RFC 9110 section 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
