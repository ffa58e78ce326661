"""A bounded memory for things that can be made again: compiled layers, plans, indices."""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """A dict of what was lately used, and never more than *limit* values.

    Reading is a plain ``get``, without a lock and without any accounting. That is paid for in two
    generations: when half the limit is reached, everything becomes old; what is asked for again is young
    again; what is still old at the next turn is forgotten. Two threads that miss at once both make the
    value, which is harmless because making it is pure.
    """

    __slots__ = ("_half", "_lock", "_older")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._half = max(1, limit // 2)
        self._lock = Lock()
        self._older: dict[Key, Value] = {}

    def recall(self, key: Key) -> Value | None:
        """What ``get`` did not find may still be among the old; then it is young again."""
        found = self._older.get(key)
        return None if found is None else self.keep(key, found)

    def keep(self, key: Key, value: Value) -> Value:
        """Remember *value* and return it."""
        with self._lock:
            if len(self) >= self._half and key not in self:
                self._older = dict(self)
                self.clear()
            self[key] = value
        return value
