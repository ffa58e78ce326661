"""The client's request, recovered from what Envoy says about it over gRPC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from iam_guard.errors import RequestRefusedError
from iam_guard.http.address import peer_text
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.original import Fields, OriginalRequest

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEMES = {b"http": "http", b"https": "https"}
_VERSIONS = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1", b"HTTP/2": "2", b"HTTP/3": "3"}
#: Envoy says with it whether it cut the body that it hands over.
PARTIAL_BODY = b"x-envoy-auth-partial-body"
# What stands among the headers and is none of the client's; any other name with a colon is refused with its headers.
_OF_THE_CALL = frozenset({b":method", b":path", b":scheme", b":authority", b":protocol", PARTIAL_BODY})

Index = dict[bytes, bytes]


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


def original_of(told: Described) -> tuple[OriginalRequest, bytes | None]:
    """The request that is described, and its body where that is known whole.

    Args:
        told: By Envoy.

    Raises:
        RequestRefusedError: it does not say in one way what the client asked for.
    """
    method, target, headers = told.method, told.path, told.headers
    index = dict(headers)
    if len(index) < len(headers):
        _refuse_two(headers)
    _check_agreement(told, index)
    if not _METHOD.fullmatch(method):
        raise unclear("it has no method")
    if not target:
        raise unclear("it has no path")
    scheme = _SCHEMES.get(told.scheme)
    if scheme is None:
        raise unclear("its scheme is not one of HTTP")
    websocket = (b"upgrade" in index or b":protocol" in index) and _is_websocket(method, index, headers)
    kept = tuple([field for field in headers if field[0] not in _OF_THE_CALL])
    original = CheckedRequest("GET" if websocket else method.decode("ascii"), target, scheme,
                              told.host.decode("latin-1"), _client(told.source), kept,
                              _VERSIONS.get(told.protocol, ""), websocket,
                              unquote(told.certificate) if told.certificate else "")
    return original, _body(told, index)


def names_of(listed: Iterable[str]) -> frozenset[bytes]:
    """Names of headers as they are compared here."""
    return frozenset([name.lower().encode("latin-1") for name in listed])


def apart(fields: Iterable[tuple[bytes, bytes]], listed: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The fields, with one for each value of those that are lists, where Envoy has made one of several.

    Args:
        fields: With names in lower case.
        listed: Names of those that are read as lists (RFC 9110 section 5.3).
    """
    for name, value in fields:
        if name in listed and b"," in value:
            yield from ((name, one.strip()) for one in value.split(b","))
        else:
            yield name, value


def unclear(why: str) -> RequestRefusedError:
    """The answer to a message that leaves open what the client asked for."""
    return RequestRefusedError(f"The proxy does not tell the request of its client: {why}", status=403,
                               code="ambiguous-request")


def _refuse_two(headers: Fields) -> None:
    """Each pseudo header occurs once at most, and ``host`` always says the same."""
    found: Index = {}
    for name, value in headers:
        if name in found and (name[:1] == b":" or (name == b"host" and value != found[name])):
            raise unclear(f"{name.decode('latin-1')} occurs twice")
        found[name] = value


def _check_agreement(told: Described, index: Index) -> None:
    """A pseudo header may repeat what the field of the same meaning says, and not contradict it."""
    get, host = index.get, told.host
    if (get(b":method", told.method) != told.method or get(b":path", told.path) != told.path
            or get(b":scheme", told.scheme) != told.scheme or get(b":authority", host) != host):
        raise unclear("its fields contradict its headers")
    if get(b"host", host) != host:
        raise unclear("it names two hosts")


def _client(source: str) -> str:
    """The address of the client; a client without one, on a Unix socket, is nobody whose address counts."""
    if not source:
        return ""
    if not (text := peer_text(source)):
        raise unclear("its source is not an address")
    return text


def _is_websocket(method: bytes, index: Index, headers: Fields) -> bool:
    """Whether Envoy upgrades the connection: it has removed ``upgrade`` from a request that is none."""
    wanted = b",".join([value.strip().lower() for name, value in headers if name == b"upgrade"])
    if b":protocol" in index:
        wanted = index[b":protocol"].lower()
        if method != b"CONNECT":
            raise unclear("it has a protocol and is no CONNECT")
    elif method == b"CONNECT":
        return False
    if not wanted:
        return False
    if wanted != b"websocket" or method not in (b"GET", b"CONNECT"):
        raise unclear("it asks for another protocol")
    if b":protocol" not in index and not _upgrades(headers):
        raise unclear("it names a protocol and does not ask for an upgrade")
    return True


def _upgrades(headers: Fields) -> bool:
    options = b",".join([value for name, value in headers if name == b"connection"]).lower()
    return b"upgrade" in [option.strip() for option in options.split(b",")]


def _body(told: Described, index: Index) -> bytes | None:
    """The whole body; ``None`` when Envoy did not hand it over, or cut it."""
    partial = index.get(PARTIAL_BODY)
    if partial == b"false":
        return told.body
    if partial is not None:
        return None
    length = index.get(b"content-length", b"0" if told.protocol.startswith(b"HTTP/1") else b"")
    return b"" if length == b"0" and b"transfer-encoding" not in index else None
