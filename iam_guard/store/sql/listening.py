"""Listens for revisions in PostgreSQL: told by NOTIFY, and looking now and then in case that got lost."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import psycopg
from sqlalchemy import ColumnClause, Connection, Engine, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from iam_guard.store.sql.faults import said
from iam_guard.store.sql.schema import meta

#: Directories in other schemas of the same database have channels of their own.
CHANNEL: ColumnClause[str] = literal_column("'iam_guard_' || 'iam_meta'::regclass::oid::text")

_log = logging.getLogger("iam_guard.store")


class Listener:
    """A thread with a connection of its own, which it makes anew whenever it breaks.

    Args:
        engine: Makes connections.
        heard: Told a revision, and whether it was read at the beginning of a connection and not merely announced:
            a database that was restored from a backup may begin with an older one.
        poll: Seconds between looks, and between attempts to connect.
    """

    def __init__(self, engine: Engine, heard: Callable[[int, bool], None], *, poll: float) -> None:
        self._engine, self._heard, self._poll = engine, heard, poll
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._wake: socket.socket | None = None

    def start(self) -> None:
        """Listen from now on, unless that is so already."""
        with self._lock:
            if self._stopping.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self._wake, woken = socket.socketpair()
            self._thread = threading.Thread(target=self._run, args=(woken,), daemon=True,
                                            name="iam_guard directory notifications")
            self._thread.start()

    def stop(self) -> None:
        """Listen no more; the connection is closed when this returns."""
        with self._lock:
            self._stopping.set()
            if self._wake is not None:
                self._wake.close()  # the other end becomes readable
            if self._thread is not None:
                self._thread.join()

    def _run(self, woken: socket.socket) -> None:
        with woken:
            while not self._stopping.is_set():
                try:
                    self._listen(woken)
                except (SQLAlchemyError, psycopg.Error) as error:
                    _log.warning("notifications of the directory are lost: %s", said(error))
                except Exception:
                    _log.exception("notifications of the directory are lost")
                self._stopping.wait(self._poll)

    def _listen(self, woken: socket.socket) -> None:
        with self._engine.connect() as connection:
            connection.detach()  # a connection that listens is no good to anybody else
            channel = connection.scalar(select(CHANNEL))
            connection.exec_driver_sql(f'LISTEN "{channel}"')
            self._heard(self._revision(connection), True)
            driver = cast("psycopg.Connection", connection.connection.dbapi_connection)
            with selectors.DefaultSelector() as selector:
                selector.register(driver.fileno(), selectors.EVENT_READ)
                selector.register(woken, selectors.EVENT_READ)
                while not self._stopping.is_set():
                    selector.select(self._poll)
                    self._hear(connection, driver)

    def _hear(self, connection: Connection, driver: psycopg.Connection) -> None:
        if not self._stopping.is_set() and not self._read_notices(driver):
            # Time for a look; or what came was no notice, but the end of the connection.
            self._heard(self._revision(connection), False)
            self._read_notices(driver)  # of what was committed since

    def _read_notices(self, driver: psycopg.Connection) -> int:
        payloads = [notice.payload for notice in driver.notifies(timeout=0)]
        for payload in payloads:
            with suppress(ValueError):
                self._heard(int(payload), False)
        return len(payloads)

    def _revision(self, connection: Connection) -> int:
        return int(connection.scalar(select(meta.c.revision)) or 0)
