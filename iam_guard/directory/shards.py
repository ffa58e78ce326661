"""Shards: a mapping that is never changed, of which a changed copy costs the same however large it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: A changed copy copies this many references and, for each changed key, one of this many parts of the contents.
_COUNT = 1024
_MASK = _COUNT - 1


class Shards(Mapping[Key, Value]):
    """A mapping in parts, most of which a copy shares with its original.

    Args:
        pairs: Its contents; a later pair replaces an earlier one.
    """

    __slots__ = ("_parts", "_size")

    def __init__(self, pairs: Iterable[tuple[Key, Value]] = ()) -> None:
        parts: list[dict[Key, Value]] = [{} for _ in range(_COUNT)]
        for key, value in pairs:
            parts[hash(key) & _MASK][key] = value
        self._parts = tuple(parts)
        self._size = sum(map(len, parts))

    def __getitem__(self, key: Key) -> Value:
        return self._parts[hash(key) & _MASK][key]

    def get(self, key: Key, default: Any = None) -> Any:
        """The value of a key, quicker than by way of an exception."""
        return self._parts[hash(key) & _MASK].get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._parts[hash(key) & _MASK]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Key]:
        for part in self._parts:
            yield from part

    def changed(self, changes: Mapping[Key, Value | None]) -> Shards[Key, Value]:
        """A copy with other values for some keys; ``None`` leaves a key out."""
        if not changes:
            return self
        parts, size, own = list(self._parts), self._size, set()
        for key, value in changes.items():
            place = hash(key) & _MASK
            if place not in own:
                own.add(place)
                parts[place] = dict(parts[place])
            size += _set(parts[place], key, value)
        copy: Shards[Key, Value] = Shards.__new__(Shards)
        copy._parts, copy._size = tuple(parts), size
        return copy


def _set(part: dict[Key, Value], key: Key, value: Value | None) -> int:
    """Set or remove; returns by how much the part grew."""
    before = len(part)
    if value is None:
        part.pop(key, None)
    else:
        part[key] = value
    return len(part) - before
