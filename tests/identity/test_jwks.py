"""The life cycle of fetched keys, with time that passes when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tokens import FakeClock, jwk, jwks, rsa_key

from iam_guard.errors import UnavailableError
from iam_guard.identity.jwks import FetchedKeys, RefreshingKeys, RefreshSettings, StaticKeys
from iam_guard.identity.keys import ALGORITHMS, read_jwks

RS256 = ALGORITHMS["RS256"]
K1, K2 = read_jwks(jwks(jwk(rsa_key("k1"), "k1"))), read_jwks(jwks(jwk(rsa_key("k2"), "k2")))


class Publisher:
    """Answers fetches with what it was told to, when it is allowed to."""

    def __init__(self, *answers: FetchedKeys | Exception) -> None:
        self.answers, self.calls, self.open = list(answers), 0, asyncio.Event()
        self.open.set()

    async def __call__(self) -> FetchedKeys:
        self.calls += 1
        await self.open.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def keys_of(publisher: Publisher, clock: FakeClock, **more: object) -> RefreshingKeys:
    return RefreshingKeys(publisher, name="idp", clock=clock, settings=RefreshSettings(wait=0.01), **more)  # type: ignore[arg-type]


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())  # type: ignore[arg-type]


@pytest.mark.parametrize(("max_age", "kept"), [(None, 300), (0, 30), (29, 30), (600, 600), (10**9, 3600)])
def test_how_long_an_answer_is_kept(max_age: float | None, kept: float) -> None:
    async def check() -> None:
        clock = FakeClock(1000)
        keys = keys_of(Publisher(FetchedKeys(K1, max_age)), clock)
        await keys.refresh()
        assert keys.due_at == 1000 + kept
        assert keys.good_until == 1000 + 86400

    run(check)


def test_the_set_in_force_is_replaced_only_when_keys_change() -> None:
    async def check() -> None:
        again = read_jwks(jwks(jwk(rsa_key("k1"), "k1")))
        keys = keys_of(Publisher(FetchedKeys(K1), FetchedKeys(again), FetchedKeys(K2)), FakeClock())
        await keys.refresh()
        await keys.refresh()
        assert keys.current is K1
        await keys.refresh()
        assert keys.current is K2

    run(check)


def test_one_fetch_at_a_time_and_a_cancelled_request_does_not_end_it() -> None:
    async def check() -> None:
        publisher = Publisher(FetchedKeys(K1))
        publisher.open.clear()
        keys = RefreshingKeys(publisher, name="idp", clock=FakeClock())
        requests = [asyncio.create_task(keys.find("k1", RS256)) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        requests[0].cancel()
        await asyncio.sleep(0)
        publisher.open.set()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert all(found == K1.keys for found in results[1:])
        assert publisher.calls == 1

    run(check)


def test_waiting_ends_and_the_fetch_goes_on() -> None:
    async def check() -> None:
        publisher = Publisher(FetchedKeys(K1))
        publisher.open.clear()
        keys = keys_of(publisher, FakeClock())
        with pytest.raises(UnavailableError, match="still fetching"):
            await keys.find("k1", RS256)
        publisher.open.set()
        await keys.refresh()
        assert await keys.find("k1", RS256) == K1.keys
        assert publisher.calls == 1

    run(check)


def test_a_due_renewal_delays_nobody() -> None:
    async def check() -> None:
        clock, publisher = FakeClock(), Publisher(FetchedKeys(K1), FetchedKeys(K2))
        keys = keys_of(publisher, clock)
        await keys.refresh()
        publisher.open.clear()
        clock.now += 300
        assert await keys.find("k1", RS256) == K1.keys
        assert await keys.find("k1", RS256) == K1.keys
        publisher.open.set()
        await keys.refresh()
        assert publisher.calls == 2
        assert keys.current is K2

    run(check)


def test_any_failure_keeps_the_set_and_is_counted() -> None:
    async def check() -> None:
        clock = FakeClock(0)
        keys = keys_of(Publisher(FetchedKeys(K1), RuntimeError("a bug"), FetchedKeys(K1)), clock)
        await keys.refresh()
        clock.now = 299
        await keys.refresh()
        assert keys.current is K1
        assert (keys.fetches, keys.failures, keys.last_error) == (2, 1, "a bug")
        assert keys.due_at == 329
        await keys.refresh()
        assert (keys.failures, keys.last_error) == (1, "")

    run(check)


def test_renewal_in_the_background() -> None:
    async def check() -> None:
        clock, pauses, parked = FakeClock(0), list[float](), asyncio.Event()
        publisher = Publisher(FetchedKeys(K1, 100), FetchedKeys(K2, 100))

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) > 3:
                parked.set()
                await asyncio.Event().wait()
            clock.now += seconds

        keys = keys_of(publisher, clock, sleep=sleep)
        await keys.start()
        await keys.start()
        await parked.wait()
        assert pauses == [100, 100, 100, 100]
        assert keys.current is K2
        assert publisher.calls == 4
        await keys.close()
        assert publisher.calls == 4

    run(check)


def test_without_any_keys_failures_are_retried_sooner_and_then_rarely() -> None:
    async def check() -> None:
        clock, pauses, parked = FakeClock(0), list[float](), asyncio.Event()

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) > 6:
                parked.set()
                await asyncio.Event().wait()
            clock.now += seconds

        keys = keys_of(Publisher(OSError("down")), clock, sleep=sleep)
        await keys.start()
        await parked.wait()
        assert pauses == [2, 4, 8, 16, 30, 30, 30]
        await keys.close()

    run(check)


def test_closing_stops_a_fetch_under_way() -> None:
    async def check() -> None:
        publisher = Publisher(FetchedKeys(K1))
        publisher.open.clear()
        keys = keys_of(publisher, FakeClock())
        keys.look_for_news()
        await asyncio.sleep(0)
        await keys.close()
        await keys.close()
        assert len(asyncio.all_tasks()) == 1

    run(check)


def test_another_event_loop_starts_afresh() -> None:
    publisher = Publisher(FetchedKeys(K1))
    keys = RefreshingKeys(publisher, name="idp", clock=FakeClock())
    for _ in range(2):
        assert asyncio.run(keys.find("k1", RS256)) == K1.keys  # type: ignore[arg-type]


def test_static_keys() -> None:
    async def check() -> None:
        keys = StaticKeys(K1)
        await keys.start()
        keys.look_for_news()
        assert await keys.find("k1", RS256) == K1.keys
        assert await keys.find("k2", RS256) == ()
        await keys.close()

    run(check)
