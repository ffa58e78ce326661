"""Calls as proxies write them, byte for byte, for any request of a client: the doors of the sidecar without proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from check_requests import check
from threat_rows import Row
from threat_world import bearer, bytes_of

Lines = list[bytes]
#: What a proxy hands on of the client's own lines: everything but what concerns the connection.
HOPS = (b"host", b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"trailer", b"te")


def client_lines(row: Row) -> Lines:
    """The client's header, as every proxy here hands it on."""
    head = bytes_of(row).partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [line for line in head if line.partition(b":")[0].lower() not in HOPS]


def parts_of(row: Row) -> tuple[bytes, bytes, bytes]:
    """Method and target, and the protocol that the connection shall be upgraded to."""
    words = row.line.removesuffix(b" HTTP/1.0").split(b" ", 1)
    upgrades = [line.partition(b":")[2].strip() for line in row.lines if line.lower().startswith(b"upgrade:")]
    return words[0], words[1], (upgrades or [b""])[0]


def _original(row: Row, door: str) -> Lines:
    method, target, upgrade = parts_of(row)
    return [b"X-Original-Method: " + method, b"X-Original-URI: " + target, b"X-Original-Upgrade: " + upgrade,
            b"X-Forwarded-Proto: http", b"X-Forwarded-Host: " + (row.host or b""), b"X-Real-IP: 203.0.113.7"]


def _ingress(row: Row, door: str) -> Lines:
    method, target, _ = parts_of(row)
    return [b"X-Original-Method: " + method, b"X-Original-URL: http://" + (row.host or b"") + target,
            b"X-Real-IP: 203.0.113.7", b"X-Sent-From: nginx-ingress-controller"]


def _forwarded(row: Row, door: str) -> Lines:
    method, target, upgrade = parts_of(row)
    told = {"caddy": [b"Upgrade: " + upgrade, b"Connection: Upgrade"] if upgrade else [],
            "traefik": [b"X-Forwarded-Upgrade: " + upgrade], "haproxy": [b"X-Forwarded-Upgrade: " + upgrade]}
    return [b"X-Forwarded-Method: " + method, b"X-Forwarded-Uri: " + target, b"X-Forwarded-Proto: http",
            b"X-Forwarded-Host: " + (row.host or b""), b"X-Forwarded-For: 203.0.113.7", *told.get(door, [])]


#: How each kind of proxy tells it, and the names of its family, which it overwrites.
FAMILIES: dict[str, Callable[[Row, str], Lines]] = {
    "nginx": _original, "ingress-nginx": _ingress, "traefik": _forwarded, "caddy": _forwarded, "haproxy": _forwarded,
    "apisix": _forwarded, "oathkeeper": _forwarded}
DOORS = (*FAMILIES, "envoy-http")


def call_of(row: Row, door: str, more: Iterable[bytes] = ()) -> bytes:
    """The bytes of a proxy's call about a row; the client's copies of the proxy's own headers are gone."""
    if door == "envoy-http":
        return _envoy_call(row, more)
    own = FAMILIES[door](row, door)
    names = {line.partition(b":")[0].lower() for line in own}
    lines = [line for line in client_lines(row) if line.partition(b":")[0].lower() not in names]
    path = b"/decisions" if door == "oathkeeper" else b"/forward-auth/" + door.encode()
    method = b"HEAD" if door == "haproxy" else b"GET"
    close = [] if any(line.startswith(b"Connection") for line in own) else [b"Connection: close"]
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: guard", *close, *own, *lines, *more]) + (
        b"\r\n\r\n")


def _envoy_call(row: Row, more: Iterable[bytes]) -> bytes:
    method, target, upgrade = parts_of(row)
    own = [b"Host: " + (row.host or b""), b"Connection: close", b"Content-Length: 0", b"X-Original-Client: 203.0.113.7",
           b"X-Original-Scheme: http", b"X-Original-Upgrade: " + (upgrade or method)]
    names = {line.partition(b":")[0].lower() for line in own}
    lines = [line for line in client_lines(row) if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", *own, *lines, *more]) + b"\r\n\r\n"


def message_of(row: Row) -> bytes:
    """The ``CheckRequest`` of a row, with the client's header as it is and pseudo headers besides."""
    method, target, upgrade = parts_of(row)
    fields = [(name.decode("latin-1").lower(), value.strip().decode("latin-1")) for name, _, value in
              (line.partition(b":") for line in client_lines(row))]
    if upgrade:
        fields += [("upgrade", upgrade.decode()), ("connection", "upgrade")]
    host, path = (row.host or b"").decode("latin-1"), target.decode("latin-1")
    pseudo = [(":method", method.decode()), (":path", path), (":authority", host)]
    return check(method.decode(), path, host=host, raw=[*pseudo, *fields])


def known(name: str) -> bytes:
    return b"Authorization: " + bearer(name)["Authorization"].encode()
