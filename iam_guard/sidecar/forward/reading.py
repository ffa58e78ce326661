"""The client's request, recovered from a proxy's call in one family of headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from iam_guard.errors import RequestRefusedError
from iam_guard.http.address import peer_text
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.forward.family import Family, required, told, unclear
from iam_guard.sidecar.forward.settings import ForwardDoor
from iam_guard.sidecar.original import OriginalRequest

Fields = tuple[tuple[bytes, bytes], ...]

_URL = re.compile(rb"(https?|wss?)://([^/?#]+)(/.*)", re.DOTALL)
_PLAIN_SCHEME = {b"http": "http", b"ws": "http", b"https": "https", b"wss": "https"}
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Of the proxy's own connection and call; the client's are another's business, or told by the family.
_OF_THE_CALL = frozenset({b"connection", b"content-length", b"expect", b"host", b"keep-alive", b"proxy-connection",
                          b"te", b"trailer", b"transfer-encoding", b"upgrade"})
# Where a proxy writes what its TLS layer found out about the client.
_CERTIFICATES = frozenset({b"client-cert", b"ssl-client-cert", b"ssl-client-verify", b"x-forwarded-client-cert"})


class Reader:
    """Recovers what clients sent from the calls at one door.

    Args:
        door: Says how this proxy tells it.
        edge: Which hops in front of the proxy are believed, and which headers a client may send.
    """

    def __init__(self, door: ForwardDoor, edge: EdgeSettings) -> None:
        self._door = door
        self._edge = edge
        self._family = family = door.family
        self._names = family.names if door.told_upgrades == "header" else family.names - {family.upgrade}
        self._plain = edge.harmless - _OF_THE_CALL - _CERTIFICATES - self._names
        self._decided = self._plain | self._names | _OF_THE_CALL  # names that need no second look

    def read(self, scope: Mapping[str, Any]) -> OriginalRequest:
        """The client's request.

        Args:
            scope: The proxy's call.

        Raises:
            RequestRefusedError: the call does not tell it, or tells it in two ways. Nothing is assumed: the request
                of a proxy that is set up wrongly is denied.
        """
        door, family = self._door, self._family
        headers = _lowered(scope["headers"])
        index = dict(headers)
        found = told(headers, index, self._names)
        method, target = _line(scope, door, found, index)
        scheme, host, target = _origin(family, found, target)
        websocket = _is_websocket(scope, door, found, headers, index)
        if websocket and (method != "GET" or _count(headers, b"sec-websocket-key") != 1):
            raise unclear("an upgrade to a WebSocket is incomplete")
        peer, named = self._peer(scope, found)
        return OriginalRequest(method, target, scheme, host.decode("latin-1"), peer,
                               self._of_the_client(headers, index) + named, websocket=websocket)

    def _of_the_client(self, headers: Fields, index: Mapping[bytes, bytes]) -> Fields:
        """The headers that a client may send, or that this proxy is known to write itself."""
        plain, others = self._plain, index.keys() - self._decided
        if not others:
            return tuple([field for field in headers if field[0] in plain])
        kept = {name for name in others if self._is_the_clients(name)}
        return tuple([field for field in headers if field[0] in plain or field[0] in kept])

    def _peer(self, scope: Mapping[str, Any], found: Mapping[bytes, bytes]) -> tuple[str, Fields]:
        """Who sent the request, and what has to be said about the client where that is the proxy."""
        client = _client(self._family, found, self._edge)
        return (_proxy(scope), _named(client, self._edge)) if self._door.certificates else (client, ())

    def _is_the_clients(self, name: bytes) -> bool:
        """Whether a header is one that a client may send, or that this proxy is known to write itself."""
        if name in _CERTIFICATES:
            return self._door.certificates
        return self._edge.keeps(name, False)


def _lowered(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """The same fields with names in lower case, as servers should have them already."""
    headers = tuple(fields)
    names = b"".join([field[0] for field in headers])
    return headers if names.lower() == names else tuple([(name.lower(), value) for name, value in headers])


def _proxy(scope: Mapping[str, Any]) -> str:
    """The address of the proxy: what it says about certificates is believed as its own word."""
    client = scope.get("client")
    if client is None:
        raise unclear("certificates are told over TCP only, where proxies have addresses")
    return str(client[0])


def _named(client: str, edge: EdgeSettings) -> Fields:
    """The client's address, as a trusted peer tells it."""
    if edge.forwarded == "forwarded":
        node = f'"[{client}]"' if ":" in client else client
        return ((b"forwarded", f"for={node}".encode("ascii")),)
    return ((b"x-forwarded-for", client.encode("ascii")),)


def _line(scope: Mapping[str, Any], door: ForwardDoor, found: Mapping[bytes, bytes],
          index: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """The method and the target."""
    family = door.family
    if door.request_line:
        return _own_line(scope, door, index)
    method, target = required(found, family.method), required(found, family.target)
    if not _METHOD.fullmatch(method):
        raise unclear(f"{family.method.decode()} is not a method")
    if door.is_tree and _rest(scope, door) not in (b"", target):
        raise unclear("its call and its headers name different targets")
    return method.decode("ascii"), target


def _own_line(scope: Mapping[str, Any], door: ForwardDoor, index: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """Method and target of the call itself, which nobody may contradict."""
    if b"x-forwarded-method" in index or b"x-forwarded-uri" in index:
        raise unclear("its headers tell another request than its request line")
    target = _rest(scope, door)
    if not target:
        raise unclear("its call names no target")
    return "GET" if scope["type"] == "websocket" else str(scope["method"]), target


def _rest(scope: Mapping[str, Any], door: ForwardDoor) -> bytes:
    """What follows the path of the door in the call; the call's query belongs to it only where there is a path."""
    raw: bytes = scope.get("raw_path") or str(scope["path"]).encode("utf-8", "surrogateescape")
    if not raw.startswith(at := door.at.encode()):
        raise unclear("its call spells the path of the door in another way")
    rest = raw[len(at):]
    query: bytes = scope.get("query_string") or b""
    return rest + b"?" + query if rest and query else rest


def _origin(family: Family, found: Mapping[bytes, bytes], target: bytes) -> tuple[str, bytes, bytes]:
    """Scheme, host and the target without them."""
    if family.whole_url:
        url = _URL.fullmatch(target)
        if url is None:
            raise unclear(f"{family.target.decode()} is not a URL")
        scheme, host, target = url[1], url[2], url[3]
    else:
        scheme, host = required(found, family.scheme), required(found, family.host)
    if scheme not in _PLAIN_SCHEME:
        raise unclear("the scheme is not one of HTTP")
    return _PLAIN_SCHEME[scheme], host, target


def _client(family: Family, found: Mapping[bytes, bytes], edge: EdgeSettings) -> str:
    """The address of the client: the nearest hop that is no proxy of ours."""
    hops = required(found, family.client).decode("latin-1").split(",")
    if family.client == b"x-real-ip":
        source = peer_text(hops[0].strip()) if len(hops) == 1 else ""
    else:
        try:
            source = edge.proxies.source("", hops)
        except RequestRefusedError:
            source = ""
    if not source:
        raise unclear(f"{family.client.decode()} is not an address")
    return source


def _is_websocket(scope: Mapping[str, Any], door: ForwardDoor, found: Mapping[bytes, bytes], headers: Fields,
                  index: Mapping[bytes, bytes]) -> bool:
    """Whether the client asks for a WebSocket.

    A proxy that cannot tell may still let the upgrade through, so that the application serves something else than
    was decided: then what a handshake never lacks is reason enough to deny.
    """
    called = (b"upgrade" in index or scope["type"] == "websocket") and _calls_websocket(scope, headers)
    match door.told_upgrades:
        case "call":
            return called
        case "header":
            wanted = found.get(door.family.upgrade, b"").lower() == b"websocket"
            if called and not wanted:
                raise unclear("its call is an upgrade, and its headers tell none")
            return wanted
    if called or b"sec-websocket-key" in index:
        raise unclear("it may be a WebSocket, of which this door is not told")
    return False


def _calls_websocket(scope: Mapping[str, Any], headers: Fields) -> bool:
    """Whether the call itself is an upgrade: to a WebSocket and nothing else, as servers differ in what they choose."""
    wanted = b",".join([value.strip().lower() for name, value in headers if name == b"upgrade"])
    if wanted == b"websocket":
        return True
    if b"websocket" in wanted or scope["type"] == "websocket":
        raise unclear("its call may be an upgrade to a WebSocket or to something else")
    return False


def _count(headers: Fields, name: bytes) -> int:
    return [key for key, _ in headers].count(name)
