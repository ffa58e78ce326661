"""Where records go: Python's logging, lines of JSON, a list in memory, several of these, a queue.

None of them grows without bound and none makes a request wait for more than one buffered write;
put a slow one behind :class:`QueueSink`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import Full, Queue
from typing import IO

from iam_guard.audit.log import DecisionLog, DecisionRecord

MakeRecord = Callable[[], DecisionRecord]


class LoggingSink:
    """Hands each record to a Python logger, as text with the record's fields as ``record``.

    Args:
        logger: Name of the logger.
        allowed: Level of decisions that allow.
        denied: Level of those that do not.
    """

    def __init__(self, logger: str = "iam_guard.decisions", *, allowed: int = logging.INFO,
                 denied: int = logging.WARNING) -> None:
        self._logger = logging.getLogger(logger)
        self._levels = {True: allowed, False: denied}

    def record(self, allowed: bool, make: MakeRecord) -> None:
        """Log the record when the logger wants that level."""
        level = self._levels[allowed]
        if self._logger.isEnabledFor(level):
            record = make()
            self._logger.log(level, "%s", record, extra={"decision": record})


class JSONLinesSink:
    """Writes each record as one line of JSON.

    Args:
        stream: An open binary file; it is neither buffered, rotated nor closed here.
        only_denied: Leave decisions that allow out.
    """

    def __init__(self, stream: IO[bytes], *, only_denied: bool = False) -> None:
        self._stream = stream
        self._only_denied = only_denied
        self._writing = threading.Lock()

    def record(self, allowed: bool, make: MakeRecord) -> None:
        """Write one line; lines of several threads do not mix."""
        if allowed and self._only_denied:
            return
        line = make().to_json() + b"\n"
        with self._writing:
            self._stream.write(line)
            self._stream.flush()


class MemorySink:
    """Keeps the newest records, for tests and for looking at a running service.

    Args:
        capacity: How many are kept.
    """

    def __init__(self, capacity: int = 1000) -> None:
        self._records: deque[DecisionRecord] = deque(maxlen=capacity)

    @property
    def records(self) -> tuple[DecisionRecord, ...]:
        """What is kept, oldest first."""
        return tuple(self._records)

    def record(self, allowed: bool, make: MakeRecord) -> None:
        """Keep the record."""
        self._records.append(make())


class SeveralSinks:
    """Gives each record to several sinks; one that fails does not keep it from the others."""

    def __init__(self, *sinks: DecisionLog) -> None:
        self._sinks = sinks

    def record(self, allowed: bool, make: MakeRecord) -> None:
        """Record everywhere.

        Raises:
            ExceptionGroup: some sinks failed, after all were tried.
        """
        failures = []
        for sink in self._sinks:
            try:
                sink.record(allowed, make)
            except Exception as error:
                failures.append(error)
        if failures:
            raise ExceptionGroup("some sinks failed", failures)


class QueueSink:
    """Hands records to a slow sink from a thread of its own.

    When the queue is full a record is dropped and counted: requests never wait for the log.

    Args:
        sink: The slow one.
        capacity: How many records may wait.
    """

    def __init__(self, sink: DecisionLog, *, capacity: int = 10_000) -> None:
        self._sink = sink
        self._waiting: Queue[tuple[bool, DecisionRecord] | None] = Queue(capacity)
        self._thread: threading.Thread | None = None
        self.dropped = 0
        self.failed = 0

    def record(self, allowed: bool, make: MakeRecord) -> None:
        """Queue the record; made here, since it speaks of the moment."""
        try:
            self._waiting.put_nowait((allowed, make()))
        except Full:
            self.dropped += 1

    async def start(self) -> None:
        """Start writing."""
        self._thread = threading.Thread(target=self._drain, name="iam_guard decision log", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what is queued and stop."""
        if self._thread is not None:
            await asyncio.to_thread(self._finish, self._thread)
            self._thread = None

    def _finish(self, thread: threading.Thread) -> None:
        self._waiting.put(None)  # wakes the thread; waits for room when the queue is full
        thread.join()

    def _drain(self) -> None:
        while (entry := self._waiting.get()) is not None:
            self._write(*entry)

    def _write(self, allowed: bool, record: DecisionRecord) -> None:
        try:
            self._sink.record(allowed, lambda: record)
        except Exception:
            self.failed += 1
            logging.getLogger("iam_guard").exception("a decision record could not be written")
