"""What all processes of a gateway have counted, those of replaced settings and of dead workers included."""

from __future__ import annotations

import asyncio
import ctypes
from collections import Counter
from collections.abc import Callable, Mapping, MutableSequence
from multiprocessing import get_context
from typing import Any

#: Outcomes that a scraper is told, each at a place of its own in what workers share.
OUTCOMES = ("allow", "explicit_deny", "implicit_deny", "unauthenticated", "unmapped", "error")
#: Beyond the time that requests may linger, until what settings that were replaced have counted is final.
_FINAL_SECONDS = 5.0

Counts = Callable[[], Mapping[str, int]]


def shared_counts(workers: int) -> Any:
    """Room for what so many workers count; for the arguments of their processes."""
    return get_context("spawn").RawArray(ctypes.c_uint64, workers * len(OUTCOMES))


class Tally:
    """Counts for a scraper, which never fall as long as the gateway runs.

    Args:
        counts: Of what serves now.
        shared: Room that all workers share; see :func:`shared_counts`.
        place: Of this worker in it. What an earlier one has counted there is added to.
    """

    def __init__(self, counts: Counts, shared: MutableSequence[int] | None = None, place: int = 0) -> None:
        self._shared: MutableSequence[int] = [0] * len(OUTCOMES) if shared is None else shared
        self._first = place * len(OUTCOMES)
        self._base = list(self._shared[self._first:self._first + len(OUTCOMES)])
        self._now = counts
        self._lingering: list[Counts] = []

    @property
    def counts(self) -> Mapping[str, int]:
        """How many requests had which outcome, in all processes."""
        self.publish()
        total: Counter[str] = Counter()
        for place, number in enumerate(self._shared):
            total[OUTCOMES[place % len(OUTCOMES)]] += number
        return total

    def publish(self) -> None:
        """Let the other processes see what was counted here."""
        counted = [counts() for counts in (self._now, *self._lingering)]
        for place, outcome in enumerate(OUTCOMES):
            self._shared[self._first + place] = self._base[place] + sum(one.get(outcome, 0) for one in counted)

    def follow(self, counts: Counts, linger_seconds: float) -> None:
        """Count what serves from now on; what served before counts on until its requests have ended."""
        old, self._now = self._now, counts
        self._lingering.append(old)
        asyncio.get_running_loop().call_later(linger_seconds + _FINAL_SECONDS, self._settle, old)

    def _settle(self, old: Counts) -> None:
        self._lingering.remove(old)
        final = old()
        self._base = [base + final.get(outcome, 0) for base, outcome in zip(self._base, OUTCOMES, strict=True)]
