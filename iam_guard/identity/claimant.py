"""From verified claims to the Principal they stand for, as a ClaimMapping says.

Claims are data. Whatever cannot be read in exactly one way is refused: an object where names are
expected, a role with two values, an account that is not one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from iam_guard.errors import AuthenticationError
from iam_guard.identity.claims import Claim, ClaimMapping, is_account
from iam_guard.identity.delegation import actor_keys
from iam_guard.identity.jwt_svid import SpiffeMapping, principal_from_svid
from iam_guard.identity.sessions import SessionMapping, principal_from_session
from iam_guard.model import Principal, entity_name

MAX_NAME = 255
#: Further registered claims that become condition keys where a token has them (RFC 9068 section 2.2).
_ALSO = tuple((name, f"jwt:{name}") for name in ("client_id", "azp", "acr", "amr", "auth_time"))
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]")
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([A-Za-z0-9.-]{1,253})")

Claims = Mapping[str, Any]


def unusable(detail: str) -> AuthenticationError:
    """The refusal of a genuine token whose claims name no caller; *detail* is for the log."""
    return AuthenticationError("The access token does not name a usable caller", detail=detail)


def is_name(value: Any) -> bool:
    """Whether *value* is text that can name somebody: not empty, short, without control characters (J13)."""
    return isinstance(value, str) and 0 < len(value.encode()) <= MAX_NAME and not _CONTROL.search(value)


def principal_from_claims(
    claims: Claims, mapping: ClaimMapping, *, issuer: str, expires_at: float, groups: tuple[str, ...] | None = ()
) -> Principal:
    """Make the principal that verified *claims* stand for.

    Args:
        claims: The payload of a token that was checked in every respect.
        mapping: How to read it.
        issuer: Who vouches for it.
        expires_at: When the principal stops being one, in seconds since the epoch.
        groups: Names of the caller's groups, see :func:`group_names`; ``None`` when they are unknown.

    Raises:
        AuthenticationError: a claim that the mapping needs is absent or of another shape.
    """
    if isinstance(mapping, SessionMapping):
        return principal_from_session(claims, expires_at=expires_at)
    if isinstance(mapping, SpiffeMapping):
        return principal_from_svid(claims, mapping, expires_at=expires_at)
    account = _account(claims, mapping)
    name = mapping.name_prefix + mapping.name.prefix + _caller_name(claims, mapping)
    attributes = _attributes(claims, mapping)
    more: dict[str, Any] = {
        "account": account, "partition": mapping.partition, "path": mapping.path,
        "groups": None if groups is None else _group_arns(groups, account, mapping),
        "tags": _tags(claims, mapping), "attributes": attributes,
        "issuer": issuer, "subject": claims["sub"], "expires_at": expires_at,
    }
    # A token is a temporary credential whomever it names: a user's older ones are revoked like a role's.
    issued = claims.get("iat", claims.get("auth_time"))
    if isinstance(issued, int | float):
        attributes["aws:TokenIssueTime"] = datetime.fromtimestamp(issued, UTC).isoformat().replace("+00:00", "Z")
    if mapping.role is None:
        return Principal.user(name, **more)
    attributes["aws:FederatedProvider"] = _provider_arn(issuer, account, mapping)
    return Principal.role_session(_one(claims, mapping.role, "role"), name, **more)


def _account(claims: Claims, mapping: ClaimMapping) -> str:
    if isinstance(mapping.account, str):
        return mapping.account
    account = _one(claims, mapping.account, "account")
    if not is_account(account):
        raise unusable(f"claim '{mapping.account}' holds no account")
    return account


def _caller_name(claims: Claims, mapping: ClaimMapping) -> str:
    name = mapping.name.read(claims)
    if not is_name(name):
        raise unusable(f"claim '{mapping.name}' holds no name")
    if mapping.email_domains:
        _check_email(name, claims, mapping)
    return str(name)


def _check_email(name: str, claims: Claims, mapping: ClaimMapping) -> None:
    """An address counts when the issuer verified it and its one domain is one of ours (J21)."""
    found = _MAILBOX.fullmatch(name)
    if not found or found[1].lower() not in {domain.lower() for domain in mapping.email_domains}:
        raise unusable("the email address is of no allowed domain")
    if claims.get("email_verified") is not True:
        raise unusable("the email address is not verified")


def _one(claims: Claims, source: str | Claim, what: str) -> str:
    """A constant, or the claim's only value."""
    if isinstance(source, str):
        return source
    value = source.read(claims)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not is_name(value):
        raise unusable(f"claim '{source}' holds no {what}, or several")
    return f"{source.prefix}{value}"


def group_names(claims: Claims, mapping: ClaimMapping) -> tuple[str, ...] | None:
    """Names of the groups that the claims list, each once, in order.

    Returns:
        ``None`` when the issuer left the groups out because they are too many (wire contracts, section
        12): unknown is not empty.

    Raises:
        AuthenticationError: a groups claim is neither a text nor a list of texts.
    """
    if any(_is_left_out(claims, claim) for claim in mapping.groups):
        return None
    names = (claim.prefix + name for claim in mapping.groups for name in _names_in(claims, claim))
    return tuple(dict.fromkeys(names))


def _is_left_out(claims: Claims, claim: Claim) -> bool:
    elsewhere = claims.get("_claim_names")
    top = {path[0] for path in (claim.names, claim.other_names) if path}
    if isinstance(elsewhere, Mapping) and not top.isdisjoint(elsewhere):
        return True
    return "groups" in top and claims.get("hasgroups") not in (None, False)


def _names_in(claims: Claims, claim: Claim) -> list[str]:
    value = claim.read(claims)
    if value is None:
        return []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(map(is_name, names)):
        raise unusable(f"claim '{claim}' is not a list of names")
    return names


def _group_arns(names: tuple[str, ...], account: str, mapping: ClaimMapping) -> tuple[str, ...]:
    start = f"arn:{mapping.partition}:iam::{account}:group{mapping.path}"
    return tuple(start + entity_name(name) for name in names)


def _provider_arn(issuer: str, account: str, mapping: ClaimMapping) -> str:
    host = issuer.removeprefix("https://").removeprefix("http://")
    return f"arn:{mapping.partition}:iam::{account}:oidc-provider/{host}"


def _tags(claims: Claims, mapping: ClaimMapping) -> dict[str, str]:
    tags = {}
    for tag, source in mapping.tags.items():
        value = source if isinstance(source, str) else _tag_value(claims, source)
        if value is not None:
            tags[tag] = value
    return tags


def _tag_value(claims: Claims, source: Claim) -> str | None:
    value = source.read(claims)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float) or _CONTROL.search(str(value)):
        raise unusable(f"claim '{source}' is not one tag value")
    return f"{source.prefix}{value}"


def _attributes(claims: Claims, mapping: ClaimMapping) -> dict[str, Any]:
    """The condition keys ``jwt:...``: chosen ones first, so that nothing replaces a standard one."""
    keys = {key: value for key, claim in mapping.keys.items()
            if (value := _context_value(claim.read(claims), claim)) is not None}
    for name, key in _ALSO:
        if name in claims and key not in mapping.keys and (value := _context_value(claims[name], name)) is not None:
            keys[key] = value
    audience = claims.get("aud", [])
    keys["jwt:iss"], keys["jwt:sub"] = claims["iss"], claims["sub"]
    keys["jwt:aud"] = (audience,) if isinstance(audience, str) else tuple(audience)
    if (granted := scopes(claims)) is not None:
        keys["jwt:scope"] = granted
    if "act" in claims:
        keys.update(actor_keys(claims))
    return keys


def _context_value(value: Any, claim: Claim | str) -> Any:
    """Text, number, truth value, or a list of them; an object is no value at all."""
    if isinstance(value, dict):
        return None
    if isinstance(value, list):
        if not all(isinstance(one, str | int | float) for one in value):
            raise unusable(f"claim '{claim}' lists something other than texts and numbers")
        return tuple(value)
    return value


def scopes(claims: Claims) -> tuple[str, ...] | None:
    """The scopes, however they are written: ``scope`` or ``scp``, one text or a list (RFC 6749 section 3.3)."""
    value = claims.get("scope")
    if value is None:
        value = claims.get("scp")
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise unusable("the scope is neither a text nor a list of texts")
    words = texts[0].split(" ") if len(texts) == 1 else [word for text in texts for word in text.split(" ")]
    return tuple(filter(None, dict.fromkeys(words)))
