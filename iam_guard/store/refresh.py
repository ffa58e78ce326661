"""Keeps a PolicySet fresh: builds the next one aside, swaps one reference, keeps the last good one.

A reader takes :attr:`PolicyRefresher.current` once and works with that set to the end of its question; no
set is ever changed in place. A store that holds a mistake leaves the last good set serving, and says so;
a store that cannot be heard for ``max_unsynced`` seconds leaves nothing serving (promises S14 and S17).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

from iam_guard.engine.attachments import Attachments
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import DocumentError, IAMGuardError, UnavailableError
from iam_guard.store.base import PolicyStore, Snapshot

_log = logging.getLogger("iam_guard.store")


class PolicySetMaker(Protocol):
    """Compiles attachments."""

    def __call__(self, attachments: Attachments, *, revision: str, before: PolicySet | None = None) -> PolicySet:
        """Make a policy set.

        Args:
            attachments: What is attached to whom.
            revision: Names this state of the policies.
            before: A set that has policies in common with it, to the very object; given only when a store
                that says what changed (:attr:`Snapshot.since`) brought both.

        Raises:
            DocumentError: these policies are not to be served.
        """
        ...


def make_policy_set(attachments: Attachments, *, revision: str, before: PolicySet | None = None) -> PolicySet:
    """A policy set that compiles only what *before* has not compiled."""
    if before is None:
        return PolicySet(attachments, revision=revision)
    return before.successor(attachments, revision=revision)


@dataclass(frozen=True, slots=True)
class RefreshEvent:
    """Something that happened to the current set.

    Attributes:
        revision: The revision now serving; empty when there never was one.
        error: Why a load failed; ``None`` when a new set was swapped in.
        touched: Names of what changed with the new set; ``None`` when that is everything, or not known.
    """

    revision: str
    error: IAMGuardError | None = None
    touched: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class RefreshStatus:
    """For a readiness probe, the log and the metrics.

    Attributes:
        is_ready: Whether there is a set to decide with.
        is_degraded: Whether it is older than what the store holds, because that cannot be used.
        revision: The revision now serving.
        error: Why the last load failed; empty when it did not.
        loaded: How many times a set was swapped in.
        failed: How many loads failed.
        age: Seconds since the store was last heard from; ``None`` when it never was.
        behind: Seconds since the store was found to hold something else than what serves; 0 when it does not.
    """

    is_ready: bool
    is_degraded: bool
    revision: str
    error: str
    loaded: int
    failed: int
    age: float | None
    behind: float = 0.0


class PolicyRefresher:
    """The current PolicySet of a store, for a Guard.

    Args:
        store: Where policies come from.
        make: Compiles what the store holds.
        poll_seconds: How often the store is asked for its revision when it reports no change by itself.
        max_unsynced: Seconds without hearing from the store after which nothing is served any more.
        clock: Monotonic seconds.
        on_event: Told of every swap and every new failure.
    """

    def __init__(self, store: PolicyStore, *, make: PolicySetMaker = make_policy_set, poll_seconds: float = 3.0,
                 max_unsynced: float = 300.0, clock: Callable[[], float] = time.monotonic,
                 on_event: Callable[[RefreshEvent], None] | None = None) -> None:
        self._store, self._make, self._clock, self._on_event = store, make, clock, on_event
        self._poll_seconds, self._max_unsynced = poll_seconds, max_unsynced
        self._lock = threading.Lock()
        self._set: PolicySet | None = None
        self._snapshot: Snapshot | None = None
        self._refused: str | None = None
        self._heard: float | None = None
        self._behind: float | None = None
        self._loaded = self._failed = 0
        self._task: asyncio.Task[None] | None = None
        self.last_error: IAMGuardError | None = None

    @property
    def current(self) -> PolicySet:
        """The set to decide with.

        Raises:
            UnavailableError: none was ever loaded, or the store was not heard from for too long.
        """
        policies, heard = self._set, self._heard
        if policies is None or heard is None:
            raise UnavailableError("no policies have been loaded")
        if (silence := self._clock() - heard) > self._max_unsynced:
            raise UnavailableError(f"the policy store was not heard from for {silence:.0f} seconds")
        return policies

    @property
    def snapshot(self) -> Snapshot | None:
        """What the current set was made of."""
        return self._snapshot

    @property
    def is_ready(self) -> bool:
        """Whether :attr:`current` has something to give."""
        with suppress(UnavailableError):
            return self.current is not None
        return False

    def status(self) -> RefreshStatus:
        """How things stand."""
        age = None if self._heard is None else self._clock() - self._heard
        behind = 0.0 if self._behind is None else self._clock() - self._behind
        return RefreshStatus(self.is_ready, self.last_error is not None, self._serving or "",
                             str(self.last_error or ""), self._loaded, self._failed, age, behind)

    def load(self) -> PolicySet:
        """Load and swap now; may block.

        Raises:
            DocumentError: the store holds a mistake; a set that was serving goes on serving.
            UnavailableError: the store cannot be reached.
        """
        with self._lock:
            try:
                return self._swap()
            except Exception as problem:
                self._fail(problem)
                raise

    def check(self) -> None:
        """Ask the store for its revision and load a new one; may block. A failure is kept, not raised."""
        with self._lock:
            revision = None
            try:
                revision = self._store.revision()
                if revision == self._serving:
                    self._heard, self.last_error, self._behind = self._clock(), None, None
                elif revision == self._refused:
                    self._heard = self._clock()
                else:
                    self._behind = self._clock() if self._behind is None else self._behind
                    self._swap()
            except Exception as problem:
                self._fail(problem, revision)

    async def start(self) -> None:
        """Load, and watch from now on. A mistake in the store is not raised: nothing is served until it is
        mended, or the last good set is.
        """
        if self._task is None:
            await asyncio.to_thread(self.check)
            self._task = asyncio.create_task(self._watch(), name="iam_guard policy refresh")

    async def close(self) -> None:
        """Stop watching; what was loaded stays until it is too old."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def _serving(self) -> str | None:
        return self._snapshot.revision if self._snapshot else None

    def _swap(self) -> PolicySet:
        """Build the next set aside; one assignment makes it current."""
        snapshot = self._store.load()
        before = self._set if snapshot.since and snapshot.since == self._serving else None
        policies = self._made(snapshot, before)
        self._heard, self._refused, self.last_error, self._behind = self._clock(), None, None, None
        self._snapshot, self._set = snapshot, policies
        self._loaded += 1
        touched = None if before is None else snapshot.touched
        _log.info("policies loaded, revision %s, touching %s", snapshot.revision,
                  "everything" if touched is None else len(touched))
        self._tell(RefreshEvent(snapshot.revision, touched=touched))
        return policies

    def _made(self, snapshot: Snapshot, before: PolicySet | None) -> PolicySet:
        if before is None:
            return self._make(snapshot.attachments, revision=snapshot.revision)
        return self._make(snapshot.attachments, revision=snapshot.revision, before=before)

    def _fail(self, problem: Exception, revision: str | None = None) -> None:
        """Keep the failure. A store that answers with a mistake was heard; one that does not answer was not."""
        error = problem if isinstance(problem, IAMGuardError) else UnavailableError(f"policies not loaded: {problem!r}")
        if isinstance(error, DocumentError):
            self._heard, self._refused = self._clock(), revision
        is_news = str(error) != str(self.last_error)
        self.last_error = error
        self._failed += 1
        if is_news:
            kept = f"revision {self._serving} goes on serving" if self._serving else "nothing is served"
            _log.error("policies not loaded, %s:\n%s", kept, error,
                       exc_info=None if problem is error else problem)
            self._tell(RefreshEvent(self._serving or "", error))

    def _tell(self, event: RefreshEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception("a listener failed on %s", event)

    async def _watch(self) -> None:
        """Check whenever the store reports a change, and every few seconds in case it missed one."""
        changed = asyncio.Event()
        feed = asyncio.create_task(self._listen(changed))
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await changed.wait()
                changed.clear()
                await asyncio.to_thread(self.check)
        finally:
            feed.cancel()
            await asyncio.gather(feed, return_exceptions=True)

    async def _listen(self, changed: asyncio.Event) -> None:
        while True:
            try:
                async with aclosing(self._store.changes()) as changes:
                    async for _ in changes:
                        changed.set()
            except Exception as problem:
                _log.warning("changes are not reported, asking every %s s instead: %s", self._poll_seconds, problem)
            await asyncio.sleep(self._poll_seconds)
