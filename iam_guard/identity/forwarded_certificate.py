"""``X-Forwarded-Client-Cert``, as Envoy and what is built on it write it: pairs of one element, quoted or not.

Source: Envoy's documentation of the header (HTTP connection manager, headers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iam_guard.errors import AuthenticationError

_PAIR = re.compile(r'(By|Hash|Cert|Chain|Subject|URI|DNS)=("(?:[^"\\]|\\.)*"|[^";,\\]*)(;|$)',
                   re.IGNORECASE | re.ASCII)
_HASH = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Element:
    """What a proxy says about the client of its own connection.

    Attributes:
        digest: SHA-256 of the certificate.
        certificate: The certificate, percent-encoded PEM; empty when the proxy leaves it out.
        uris: URIs among its alternative names.
        dns_names: Host names among them.
    """

    digest: bytes
    certificate: str = ""
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()


def read_element(value: str) -> Element:
    """Read the header when it holds one element.

    Several elements tell of several connections, and which of them is the caller's depends on what proxies there
    are: let the outermost one replace what it receives (Envoy's ``SANITIZE_SET``).

    Raises:
        AuthenticationError: there are several elements, or one that cannot be read in one way.
    """
    found: dict[str, list[str]] = {}
    position = 0
    while position < len(value):
        pair = _PAIR.match(value, position)
        if pair is None or (pair.end() == len(value) and pair[3] == ";"):
            raise _unreadable("it is not one element of known pairs")
        found.setdefault(pair[1].lower(), []).append(_unquoted(pair[2]))
        position = pair.end()
    if any(len(values) > 1 for name, values in found.items() if name not in ("uri", "dns")):
        raise _unreadable("it says one thing twice")
    if not _HASH.fullmatch(found.get("hash", [""])[0]):
        raise _unreadable("it holds no hash")
    return Element(bytes.fromhex(found["hash"][0]), found.get("cert", [""])[0],
                   tuple(one for one in found.get("uri", ()) if one), tuple(one for one in found.get("dns", ()) if one))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _unreadable(detail: str) -> AuthenticationError:
    return AuthenticationError("The client certificate is not acceptable", code="invalid_request",
                               detail=f"'x-forwarded-client-cert': {detail}")
