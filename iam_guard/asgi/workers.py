"""Several processes on one socket: started, told what their parent is told, and replaced when they die."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

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
        arguments: For it; sockets among them are shared.
        drain_seconds: How long a worker may take to stop.
    """

    def __init__(self, count: int, run: Callable[..., None], arguments: tuple[Any, ...], drain_seconds: float) -> None:
        self._count = count
        self._run = run
        self._arguments = arguments
        self._drain = drain_seconds
        self._context = multiprocessing.get_context("spawn")
        self._alive: list[BaseProcess] = []
        self._stopping = False

    def supervise(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP is passed on."""
        before = {number: signal.signal(number, self._on_signal)
                  for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            self._alive = [self._started() for _ in range(self._count)]
            while not self._stopping:
                time.sleep(_LOOK)
                self._replace_dead()
            self._wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _started(self) -> BaseProcess:
        process = self._context.Process(target=self._run, args=(*self._arguments, os.getpid()))
        process.start()
        return process

    def _replace_dead(self) -> None:
        for place, process in enumerate(self._alive):
            if process.is_alive() or self._stopping:
                continue
            _logger.error("a worker ended with code %s and is replaced", process.exitcode)
            process.close()
            time.sleep(_PAUSE)
            self._alive[place] = self._started()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping = self._stopping or number != signal.SIGHUP
        self._tell(signal.SIGHUP if number == signal.SIGHUP else signal.SIGTERM)

    def _tell(self, number: int) -> None:
        for process in self._alive:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)

    def _wait(self) -> None:
        self._tell(signal.SIGTERM)  # also those that were started while the signal came
        deadline = time.monotonic() + self._drain + _PATIENCE
        for process in self._alive:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                _logger.error("a worker does not stop and is killed")
                process.kill()
                process.join()
