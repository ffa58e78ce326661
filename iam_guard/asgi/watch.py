"""Watch: ends a long connection when the access that opened it ends (promises S7 and S17)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_logger = logging.getLogger("iam_guard")


class Watch:
    """Looks again at the right moments.

    Args:
        has_ended: Whether the access has ended; when it cannot tell, it has.
        still_counts: Whether the credential still counts, which may have to be asked elsewhere.
        pause: Seconds until it is worth looking again.
        end: Ends the connection: at once for the application, and for the peer when it is awaited.
    """

    __slots__ = ("_end", "_ending", "_has_ended", "_looking", "_pause", "_still_counts", "_timer")

    def __init__(self, has_ended: Callable[[], bool], still_counts: Callable[[], Awaitable[bool]],
                 pause: Callable[[], float], end: Callable[[], Awaitable[None]]) -> None:
        self._has_ended = has_ended
        self._still_counts = still_counts
        self._pause = pause
        self._end = end
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to watch; needs a running loop."""
        self._timer = asyncio.get_running_loop().call_later(max(self._pause(), 0.0), self._look)

    async def stop(self) -> None:
        """The connection is over; one that is being ended is ended properly."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if self._ending is not None:
            await self._ending

    def _look(self) -> None:
        """End at once what has ended; only then ask what takes time, lest a message slips through meanwhile."""
        try:
            if not self._has_ended():
                self._looking = asyncio.get_running_loop().create_task(self._ask())
                return
        except Exception:
            _logger.exception("a connection is ended because its access cannot be checked")
        self._begin_end()

    async def _ask(self) -> None:
        try:
            if await self._still_counts():
                self.start()
                return
        except Exception:
            _logger.exception("a connection is ended because its credential cannot be checked")
        self._begin_end()

    def _begin_end(self) -> None:
        self._ending = asyncio.ensure_future(self._finish(self._end()))

    async def _finish(self, ending: Awaitable[None]) -> None:
        try:
            await ending
        except Exception as error:  # the peer may have gone at the same moment
            _logger.info("a connection had ended before it was ended: %s", error)
