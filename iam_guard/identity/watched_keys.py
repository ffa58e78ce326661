"""API keys in a place that changes: looked at again every few seconds (promise S17).

A place that cannot be read, or holds a mistake, changes nothing for a while: a slip must not lock everybody out. But
it may hide a key that was taken out, so after ``max_unsynced`` seconds nobody is let in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from iam_guard.errors import IAMGuardError, UnavailableError
from iam_guard.identity.api_keys import ApiKey, ApiKeys

_logger = logging.getLogger("iam_guard")


class WatchedApiKeys:
    """An :class:`ApiKeys` that follows a place.

    Args:
        load: Reads the place.
        stamp: Differs when the place does; cheap.
        every: Seconds between two looks.
        max_unsynced: Seconds without a good look after which nobody is let in.
        clock: Seconds since any moment, never going back.

    Raises:
        ConfigurationError: the place holds a mistake now.
        OSError: it cannot be read now.
    """

    def __init__(self, load: Callable[[], ApiKeys], stamp: Callable[[], object], *, every: float = 1.0,
                 max_unsynced: float = 300.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._load, self._stamp, self._clock = load, stamp, clock
        self._every, self._max_unsynced = every, max_unsynced
        self._seen = stamp()
        self._keys = load()
        self._looked_at = self._good_at = clock()

    def find(self, key_id: str) -> ApiKey | None:
        """See :class:`ApiKeys`."""
        now = self._clock()
        if now - self._looked_at >= self._every:
            self._looked_at = now
            self._look(now)
        if now - self._good_at > self._max_unsynced:
            raise UnavailableError("the API keys could not be read for too long")
        return self._keys.find(key_id)

    def _look(self, now: float) -> None:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._keys, self._seen = self._load(), stamp
            self._good_at = now
        except (OSError, IAMGuardError) as error:
            _logger.error("the API keys cannot be read, so those of before are kept for now: %s", error)
