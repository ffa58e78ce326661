"""Proofs that may be used once: which were, as long as they could be used again (RFC 9449 section 11.1).

One of these remembers for one process. Several processes behind one address see a proof once each, which nonces or
a shared :class:`ReplayCache` narrow down.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from iam_guard.errors import ConfigurationError, Fault, UnavailableError

#: How many proofs are remembered by default.
REMEMBERED = 100_000


class ReplayCache(Protocol):
    """Remembers what was used."""

    async def use(self, name: bytes, *, until: float, now: float) -> bool:
        """Use *name* up.

        Args:
            name: A digest of what may be used once.
            until: When it is refused for its age anyway.
            now: Seconds since the epoch.

        Returns:
            Whether it was unused so far.

        Raises:
            UnavailableError: it cannot be found out.
        """


class MemoryReplayCache:
    """A :class:`ReplayCache` of one process, bounded.

    When it is full of proofs that could still be used again, none is forgotten: new ones wait.

    Args:
        size: How many are remembered.

    Raises:
        ConfigurationError: it could remember none.
    """

    def __init__(self, size: int = REMEMBERED) -> None:
        if size < 1:
            raise ConfigurationError(Fault(f"a replay cache of {size} proofs is none", "write at least 1"))
        self._size = size
        self._used: set[bytes] = set()
        self._ends: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._used)

    async def use(self, name: bytes, *, until: float, now: float) -> bool:
        """Use *name* up; see :class:`ReplayCache`."""
        self._forget(now)
        if name in self._used:
            return False
        if len(self._used) >= self._size:
            raise UnavailableError("more proofs were used lately than can be remembered")
        self._used.add(name)
        heapq.heappush(self._ends, (until, name))
        return True

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self._used.discard(heapq.heappop(self._ends)[1])
