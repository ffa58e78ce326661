"""The ``log`` section to a decision log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from iam_guard.asgi.lifespan import Part
from iam_guard.audit.log import DecisionLog, DecisionRecord
from iam_guard.audit.sinks import JSONLinesSink, LoggingSink, QueueSink, SeveralSinks
from iam_guard.config.place import Origin
from iam_guard.config.schema import LogSettings
from iam_guard.errors import ConfigurationError


class DecisionFile:
    """A file of decisions, open while the guard runs; stands behind a queue that starts after it.

    Args:
        path: The file; lines are added to it.
        only_denied: Leave decisions that allow out.
    """

    def __init__(self, path: Path, *, only_denied: bool) -> None:
        self._path, self._only_denied = path, only_denied
        self._stream: IO[bytes] | None = None
        self._sink: JSONLinesSink | None = None

    async def start(self) -> None:
        """Open the file."""
        self._stream = self._path.open("ab")
        self._sink = JSONLinesSink(self._stream, only_denied=self._only_denied)

    async def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def record(self, allowed: bool, make: Callable[[], DecisionRecord]) -> None:
        """Add one line.

        Raises:
            RuntimeError: the file is not open.
        """
        if self._sink is None:
            raise RuntimeError(f"'{self._path}' is not open")
        self._sink.record(allowed, make)


def make_log(settings: LogSettings, origin: Origin) -> tuple[DecisionLog | None, tuple[Part, ...]]:
    """Make the log, and the parts of it that have to be started, in this order.

    Raises:
        ConfigurationError: the file cannot be written to.
    """
    sinks: list[DecisionLog] = [LoggingSink(settings.logger)] if settings.logger else []
    parts: tuple[Part, ...] = ()
    if settings.jsonl:
        path = origin.path(settings.jsonl)
        if not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
            raise ConfigurationError(origin.fault("/log/jsonl", f"'{settings.jsonl}' cannot be written",
                                                  "create its folder, and let this process write there"))
        file = DecisionFile(path, only_denied=settings.only_denied)
        queue = QueueSink(file)
        sinks.append(queue)
        parts = (file, queue)
    return (SeveralSinks(*sinks) if sinks else None), parts
