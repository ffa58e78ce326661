"""Who is at the other end: the peer of the connection, and the client behind trusted proxies.

The client address is the right-most hop that is not a trusted proxy. What stands left of it was written by
somebody nobody vouches for (promise S8).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

from iam_guard.errors import RequestRefusedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_QUAD = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_PORT = re.compile(r":[0-9]{1,5}\Z")
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)\s*')


def network(text: str) -> Network:
    """Read an address or a network.

    Raises:
        ValueError: it is neither, or has host bits set.
    """
    return ipaddress.ip_network(text)


def address(text: str) -> Address | None:
    """Read an address; an IPv4 address inside IPv6 is unwrapped and a zone is dropped. ``None``: not one."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def peer_text(peer: str) -> str:
    """Write the peer address that a server reports in its one spelling; ``""`` when it is no IP address."""
    if _QUAD.fullmatch(peer):
        return peer
    found = address(peer)
    return str(found) if found else ""


def is_trusted(peer: str, networks: Sequence[Network]) -> bool:
    """Say whether *peer* is inside one of *networks*."""
    found = address(peer)
    return found is not None and any(found in one for one in networks)


def source_address(peer: str, hops: Iterable[str], networks: Sequence[Network]) -> str:
    """Walk back from a trusted *peer* to the first hop that nobody vouches for.

    Args:
        peer: Address of the trusted proxy at the other end of the connection.
        hops: What the proxies said, left to right, as in ``X-Forwarded-For``.
        networks: The trusted proxies.

    Raises:
        RequestRefusedError: a hop that would have to be judged is not an address.
    """
    source = peer
    for hop in reversed([hop.strip() for hop in hops]):
        found = address(_without_port(hop))
        if found is None:
            raise RequestRefusedError("A forwarded client address cannot be read.", code="invalid-request")
        source = str(found)
        if not any(found in one for one in networks):
            break
    return source


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return _PORT.sub("", hop) if hop.count(":") == 1 else hop


def forwarded_elements(values: Iterable[str]) -> list[dict[str, str]]:
    """Read ``Forwarded`` header fields into one mapping a hop (RFC 7239 section 4).

    Raises:
        RequestRefusedError: they do not follow the grammar.
    """
    text = ",".join(values)
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None or pair[1].lower() in elements[-1]:
            raise RequestRefusedError("The Forwarded header cannot be read.", code="invalid-request")
        elements[-1][pair[1].lower()] = _unquoted(pair[2])
        position = pair.end()
        if position < len(text):
            if text[position] == ",":
                elements.append({})
            elif text[position] != ";":
                raise RequestRefusedError("The Forwarded header cannot be read.", code="invalid-request")
            position += 1
    return elements


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
