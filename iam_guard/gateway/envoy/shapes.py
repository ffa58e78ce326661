"""Small shapes of Envoy's configuration that occur in many places."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from iam_guard.asgi.listening import Address

Shape = dict[str, Any]


def typed(name: str, /, **more: Any) -> Shape:
    """An extension's own part: its type and what it is told."""
    return {"@type": f"type.googleapis.com/{name}", **more}


def seconds(value: float) -> str:
    """A duration."""
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def at(place: Address) -> Shape:
    """The address of a socket."""
    if place.path:
        return {"pipe": {"path": place.path}}
    return {"socket_address": {"address": place.host, "port_value": place.port}}


def is_address(host: str) -> bool:
    """Whether a host is an address, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def file(name: str) -> Shape:
    """The contents of a file."""
    return {"filename": name}


def http1(idle: float) -> Shape:
    """Options of a cluster whose servers speak HTTP/1.1; a header keeps the name that it came with."""
    return _options(explicit_http_config={"http_protocol_options": {}},
                    common_http_protocol_options={"idle_timeout": seconds(idle)})


def http2() -> Shape:
    """Options of a cluster whose servers speak HTTP/2."""
    return _options(explicit_http_config={"http2_protocol_options": {}})


def _options(**more: Any) -> Shape:
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
            typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", **more)}
