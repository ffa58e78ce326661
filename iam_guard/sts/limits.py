"""How often somebody may ask: a bucket for each address that fills again with time."""

from __future__ import annotations

import math
from collections.abc import Callable

from cachetools import LRUCache

from iam_guard.errors import ConfigurationError, Fault

_KEPT = 10_000


class RateLimit:
    """Counts requests by name; remembers the last ten thousand names.

    Args:
        burst: How many at once.
        per_second: How many more every second.
        clock: Seconds since any moment.

    Raises:
        ConfigurationError: it would let nobody in.
    """

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float]) -> None:
        if burst < 1 or not per_second > 0:
            raise ConfigurationError(Fault("the rate limit lets nobody in", "write numbers above 0"))
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_KEPT)

    def wait(self, name: str) -> int:
        """Count a request.

        Returns:
            0 when it may be, else after how many seconds to try again.
        """
        now = self._clock()
        level, since = self._buckets.get(name, (float(self._burst), now))
        level = min(self._burst, level + max(0.0, now - since) * self._per_second)
        if level < 1:
            self._buckets[name] = level, now
            return math.ceil((1 - level) / self._per_second)
        self._buckets[name] = level - 1, now
        return 0
