"""``WWW-Authenticate`` values (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9449, RFC 9470, RFC 9728)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iam_guard.errors import ConfigurationError, Fault

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 6750 section 3: what the attributes may hold.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_METADATA = re.compile(r'[ ,]resource_metadata="([^"\\]*)"')
_NOT_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def challenge(scheme: str, **parameters: str) -> str:
    """Write one challenge.

    Args:
        scheme: ``Bearer``, ``DPoP``, ``Basic``.
        parameters: In the order in which they are written; empty ones are left out.

    Raises:
        ConfigurationError: the scheme or a value cannot stand in a header.
    """
    if not _TOKEN.fullmatch(scheme):
        raise ConfigurationError(Fault(f"'{scheme}' is not an authentication scheme"))
    written = ", ".join(f"{name}={_quoted(value)}" for name, value in parameters.items() if value)
    return f"{scheme} {written}" if written else scheme


def bearer(realm: str = "", *, error: str = "", description: str = "", scope: Iterable[str] = (),
           resource_metadata: str = "") -> str:
    """A ``Bearer`` challenge; without *error* it is the one for a request that sent no credentials.

    Raises:
        ConfigurationError: a scope holds a character that a scope cannot hold.
    """
    scopes = " ".join(scope)
    if scopes and not _SCOPE.fullmatch(scopes):
        raise ConfigurationError(Fault(f"'{scopes}' is not a list of scopes"))
    return challenge("Bearer", realm=realm, error=error, error_description=printable(description), scope=scopes,
                     resource_metadata=resource_metadata)


def is_scope(text: str) -> bool:
    """Say whether *text* is one scope by its letters (RFC 6749 section 3.3)."""
    return " " not in text and _SCOPE.fullmatch(text) is not None


def dpop(algorithms: Iterable[str], *, error: str = "") -> str:
    """A ``DPoP`` challenge (RFC 9449 sections 7.1 and 9)."""
    if error == "use_dpop_nonce":
        return challenge("DPoP", error=error, algs=" ".join(algorithms))
    return challenge("DPoP", algs=" ".join(algorithms), error=error)


def stronger_login(description: str, *, acr_values: Iterable[str] = (), max_age: int | None = None,
                   scheme: str = "Bearer", resource_metadata: str = "") -> str:
    """Ask for a stronger or fresher login (RFC 9470 section 3), by the scheme that the client used."""
    return challenge(scheme, error="insufficient_user_authentication", error_description=printable(description),
                     acr_values=" ".join(acr_values), max_age="" if max_age is None else str(max_age),
                     resource_metadata=resource_metadata)


def resource_metadata_in(challenges: Iterable[str]) -> str:
    """The URL of the protected resource metadata that one of *challenges* names; empty when none does."""
    found = (_METADATA.search(value) for value in challenges)
    return next((one[1] for one in found if one), "")


def with_error(challenges: Iterable[str], code: str, description: str = "", *,
               scope: Iterable[str] = (), scheme: str = "", **more: str) -> tuple[str, ...]:
    """Say in the challenge of the scheme that failed what was wrong; other schemes stay as they are.

    Args:
        challenges: Those for a request without credentials.
        code: ``invalid_token``, ``invalid_request``; codes about proofs belong to ``DPoP``.
        description: Repeats nothing of the request.
        scope: Scopes to ask for.
        scheme: The scheme that failed; by default the one that *code* belongs to.
        more: Further parameters, such as ``max_age``.
    """
    scheme = scheme or ("DPoP" if "dpop" in code else "Bearer")
    found = list(challenges)
    told = challenge("x", error=code, error_description=printable(description),
                     scope=" ".join(scope), **more).removeprefix("x ")
    for position, value in enumerate(found):
        name, space, _ = value.partition(" ")
        if name.lower() == scheme.lower():
            found[position] = f"{value}{', ' if space else ' '}{told}"
            return tuple(found)
    return (f"{scheme} {told}", *found)


def usual_scheme(challenges: Iterable[str]) -> str:
    """The scheme that tells what is wrong with a request as a whole: one that is taken here."""
    schemes = [value.partition(" ")[0] for value in challenges]
    return "Bearer" if "Bearer" in schemes or not schemes else schemes[0]


def printable(text: str) -> str:
    """Keep what ``error_description`` may hold (RFC 6750 section 3)."""
    return _NOT_DESCRIPTION.sub("", text)


def _quoted(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(Fault(f"{value!a} cannot stand in a header"))
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
