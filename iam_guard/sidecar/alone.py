"""One process that is the whole sidecar: serves, takes up new settings, and drops no call on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from iam_guard.asgi.listening import Address
from iam_guard.asgi.reload import Generation, Reloading, Watched
from iam_guard.asgi.signals import heeding_signals
from iam_guard.asgi.sockets import Sockets
from iam_guard.errors import UnavailableError
from iam_guard.sidecar.ledger import Told
from iam_guard.sidecar.loaded import Sidecar, opened
from iam_guard.sidecar.serving import Station

#: How often files are looked at.
LOOK_SECONDS = 0.5


class Alone:
    """A sidecar in this process.

    Args:
        load: Makes one of the settings as they are now; it may block.
        watched: What is looked at for changes.
    """

    def __init__(self, load: Callable[[Alone], Sidecar], watched: Watched) -> None:
        self._load, self._watched = load, watched
        self._sockets = Sockets()
        self._reloading: Reloading[Sidecar] | None = None
        self._wanted, self._stop = asyncio.Event(), asyncio.Event()

    async def tell(self) -> Told:
        """See :class:`~iam_guard.sidecar.control.Whole`."""
        if self._reloading is None:
            raise UnavailableError("the sidecar has not started")
        current = self._reloading.generation.loaded
        return Told((current.ledger.report(current, current.readiness.missing()),), self._reloading.status)

    async def check_policies(self) -> Told:
        """See :class:`~iam_guard.sidecar.control.Whole`."""
        if self._reloading is not None:
            await asyncio.to_thread(self._reloading.generation.loaded.refresher.check)
        return await self.tell()

    async def serve(self, first: Sidecar, on_ready: Callable[[dict[Address, Address]], None]) -> None:
        """Serve until told to stop: SIGTERM or SIGINT stops, SIGHUP or a changed file takes up new settings.

        Listeners are opened first, so that a start that cannot succeed fails before anything else begins; calls wait
        until everything has started. At the end no new call is taken, those under way may end, and parts close last.

        Args:
            first: What is served at first.
            on_ready: Told when calls are answered: by what was asked for, where that is.

        Raises:
            ConfigurationError: an address is taken or not ours.
            UnavailableError: something did not start, or a server ended by itself.
        """
        async with contextlib.AsyncExitStack() as closing:
            closing.callback(self._sockets.keep, ())
            opened(self._sockets, first)
            self._reloading = reloading = Reloading(Generation(first), lambda: self._load(self), self._accept)
            closing.push_async_callback(reloading.close)
            await reloading.generation.start()
            station = Station(reloading)
            closing.push_async_callback(station.close)
            closing.callback(self._sockets.keep, ())  # whoever comes later is refused, and does not wait in vain
            await station.follow(self._sockets.all)
            closing.enter_context(heeding_signals(self._stop, self._wanted))
            on_ready(self._sockets.bound())
            await self._follow(reloading, station)

    async def _follow(self, reloading: Reloading[Sidecar], station: Station) -> None:
        """Take up new settings until it is time to stop."""
        self._watched.follow(reloading.generation.loaded.files)
        while not self._stop.is_set():
            await first_of(LOOK_SECONDS, self._stop, self._wanted, station.failed)
            if station.failed.is_set():
                raise UnavailableError("a server ended by itself")
            if not self._stop.is_set() and (self._watched.have_changed() or self._wanted.is_set()):
                self._wanted.clear()
                await self._take(reloading, station)

    async def _take(self, reloading: Reloading[Sidecar], station: Station) -> None:
        if await reloading.reload():
            self._watched.follow(reloading.generation.loaded.files)
            await station.follow(self._sockets.all)
        else:  # whatever is wrong with the settings, policies are read
            await asyncio.to_thread(reloading.generation.loaded.refresher.check)
        self._sockets.keep(reloading.generation.loaded.listeners)

    def _accept(self, fresh: Sidecar) -> None:
        """Refuse what cannot follow; open what is new."""
        if self._reloading is not None:
            fresh.refuse_after(self._reloading.generation.loaded)
        opened(self._sockets, fresh)


async def first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of *events* is set, or so long."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
