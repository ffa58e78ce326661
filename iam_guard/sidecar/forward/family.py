"""Families of headers in which proxies describe the request of their client (wire contracts, section 2).

Which family a proxy speaks is a setting and is never guessed: every proxy overwrites its own family and passes the
other one through as the client sent it, so whoever reads what happens to be there believes the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from iam_guard.errors import RequestRefusedError


@dataclass(frozen=True, slots=True)
class Family:
    """The names, in lower case, that one kind of proxy uses; an empty one is not told by header.

    Attributes:
        method: Of the client's request.
        target: Path and query, or a whole URL, undecoded.
        scheme: Of the client's connection.
        host: ``Host`` as the client sent it.
        client: Addresses: the client's own, or the way the request came, nearest hop last.
        upgrade: What the client wants to upgrade its connection to.
        whole_url: *target* is a URL with scheme and host.
    """

    method: bytes = b""
    target: bytes = b""
    scheme: bytes = b""
    host: bytes = b""
    client: bytes = b""
    upgrade: bytes = b""
    whole_url: bool = False

    @property
    def names(self) -> frozenset[bytes]:
        """All that the family consists of."""
        values = (getattr(self, one.name) for one in fields(self))
        return frozenset(name for name in values if isinstance(name, bytes) and name)


#: nginx by convention; the target is what stood in the request line.
ORIGINAL = Family(b"x-original-method", b"x-original-uri", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip",
                  b"x-original-upgrade")
#: ingress-nginx.
ORIGINAL_URL = Family(b"x-original-method", b"x-original-url", client=b"x-real-ip", upgrade=b"x-original-upgrade",
                      whole_url=True)
#: Traefik, Caddy, APISIX, callers of Oathkeeper; HAProxy as our script sets it.
FORWARDED = Family(b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-proto", b"x-forwarded-host",
                   b"x-forwarded-for", b"x-forwarded-upgrade")
#: Method and target stand in the request line of the call.
LINE = Family(scheme=b"x-forwarded-proto", host=b"x-forwarded-host", client=b"x-forwarded-for",
              upgrade=b"x-forwarded-upgrade")


def told(headers: Iterable[tuple[bytes, bytes]], index: Mapping[bytes, bytes],
         names: frozenset[bytes]) -> Mapping[bytes, bytes]:
    """The values of a family's headers, each of which occurs once at most.

    A spelling with underscores is another header: no proxy writes it, so a client did.

    Args:
        headers: Of the proxy's call, with names in lower case.
        index: The same by name, the last of each.
        names: Which to read.

    Raises:
        RequestRefusedError: one occurs twice, so that it has two meanings.
    """
    found = {name: index[name].strip() for name in names if name in index}
    seen = [name for name, _ in headers if name in found]
    if len(seen) > len(found):
        twice = next(name for name in seen if seen.count(name) > 1)
        raise unclear(f"{twice.decode()} was sent twice")
    return found


def required(found: Mapping[bytes, bytes], name: bytes) -> bytes:
    """The value of a header that has to be there.

    Raises:
        RequestRefusedError: it is not, or says nothing.
    """
    value = found.get(name)
    if not value:
        raise unclear(f"{name.decode()} is missing")
    return value


def unclear(why: str) -> RequestRefusedError:
    """The answer to a proxy whose call does not say in one way what its client asked for.

    403, as every kind of proxy passes that status on (nginx makes 500 of 400).
    """
    return RequestRefusedError(f"The proxy does not tell the request of its client: {why}", status=403,
                               code="ambiguous-request")
