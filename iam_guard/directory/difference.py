"""What differs between two states of a directory: as values, for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from iam_guard.directory.entities import AnyEntity, Key, from_json
from iam_guard.directory.port import Entry, Reading

#: Members of entities that nobody is shown; that they differ is shown.
_HIDDEN = frozenset({"secret", "password", "password_history"})
_SIGNS = {"add": "+", "remove": "-", "change": "~"}


class Member(NamedTuple):
    """A member of an entity that differs; ``None`` stands for not being there."""

    name: str
    before: Any
    after: Any


def difference(before: Reading, after: Reading) -> Iterator[Entry]:
    """What has to be done to one state to get the other.

    Args:
        before: The one.
        after: The other.
    """
    for key, text in after.scan():
        entity, old = from_json(text), before.get(key)
        if old != entity:
            yield Entry(key, old, entity)
    yield from _gone(before, after)


def towards(before: Reading, entities: Iterable[AnyEntity], *, remove: Collection[Key] = ()) -> Iterator[Entry]:
    """What has to be done so that these entities are there and some are not.

    Args:
        before: The state it begins with.
        entities: What has to be there.
        remove: Keys of what must not; those of *entities* stay.
    """
    wanted: set[Key] = set()
    for entity in entities:
        wanted.add(entity.key)
        if (old := before.get(entity.key)) != entity:
            yield Entry(entity.key, old, entity)
    for key in remove:
        if key not in wanted and (old := before.get(key)) is not None:
            yield Entry(key, old, None)


def _gone(before: Reading, after: Reading) -> Iterator[Entry]:
    for key, text in before.scan():
        if after.get(key) is None:
            yield Entry(key, from_json(text), None)


def word_of(entry: Entry) -> str:
    """``add``, ``remove`` or ``change``."""
    return "add" if entry.before is None else "remove" if entry.after is None else "change"


def members_of(entry: Entry) -> list[Member]:
    """The members that differ, secrets unreadable."""
    old, new = _shown(entry.before), _shown(entry.after)
    before, after = _members(entry.before), _members(entry.after)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [Member(name, old.get(name), new.get(name)) for name in names]


def _members(entity: AnyEntity | None) -> dict[str, Any]:
    return {} if entity is None else msgspec.to_builtins(entity)


def _shown(entity: AnyEntity | None) -> dict[str, Any]:
    return {name: "(hidden)" if name in _HIDDEN and value else value for name, value in _members(entity).items()}


def lines_of(entry: Entry) -> list[str]:
    """An entry for people: what is done to which entity, and below it what changes."""
    key = entry.key
    where = f" in account {key.account}" if key.account else ""
    head = f"{_SIGNS[word_of(entry)]} {key.kind} {key.name}{where}"
    if word_of(entry) != "change":
        return [head]
    return [head, *(f"    {one.name}: {_brief(one.before)} -> {_brief(one.after)}" for one in members_of(entry))]


def _brief(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def shape_of(entry: Entry) -> dict[str, Any]:
    """An entry as JSON."""
    return {"Change": word_of(entry), "Kind": str(entry.key.kind), "Account": entry.key.account,
            "Name": entry.key.name, "Members": [one._asdict() for one in members_of(entry)]}
