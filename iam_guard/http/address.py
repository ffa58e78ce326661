"""Who is at the other end: the peer of the connection, and the client behind trusted proxies.

The client address is the right-most hop that is not a trusted proxy. What stands left of it was written by
somebody nobody vouches for (promise S8).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from iam_guard.errors import RequestRefusedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_QUAD = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_PORT = re.compile(r":[0-9]{1,5}\Z")
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)\s*')


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


class TrustedProxies:
    """The peers whose word about their clients counts.

    Args:
        networks: Addresses and networks.

    Raises:
        ValueError: one is neither.

    Attributes:
        judge: Reads an address: its one spelling and whether it is trusted; ``("", False)`` for other text.
            Answers are kept for a bounded number of addresses, since reading one costs microseconds.
    """

    __slots__ = ("judge", "networks")

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self.networks: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in networks)
        self.judge = lru_cache(maxsize=2048)(self._judge)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def _judge(self, text: str) -> tuple[str, bool]:
        found = address(text)
        return (str(found), any(found in one for one in self.networks)) if found else ("", False)

    def source(self, peer: str, hops: Iterable[str]) -> str:
        """Walk back from a trusted *peer* to the first hop that nobody vouches for.

        Args:
            peer: Address of the trusted proxy at the other end of the connection.
            hops: What the proxies said, left to right, as in ``X-Forwarded-For``.

        Raises:
            RequestRefusedError: a hop that would have to be judged is not an address.
        """
        source = peer
        for hop in reversed(list(hops)):
            source, trusted = self.judge(_without_port(hop.strip()))
            if not source:
                raise RequestRefusedError("A forwarded client address cannot be read.", code="invalid-request")
            if not trusted:
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
