"""Revocation: tokens that are over before they expire, in a file that every guard follows.

    {"tokens": [{"issuer": "https://idp.example", "id": "7d0c..."}],
     "sessions": [{"issuer": "https://idp.example", "subject": "ann", "before": "2026-03-01T12:00:00Z"}]}

Tokens are named by what they say and never by their text, which could be written in several ways (threat catalogue,
J19). A file that cannot be read leaves the last good list in force, and after a while nobody with a token is served.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.identity.repeating import Repeating
from iam_guard.identity.strict_json import read_object

_log = logging.getLogger(__name__)

#: Longest list that is read, in bytes.
MAX_LIST = 4 * 1024 * 1024


class TokenFacts(Protocol):
    """What a token is revoked by; :class:`~iam_guard.identity.jwt.TokenIdentity` is one."""

    @property
    def issuer(self) -> str:
        """Its ``iss``."""

    @property
    def token_id(self) -> str:
        """Its ``jti``; empty when it has none."""

    @property
    def subject(self) -> str:
        """Its ``sub``."""

    @property
    def issued_at(self) -> float | None:
        """Its ``iat``; ``None`` when it has none."""


class RevokedToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One token.

    Attributes:
        issuer: Its ``iss``.
        id: Its ``jti``.
        until: When it expires: from then on the entry may be forgotten.
    """

    issuer: str
    id: str
    until: datetime | None = None


class RevokedSessions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All tokens of one subject, or of a whole issuer, that were issued before a moment.

    A token that does not say when it was issued is among them.

    Attributes:
        issuer: Their ``iss``.
        before: The moment, with its time zone.
        subject: Their ``sub``; empty for everybody of the issuer.
        until: When the last of them expires: from then on the entry may be forgotten.
    """

    issuer: str
    before: datetime
    subject: str = ""
    until: datetime | None = None


class RevocationList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is revoked, as it is written down.

    Attributes:
        tokens: Single tokens.
        sessions: All older tokens of somebody.
    """

    tokens: tuple[RevokedToken, ...] = ()
    sessions: tuple[RevokedSessions, ...] = ()


class Revocations:
    """A list, ready to be asked about every request.

    Args:
        written: The list.
    """

    __slots__ = ("_before", "_tokens")

    def __init__(self, written: RevocationList) -> None:
        self._tokens = frozenset((one.issuer, one.id) for one in written.tokens)
        self._before: dict[tuple[str, str], float] = {}
        for one in written.sessions:
            whose = one.issuer, one.subject
            self._before[whose] = max(one.before.timestamp(), self._before.get(whose, 0.0))

    def cover(self, token: TokenFacts) -> bool:
        """Whether *token* is revoked."""
        if token.token_id and (token.issuer, token.token_id) in self._tokens:
            return True
        return self._is_older(token, token.subject) or self._is_older(token, "")

    def _is_older(self, token: TokenFacts, subject: str) -> bool:
        before = self._before.get((token.issuer, subject))
        return before is not None and (token.issued_at is None or token.issued_at < before)


def read_revocations(data: bytes) -> RevocationList:
    """Read a list, strictly: an entry that is not understood might have been meant for the worst.

    Raises:
        ValueError: it is anything but a list of revocations.
    """
    if len(data) > MAX_LIST:
        raise ValueError(f"the list is longer than {MAX_LIST} bytes")
    found = msgspec.convert(read_object(data), RevocationList)
    if not all(one.issuer and one.id for one in found.tokens) or not all(one.issuer for one in found.sessions):
        raise ValueError("an entry names no issuer or no token")
    if any(one.before.tzinfo is None for one in found.sessions):
        raise ValueError("a time has no time zone")
    return found


class RevocationFile:
    """Follows a file of revocations; give it to an authenticator as ``is_revoked`` and to the door as a part.

    Args:
        path: The file. It is to be replaced as a whole, as :func:`~iam_guard.identity.revoking.add_revocations` does.
        poll_seconds: How often it is looked at.
        max_unsynced: Seconds without a good look at it after which nobody is served.
        clock: Monotonic seconds.
        sleep: Waits between looks; replaced in tests.

    Attributes:
        last_error: Why the latest look failed; empty after a good one.

    Raises:
        ConfigurationError: the file cannot be read now, at the start.
    """

    def __init__(self, path: str | Path, *, poll_seconds: float = 3.0, max_unsynced: float = 300.0,
                 clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._path, self._max_unsynced, self._clock = Path(path), max_unsynced, clock
        self._looking = Repeating(self.check, poll_seconds, "iam_guard revocations", sleep=sleep)
        self.last_error = ""
        try:
            self._written = self._path.read_bytes()
            self._current = Revocations(read_revocations(self._written))
        except (OSError, ValueError, RecursionError) as problem:
            raise ConfigurationError(Fault(f"the revocations cannot be read: {_told(problem)}",
                                           "write at least {}", file=str(self._path))) from None
        self._heard = clock()

    def __call__(self, token: TokenFacts) -> bool:
        """Whether *token* is revoked.

        Raises:
            UnavailableError: the file could not be read for too long.
        """
        if not self.is_ready:
            raise UnavailableError(f"the revocations could not be read for {self._clock() - self._heard:.0f} seconds")
        return self._current.cover(token)

    @property
    def is_ready(self) -> bool:
        """Whether anybody can be judged by what was read; not after a silence that was too long."""
        return self._clock() - self._heard <= self._max_unsynced

    def check(self) -> None:
        """Look at the file; may block. A failure is kept, not raised."""
        try:
            with self._path.open("rb") as stream:
                written = stream.read(MAX_LIST + 1)
            if written != self._written:
                self._current = Revocations(read_revocations(written))
                self._written = written
                _log.info("revocations changed")
        except (OSError, ValueError, RecursionError) as problem:
            self._fail(_told(problem))
        else:
            self._heard, self.last_error = self._clock(), ""

    def _fail(self, why: str) -> None:
        if why != self.last_error:
            _log.error("revocations not read, the last good ones stay in force: %s", why)
        self.last_error = why

    async def start(self) -> None:
        """Look now, and again and again from now on."""
        if not self._looking.runs:
            await asyncio.to_thread(self.check)
            self._looking.start()

    async def close(self) -> None:
        """Stop looking."""
        await self._looking.stop()


def _told(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return problem.strerror or type(problem).__name__
    return str(problem) or type(problem).__name__
