"""A directory held in memory: for tests, and as the heart of stores that keep little."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from iam_guard.directory.entities import AnyEntity, Key, Kind, Relation, to_json
from iam_guard.directory.port import Change, Entry, Note
from iam_guard.errors import HistoryGoneError
from iam_guard.store.tables import Held, Tables


class MemoryDirectoryStore:
    """A store without a place. What a write does not change it shares with what was, so readers never wait.

    Args:
        kept_changes: How many writes :meth:`changes` remembers.
    """

    def __init__(self, *, kept_changes: int = 10_000) -> None:
        self._state = (0, Tables())
        self._changes: list[Change] = []
        self._kept = kept_changes
        self._turn = threading.Lock()
        self._news = threading.Condition()

    @property
    def url(self) -> str:
        """Nowhere."""
        return "memory:"

    @contextmanager
    def read(self) -> Iterator[MemoryReading]:
        """One consistent view."""
        yield MemoryReading(*self._state)

    @contextmanager
    def write(self, note: Note) -> Iterator[MemoryWriting]:
        """A write."""
        with self._turn:
            tx = MemoryWriting(*self._state)
            yield tx
            if entries := tx.entries():
                self._commit(Change(tx.revision + 1, note, entries))

    def _commit(self, change: Change) -> None:
        tables = with_change(self._state[1], change)
        with self._news:
            self._changes.append(change)
            if len(self._changes) > 2 * self._kept:
                del self._changes[: -self._kept]
            self._state = (change.revision, tables)
            self._news.notify_all()

    def revision(self) -> int:
        """The newest revision."""
        return self._state[0]

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """Writes after revision *since*, oldest first."""
        with self._news:
            newest = self._state[0]
            if since < newest - min(self._kept, len(self._changes)):
                raise HistoryGoneError(f"what changed after revision {since} is no longer known")
            start = len(self._changes) - (newest - since) if since < newest else len(self._changes)
            return self._changes[start : start + limit]

    def wait(self, since: int, timeout: float) -> bool:
        """Block until there is a revision after *since*."""
        with self._news:
            return self._news.wait_for(lambda: self._state[0] > since, timeout)

    def close(self) -> None:
        """There is nothing to let go of."""


def with_change(tables: Tables, change: Change) -> Tables:
    """The entities after a change."""
    return tables.changed({entry.key: Held(entry.after, change.revision) if entry.after is not None else None
                           for entry in change.entries})


class MemoryReading:
    """A view of one state.

    Args:
        revision: Of the state.
        tables: Its entities.
    """

    def __init__(self, revision: int, tables: Tables) -> None:
        self._revision, self._base = revision, tables

    @property
    def _tables(self) -> Tables:
        return self._base

    @property
    def revision(self) -> int:
        """Of the state."""
        return self._revision

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        return self._base.get(key)

    def revision_of(self, key: Key) -> int:
        """The revision that last changed it; during a write, the last one before."""
        return self._base.revision_of(key)

    def page(self, kind: Kind, account: str, *, path: str = "/", after: str = "",
             limit: int = 1000) -> list[AnyEntity]:
        """Entities of one kind and account, by name."""
        return self._tables.page(kind, account, path, after, limit)

    def count(self, kind: Kind, account: str) -> int:
        """How many there are."""
        return self._tables.count(kind, account)

    def linking(self, relation: Relation, target: str, *, kind: Kind | None = None) -> list[Key]:
        """Who refers to *target*."""
        return self._tables.linking(relation, target, kind)

    def scan(self) -> Iterator[tuple[Key, bytes]]:
        """Every entity, written."""
        tables = self._tables
        for row in tables.keys:
            key = Key(*row)
            if (entity := tables.get(key)) is not None:
                yield key, to_json(entity)


class MemoryWriting(MemoryReading):
    """A view that changes, of a state that does not.

    Single entities are read from what was put; the indexes are brought up to date when somebody asks them.
    """

    def __init__(self, revision: int, tables: Tables) -> None:
        super().__init__(revision, tables)
        self._current = tables
        self._after: dict[Key, AnyEntity | None] = {}
        self._pending: dict[Key, None] = {}

    @property
    def _tables(self) -> Tables:
        if self._pending:
            after = {key: self._after[key] for key in self._pending}
            self._current = self._current.changed(
                {key: Held(entity, self._revision + 1) if entity is not None else None
                 for key, entity in after.items()})
            self._pending.clear()
        return self._current

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        return self._after[key] if key in self._after else self._base.get(key)

    def put(self, entity: AnyEntity) -> None:
        """Insert or replace."""
        self._after[entity.key] = entity
        self._pending[entity.key] = None

    def delete(self, key: Key) -> None:
        """Remove."""
        self._after[key] = None
        self._pending[key] = None

    def entries(self) -> tuple[Entry, ...]:
        """What has been changed so far."""
        return tuple(Entry(key, before, after) for key, after in self._after.items()
                     if (before := self._base.get(key)) != after)
