"""A :class:`ReplayCache` that all processes of one machine share: a file, so that what one has seen none sees again."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.identity.replay import REMEMBERED

#: Seconds to wait for the turn of this process.
_PATIENCE = 2.0
#: Uses between two looks for what may be forgotten.
_EVERY = 256
_TABLE = "CREATE TABLE IF NOT EXISTS used (name BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS ends ON used (until)"


class SharedReplayCache:
    """Remembers what was used, in a file on a local disk.

    A power cut may lose what was written last; so may, on purpose, nothing else. When the file is full of what could be
    used again, none of it is forgotten: new ones are refused for now.

    Args:
        path: The file; made when it is not there. It holds digests and no secrets.
        size: How many are remembered at most.

    Raises:
        ConfigurationError: it cannot be made or opened, or could remember none.
    """

    def __init__(self, path: str | Path, size: int = REMEMBERED) -> None:
        if size < 1:
            raise ConfigurationError(Fault(f"a replay cache of {size} proofs is none", "write at least 1"))
        self._path, self._size, self._uses = str(path), size, 0
        self._connection: sqlite3.Connection | None = None
        # One thread: the connection stays with it, and a slow disk holds up nobody but those who wait for this.
        self._thread: ThreadPoolExecutor | None = None
        try:
            with closing(self._opened()):
                pass
        except sqlite3.Error as problem:
            raise ConfigurationError(Fault(f"'{path}' cannot remember what was used: {problem}",
                                           "name a file that this process may write, in a folder that is there"
                                           )) from None

    async def use(self, name: bytes, *, until: float, now: float) -> bool:
        """Use *name* up; see :class:`~iam_guard.identity.replay.ReplayCache`."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="iam_guard replay")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._use, name, until, now)

    def _use(self, name: bytes, until: float, now: float) -> bool:
        try:
            if self._connection is None:
                self._connection = self._opened()
            with self._connection as connection:
                # The writer's turn first: nobody may write between the look and the mark.
                connection.execute("BEGIN IMMEDIATE")
                return self._mark(connection, name, until, now)
        except sqlite3.Error as problem:
            raise UnavailableError(f"what was used cannot be remembered: {problem}") from problem

    def _mark(self, connection: sqlite3.Connection, name: bytes, until: float, now: float) -> bool:
        self._make_room(connection, now)
        known = connection.execute("SELECT until FROM used WHERE name = ?", (name,)).fetchone()
        if known is not None and known[0] > now:
            return False
        connection.execute("INSERT OR REPLACE INTO used VALUES (?, ?)", (name, until))
        return True

    def _make_room(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what is refused for its age; the number is looked at as often, so the bound is not kept to the one."""
        if self._uses % min(_EVERY, self._size) == 0:
            connection.execute("DELETE FROM used WHERE until <= ?", (now,))
            if connection.execute("SELECT count(*) FROM used").fetchone()[0] >= self._size:
                raise UnavailableError("more proofs were used lately than can be remembered")
        self._uses += 1

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
            connection.execute(_INDEX)
        except BaseException:
            connection.close()
            raise
        return connection

    async def start(self) -> None:
        """Nothing is to be done: the file was opened once, and is opened again when it is needed."""

    async def close(self) -> None:
        """Let go of the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._let_go)
            thread.shutdown()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
