"""Several processes on one socket: started, told what their parent is told, and replaced when they die."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from iam_guard.asgi.signals import HANGUP

_logger = logging.getLogger("iam_guard")
#: Seconds before a worker that died is replaced, so that one that cannot live does not keep the machine busy.
_PAUSE = 1.0
_LOOK = 0.2
#: Beyond the time that requests get to end, after which a worker is killed.
_PATIENCE = 10.0


class Workers:
    """The worker processes of a program.

    Args:
        count: How many.
        run: What each does; it has to be importable by name.
        arguments: For it; sockets among them are shared. A function is asked at each start, for the place of the
            worker, so that whoever replaces another learns what counts by then.
        drain_seconds: How long a worker may take to stop.
        between: Passes so many seconds; what it raises ends all of them.
        on_hangup: Called at SIGHUP, which is passed on to the workers otherwise.
        on_end: Called when they have been told to stop.
    """

    def __init__(self, count: int, run: Callable[..., None],
                 arguments: tuple[Any, ...] | Callable[[int], tuple[Any, ...]], drain_seconds: float, *,
                 between: Callable[[float], object] = time.sleep,
                 on_hangup: Callable[[], object] | None = None,
                 on_end: Callable[[], object] = lambda: None) -> None:
        self._count = count
        self._run = run
        self._arguments = arguments
        self._drain = drain_seconds
        self._between = between
        self._on_hangup = on_hangup
        self._on_end = on_end
        self._context = multiprocessing.get_context("spawn")
        self._alive: list[BaseProcess] = []
        self._stopping = False

    def supervise(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            Exception: what passing the time raised; all of them have ended.
        """
        before = {number: signal.signal(number, self._on_signal)
                  for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            for place in range(self._count):
                self._alive.append(self._started(place))
            while not self._stopping:
                self._between(_LOOK)
                self._replace_dead()
        finally:
            self._stopping = True
            self._wait()
            for number, handler in before.items():
                signal.signal(number, handler)

    def renew(self, place: int) -> None:
        """Let one stop as it should; another takes its place."""
        self._tell(signal.SIGTERM, self._alive[place:place + 1])

    def _started(self, place: int) -> BaseProcess:
        arguments = self._arguments(place) if callable(self._arguments) else self._arguments
        process = self._context.Process(target=self._run, args=(*arguments, os.getpid()))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANGUP)  # the new process inherits this
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    def _replace_dead(self) -> None:
        for place, process in enumerate(self._alive):
            if process.is_alive() or self._stopping:
                continue
            _logger.error("a worker ended with code %s and is replaced", process.exitcode)
            self._between(_PAUSE)
            self._alive[place] = self._started(place)
            process.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._on_hangup is not None:
            self._on_hangup()
            return
        self._stopping = self._stopping or number != signal.SIGHUP
        self._tell(signal.SIGHUP if number == signal.SIGHUP else signal.SIGTERM, self._alive)

    def _tell(self, number: int, whom: Iterable[BaseProcess]) -> None:
        for process in whom:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)

    def _wait(self) -> None:
        self._tell(signal.SIGTERM, self._alive)  # also those that were started while the signal came
        self._on_end()
        deadline = time.monotonic() + self._drain + _PATIENCE
        for process in self._alive:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                _logger.error("a worker does not stop and is killed")
                process.kill()
                process.join()
