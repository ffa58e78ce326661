"""The URI of a request in one spelling, as a proof about it names it (RFC 9449 section 4.3, RFC 3986 section 6.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

_URI = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?(/[^?#]*)?(?:\?[^#]*)?(?:#.*)?",
                  re.IGNORECASE | re.ASCII)
_TRIPLET = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORT = {"http": "80", "https": "443"}
_OVER_HTTP = {"ws": "http", "wss": "https"}


def normalised(uri: str) -> str:
    """Write *uri* in its one spelling, without query and fragment.

    Raises:
        ValueError: it is not an absolute http or https URI without user information, or its path climbs.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError("the text is not an http URI")
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    path = _TRIPLET.sub(_one_spelling, found[4] or "/")
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise ValueError("the path holds dot segments")
    at = f":{port}" if port and port != _DEFAULT_PORT[scheme] else ""
    return f"{scheme}://{host}{at}{path}"


def target_uri(request: HTTPRequest, origin: str = "") -> str:
    """What *request* was sent to, in its one spelling.

    Args:
        request: The request; scheme and host are those that the guard believes.
        origin: Scheme and host that clients use, where a proxy changes them on the way.

    Raises:
        ValueError: it has no such URI.
    """
    scheme = _OVER_HTTP.get(request.scheme, request.scheme)
    return normalised((origin or f"{scheme}://{request.host}") + request.raw_path.decode("ascii"))


def _one_spelling(triplet: re.Match[str]) -> str:
    character = chr(int(triplet[1], 16))
    return character if character in _UNRESERVED else triplet[0].upper()
