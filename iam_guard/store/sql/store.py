"""What the stores in databases have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from iam_guard.directory.port import Change, Note
from iam_guard.errors import ConcurrentModificationError, UnavailableError
from iam_guard.store.sql.faults import translate
from iam_guard.store.sql.history import changes_since, forget
from iam_guard.store.sql.migration import is_current, migrate
from iam_guard.store.sql.reading import SQLReading
from iam_guard.store.sql.schema import meta
from iam_guard.store.sql.session import Session
from iam_guard.store.sql.writing import SQLWriting

#: How many writes are remembered unless somebody says otherwise.
KEPT_CHANGES = 100_000


class SQLDirectoryStore(ABC):
    """A directory in a database.

    Args:
        engine: The way to the database.
        place: Its URL without a password.
        secret: The password, for leaving it out of messages.
        patience: Seconds to wait for one's turn to write.
        poll: Seconds between looks at the newest revision while waiting for one.
        kept_changes: How many writes :meth:`changes` remembers; ``None`` for all.
    """

    def __init__(self, engine: Engine, place: str, *, secret: str = "", patience: float, poll: float,
                 kept_changes: int | None) -> None:
        self._engine, self._place, self._secret = engine, place, secret
        self._patience, self._poll, self._kept = patience, poll, kept_changes
        self._turn = threading.Lock()
        self._news = threading.Condition()
        self._newest = 0
        self._closed = False

    @property
    def url(self) -> str:
        """Where, without a password."""
        return self._place

    # --- what differs between databases ---------------------------------------------------------------------

    @abstractmethod
    def _begin_reading(self, connection: Connection) -> None:
        """Begin a snapshot."""

    @abstractmethod
    def _begin_writing(self, connection: Connection) -> None:
        """Begin a transaction once nobody else writes."""

    @abstractmethod
    def _tell(self, session: Session, revision: int) -> None:
        """Have others woken when the write is committed."""

    @abstractmethod
    def _look(self) -> int:
        """The newest revision that is known without asking much; called while holding ``_news``."""

    # --- the port -------------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[SQLReading]:
        """One consistent view, for one thread at a time."""
        with self._session(writing=False) as session:
            yield SQLReading(session)

    @contextmanager
    def write(self, note: Note) -> Iterator[SQLWriting]:
        """A write."""
        with self._my_turn(), self._session(writing=True) as session:
            tx = SQLWriting(session)
            yield tx
            if revision := tx.record(note):
                self._forget_old(session, revision)
                self._tell(session, revision)
                session.commit()
                self._announce(revision)

    def revision(self) -> int:
        """The newest revision."""
        with self._session(writing=False) as session:
            return int(session.rows(select(meta.c.revision))[0][0])

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """Writes after revision *since*, oldest first."""
        with self._session(writing=False) as session:
            return changes_since(session, SQLReading(session).revision, since, limit)

    def forget(self, before: int) -> None:
        """Forget what writes before a revision did; the directory itself stays as it is.

        Args:
            before: The oldest revision to remember.

        Raises:
            UnavailableError, ConcurrentModificationError: as for a write.
        """
        with self._my_turn(), self._session(writing=True) as session:
            forget(session, before)
            session.commit()

    def wait(self, since: int, timeout: float) -> bool:
        """Block until there is a revision after *since*.

        Raises:
            UnavailableError: the time is over and the database cannot be asked.
        """
        until = monotonic() + timeout
        with self._news:
            while not self._closed and self._look() <= since:
                left = until - monotonic()
                if left <= 0:
                    break
                self._news.wait(min(left, self._poll))
        return self.revision() > since

    def close(self) -> None:
        """Let go of all connections; those who wait are woken."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._engine.dispose()

    # --- transactions ---------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make or change the tables where that is needed."""
        try:
            with self._connected(writing=False) as connection:
                if is_current(connection):
                    return
            with self._my_turn(), self._connected(writing=True) as connection:
                if not is_current(connection):
                    migrate(connection, self._place)
                    connection.commit()
        except SQLAlchemyError as error:
            raise translate(error, self._place, self._secret, writing=False) from None

    @contextmanager
    def _session(self, *, writing: bool) -> Iterator[Session]:
        with self._connected(writing=writing) as connection:
            yield Session(connection, self._place, self._secret, writing=writing)

    @contextmanager
    def _connected(self, *, writing: bool) -> Iterator[Connection]:
        connection = self._connect(writing=writing)
        try:
            yield connection
        finally:
            connection.close()  # undoes what was not committed

    def _connect(self, *, writing: bool) -> Connection:
        if self._closed:
            raise UnavailableError(f"'{self._place}' is closed")
        connection: Connection | None = None
        try:
            connection = self._engine.connect()
            (self._begin_writing if writing else self._begin_reading)(connection)
            return connection
        except SQLAlchemyError as error:
            if connection is not None:
                connection.close()
            raise translate(error, self._place, self._secret, writing=writing) from None

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Threads queue here, which is fair, and takes no connection."""
        if not self._turn.acquire(timeout=self._patience):
            raise ConcurrentModificationError(f"'{self._place}' is being written to by others")
        try:
            yield
        finally:
            self._turn.release()

    def _forget_old(self, session: Session, revision: int) -> None:
        if self._kept is not None and revision > self._kept:
            forget(session, revision - self._kept + 1)

    def _announce(self, revision: int) -> None:
        with self._news:
            self._newest = max(self._newest, revision)
            self._news.notify_all()
