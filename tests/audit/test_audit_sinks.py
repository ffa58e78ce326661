"""Sinks: bounded, made only when wanted, and independent of each other."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from iam_guard.audit.log import DecisionRecord
from iam_guard.audit.sinks import JSONLinesSink, LoggingSink, MemorySink, QueueSink, SeveralSinks

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def record(name: str = "1") -> DecisionRecord:
    return DecisionRecord(name, NOON, "allowed")


def never() -> DecisionRecord:
    raise AssertionError("a record was made that nobody wanted")


class Failing:
    def record(self, allowed: bool, make: Callable[[], DecisionRecord]) -> None:
        raise OSError("disk full")


def test_logging_by_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "iam_guard.decisions")
    sink = LoggingSink()
    sink.record(True, never)
    sink.record(False, record)
    assert [(entry.levelname, entry.decision.id) for entry in caplog.records] == [("WARNING", "1")]


def test_json_lines() -> None:
    stream = io.BytesIO()
    sink = JSONLinesSink(stream)
    sink.record(True, lambda: record("1"))
    sink.record(False, lambda: record("2"))
    assert [json.loads(line)["id"] for line in stream.getvalue().splitlines()] == ["1", "2"]


def test_json_lines_of_denials_only() -> None:
    stream = io.BytesIO()
    JSONLinesSink(stream, only_denied=True).record(True, never)
    assert stream.getvalue() == b""


def test_memory_keeps_the_newest() -> None:
    sink = MemorySink(2)
    for name in "123":
        sink.record(True, lambda name=name: record(name))
    assert [kept.id for kept in sink.records] == ["2", "3"]


def test_one_failing_sink_does_not_silence_the_others() -> None:
    memory = MemorySink()
    with pytest.raises(ExceptionGroup, match="some sinks failed"):
        SeveralSinks(Failing(), memory).record(True, record)
    assert len(memory.records) == 1


def test_a_queue_writes_everything_before_it_closes() -> None:
    memory = MemorySink()
    sink = QueueSink(memory)

    async def run() -> None:
        await sink.start()
        for name in "123":
            sink.record(True, lambda name=name: record(name))
        await sink.close()

    asyncio.run(run())
    assert [kept.id for kept in memory.records] == ["1", "2", "3"]


def test_a_full_queue_drops_and_counts() -> None:
    sink = QueueSink(MemorySink(), capacity=2)
    for _ in range(5):
        sink.record(True, record)
    assert sink.dropped == 3


def test_a_queue_goes_on_after_its_sink_failed(caplog: pytest.LogCaptureFixture) -> None:
    sink = QueueSink(Failing())

    async def run() -> None:
        await sink.start()
        sink.record(True, record)
        sink.record(True, record)
        await sink.close()

    asyncio.run(run())
    assert sink.failed == 2
    assert "could not be written" in caplog.text


def test_lines_of_several_threads_do_not_mix() -> None:
    stream = io.BytesIO()
    sink = JSONLinesSink(stream)
    threads = [threading.Thread(target=lambda: [sink.record(True, record) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(line)["id"] for line in stream.getvalue().splitlines()] == ["1"] * 200
