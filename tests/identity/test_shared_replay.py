"""What was used is used in every process of a machine."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
import signing

from iam_guard.errors import AuthenticationError, ConfigurationError, UnavailableError
from iam_guard.identity.shared_replay import SharedReplayCache


def name(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def used(cache: SharedReplayCache, *uses: tuple[int, float, float]) -> list[bool]:
    """Whether each (name, until, now) was unused."""
    async def run() -> list[bool]:
        try:
            return [await cache.use(name(number), until=until, now=now) for number, until, now in uses]
        finally:
            await cache.close()

    return asyncio.run(run())


def test_once(tmp_path: Path) -> None:
    cache = SharedReplayCache(tmp_path / "used.db")
    assert used(cache, (1, 100, 0), (1, 100, 0), (2, 100, 0), (1, 100, 99.9)) == [True, False, True, False]


def test_it_is_refused_until_the_moment_and_then_forgotten(tmp_path: Path) -> None:
    cache = SharedReplayCache(tmp_path / "used.db")
    assert used(cache, (1, 100, 0), (1, 100, 99), (1, 200, 100)) == [True, False, True]


def test_another_process_and_the_next_start_know_it_too(tmp_path: Path) -> None:
    one, other = SharedReplayCache(tmp_path / "used.db"), SharedReplayCache(tmp_path / "used.db")
    assert used(one, (1, 100, 0)) == [True]
    assert used(other, (1, 100, 0), (2, 100, 0)) == [False, True]
    assert used(SharedReplayCache(tmp_path / "used.db"), (1, 100, 1), (2, 100, 1)) == [False, False]


def _race(path: str) -> list[bool]:
    return used(SharedReplayCache(path), *((number, 100.0, 0.0) for number in range(300)))


def test_processes_that_race_for_one_proof(tmp_path: Path) -> None:
    """Each of 300 proofs is let in exactly once, though three processes try all of them at once."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(_race, [str(tmp_path / "used.db")] * 3)
        pool.close()
        pool.join()
    assert [sum(one) for one in zip(*found, strict=True)] == [1] * 300


def test_many_at_once_in_one_process(tmp_path: Path) -> None:
    async def run() -> list[bool]:
        cache = SharedReplayCache(tmp_path / "used.db")
        try:
            return await asyncio.gather(*(cache.use(name(number % 10), until=9, now=0) for number in range(100)))
        finally:
            await cache.close()

    assert sum(asyncio.run(run())) == 10


def test_a_full_memory_forgets_nothing(tmp_path: Path) -> None:
    cache = SharedReplayCache(tmp_path / "used.db", 4)
    assert used(cache, *((number, 100, 0) for number in range(4))) == [True] * 4
    with pytest.raises(UnavailableError, match="more proofs"):
        used(cache, (5, 100, 0))
    with pytest.raises(UnavailableError, match="more proofs"):
        used(cache, (1, 100, 0))
    assert used(cache, (5, 200, 100)) == [True]


def test_a_file_that_is_no_memory(tmp_path: Path) -> None:
    (tmp_path / "used.db").write_text("something else, and long enough to be looked at as a database" * 50)
    with pytest.raises(ConfigurationError, match="cannot remember"):
        SharedReplayCache(tmp_path / "used.db")
    with pytest.raises(ConfigurationError, match="cannot remember"):
        SharedReplayCache(tmp_path / "nowhere" / "used.db")
    with pytest.raises(ConfigurationError, match="at least 1"):
        SharedReplayCache(tmp_path / "other.db", 0)


def test_what_cannot_be_remembered_is_not_let_in(tmp_path: Path) -> None:
    cache = SharedReplayCache(tmp_path / "used.db")
    with closing(sqlite3.connect(tmp_path / "used.db")) as other:
        other.execute("DROP TABLE used")
        other.commit()
        other.execute("CREATE VIEW used AS SELECT 1 AS name, 2 AS until")
        other.commit()
    with pytest.raises(UnavailableError):
        used(cache, (1, 100, 0))


def test_a_signature_counts_once_for_two_processes(tmp_path: Path) -> None:
    one = signing.signed("POST", "/orders", body=b"{}")
    first, second = (SharedReplayCache(tmp_path / "used.db") for _ in range(2))

    async def run() -> None:
        assert await signing.door(now=one.made, used=first).authenticate(signing.with_body(one)) is signing.ADA
        with pytest.raises(AuthenticationError, match="used before"):
            await signing.door(now=one.made, used=second).authenticate(signing.with_body(one))
        await first.close()
        await second.close()

    asyncio.run(run())
