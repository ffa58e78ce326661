"""A bounded memory for things that can be made again: compiled layers, plans, indices."""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """A dict that forgets its oldest entry rather than grow past *limit*.

    Reading is a plain ``get``, without a lock; two threads that miss at once both make the value, which is
    harmless because making it is pure.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._lock = Lock()

    def keep(self, key: Key, value: Value) -> Value:
        """Remember *value* and return it."""
        with self._lock:
            if len(self) >= self._limit and key not in self:
                del self[next(iter(self))]
            self[key] = value
        return value
