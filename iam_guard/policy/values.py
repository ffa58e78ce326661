"""The types of condition values, read by exact ASCII grammars (language specification, 1.9 and 3.6).

Every reader returns ``None`` for text that is not of its type; nothing is guessed.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{1,400})?\Z")


def read_number(text: str) -> Decimal | None:
    """An integer or decimal; no exponent, blanks, ``nan`` or ``inf``."""
    return Decimal(text) if _NUMBER.match(text) else None


_ISO = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?:[Tt](?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}(?::[0-9]{2})?)?)?\Z"
)
_EPOCH = re.compile(r"[0-9]{1,19}\Z")
_SECOND = 1_000_000_000
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()


@lru_cache(maxsize=1024)
def read_instant(text: str) -> int | None:
    """A date as nanoseconds since 1970: the W3C forms of ISO 8601 (UTC when no zone is given) or epoch seconds."""
    if _PLAIN_UTC.match(text):
        return _utc_instant(text)
    if "-" in text or "T" in text or "t" in text:
        return _iso_instant(text)
    if _EPOCH.match(text) and int(text) < 2**63:
        return int(text) * _SECOND
    return None


# The form a guard writes the current time in, read without the general parser.
_PLAIN_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z\Z")
_EPOCH_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _utc_instant(text: str) -> int | None:
    try:
        since = datetime.datetime.fromisoformat(text) - _EPOCH_START
    except ValueError:
        return None
    return (since.days * 86400 + since.seconds) * _SECOND + since.microseconds * 1000


def _iso_instant(text: str) -> int | None:
    found = _ISO.match(text)
    if not found:
        return None
    year, month, day = (int(found[part] or 1) for part in ("year", "month", "day"))
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    shift = _zone_seconds(found["zone"])
    if shift is None or hour > 23 or minute > 59 or second > 59:
        return None
    try:
        days = datetime.date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    fraction = int((found["fraction"] or "").ljust(9, "0"))
    return (days * 86400 + hour * 3600 + minute * 60 + second - shift) * _SECOND + fraction


def _zone_seconds(zone: str | None) -> int | None:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6] or 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


_BOOLEANS = {"true": True, "false": False}


def read_boolean(text: str) -> bool | None:
    """``true`` or ``false``, ignoring ASCII case."""
    found = _BOOLEANS.get(text)
    return found if found is not None or not text.isascii() else _BOOLEANS.get(text.lower())


def read_bytes(text: str) -> bytes | None:
    """Base64 in the standard alphabet, padded."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None


class Network(NamedTuple):
    """A range of addresses.

    Attributes:
        version: 4 or 6.
        first: The first address as a number.
        shift: Number of host bits.
    """

    version: int
    first: int
    shift: int

    def holds(self, address: tuple[int, int]) -> bool:
        """Whether an address, as (version, number), lies in the range."""
        return address[0] == self.version and address[1] >> self.shift == self.first >> self.shift


_OCTETS = {str(octet): octet for octet in range(256)}


@lru_cache(maxsize=1024)
def read_address(text: str) -> tuple[int, int] | None:
    """An IPv4 or IPv6 address as (version, number); a zone id is dropped."""
    octets = text.split(".")
    if len(octets) == 4 and octets[0] in _OCTETS:
        first, second, third, fourth = octets
        try:
            return 4, _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
        except KeyError:
            return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.version, int(address)


_PREFIX = re.compile(r"[0-9]{1,3}\Z")


def read_network(text: str) -> Network | None:
    """A range in CIDR form, host bits ignored, or one address."""
    base, slash, prefix = text.partition("/")
    address = read_address(base)
    if address is None or "%" in base or (slash and not _PREFIX.match(prefix)):
        return None
    width = 32 if address[0] == 4 else 128
    length = int(prefix) if slash else width
    return Network(address[0], address[1], width - length) if length <= width else None
