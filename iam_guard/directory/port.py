"""The port: a place where a directory is kept, whole, in revisions.

Writers take turns. Whoever writes sees what the one before wrote, and a write is all there or not at all.
Revisions count up by one with every write that changes something, in the order in which they became visible, so
that ``changes(since)`` never shows a later change before an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from iam_guard.directory.entities import AnyEntity, Key, Kind, Relation


class Note(NamedTuple):
    """Who changes something, when, and by which operation.

    Attributes:
        who: ARN of the caller.
        operation: ``CreateUser`` and the like; ``Import`` for many at once.
        at: ISO 8601 in UTC.
    """

    who: str
    operation: str
    at: str


class Entry(NamedTuple):
    """What became of one entity; ``None`` stands for not being there."""

    key: Key
    before: AnyEntity | None
    after: AnyEntity | None


class Change(NamedTuple):
    """One committed write."""

    revision: int
    note: Note
    entries: tuple[Entry, ...]


class Reading(Protocol):
    """The directory as it is at one revision."""

    @property
    def revision(self) -> int:
        """0 for a directory that nothing was ever written to."""
        ...

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        ...

    def revision_of(self, key: Key) -> int:
        """The revision that last changed it; 0 when it is not there."""
        ...

    def page(self, kind: Kind, account: str, *, path: str = "/", after: str = "", limit: int = 1000) -> list[AnyEntity]:
        """Entities of one kind and account whose path begins with *path* and whose ``key.name`` comes after
        *after*, by ``key.name`` in the order of code points, at most *limit*. Every path begins with ``/``, also
        one that an import left empty.
        """
        ...

    def count(self, kind: Kind, account: str) -> int:
        """How many there are of one kind in an account."""
        ...

    def linking(self, relation: Relation, target: str, *, kind: Kind | None = None) -> list[Key]:
        """Keys of the entities that refer to *target*, sorted."""
        ...

    def scan(self) -> Iterator[tuple[Key, bytes]]:
        """Every entity as :func:`~iam_guard.directory.entities.to_json` writes it, in the order of the keys."""
        ...


class Writing(Reading, Protocol):
    """A write under way; it reads its own changes."""

    def put(self, entity: AnyEntity) -> None:
        """Insert, or replace what has the same key."""
        ...

    def delete(self, key: Key) -> None:
        """Remove; nothing happens when it is not there."""
        ...

    def entries(self) -> tuple[Entry, ...]:
        """What has been changed so far, each key once, unchanged ones left out, in the order first touched."""
        ...


class DirectoryStore(Protocol):
    """Keeps a directory. All methods may block, and may be called from any thread."""

    @property
    def url(self) -> str:
        """Where, without a password."""
        ...

    def read(self) -> AbstractContextManager[Reading]:
        """One consistent view.

        Raises:
            UnavailableError: the place cannot be reached.
        """
        ...

    def write(self, note: Note) -> AbstractContextManager[Writing]:
        """A write: committed at the end of the ``with`` block, undone when it raises. It waits its turn.

        Raises:
            UnavailableError: the place cannot be reached or written to; nothing has been changed. When the
                connection to a server is lost in the very commit, nobody can know: look before trying again.
            ConcurrentModificationError: others wrote for too long, or at the same time; try again.
        """
        ...

    def revision(self) -> int:
        """The newest revision, cheaply."""
        ...

    def changes(self, since: int, *, limit: int = 1000) -> list[Change]:
        """Writes after revision *since*, oldest first.

        Raises:
            HistoryGoneError: that far back nothing is kept; read everything instead.
        """
        ...

    def wait(self, since: int, timeout: float) -> bool:
        """Block until there is a revision after *since*, at most *timeout* seconds; whether there is one.

        It may return early and it may be woken late: whoever needs certainty asks :meth:`revision`.
        """
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...
