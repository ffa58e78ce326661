"""Signals of a program that serves: they set events, which the program looks after when it can."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

#: A worker is born with it blocked: before it heeds signals, this one would end it.
HANGUP = frozenset({signal.SIGHUP})


@contextlib.contextmanager
def heeding_signals(stop: asyncio.Event, reload: asyncio.Event) -> Iterator[None]:
    """Heed signals while the context lasts; a hangup that had to wait until there is somebody to heed it, too.

    Args:
        stop: Set by SIGTERM and SIGINT.
        reload: Set by SIGHUP.
    """
    loop = asyncio.get_running_loop()
    meanings = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
    for number, event in meanings.items():
        loop.add_signal_handler(number, event.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANGUP)
    try:
        yield
    finally:
        for number in meanings:
            loop.remove_signal_handler(number)


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait until it has ended."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
