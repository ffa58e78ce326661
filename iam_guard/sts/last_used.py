"""When roles and access keys were last used: remembered here, written to the directory now and then in one go.

Nobody waits for it. A write that fails is tried again with the next one; what a process had not written when it was
killed is lost, so an old date says "not since then, as far as is known".
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import msgspec

from iam_guard.directory.entities import AccessKey, Key, Kind, Role
from iam_guard.directory.port import DirectoryStore, Note, Reading
from iam_guard.identity.repeating import Repeating

_log = logging.getLogger("iam_guard.sts")
#: Seconds between two writes; each makes guards look at the directory once.
EVERY = 300.0

_Name = tuple[Key, str]


class LastUsed:
    """Remembers uses, and writes them down together.

    Args:
        store: The directory.
        who: Whom the directory's history names.
        clock: Seconds since the epoch.
        every: Seconds between two writes.
        sleep: Waits between them; replaced in tests.
    """

    def __init__(self, store: DirectoryStore, who: str, *, clock: Callable[[], float], every: float = EVERY,
                 sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._store, self._who, self._clock = store, who, clock
        self._writing = Repeating(self.flush, every, "iam_guard last used", sleep=sleep)
        self._seen: dict[_Name, float] = {}
        self._lock = threading.Lock()

    def role(self, role: Role) -> None:
        """A role was assumed; one of the same name that is made later is another."""
        self._note(role.key, role.id)

    def access_key(self, id: str) -> None:
        """An access key was used."""
        self._note(Key(Kind.ACCESS_KEY, "", id), id)

    def _note(self, key: Key, id: str) -> None:
        with self._lock:
            self._seen[key, id] = self._clock()

    def flush(self) -> None:
        """Write down what is remembered; may block. A failure is logged, and nothing is forgotten."""
        with self._lock:
            seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            self._write(seen)
        except Exception as problem:
            _log.warning("when roles and keys were last used could not be written: %s", type(problem).__name__)
            with self._lock:
                self._seen = seen | self._seen

    def _write(self, seen: Mapping[_Name, float]) -> None:
        with self._store.write(Note(self._who, "RecordLastUse", _text(self._clock()))) as tx:
            for (key, id), moment in seen.items():  # noqa: A001
                found = _same(tx, key, id)
                if found is not None and found.last_used < _text(moment):
                    tx.put(msgspec.structs.replace(found, last_used=_text(moment)))

    async def start(self) -> None:
        """Write from now on."""
        self._writing.start()

    async def close(self) -> None:
        """Write what is left, and stop."""
        await self._writing.stop()
        await asyncio.to_thread(self.flush)


def _same(reading: Reading, key: Key, id: str) -> Role | AccessKey | None:
    found = reading.get(key)
    return found if isinstance(found, Role | AccessKey) and found.id == id else None


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
