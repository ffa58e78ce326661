"""Places where a directory is kept, in general terms, for the tests that hold for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import make_url

from iam_guard.directory.entities import Account, AnyEntity, Key, Kind, User
from iam_guard.directory.port import DirectoryStore, Note, Reading
from iam_guard.store.folder_directory import FolderDirectoryStore
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.sql.postgresql import PostgreSQLDirectoryStore
from iam_guard.store.sql.sqlite import SQLiteDirectoryStore

HOME = "000000000000"
NOTE = Note(f"arn:app:iam::{HOME}:user/admin", "Import", "2026-01-01T12:00:00Z")
#: Seconds after which a test gives up; no test takes that long unless it fails.
LONG = 60.0


class Place:
    """Somewhere to keep a directory; closes what it opened.

    Args:
        kind: ``memory``, ``folder``, ``sqlite`` or ``postgresql``.
        where: A path or, for PostgreSQL, a URL.
    """

    def __init__(self, kind: str, where: str) -> None:
        self.kind, self.where = kind, where
        self._opened: list[DirectoryStore] = []

    @property
    def url(self) -> str:
        """For another process."""
        return {"sqlite": f"sqlite:///{self.where}", "folder": f"file:{self.where}"}.get(self.kind, self.where)

    def open(self, **options: Any) -> DirectoryStore:
        """Open it once more; in memory there is one and no more."""
        if self.kind == "memory" and self._opened:
            return self._opened[0]
        store = self._store(options)
        self._opened.append(store)
        return store

    def close(self) -> None:
        """Close whatever has been opened."""
        while self._opened:
            self._opened.pop().close()

    def _store(self, options: dict[str, Any]) -> DirectoryStore:
        if self.kind == "sqlite":
            return SQLiteDirectoryStore(self.where, **options)
        if self.kind == "folder":
            return FolderDirectoryStore(self.where, **options)
        if self.kind == "postgresql":
            return PostgreSQLDirectoryStore(make_url(self.where).set(drivername="postgresql+psycopg"), **options)
        return MemoryDirectoryStore(**options)


Opener = Callable[..., DirectoryStore]


def user(name: str, path: str = "/", **more: Any) -> User:
    """A user as an operation would make it."""
    return User(**{"account": HOME, "name": name, "path": path, "arn": f"arn:app:iam::{HOME}:user{path}{name}",
                   "id": f"AIDA{name.upper()}", "created": "2026-01-01T00:00:00Z", **more})


def tenant(number: int, **more: Any) -> Account:
    """One account of many."""
    return Account(**{"account": f"{number:012}", "name": f"tenant {number}", **more})


def put(store: DirectoryStore, *entities: AnyEntity, note: Note = NOTE) -> None:
    """One write."""
    with store.write(note) as tx:
        for entity in entities:
            tx.put(entity)


def get(store: DirectoryStore, kind: Kind, name: str, account: str = HOME) -> AnyEntity | None:
    """One entity."""
    with store.read() as reading:
        return reading.get(Key(kind, account, name))


def everything(reading: Reading) -> dict[Key, bytes]:
    """All there is."""
    return dict(reading.scan())
