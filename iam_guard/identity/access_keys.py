"""Access keys: the port to whoever knows them, and the directory as one who does.

A key is looked up for each request that is signed with it. What was found, and that nothing was found, is believed
for a few seconds only, so that a key that was switched off or deleted stops working (promise S17).
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cachetools import LRUCache

from iam_guard.directory.entities import AccessKey, Key, Kind, Relation, User
from iam_guard.directory.port import DirectoryStore, Reading
from iam_guard.directory.secrets import Secrets
from iam_guard.errors import ConfigurationError, Fault, IAMGuardError, UnavailableError
from iam_guard.model import Principal, PrincipalKind

#: Seconds for which an answer of the directory is believed; also the longest that a setting may ask for.
MAX_STALENESS = 5.0
#: Look-ups at the same time, of ids that were keys when last looked at and of others. More of them wait: made-up ids
#: are to take neither every thread there is nor the turns of those who have a key.
_LOOK_UPS = 4
# IAM's limits (AccessKeyId in its API reference), narrowed to the letters that ids are really made of.
_ID = re.compile(r"[A-Z0-9]{16,128}")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An access key and whom it speaks for.

    Attributes:
        access_key_id: Its public name.
        secret: What requests are signed with; never shown.
        principal: Whom it speaks for; of temporary credentials with ``expires_at``.
        active: Whether it may be used; one that may not is like none to its user.
    """

    access_key_id: str
    secret: str = field(repr=False)
    principal: Principal
    active: bool = True


class AccessKeys(Protocol):
    """Knows long-term access keys."""

    async def find(self, access_key_id: str) -> KnownKey | None:
        """The key with this id; any text may be asked for.

        Raises:
            UnavailableError: it cannot be found out at the moment.
        """
        ...

    async def start(self) -> None:
        """Prepare."""

    async def close(self) -> None:
        """Let go of connections."""


class TemporaryKeys(Protocol):
    """Knows the keys of sessions, which come with a token."""

    async def find(self, access_key_id: str, session_token: str) -> KnownKey | None:
        """The key with this id, if the token belongs to it and has not expired.

        Args:
            access_key_id: Any text.
            session_token: As it was sent, not yet believed.

        Raises:
            UnavailableError: it cannot be found out at the moment.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    key: KnownKey | None
    asked: float


class DirectoryAccessKeys:
    """Finds access keys in a directory.

    Args:
        open: Opens the directory; called when a key is first looked for, and closed with this object.
        secrets: Reveals the secrets of the keys.
        max_staleness: Seconds for which an answer is believed.
        cache_size: How many answers are kept of either kind: found and not found.
        clock: Seconds since any moment.

    Raises:
        ConfigurationError: an answer would be believed for too long, or none could be kept.
    """

    def __init__(self, open: Callable[[], DirectoryStore], secrets: Secrets, *, max_staleness: float = MAX_STALENESS,
                 cache_size: int = 4096, clock: Callable[[], float] = time.monotonic) -> None:
        if not 0 < max_staleness <= MAX_STALENESS or cache_size < 1:
            raise ConfigurationError(Fault(f"access keys are believed for {max_staleness} seconds",
                                           f"write a number above 0 and up to {MAX_STALENESS:g}"))
        self._open, self._secrets, self._max_staleness, self._clock = open, secrets, max_staleness, clock
        self._found: LRUCache[str, _Answer] = LRUCache(cache_size)
        self._missing: LRUCache[str, _Answer] = LRUCache(cache_size)
        self._store: DirectoryStore | None = None
        self._lock = threading.Lock()
        self._turns = {known: asyncio.Semaphore(_LOOK_UPS) for known in (True, False)}

    async def find(self, access_key_id: str) -> KnownKey | None:
        """See :class:`AccessKeys`."""
        if not _ID.fullmatch(access_key_id):
            return None
        answer = self._remembered(access_key_id)
        if answer is None:
            async with self._turns[access_key_id in self._found]:
                # Others may have asked for the same key while this one waited its turn.
                answer = self._remembered(access_key_id) or await self._asked(access_key_id)
        return answer.key

    async def start(self) -> None:
        """Nothing is to be done: the directory is opened when it is needed."""

    async def close(self) -> None:
        """Let go of the directory."""
        with self._lock:
            store, self._store = self._store, None
        self._found.clear()
        self._missing.clear()
        if store is not None:
            await asyncio.to_thread(store.close)

    def _remembered(self, id: str) -> _Answer | None:
        answer = self._found.get(id) or self._missing.get(id)
        return answer if answer is not None and self._clock() - answer.asked < self._max_staleness else None

    async def _asked(self, id: str) -> _Answer:
        asked = self._clock()  # before the look: what changes during it is not known yet
        answer = _Answer(await asyncio.to_thread(self._read, id), asked)
        now, before = (self._missing, self._found) if answer.key is None else (self._found, self._missing)
        before.pop(id, None)
        now[id] = answer
        return answer

    def _read(self, id: str) -> KnownKey | None:
        try:
            with self._directory().read() as reading:
                return _known(reading, id, self._secrets)
        except IAMGuardError:
            raise
        except Exception as problem:
            raise UnavailableError(f"an access key could not be looked up: {problem!r}") from problem

    def _directory(self) -> DirectoryStore:
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store


def _known(reading: Reading, id: str, secrets: Secrets) -> KnownKey | None:
    key = reading.get(Key(Kind.ACCESS_KEY, "", id))
    if not isinstance(key, AccessKey):
        return None
    owner = _owner(reading, key)
    if owner is None:
        return None
    return KnownKey(id, secrets.decrypt(key.secret, owner=id), principal_of(owner), key.active)


def _owner(reading: Reading, key: AccessKey) -> User | None:
    """The user by unique id: a later user of the same name has other keys."""
    for found in reading.linking(Relation.ID, key.user_id, kind=Kind.USER) if key.user_id else ():
        user = reading.get(found)
        if isinstance(user, User) and user.account == key.account:
            return user
    return None


def principal_of(user: User) -> Principal:
    """A user of the directory as a caller; its groups and policies are those of the policy set."""
    return Principal(PrincipalKind.USER, user.arn, user.account, unique_id=user.id, tags=user.tags)
