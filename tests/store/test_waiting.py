"""Waiting for a directory in an event loop. Nothing sleeps: every wait is for an event, with a limit for hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest

from iam_guard.directory.entities import Account
from iam_guard.directory.port import Note
from iam_guard.errors import UnavailableError
from iam_guard.store.memory_directory import MemoryDirectoryStore
from iam_guard.store.waiting import news_of

NOTE = Note("arn:app:iam::000000000000:user/admin", "Import", "2026-01-01T12:00:00Z")


def write(store: MemoryDirectoryStore, name: str) -> None:
    with store.write(NOTE) as tx:
        tx.put(Account(account="000000000000", name=name))


def listen(store: MemoryDirectoryStore, since: int, story: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]],
           ) -> None:
    """Run a story that gets a function to wait for the next news; nothing is left running."""
    async def run() -> None:
        async with aclosing(news_of(store, since)) as news:
            await story(lambda: asyncio.wait_for(anext(news), 20))
        assert not [one for one in threading.enumerate() if one.name == "iam_guard directory changes"]

    asyncio.run(run())


def test_what_happened_before_it_began_is_told_at_once() -> None:
    store = MemoryDirectoryStore()
    write(store, "a")
    listen(store, 0, lambda news: news())


def test_each_later_write_is_told() -> None:
    store = MemoryDirectoryStore()

    async def story(news: Callable[[], Awaitable[None]]) -> None:
        for name in "abc":
            writing = asyncio.create_task(asyncio.to_thread(write, store, name))
            await news()
            await writing

    listen(store, 0, story)


class Gone(MemoryDirectoryStore):
    def wait(self, since: int, timeout: float) -> bool:
        raise UnavailableError("gone")


def test_a_store_that_cannot_be_reached_is_told_as_an_error() -> None:
    async def story(news: Callable[[], Awaitable[None]]) -> None:
        with pytest.raises(UnavailableError, match="gone"):
            await news()

    listen(Gone(), 0, story)


def test_it_can_be_given_up_while_nothing_happens() -> None:
    async def run() -> None:
        news: AsyncGenerator[None, None] = news_of(MemoryDirectoryStore(), 0)
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not [one for one in threading.enumerate() if one.name == "iam_guard directory changes"]

    asyncio.run(run())
