"""Which header fields pass a gateway, in both directions (RFC 9110 section 7.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from iam_guard.http.edge import canonical_name

Field = tuple[bytes, bytes]
Fields = list[Field]

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Said by one end of a connection to the other.
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
                        b"upgrade", b"http2-settings", b"proxy-authenticate", b"proxy-authorization",
                        b"proxy-authentication-info"})
#: Each WebSocket handshake makes its own.
HANDSHAKE = frozenset({b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions",
                       b"sec-websocket-protocol", b"sec-websocket-accept"})
# What a client must not get rid of by naming it in Connection: who the caller is, where the request came from, and
# what the decision was about.
_KEPT = frozenset({b"host", b"content-length", b"content-type", b"content-encoding", b"forwarded", b"x-real-ip",
                   b"via", b"expect", b"origin"})
_KEPT_PREFIXES = (b"x-guard-", b"x-iam-", b"x-forwarded-")
#: Names of the guard that an answer of an application never carries to a client.
_HIDDEN_PREFIXES = (b"x-guard-", b"x-iam-")
_REMEMBERED = 2048
#: Values of ``Connection`` that name no field.
NAMES_NOTHING = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Upgrade", b"upgrade"})


class Fate(Enum):
    """What happens to a field."""

    PASSES = "passes"
    DROPPED = "dropped"
    CONNECTION = "read, and dropped"
    FRAMING = "read, and written anew"
    REFUSED = "no name of a field"


class Passage:
    """Decides about names once; names are few.

    Args:
        dropped: Lower-case names that do not pass.
        framing: Lower-case names that the caller reads itself.
        hidden: Beginnings of names that do not pass.
    """

    def __init__(self, dropped: Iterable[bytes], framing: Iterable[bytes], hidden: tuple[bytes, ...] = ()) -> None:
        self._dropped = frozenset(dropped)
        self._framing = frozenset(framing)
        self._hidden = hidden
        #: What :meth:`judge` has said before; for speed it may be asked first.
        self.known: dict[bytes, tuple[bytes, Fate]] = {}

    def judge(self, name: bytes) -> tuple[bytes, Fate]:
        """The lower-case spelling of a name, and what happens to the field."""
        lower = name.lower()
        judged = lower, self._fate(lower)
        if len(self.known) < _REMEMBERED:  # the names come from strangers: remember no more than a bound
            self.known[name] = judged
        return judged

    def _fate(self, name: bytes) -> Fate:
        if not _TOKEN.fullmatch(name):
            return Fate.REFUSED
        if name == b"connection":
            return Fate.CONNECTION
        if name in self._framing:
            return Fate.FRAMING
        read_as = canonical_name(name)
        # What a backend may fold onto a field that says how a message is read does not pass either (threat F02).
        hidden = read_as in self._dropped or read_as in self._framing or read_as.startswith(self._hidden or (b"\n",))
        return Fate.DROPPED if hidden else Fate.PASSES


def request_passage() -> Passage:
    """For the header of a request. ``Expect`` has been answered by the server in front of the application."""
    return Passage(HOP_BY_HOP | HANDSHAKE | {b"expect"}, {b"host", b"content-length", b"transfer-encoding"})


def answer_passage() -> Passage:
    """For the header of an answer."""
    return Passage(HOP_BY_HOP | HANDSHAKE, {b"content-length", b"transfer-encoding"}, _HIDDEN_PREFIXES)


def without_named(fields: Fields, connection: Iterable[bytes], own: frozenset[bytes] = frozenset()) -> Fields:
    """Remove the fields that ``Connection`` names, save those that are not the sender's to remove.

    Args:
        fields: With lower-case names.
        connection: The values of ``Connection``.
        own: Lower-case names that the gateway sets itself.
    """
    named = options(connection) - own - _KEPT
    gone = {name for name in named if not name.replace(b"_", b"-").startswith(_KEPT_PREFIXES)}
    return [field for field in fields if field[0] not in gone] if gone else fields


def options(values: Iterable[bytes]) -> frozenset[bytes]:
    """The members of a list of tokens, in lower case."""
    return frozenset(token.strip().lower() for value in values for token in value.split(b",") if token.strip())
