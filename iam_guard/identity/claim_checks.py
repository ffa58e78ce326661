"""Whether a genuine token is good: for us, now, and of the kind we take.

Every check looks at presence and type first: a claim that is absent or odd never skips its own check
(threat catalogue, J09 to J13, J23, J24).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iam_guard.errors import AuthenticationError
from iam_guard.identity.claim_path import claim_at
from iam_guard.identity.claimant import is_name
from iam_guard.identity.issuer import ANY_TEXT, Issuer

#: Instants at and above this are not exact in every JSON reader.
MAX_INSTANT = 2**53
#: Claims that only ID tokens have (OpenID Connect Core sections 2 and 3.3.2.11).
_ID_TOKEN_CLAIMS = ("at_hash", "c_hash", "s_hash")
#: Values of the claims by which some providers say what a token is, that are no access tokens.
_OTHER_KINDS = {"token_use": ("id", "refresh"), "typ": ("ID", "Refresh", "Offline", "Logout")}


def refused(description: str, detail: str) -> AuthenticationError:
    """A refusal: *description* for the client, *detail* for the log; neither repeats the token."""
    return AuthenticationError(description, detail=detail)


def check_claims(claims: Mapping[str, Any], typ: str, issuer: Issuer, now: float, *, bound: bool = False) -> float:
    """Check everything about a token whose signature is right.

    Args:
        claims: The payload.
        typ: ``typ`` of the header, as :class:`UnverifiedToken` writes it.
        issuer: The issuer whose key verified it; its name was compared already.
        now: Seconds since the epoch.
        bound: Whether whoever asks checks the proof that a bound token needs.

    Returns:
        The moment from which the token is worth nothing, leeway not counted.

    Raises:
        AuthenticationError: it is not good.
    """
    expires_at = _check_times(claims, issuer, now)
    _check_audience(claims, issuer)
    if not is_name(claims.get("sub")):
        raise refused("The access token has no usable subject", "'sub' is absent or not a short plain text")
    if "cnf" in claims and not bound:
        # The proof that belongs to it cannot come with the Bearer scheme (RFC 9449 section 7.1, RFC 8705).
        raise refused("The access token is bound to a key", "'cnf' is present and the scheme is Bearer")
    _check_kind(claims, typ, issuer)
    return expires_at


def instant(claims: Mapping[str, Any], name: str) -> float | None:
    """A time claim; ``None`` when it is absent.

    Raises:
        AuthenticationError: it is anything but a JSON number between 0 and 2**53.
    """
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_INSTANT:
        raise refused("The access token is malformed", f"'{name}' is not a plausible number")
    return value


def _check_times(claims: Mapping[str, Any], issuer: Issuer, now: float) -> float:
    expires_at, issued_at = instant(claims, "exp"), instant(claims, "iat")
    not_before, signed_in_at = instant(claims, "nbf"), instant(claims, "auth_time")
    if expires_at is None:
        raise refused("The access token does not expire", "'exp' is absent")
    if now >= expires_at + issuer.leeway:
        raise refused("The access token expired", "'exp' is past")
    latest = now + issuer.leeway
    if (issued_at or 0) > latest or (not_before or 0) > latest or (signed_in_at or 0) > latest:
        raise refused("The access token is not valid yet", "'iat', 'nbf' or 'auth_time' is in the future")
    if issuer.max_lifetime is not None and (issued_at is None or expires_at - issued_at > issuer.max_lifetime):
        raise refused("The access token lives too long", "'exp' minus 'iat' is above 'max_lifetime'")
    return expires_at


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    found = next((claims[name] for name in issuer.audience_claims if name in claims), None)
    values = [found] if isinstance(found, str) else found
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise refused("The access token has no audience", "the audience is absent or of another type")
    if issuer.audiences.isdisjoint(values):
        raise refused("The access token is for another audience", "the audience is none of ours")


def _check_kind(claims: Mapping[str, Any], typ: str, issuer: Issuer) -> None:
    if typ not in issuer.token_types:
        raise refused("The token is of the wrong kind", "'typ' of the header is none of 'token_types'")
    for path, values in issuer.requirements:
        found = claim_at(claims, path)
        if not isinstance(found, str) or not found or (found not in values and values != (ANY_TEXT,)):
            raise refused("The access token lacks a claim", f"'{'.'.join(path)}' has no acceptable value")
    if not issuer.id_tokens and typ != "at+jwt" and _looks_like_another_kind(claims, issuer):
        raise refused("The token is of the wrong kind", "it looks like an ID or refresh token")


def _looks_like_another_kind(claims: Mapping[str, Any], issuer: Issuer) -> bool:
    """Whether a token that does not declare itself an access token shows signs of being something else."""
    if any(name in claims for name in _ID_TOKEN_CLAIMS):
        return True
    if any(claims.get(name) in kinds for name, kinds in _OTHER_KINDS.items()):
        return True
    # Some providers copy the nonce into access tokens; then their own claim has to tell the kinds apart.
    says_so = any(path[0] in _OTHER_KINDS for path, _ in issuer.requirements)
    return "nonce" in claims and not says_so
