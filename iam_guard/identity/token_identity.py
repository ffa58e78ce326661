"""What a token is known by when it is to be revoked, whoever read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from iam_guard.errors import AuthenticationError, UnavailableError
from iam_guard.identity.token import malformed


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """What a token is revoked by; its text is not, since that could be written in several ways.

    Attributes:
        issuer: Its ``iss``.
        token_id: Its ``jti``; ``""`` when it has none.
        subject: Its ``sub``.
        issued_at: Its ``iat``; ``None`` when it has none.
    """

    issuer: str
    token_id: str
    subject: str
    issued_at: float | None


IsRevoked = Callable[[TokenIdentity], bool]


def identity_of(claims: Mapping[str, Any], issuer: str) -> TokenIdentity:
    """What the token with these checked *claims* is revoked by.

    Raises:
        AuthenticationError: its name is no text, so that nobody could revoke it.
    """
    token_id = claims.get("jti", "")
    if not isinstance(token_id, str):
        raise malformed("'jti' is not a text")
    return TokenIdentity(issuer, token_id, claims["sub"], claims.get("iat"))


def check_revocation(is_revoked: IsRevoked, identity: TokenIdentity, what: str = "access token") -> None:
    """Ask whether a token, or what else is named like one, is revoked.

    Raises:
        AuthenticationError: it is.
        UnavailableError: it cannot be found out.
    """
    try:
        revoked = is_revoked(identity)
    except Exception as error:
        raise UnavailableError(f"whether the {what} is revoked could not be found out") from error
    if revoked:
        raise AuthenticationError(f"The {what} was revoked", detail=f"the {what} is on the list")
