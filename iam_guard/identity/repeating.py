"""Repeating: a piece of work that blocks, done again and again beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Repeating:
    """Does *work* in a thread of its own, each time after a pause.

    Args:
        work: Reports its own failures; one that raises ends the repeating.
        seconds: The pause.
        name: Of the task, for those who list tasks.
        sleep: How a pause is made.
    """

    def __init__(self, work: Callable[[], object], seconds: float, name: str, *,
                 sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._work, self._seconds, self._name, self._sleep = work, seconds, name, sleep
        self._task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._task is not None

    def start(self) -> None:
        """Begin with a pause. A second call changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._again(), name=self._name)

    async def _again(self) -> None:
        while True:
            await self._sleep(self._seconds)
            await asyncio.to_thread(self._work)

    async def stop(self) -> None:
        """Do it no more. One that never started is stopped already."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
