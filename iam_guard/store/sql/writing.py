"""Writes to the directory: gathers what is put and deleted, and writes it down in batches.

What was gathered is written down before anything but a single entity is read, so the database answers those
questions for changes of the write itself too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, update

from iam_guard.directory.entities import AnyEntity, Key, Kind, Relation, to_json
from iam_guard.directory.port import Entry, Note
from iam_guard.errors import ConcurrentModificationError, InvalidInputError
from iam_guard.store.sql.bulk import insert_rows
from iam_guard.store.sql.lookup import rows_of
from iam_guard.store.sql.reading import SQLReading, entity_of, key_of, storable
from iam_guard.store.sql.schema import changes, entities, links, meta
from iam_guard.store.sql.session import Parameters, Session

#: Of what is in one index: PostgreSQL has room for 2,704 bytes, some of which it needs itself.
_INDEXED_BYTES = 2600

_NAMED = (entities.c.kind == bindparam("the_kind"), entities.c.account == bindparam("the_account"),
          entities.c.name == bindparam("the_name"))
_UPDATE = update(entities).where(*_NAMED).values(path=bindparam("path"), revision=bindparam("revision"),
                                                 data=bindparam("data"))
_DELETE = delete(entities).where(*_NAMED)
_UNLINK = delete(links).where(links.c.kind == bindparam("the_kind"), links.c.account == bindparam("the_account"),
                              links.c.name == bindparam("the_name"))
_ADVANCE = (update(meta).where(meta.c.revision == bindparam("old")).values(revision=bindparam("new")))


class _Stored(NamedTuple):
    """A row as it was when the write began."""

    data: str
    revision: int


class SQLWriting(SQLReading):
    """A write under way.

    Args:
        session: Its transaction, in which it is the only writer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._after: dict[Key, AnyEntity | None] = {}
        self._pending: dict[Key, None] = {}
        self._before: dict[Key, _Stored | None] = {}
        self._held: dict[Key, str | None] = {}

    def put(self, entity: AnyEntity) -> None:
        """Insert or replace.

        Raises:
            InvalidInputError: the database has no room for such a name.
        """
        _check_storable(entity)
        self._after[entity.key] = entity
        self._pending[entity.key] = None

    def delete(self, key: Key) -> None:
        """Remove."""
        if storable(key.account, key.name):
            self._after[key] = None
            self._pending[key] = None

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        return self._after[key] if key in self._after else super().get(key)

    def revision_of(self, key: Key) -> int:
        """The revision that last changed it before this write."""
        self._flush()
        if key not in self._before:
            return super().revision_of(key)
        before = self._before[key]
        return before.revision if before else 0

    def page(self, kind: Kind, account: str, *, path: str = "/", after: str = "",
             limit: int = 1000) -> list[AnyEntity]:
        """Entities of one kind and account, by name."""
        self._flush()
        return super().page(kind, account, path=path, after=after, limit=limit)

    def count(self, kind: Kind, account: str) -> int:
        """How many there are."""
        self._flush()
        return super().count(kind, account)

    def linking(self, relation: Relation, target: str, *, kind: Kind | None = None) -> list[Key]:
        """Who refers to *target*."""
        self._flush()
        return super().linking(relation, target, kind=kind)

    def scan(self) -> Iterator[tuple[Key, bytes]]:
        """Every entity, written; without what is put while it is read."""
        self._flush()
        return super().scan()

    def entries(self) -> tuple[Entry, ...]:
        """What has been changed so far."""
        self._flush()
        return tuple(Entry(key, None if before is None else entity_of(before), self._after[key])
                     for key, before, _ in self._changed())

    def record(self, note: Note) -> int:
        """Write down what is still gathered and what became of everything; the new revision, 0 without changes.

        Raises:
            ConcurrentModificationError: somebody wrote without waiting for their turn.
        """
        self._flush()
        rows = [{"revision": self._next, "ordinal": ordinal, **note._asdict(), **_columns(key),
                 "before": before, "after": after}
                for ordinal, (key, before, after) in enumerate(self._changed())]
        if not rows:
            return 0
        if self._session.run(_ADVANCE, [{"old": self._revision, "new": self._next}]) != 1:
            raise ConcurrentModificationError(f"somebody else wrote revision {self._next} meanwhile")
        insert_rows(self._session, changes, rows)
        return self._next

    @property
    def _next(self) -> int:
        return self._revision + 1

    def _changed(self) -> Iterator[tuple[Key, str | None, str | None]]:
        for key in self._after:
            before = self._before[key]
            data = before.data if before else None
            if data != self._held[key]:
                yield key, data, self._held[key]

    def _flush(self) -> None:
        if not self._pending:
            return
        keys = list(self._pending)
        self._pending.clear()
        self._look_up([key for key in keys if key not in self._before])
        _Flush(self._before, self._held, self._next).of((key, self._after[key]) for key in keys).into(self._session)

    def _look_up(self, keys: list[Key]) -> None:
        """Find out what there was before the write, and so what rows there are."""
        self._before.update(dict.fromkeys(keys))
        for rows in rows_of(self._session, keys):
            self._before.update({key_of(row): _Stored(row.data, row.revision) for row in rows})
        for key in keys:
            stored = self._before[key]
            self._held[key] = stored.data if stored else None


class _Flush:
    """What has to be said to the database so that it holds what was put and deleted.

    Args:
        before: Rows as they were when the write began.
        held: JSON that the database holds now; brought up to date.
        revision: Of the write.
    """

    def __init__(self, before: dict[Key, _Stored | None], held: dict[Key, str | None], revision: int) -> None:
        self._before, self._held, self._revision = before, held, revision
        self._inserts: Parameters = []
        self._updates: Parameters = []
        self._deletes: Parameters = []
        self._unlinks: Parameters = []
        self._links: Parameters = []

    def of(self, wanted: Iterable[tuple[Key, AnyEntity | None]]) -> _Flush:
        """Work it out."""
        for key, entity in wanted:
            held = self._held[key]
            if entity is not None:
                self._put(key, entity, held)
            elif held is not None:
                self._deletes.append(_the(key))  # takes its links along
                self._held[key] = None
        return self

    def into(self, session: Session) -> None:
        """Say it."""
        session.run(_DELETE, self._deletes)
        session.run(_UNLINK, self._unlinks)
        session.run(_UPDATE, self._updates)
        insert_rows(session, entities, self._inserts)
        insert_rows(session, links, self._links)

    def _put(self, key: Key, entity: AnyEntity, held: str | None) -> None:
        data = to_json(entity).decode()
        if data == held:
            return
        self._held[key] = data
        row = {"path": getattr(entity, "path", "/"), "revision": self._revision_for(key, data), "data": data}
        if held is None:
            self._inserts.append({**_columns(key), **row})
            self._links += _links_of(key, entity)
            return
        self._updates.append({**_the(key), **row})
        if (new := _links_of(key, entity)) != _links_of(key, entity_of(held)):
            self._unlinks.append(_the(key))
            self._links += new

    def _revision_for(self, key: Key, data: str) -> int:
        """What is put back as it was has not changed."""
        before = self._before[key]
        return before.revision if before and before.data == data else self._revision


def _columns(key: Key) -> dict[str, Any]:
    return {"kind": key.kind.value, "account": key.account, "name": key.name}


def _the(key: Key) -> dict[str, Any]:
    return {"the_kind": key.kind.value, "the_account": key.account, "the_name": key.name}


def _links_of(key: Key, entity: AnyEntity) -> Parameters:
    return [{"relation": link.relation.value, "target": link.target, **_columns(key)}
            for link in dict.fromkeys(entity.links())]


def _check_storable(entity: AnyEntity) -> None:
    key = entity.key
    texts = [*key, getattr(entity, "path", "/"), *(link.target for link in entity.links())]
    if not storable(*texts):
        raise InvalidInputError(f"the name of a {key.kind} has a letter that no database keeps")
    longest = max((len(link.target) + len(link.relation) for link in entity.links()), default=0)
    if 4 * (longest + sum(map(len, key))) > _INDEXED_BYTES:
        _check_bytes(entity)


def _check_bytes(entity: AnyEntity) -> None:
    key = entity.key
    named = sum(len(text.encode()) for text in key)
    linked = max((len(f"{link.relation}{link.target}".encode()) for link in entity.links()), default=0)
    if named + linked > _INDEXED_BYTES:
        raise InvalidInputError(f"{key.kind} '{key.name[:64]}...' and what it refers to are named at too great length")
