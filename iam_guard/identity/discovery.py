"""OpenID Connect discovery: asking an issuer where its keys are, without letting it name another's.

Source: OpenID Connect Discovery 1.0 sections 4 and 4.3.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import httpx

from iam_guard.identity.fetch import FetchError, fetch_json, origin

WELL_KNOWN = "/.well-known/openid-configuration"


async def discover_jwks_url(
    http: httpx.AsyncClient, issuer: str, *, origins: Iterable[str] = (), allow_http: bool = False
) -> str:
    """Read the issuer's metadata and return its ``jwks_uri``.

    Args:
        http: The client to ask with.
        issuer: The issuer, byte for byte as in its tokens.
        origins: Origins other than the issuer's own where its keys may be.
        allow_http: Whether plain http is acceptable for hosts other than this one.

    Raises:
        FetchError: the metadata cannot be had, speaks for another issuer, or points somewhere else.
    """
    document = (await fetch_json(http, issuer.rstrip("/") + WELL_KNOWN)).document
    if document.get("issuer") != issuer:
        raise FetchError(f"the metadata of '{issuer}' is of another issuer")
    url = document.get("jwks_uri")
    if not isinstance(url, str) or not is_key_url(url, allow_http=allow_http):
        raise FetchError(f"the metadata of '{issuer}' has no acceptable 'jwks_uri'")
    allowed = {origin(httpx.URL(one)) for one in (issuer, *origins)}
    if origin(httpx.URL(url)) not in allowed:
        raise FetchError(f"the keys of '{issuer}' are at another origin, which 'jwks_origins' does not name")
    return url


def is_key_url(url: str, *, allow_http: bool = False) -> bool:
    """Whether keys may be fetched from *url*: https, or http on this very machine."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return False
    if not parsed.host or parsed.userinfo or parsed.fragment:
        return False
    return parsed.scheme == "https" or (parsed.scheme == "http" and (allow_http or _is_loopback(parsed.host)))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
