"""A directory held in memory: for tests, and as the heart of stores that keep little."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from iam_guard.directory.entities import AnyEntity, Key, Kind, Link, Relation, to_json
from iam_guard.directory.port import Change, Entry, Note
from iam_guard.errors import HistoryGoneError


@dataclass(frozen=True, slots=True)
class _State:
    """Everything at one revision; never changed, only replaced."""

    revision: int = 0
    entities: dict[Key, AnyEntity] = field(default_factory=dict)
    revisions: dict[Key, int] = field(default_factory=dict)


class MemoryDirectoryStore:
    """A store without a place. A write copies what it changes, so readers never wait.

    Args:
        kept_changes: How many writes :meth:`changes` remembers.
    """

    def __init__(self, *, kept_changes: int = 10_000) -> None:
        self._state = _State()
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
        yield MemoryReading(self._state)

    @contextmanager
    def write(self, note: Note) -> Iterator[MemoryWriting]:
        """A write."""
        with self._turn:
            tx = MemoryWriting(self._state)
            yield tx
            if entries := tx.entries():
                self._commit(Change(self._state.revision + 1, note, entries))

    def _commit(self, change: Change) -> None:
        entities, revisions = dict(self._state.entities), dict(self._state.revisions)
        for key, _, after in change.entries:
            if after is None:
                del entities[key], revisions[key]
            else:
                entities[key], revisions[key] = after, change.revision
        self._changes = [*self._changes, change][-self._kept:]
        self._state = _State(change.revision, entities, revisions)
        with self._news:
            self._news.notify_all()

    def revision(self) -> int:
        """The newest revision."""
        return self._state.revision

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """Writes after revision *since*, oldest first."""
        kept, newest = self._changes, self._state.revision
        if since < newest and (not kept or kept[0].revision > since + 1):
            raise HistoryGoneError(f"what changed after revision {since} is no longer known")
        return [change for change in kept if change.revision > since][:limit]

    def wait(self, since: int, timeout: float) -> bool:
        """Block until there is a revision after *since*."""
        with self._news:
            return self._news.wait_for(lambda: self._state.revision > since, timeout)

    def close(self) -> None:
        """There is nothing to let go of."""


class MemoryReading:
    """A view of one state."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._entities = state.entities

    @property
    def revision(self) -> int:
        """Of the state."""
        return self._state.revision

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        return self._entities.get(key)

    def revision_of(self, key: Key) -> int:
        """The revision that last changed it."""
        return self._state.revisions.get(key, 0)

    def page(self, kind: Kind, account: str, *, path: str = "/", after: str = "",
             limit: int = 1000) -> list[AnyEntity]:
        """Entities of one kind and account, by name."""
        names = sorted(key.name for key, entity in self._entities.items()
                       if key.kind is kind and key.account == account and key.name > after
                       and getattr(entity, "path", "/").startswith(path))
        return [self._entities[Key(kind, account, name)] for name in names[:limit]]

    def count(self, kind: Kind, account: str) -> int:
        """How many there are."""
        return sum(key.kind is kind and key.account == account for key in self._entities)

    def linking(self, relation: Relation, target: str, *, kind: Kind | None = None) -> list[Key]:
        """Who refers to *target*."""
        wanted = Link(relation, target)
        return sorted(key for key, entity in self._entities.items()
                      if (kind is None or key.kind is kind) and wanted in entity.links())

    def scan(self) -> Iterator[tuple[Key, bytes]]:
        """Every entity, written."""
        for key in sorted(self._entities):
            yield key, to_json(self._entities[key])


class MemoryWriting(MemoryReading):
    """A view that changes, of a state that does not."""

    def __init__(self, state: _State) -> None:
        super().__init__(state)
        self._entities = dict(state.entities)
        self._touched: dict[Key, None] = {}

    def put(self, entity: AnyEntity) -> None:
        """Insert or replace."""
        self._touched[entity.key] = None
        self._entities[entity.key] = entity

    def delete(self, key: Key) -> None:
        """Remove."""
        self._touched[key] = None
        self._entities.pop(key, None)

    def entries(self) -> tuple[Entry, ...]:
        """What has been changed so far."""
        before = self._state.entities
        return tuple(Entry(key, before.get(key), self._entities.get(key)) for key in self._touched
                     if before.get(key) != self._entities.get(key))
