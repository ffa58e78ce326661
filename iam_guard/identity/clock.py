"""The time of day, as far as it can be believed."""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """The time of day that never goes back behind what has really passed.

    A wall clock that is set back would bring expired tokens to life; the monotonic clock knows how much
    time has passed at least (threat catalogue, J10).

    Args:
        wall: Seconds since the epoch.
        monotonic: Seconds since any moment.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()

    def __call__(self) -> float:
        wall, passed = self._wall(), self._offset + self._monotonic()
        return wall if wall > passed else passed
