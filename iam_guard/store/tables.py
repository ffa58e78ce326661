"""All entities at one moment, with the indexes that a store needs to answer from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import NamedTuple

from iam_guard.directory.entities import AnyEntity, Key, Kind, Link, Relation
from iam_guard.directory.shards import Shards
from iam_guard.store.ordered import OrderedSet, Row


class Held(NamedTuple):
    """An entity, and the revision that last changed it."""

    entity: AnyEntity
    revision: int


@dataclass(frozen=True, slots=True)
class Tables:
    """Never changed, only replaced.

    Attributes:
        held: Every entity by its key.
        keys: All keys, in order.
        paths: ``(kind, account, path, name)`` of what stands elsewhere than at ``/``.
        links: ``(relation, target, kind, account, name)`` of what refers to something.
    """

    held: Shards[Key, Held] = field(default_factory=Shards)
    keys: OrderedSet = field(default_factory=OrderedSet)
    paths: OrderedSet = field(default_factory=OrderedSet)
    links: OrderedSet = field(default_factory=OrderedSet)

    def get(self, key: Key) -> AnyEntity | None:
        """The entity with this key."""
        found = self.held.get(key)
        return found.entity if found else None

    def revision_of(self, key: Key) -> int:
        """The revision that last changed it; 0 when it is not there."""
        found = self.held.get(key)
        return found.revision if found else 0

    def changed(self, changes: Mapping[Key, Held | None]) -> Tables:
        """Everything with *changes*; ``None`` removes."""
        added, removed = _Rows(), _Rows()
        for key, after in changes.items():
            if before := self.held.get(key):
                removed.add(key, before.entity)
            if after:
                added.add(key, after.entity)
        return Tables(self.held.changed(changes), self.keys.changed(added.keys, removed.keys),
                      self.paths.changed(added.paths, removed.paths), self.links.changed(added.links, removed.links))

    def page(self, kind: Kind, account: str, path: str, after: str, limit: int) -> list[AnyEntity]:
        """Entities of one kind and account by name, at most *limit*."""
        names = (self._names(kind, account, after) if path in ("", "/")
                 else self._names_below(kind, account, path, after))
        entities = (self.get(Key(kind, account, name)) for name in islice(names, limit))
        return [entity for entity in entities if entity is not None]

    def _names(self, kind: Kind, account: str, after: str) -> Iterator[str]:
        for found_kind, found_account, name in self.keys.since((kind, account, after)):
            if found_kind != kind or found_account != account:
                return
            if name > after:
                yield name

    def _names_below(self, kind: Kind, account: str, prefix: str, after: str) -> Iterator[str]:
        """Names at every path that begins with *prefix*, merged: no more of them are looked at than are wanted."""
        return merge(*(self._names_at(kind, account, path, after) for path in self._paths(kind, account, prefix)))

    def _paths(self, kind: Kind, account: str, prefix: str) -> Iterator[str]:
        """Every path once, by jumping from each to the next."""
        place: Row | None = (kind, account, prefix)
        while place:
            row = next(self.paths.since(place), None)
            if row is None or row[:2] != (kind, account) or not row[2].startswith(prefix):
                return
            yield row[2]
            place = (kind, account, row[2] + "\0")

    def _names_at(self, kind: Kind, account: str, path: str, after: str) -> Iterator[str]:
        for row in self.paths.since((kind, account, path, after)):
            if row[:3] != (kind, account, path):
                return
            if row[3] > after:
                yield row[3]

    def count(self, kind: Kind, account: str) -> int:
        """How many there are of one kind in an account."""
        return self.keys.count((kind, account))

    def linking(self, relation: Relation, target: str, kind: Kind | None) -> list[Key]:
        """Keys of the entities that refer to *target*, sorted."""
        wanted = (relation, target) if kind is None else (relation, target, kind)
        return [Key(*row[2:]) for row in self.links.starting(wanted)]


class _Rows:
    """What entities contribute to the indexes."""

    def __init__(self) -> None:
        self.keys: list[Row] = []
        self.paths: list[Row] = []
        self.links: list[Row] = []

    def add(self, key: Key, entity: AnyEntity) -> None:
        self.keys.append(key)
        if (path := getattr(entity, "path", "/")) != "/":
            self.paths.append((key.kind, key.account, path, key.name))
        link: Link
        for link in entity.links():
            self.links.append((*link, *key))
