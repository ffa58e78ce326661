"""A directory in PostgreSQL, for many nodes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError

from iam_guard.errors import ConfigurationError, Fault
from iam_guard.store.sql.listening import CHANNEL, Listener
from iam_guard.store.sql.session import Session
from iam_guard.store.sql.store import KEPT_CHANGES, SQLDirectoryStore

#: What the lock that writers take turns on is called; the same in all versions, or two would write at once.
_TURN = 0x69616D5F67756172
_OLDEST_SERVER = (14,)
#: Notice within seconds that the server is gone, and not when the operating system loses patience.
_NETWORK = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2,
            "tcp_user_timeout": 10_000, "application_name": "iam-guard"}

_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The lock comes before anything is read, so that what is read is what the writer before left. A server that
# acknowledges before it has written to its disk is told to do without that, for this transaction.
_BEGIN_WRITING = ("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {patience}; "
                  "SELECT set_config('synchronous_commit', 'on', true) "
                  "WHERE current_setting('synchronous_commit') = 'off'; "
                  "SELECT pg_advisory_xact_lock({turn})")


class PostgreSQLDirectoryStore(SQLDirectoryStore):
    """A directory in a database, which may be shared with an application.

    A transaction of a writer holds an advisory lock from its beginning, so revisions have no gaps and their order
    is the order in which they are seen. Whoever waits for a revision is told by NOTIFY, and looks for themselves
    every now and then in case that got lost. Connections that broke are replaced.

    Args:
        url: Where; of SQLAlchemy's driver ``postgresql+psycopg``.
        patience: Seconds to wait for one's turn.
        poll: Seconds between looks at the revision behind NOTIFY's back.
        kept_changes: How many writes :meth:`changes` remembers; ``None`` for all.

    Raises:
        UnavailableError: the server cannot be reached.
        ConfigurationError: it is too old or not in UTF-8, or a newer version of this program made the tables.
    """

    def __init__(self, url: URL, *, patience: float = 5.0, poll: float = 1.0,
                 kept_changes: int | None = KEPT_CHANGES) -> None:
        engine = create_engine(url, isolation_level="AUTOCOMMIT", hide_parameters=True, max_overflow=-1,
                               pool_pre_ping=True,  # what broke since it was used last is replaced
                               connect_args={name: value for name, value in _NETWORK.items()
                                             if name not in url.query})
        super().__init__(engine, _place(url), secret=_secret(url), patience=patience, poll=poll,
                         kept_changes=kept_changes)
        self._listener = Listener(engine, self._heard, poll=poll)
        try:
            self._check_server()
            self._prepare()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, url: str) -> PostgreSQLDirectoryStore:
        """Open what a URL names: ``postgresql://user:password@host:5432/database?sslmode=verify-full``.

        Raises:
            UnavailableError, ConfigurationError: as for the constructor; or it is no such URL.
        """
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError):  # what they say may hold the password
            raise ConfigurationError([Fault("the URL of the store in PostgreSQL cannot be read",
                                            mend="write postgresql://user:password@host:5432/database")]) from None
        return cls(parsed)

    def close(self) -> None:
        """Let go of all connections."""
        self._listener.stop()
        super().close()

    def wait(self, since: int, timeout: float) -> bool:
        """Block until there is a revision after *since*."""
        if not self._closed:
            self._listener.start()
        return super().wait(since, timeout)

    def _check_server(self) -> None:
        with self._connected(writing=False) as connection:
            found: Any = connection.dialect.server_version_info
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if found < _OLDEST_SERVER:
            raise ConfigurationError(f"'{self._place}' is PostgreSQL {found[0]}: 14 is the oldest that will do")
        if encoding != "UTF8":
            raise ConfigurationError(f"the database '{self._place}' is encoded in {encoding}: make one in UTF8")

    # --- what differs ---------------------------------------------------------------------------------------

    def _begin_reading(self, connection: Connection) -> None:
        connection.exec_driver_sql(_BEGIN_READING)

    def _begin_writing(self, connection: Connection) -> None:
        patience = max(1, int(self._patience * 1000))
        connection.exec_driver_sql(_BEGIN_WRITING.format(patience=patience, turn=_TURN))

    def _tell(self, session: Session, revision: int) -> None:
        session.rows(select(func.pg_notify(CHANNEL, str(revision))))

    def _look(self) -> int:
        return self._newest

    def _heard(self, revision: int, certain: bool) -> None:
        with self._news:
            self._newest = revision if certain else max(self._newest, revision)
            self._news.notify_all()


def _place(url: URL) -> str:
    """The URL without a password, which may stand in two places."""
    query = {name: value for name, value in url.query.items() if "pass" not in name.lower()}
    return url.set(drivername="postgresql", query=query).render_as_string().replace(":***@", "@")


def _secret(url: URL) -> str:
    return str(url.password or url.query.get("password", ""))
