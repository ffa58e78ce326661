"""The client's request, recovered from what Envoy says about it over gRPC."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from iam_guard.errors import RequestRefusedError
from iam_guard.http.address import peer_text
from iam_guard.sidecar.original import Fields, OriginalRequest

_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEMES = frozenset({"http", "https"})
_VERSIONS = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "HTTP/2": "2", "HTTP/3": "3"}
#: Envoy says with it whether it cut the body that it hands over.
PARTIAL_BODY = b"x-envoy-auth-partial-body"


class CheckedRequest(OriginalRequest, frozen=True):
    """A request of a client whose certificate Envoy may have told, too.

    Attributes:
        certificate: In PEM form; empty for none.
    """

    certificate: str = ""

    def scope(self) -> dict[str, Any]:
        """See :class:`~iam_guard.sidecar.original.OriginalRequest`; with the ASGI extension ``tls``."""
        scope = super().scope()
        if self.certificate:
            scope["extensions"] = {"tls": {"client_cert_chain": [self.certificate]}}
        return scope


def original_of(check: Any) -> tuple[OriginalRequest, bytes | None]:
    """The request that a ``CheckRequest`` is about, and its body where that is known whole.

    Args:
        check: The message.

    Raises:
        RequestRefusedError: it does not say in one way what the client asked for.
    """
    attributes = check.attributes
    http = attributes.request.http
    headers = _headers(http)
    pseudo = _pseudo(headers)
    plain = tuple([field for field in headers if not field[0].startswith(b":")])
    method, target = _agreed(http.method, pseudo, b":method"), _agreed(http.path, pseudo, b":path")
    if not _METHOD.fullmatch(method):
        raise unclear("it has no method")
    if not target:
        raise unclear("it has no path")
    scheme = _agreed(http.scheme, pseudo, b":scheme")
    if scheme not in _SCHEMES:
        raise unclear("its scheme is not one of HTTP")
    host = _host(http, pseudo, plain)
    websocket = _is_websocket(method, pseudo, plain)
    partial = dict(plain).get(PARTIAL_BODY)
    kept = tuple([field for field in plain if field[0] != PARTIAL_BODY])
    original = CheckedRequest("GET" if websocket else method, target.encode("utf-8", "surrogateescape"), scheme, host,
                              _client(attributes.source), kept, _VERSIONS.get(http.protocol, ""), websocket,
                              _certificate(attributes.source))
    return original, _body(http, partial, kept)


def unclear(why: str) -> RequestRefusedError:
    """The answer to a message that leaves open what the client asked for."""
    return RequestRefusedError(f"The proxy does not tell the request of its client: {why}", status=403,
                               code="ambiguous-request")


def _headers(http: Any) -> Fields:
    """All headers with names in lower case; pseudo headers are among them."""
    raw = http.header_map.headers
    if raw and http.headers:
        raise unclear("it tells its headers twice")
    if raw:
        return tuple([(one.key.lower().encode(), one.raw_value or one.value.encode()) for one in raw])
    return tuple([(name.lower().encode(), value.encode()) for name, value in http.headers.items()])


def _pseudo(headers: Fields) -> dict[bytes, bytes]:
    """The pseudo headers, each of which occurs once at most."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name.startswith(b":"):
            if name in found:
                raise unclear(f"{name.decode()} occurs twice")
            found[name] = value
    return found


def _agreed(told: str, pseudo: dict[bytes, bytes], name: bytes) -> str:
    """What a field says, which the pseudo header of the same meaning may repeat and not contradict."""
    if name in pseudo and pseudo[name] != told.encode():
        raise unclear(f"its fields contradict {name.decode()}")
    return told


def _host(http: Any, pseudo: dict[bytes, bytes], headers: Fields) -> str:
    host = _agreed(http.host, pseudo, b":authority")
    if any(name == b"host" and value != host.encode() for name, value in headers):
        raise unclear("it names two hosts")
    return host


def _certificate(source: Any) -> str:
    """The certificate that the client's connection showed (``include_peer_certificate``)."""
    return unquote(source.certificate)


def _client(source: Any) -> str:
    """The address of the client; a client without one, on a Unix socket, is nobody whose address counts."""
    address = source.address.socket_address.address
    if not address:
        return ""
    if not (text := peer_text(address)):
        raise unclear("its source is not an address")
    return text


def _is_websocket(method: str, pseudo: dict[bytes, bytes], headers: Fields) -> bool:
    """Whether Envoy upgrades the connection: it has removed ``upgrade`` from a request that is none."""
    wanted = b",".join([value.strip().lower() for name, value in headers if name == b"upgrade"])
    if b":protocol" in pseudo:
        wanted = pseudo[b":protocol"].lower()
        if method != "CONNECT":
            raise unclear("it has a protocol and is no CONNECT")
    elif method == "CONNECT":
        return False
    if not wanted:
        return False
    if wanted != b"websocket" or method not in ("GET", "CONNECT"):
        raise unclear("it asks for another protocol")
    if b":protocol" not in pseudo and not _upgrades(headers):
        raise unclear("it names a protocol and does not ask for an upgrade")
    return True


def _upgrades(headers: Fields) -> bool:
    options = b",".join([value for name, value in headers if name == b"connection"]).lower()
    return b"upgrade" in [option.strip() for option in options.split(b",")]


def _body(http: Any, partial: bytes | None, headers: Fields) -> bytes | None:
    """The whole body; ``None`` when Envoy did not hand it over, or cut it."""
    if partial == b"false":
        return http.raw_body or http.body.encode()  # type: ignore[no-any-return]
    if partial is not None:
        return None
    told = dict(headers)
    length = told.get(b"content-length", b"0" if http.protocol.startswith("HTTP/1") else b"")
    return b"" if length == b"0" and b"transfer-encoding" not in told else None
