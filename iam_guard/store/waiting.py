"""Waiting for a directory without holding up an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress

from iam_guard.directory.port import DirectoryStore

#: Seconds for which the thread that waits may outlive the wish for news.
_PATIENCE = 0.5


async def news_of(store: DirectoryStore, since: int) -> AsyncGenerator[None, None]:
    """Yield when a directory has a newer revision; several in quick succession may be told as one.

    Args:
        store: The directory.
        since: The revision that is known already.

    Raises:
        UnavailableError: the directory cannot be reached.
    """
    waiter = _Waiter(store, since)
    waiter.thread.start()
    try:
        while True:
            await waiter.news.wait()
            waiter.news.clear()
            if waiter.error is not None:
                raise waiter.error
            yield
    finally:
        waiter.is_wanted = False
        await asyncio.to_thread(waiter.thread.join)


class _Waiter:
    """A thread that waits, since stores block; made in a running event loop, which it tells."""

    def __init__(self, store: DirectoryStore, since: int) -> None:
        self._store, self._since = store, since
        self._loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        self.error: Exception | None = None
        self.is_wanted = True
        self.thread = threading.Thread(target=self._run, daemon=True, name="iam_guard directory changes")

    def _run(self) -> None:
        try:
            while self.is_wanted:
                if self._store.wait(self._since, _PATIENCE):
                    self._since = self._store.revision()
                    self._tell()
        except Exception as problem:
            self.error = problem
            self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop has been closed: nobody listens any more
            self._loop.call_soon_threadsafe(self.news.set)
