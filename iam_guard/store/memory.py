"""Policies held in memory: for tests, and for programs that make their policies themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

from iam_guard.engine.attachments import Attachments
from iam_guard.errors import IAMGuardError
from iam_guard.store.base import Snapshot


class MemoryPolicyStore:
    """A store whose contents are put in by hand.

    Args:
        attachments: What it holds at first.
        revision: Its name; :meth:`put` counts on from ``1``.
    """

    def __init__(self, attachments: Attachments | None = None, *, revision: str = "1") -> None:
        self._snapshot = Snapshot(attachments or Attachments(), revision)
        self._failure: IAMGuardError | None = None
        self._puts = 1
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def put(self, attachments: Attachments, *, revision: str = "") -> None:
        """Replace everything, and tell whoever watches."""
        with self._lock:
            self._puts += 1
            self._snapshot = Snapshot(attachments, revision or str(self._puts))
            self._failure = None
        self._tell()

    def fail(self, failure: IAMGuardError) -> None:
        """From now until the next :meth:`put`, raise *failure* when asked."""
        self._failure = failure
        self._tell()

    def load(self) -> Snapshot:
        """The contents, or the failure."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            return self._snapshot

    def revision(self) -> str:
        """The revision, or the failure."""
        return self.load().revision

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields after every :meth:`put` and :meth:`fail`."""
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        self._waiting.add(watcher)
        try:
            while True:
                await watcher[1].wait()
                watcher[1].clear()
                yield
        finally:
            self._waiting.discard(watcher)

    def _tell(self) -> None:
        for loop, event in tuple(self._waiting):
            loop.call_soon_threadsafe(event.set)
