"""Page tokens: where a search goes on, sealed, since they come back from outside."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from iam_guard.errors import RequestRefusedError
from iam_guard.sidecar.authzen.reading import invalid

#: Seconds for which a token is good, and the longest question that one holds.
GOOD_FOR = 600
LONGEST = 16 * 1024
_MAC = 32


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a search stands.

    Attributes:
        kind: What is searched.
        asked: The members of the question.
        limit: Results at once.
        after: The last one that was told.
        revision: Of the policies.
        who: Who searches.
        until: Seconds since the epoch.
    """

    kind: str
    asked: dict[str, Any]
    limit: int
    after: str
    revision: str
    who: str
    until: int


class PageTokens:
    """Makes and reads tokens.

    Args:
        key: Seals them; every process that answers the same searches needs the same.
        clock: Seconds since the epoch.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock

    def make(self, place: Place) -> str:
        """Seal a place.

        Raises:
            RequestRefusedError: the question is too long to be continued.
        """
        said = msgspec.json.encode(msgspec.structs.replace(place, until=int(self._clock()) + GOOD_FOR))
        if len(said) > LONGEST:
            raise invalid("The question is too long for an answer in pages.")
        return urlsafe_b64encode(self._seal(said) + said).rstrip(b"=").decode()

    def read(self, token: str) -> Place:
        """Open a token.

        Raises:
            RequestRefusedError: it is not one of ours, or too old.
        """
        try:
            sent = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:
            raise _refused() from None
        seal, said = sent[:_MAC], sent[_MAC:]
        if not hmac.compare_digest(seal, self._seal(said)):
            raise _refused()
        place = msgspec.json.decode(said, type=Place)
        if place.until < self._clock():
            raise _refused()
        return place

    def _seal(self, said: bytes) -> bytes:
        return hmac.digest(self._key, b"iam-guard authzen page 1\n" + said, "sha256")


def continued(place: Place, kind: str, members: Mapping[str, Any], names: tuple[str, ...], *, who: str,
              revision: str) -> dict[str, Any]:
    """The members of the question that goes on; what is left out is as before.

    Args:
        place: From a token.
        kind: What is searched now.
        members: Of the body.
        names: Those that make the question.
        who: Who searches now.
        revision: Of the policies now.

    Raises:
        RequestRefusedError: the token belongs to another question, to somebody else, or to other policies.
    """
    if (place.kind, place.who, place.revision) != (kind, who, revision):
        raise _refused()
    for name in names:
        if name in members and members[name] != place.asked.get(name):
            raise invalid(f"'{name}' is another than on the page before.")
    return {**members, **place.asked}


def _refused() -> RequestRefusedError:
    return invalid("The page token is not good, or no longer; begin again without one.")
