"""Where an issuer's keys come from, and how they stay fresh without anybody being able to abuse that.

The life cycle (wire contracts section 12, threat catalogue S12): one fetch at a time; whatever goes wrong
keeps the last good set; an unknown ``kid`` causes one fetch per cool-down and waits two seconds at most; a
key that left the set stops verifying as soon as the new set is in; a set that could not be renewed for a
day is worth nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from iam_guard.errors import UnavailableError
from iam_guard.identity.keys import Algorithm, KeySet, VerificationKey

_log = logging.getLogger(__name__)

#: How many unusable keys of one answer are named; a provider may publish any number of them.
_NAMED_IN_LOGS = 5

Clock = Callable[[], float]


class KeySource(Protocol):
    """The keys of one issuer.

    Attributes:
        current: The keys in force. Replaced by another object whenever they change, and only then.
        due_at: When the source wants to look for news.
        good_until: When ``current`` stops being trustworthy without news.
    """

    current: KeySet
    due_at: float
    good_until: float

    async def find(self, key_id: str | None, algorithm: Algorithm) -> tuple[VerificationKey, ...]:
        """The keys that may verify such a token; none when there are none.

        Raises:
            UnavailableError: no trustworthy keys are known at the moment.
        """

    async def has_news(self) -> bool:
        """Look for other keys, as often as for an unknown ``kid``; whether there are any now."""

    def look_for_news(self) -> None:
        """Begin to fetch, unless that is under way; nobody waits for it."""

    async def start(self) -> None:
        """Get the keys, and keep them fresh from now on."""

    async def close(self) -> None:
        """Stop keeping them fresh."""


class StaticKeys:
    """Keys written in the configuration; they never change."""

    def __init__(self, keys: KeySet) -> None:
        self.current = keys
        self.due_at = self.good_until = math.inf

    async def find(self, key_id: str | None, algorithm: Algorithm) -> tuple[VerificationKey, ...]:
        """See :class:`KeySource`."""
        return self.current.find(key_id, algorithm)

    async def has_news(self) -> bool:
        """Nothing is ever new."""
        return False

    def look_for_news(self) -> None:
        """Nothing is ever new."""

    async def start(self) -> None:
        """Nothing to get."""

    async def close(self) -> None:
        """Nothing to stop."""


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """A successful answer: the keys, and how long their publisher lets them be kept if it says."""

    keys: KeySet
    max_age: float | None = None


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """Times of the life cycle, in seconds.

    Attributes:
        cool_down: Least time between two fetches for unknown keys, and after a failed fetch.
        wait: Longest time that a request waits for a fetch.
        default_age: Time between fetches when the publisher does not say.
        floor: Least time between fetches, whatever the publisher says.
        ceiling: Longest time between fetches, whatever the publisher says.
        max_stale: Longest life of a set without a successful fetch.
    """

    cool_down: float = 30.0
    wait: float = 2.0
    default_age: float = 300.0
    floor: float = 30.0
    ceiling: float = 3600.0
    max_stale: float = 86400.0


DEFAULT_REFRESH = RefreshSettings()


class RefreshingKeys:
    """Keys that are fetched, kept, and fetched again.

    Works without :meth:`start` too; the first request then waits for the keys, and later ones cause the
    renewals, without waiting for them.

    Args:
        fetch: Gets the keys; anything it raises is a failed fetch.
        name: What logs call this source, such as the issuer.
        clock: Seconds; need not be the time of day.
        settings: Times of the life cycle.
        sleep: Waits between renewals; replaced in tests.

    Attributes:
        fetches: How many fetches were begun.
        failures: How many of them failed: the number to raise an alarm on.
        unknown_kids: How many tokens named a key that is not in the set.
        last_error: Why the latest fetch failed; empty after a success.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[FetchedKeys]],
        *,
        name: str,
        clock: Clock,
        settings: RefreshSettings = DEFAULT_REFRESH,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._fetch, self._name, self._clock, self._settings, self._sleep = fetch, name, clock, settings, sleep
        self.current = KeySet()
        self.due_at = self.good_until = self._next_search = -math.inf
        self._flight: asyncio.Task[None] | None = None
        self._renewals: asyncio.Task[None] | None = None
        self._failures_in_a_row = 0
        self.fetches = self.failures = self.unknown_kids = 0
        self.last_error = ""

    def adopt(self, fetched: FetchedKeys) -> None:
        """Take a good answer: exactly its keys verify from now on."""
        now, settings = self._clock(), self._settings
        if not fetched.keys.has_same_keys(self.current):
            self.current = fetched.keys
            _log.info("keys of '%s' changed: %d usable", self._name, len(self.current.keys))
        if skipped := fetched.keys.skipped:
            _log.warning("keys of '%s': %d left out, such as %s", self._name, len(skipped),
                         "; ".join(skipped[:_NAMED_IN_LOGS]))
        age = settings.default_age if fetched.max_age is None else fetched.max_age
        self.due_at = now + min(max(age, settings.floor), settings.ceiling)
        self.good_until = now + settings.max_stale
        self.last_error, self._failures_in_a_row = "", 0

    async def find(self, key_id: str | None, algorithm: Algorithm) -> tuple[VerificationKey, ...]:
        """See :class:`KeySource`."""
        now = self._clock()
        if now >= self.due_at:
            self._begin()
        if now < self.good_until and (found := self.current.find(key_id, algorithm)):
            return found
        await self._search(now)
        if self._clock() >= self.good_until:
            raise UnavailableError(f"the keys of '{self._name}' are not known: {self.last_error or 'still fetching'}")
        found = self.current.find(key_id, algorithm)
        if not found:
            self.unknown_kids += 1
        return found

    async def has_news(self) -> bool:
        """See :class:`KeySource`."""
        before = self.current
        await self._search(self._clock())
        return self.current is not before

    async def _search(self, now: float) -> None:
        """Wait for a fetch that may bring the missing key, unless there was one a moment ago."""
        if self._flight is None:
            if now < self._next_search:
                return
            self._next_search = now + self._settings.cool_down
            self._begin()
        if self._flight is not None:
            await asyncio.wait({self._flight}, timeout=self._settings.wait)

    async def refresh(self) -> None:
        """Fetch now, or join the fetch that is under way; never raises for a failure."""
        await asyncio.wait({self._begin()})

    def look_for_news(self) -> None:
        """See :class:`KeySource`."""
        self._begin()

    def _begin(self) -> asyncio.Task[None]:
        """The one fetch under way. Nobody's cancellation but :meth:`close` ends it."""
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._refresh())
            self._flight.add_done_callback(self._landed)
        return self._flight

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flight = None

    async def _refresh(self) -> None:
        self.fetches += 1
        try:
            fetched = await self._fetch()
        except Exception as error:
            # Whatever happened, the answer is the same: keep what is good and say so.
            self._failed(error)
        else:
            self.adopt(fetched)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._failures_in_a_row += 1
        self.last_error = str(error) or type(error).__name__
        retry_at = self._clock() + self._settings.cool_down
        self.due_at, self._next_search = max(self.due_at, retry_at), max(self._next_search, retry_at)
        _log.warning("keys of '%s' could not be fetched (the last good ones stay): %s", self._name, self.last_error)

    async def start(self) -> None:
        """Fetch the keys and renew them in the background.

        An issuer that cannot be reached does not stop the start: its tokens are answered with
        :class:`UnavailableError` until it can.
        """
        if self._renewals is None:
            await self.refresh()
            self._renewals = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            await self._sleep(self._pause())
            await self.refresh()

    def _pause(self) -> float:
        """Seconds to the next renewal; while there are no keys at all, failures are retried sooner."""
        pause = self.due_at - self._clock()
        if self.good_until == -math.inf:
            pause = min(pause, 2.0 ** min(self._failures_in_a_row, 10))
        return max(pause, 1.0)

    async def close(self) -> None:
        """Stop the background work and the fetch under way."""
        tasks = [task for task in (self._renewals, self._flight) if task is not None]
        self._renewals = None
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
