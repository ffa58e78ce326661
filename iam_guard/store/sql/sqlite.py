"""A directory in SQLite: one file on one machine, shared by its processes."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import QueuePool

from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.store.sql.faults import is_busy
from iam_guard.store.sql.session import Session
from iam_guard.store.sql.store import KEPT_CHANGES, SQLDirectoryStore


class SQLiteDirectoryStore(SQLDirectoryStore):
    """A directory in a file.

    Readers see the last committed revision while somebody writes (write-ahead log), and a write is on the disk
    when it is acknowledged.

    Args:
        path: The file; made, readable by its owner alone, when there is none.
        patience: Seconds to wait for one's turn.
        poll: Seconds between looks for the writes of other processes.
        kept_changes: How many writes :meth:`changes` remembers; ``None`` for all.

    Raises:
        UnavailableError: the file cannot be opened, or is no database.
        ConfigurationError: a newer version made it, or it is kept where SQLite cannot share it.
    """

    def __init__(self, path: str | Path, *, patience: float = 5.0, poll: float = 0.05,
                 kept_changes: int | None = KEPT_CHANGES) -> None:
        self._path = str(path)
        self._wanted = patience
        self._watch: sqlite3.Connection | None = None
        self._data_version = -1
        place = f"sqlite:///{self._path}"
        engine = create_engine("sqlite://", creator=self._open, poolclass=QueuePool, max_overflow=-1,
                               hide_parameters=True)
        super().__init__(engine, place, patience=patience, poll=poll, kept_changes=kept_changes)
        try:
            self._prepare_file()
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        with self._news:
            if self._watch is not None:
                self._watch.close()
                self._watch = None

    # --- connections ----------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._wanted, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("foreign_keys = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare_file(self) -> None:
        try:
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with closing(self._open()) as connection:
                self._use_log(connection)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"'{self._place}' cannot be opened: {error}") from None

    def _use_log(self, connection: sqlite3.Connection) -> None:
        """Turn the write-ahead log on; SQLite itself does not wait while another process does the same."""
        if connection.execute("PRAGMA encoding").fetchone()[0] != "UTF-8":
            raise ConfigurationError(f"'{self._place}' is not encoded in UTF-8")
        until = monotonic() + self._patience
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if not is_busy(error) or monotonic() > until:
                    raise
                threading.Event().wait(0.02)
        if mode != "wal":
            raise ConfigurationError(f"'{self._place}' cannot have a write-ahead log (it is '{mode}'): keep it on a "
                                     "local disk")

    # --- what differs ---------------------------------------------------------------------------------------

    def _begin_reading(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    def _begin_writing(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _tell(self, session: Session, revision: int) -> None:
        """Other processes look for themselves."""

    def _look(self) -> int:
        try:
            return self._look_at_file()
        except sqlite3.Error as error:
            raise UnavailableError(f"'{self._place}' is not available: {error}") from None

    def _look_at_file(self) -> int:
        """Read the revision when any other connection has committed since the last look, else nothing."""
        if self._watch is None:
            self._watch = self._open()
        # First whether, then what: a write in between is read twice rather than not at all.
        seen = self._watch.execute("PRAGMA data_version").fetchone()[0]
        if seen != self._data_version:
            self._newest = self._watch.execute("SELECT revision FROM iam_meta").fetchone()[0]
            self._data_version = seen
        return self._newest
