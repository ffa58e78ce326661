"""One of several processes that are a sidecar together: serves, and does what their parent tells all of them to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

from iam_guard.asgi.listening import Address
from iam_guard.asgi.reload import Generation, Reloading, ReloadStatus, told
from iam_guard.asgi.signals import cancelled, heeding_signals
from iam_guard.errors import UnavailableError
from iam_guard.sidecar.alone import first_of
from iam_guard.sidecar.hub import ASK_SECONDS
from iam_guard.sidecar.ledger import Report, Told
from iam_guard.sidecar.loaded import Sidecar
from iam_guard.sidecar.serving import Station

_FOREVER = 3600.0


class Colleague:
    """A worker.

    Args:
        place: Its number among all.
        connection: To the parent.
        sockets: What listens, shared with the others.
        load: Makes a sidecar of the text of settings; it may block.
    """

    def __init__(self, place: int, connection: Connection, sockets: dict[Address, socket.socket],
                 load: Callable[[str, Colleague], Sidecar]) -> None:
        self._place, self._connection, self._sockets, self._load = place, connection, sockets, load
        self._stop = asyncio.Event()
        self._telling: asyncio.Task[Told] | None = None
        self._asked: dict[int, asyncio.Future[Told]] = {}
        self._number = 0
        self._fresh: Generation[Sidecar] | None = None
        self._work: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self._asking: set[asyncio.Task[None]] = set()

    async def tell(self) -> Told:
        """See :class:`~iam_guard.sidecar.control.Whole`. Those who ask at the same time are told the same."""
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._gather("tell"))
            self._telling.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._telling)

    async def check_policies(self) -> Told:
        """See :class:`~iam_guard.sidecar.control.Whole`."""
        return await self._gather("check")

    async def serve(self, text: str) -> None:
        """Serve until told to stop, or the parent has gone.

        Args:
            text: The settings.

        Raises:
            ConfigurationError: with everything that is wrong with them.
            UnavailableError: something did not start, or a server ended by itself.
        """
        async with contextlib.AsyncExitStack() as closing:
            closing.callback(self._let_go, ())
            closing.enter_context(heeding_signals(self._stop, asyncio.Event()))  # SIGHUP is the parent's matter
            first = await asyncio.to_thread(self._load, text, self)
            reloading = Reloading(Generation(first), lambda: first)
            closing.push_async_callback(reloading.close)
            await reloading.generation.start()
            station = Station(reloading)
            closing.push_async_callback(station.close)
            closing.callback(self._let_go, ())
            await station.follow(self._sockets)
            self._listen(reloading)
            working = asyncio.create_task(self._do(reloading, station))
            closing.push_async_callback(cancelled, working)
            self._connection.send(("ready",))
            while not self._stop.is_set():
                await first_of(_FOREVER, self._stop, station.failed)
                if station.failed.is_set():
                    raise UnavailableError("a server ended by itself")

    def _listen(self, reloading: Reloading[Sidecar]) -> None:
        """Hear what the parent says from now on; in a thread, since messages and sockets are waited for in turn."""
        loop = asyncio.get_running_loop()

        def hear() -> None:
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                try:
                    while True:
                        loop.call_soon_threadsafe(self._heard, self._message(), reloading)
                except (EOFError, OSError):  # the parent has gone
                    loop.call_soon_threadsafe(self._stop.set)

        threading.Thread(target=hear, daemon=True).start()

    def _message(self) -> tuple[Any, ...]:
        message: tuple[Any, ...] = self._connection.recv()
        if message[0] != "prepare":
            return message
        return (*message[:3], {address: socket.socket(fileno=reduction.recv_handle(self._connection))
                               for address in message[3]})

    def _heard(self, message: tuple[Any, ...], reloading: Reloading[Sidecar]) -> None:
        match message:
            case ("answer", number, reports, settings, silent):
                self._answered(number, reports, settings, silent)
            case ("tell" | "check" as what, number):
                self._asking.add(task := asyncio.create_task(self._report(what, number, reloading)))
                task.add_done_callback(self._asking.discard)
            case _:
                self._work.put_nowait(message)

    async def _do(self, reloading: Reloading[Sidecar], station: Station) -> None:
        """Take up new settings, step by step and one after the other."""
        while True:
            match await self._work.get():
                case ("prepare", number, text, sockets):
                    self._say(number, await self._prepare(text, sockets, reloading))
                case ("take", number):
                    self._say(number, await self._take(reloading, station))
                case ("drop", number):
                    await self._drop(reloading)
                    self._say(number, True)

    async def _prepare(self, text: str, sockets: dict[Address, socket.socket], reloading: Reloading[Sidecar]) -> str:
        """Start what new settings say, beside what serves; why that cannot be done, or nothing."""
        await self._drop(reloading)
        self._sockets |= sockets
        try:
            fresh = await reloading.prepared(lambda: self._load(text, self))
        except Exception as problem:
            return told(problem)
        self._fresh = fresh
        try:
            fresh.loaded.refuse_after(reloading.generation.loaded)
        except Exception as problem:
            return told(problem)
        return "" if fresh.loaded.listeners.keys() <= self._sockets.keys() else "a socket is missing"

    async def _take(self, reloading: Reloading[Sidecar], station: Station) -> bool:
        fresh, self._fresh = self._fresh, None
        if fresh is None:
            return False
        await reloading.take(fresh)
        await station.follow(self._sockets)
        self._let_go(fresh.loaded.listeners)
        return True

    async def _drop(self, reloading: Reloading[Sidecar]) -> None:
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            await fresh.retire(1)
        self._let_go(reloading.generation.loaded.listeners)

    def _let_go(self, wanted: Any) -> None:
        """Close sockets that are not wanted; their files are the parent's matter."""
        for address in self._sockets.keys() - set(wanted):
            self._sockets.pop(address).close()

    async def _report(self, what: str, number: int, reloading: Reloading[Sidecar]) -> None:
        current = reloading.generation.loaded
        if what == "check":
            await asyncio.to_thread(current.refresher.check)
        self._say(number, current.ledger.report(current, current.readiness.missing(), self._place))

    def _say(self, number: int, value: Report | str | bool) -> None:
        with contextlib.suppress(OSError):  # nobody is there to hear it
            self._connection.send(("told", number, value))

    async def _gather(self, what: str) -> Told:
        self._number += 1
        number = self._number
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(2 * ASK_SECONDS):
                self._connection.send(("gather", number, what))
                return await answer
        except (OSError, TimeoutError):
            raise UnavailableError("the other processes cannot be asked") from None
        finally:
            del self._asked[number]

    def _answered(self, number: int, reports: tuple[Report, ...], settings: ReloadStatus, silent: int) -> None:
        waiting = self._asked.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(Told(reports, settings, silent))
