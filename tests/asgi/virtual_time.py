"""An event loop whose time jumps to the next timer instead of passing, and a server that lives in it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: tells the loop that the time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("everybody waits and nobody will act")
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at second 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(make: Callable[[Callable[[], datetime]], Coroutine[Any, Any, T]], start: datetime) -> T:
    """Run a coroutine in virtual time; it is made with a clock that starts at *start*."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(make(lambda: start + timedelta(seconds=loop.time())))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Peer:
    """A server and its client: what was sent and when, and what the client says and when.

    Args:
        said: (second, message) pairs.
    """

    def __init__(self, *said: tuple[float, dict[str, Any]]) -> None:
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for second, message in said:
            loop.call_at(second, self._queue.put_nowait, message)

    async def receive(self) -> dict[str, Any]:
        return await self._queue.get()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append((asyncio.get_running_loop().time(), dict(message)))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._queue.put_nowait({"type": "http.disconnect"})
        if message["type"] == "websocket.close":
            self._queue.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    @property
    def types(self) -> list[str]:
        return [message["type"] for _, message in self.sent]
