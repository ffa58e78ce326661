"""Keys of a provider that rotates, fails and is flooded, over real sockets; time passes when told to.

Source: wire contracts, section 12 and acceptance check 7; promise S12 of the threat catalogue.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from provider import FAILURES, Answer, Provider, provider
from tokens import NOW, FakeClock, b64, claims_of, i1, jwk, request, rsa_key, token

from iam_guard.errors import AuthenticationError, UnavailableError
from iam_guard.identity.jwks import RefreshingKeys
from iam_guard.identity.jwt import JWTAuthenticator

K1, K2, K3 = (jwk(rsa_key(name), name) for name in ("k1", "k2", "k3"))
HOUR, DAY = 3600, 86400


class Scene:
    """A guard that trusts a provider."""

    def __init__(self, trusted: Provider) -> None:
        self.provider, self.clock = trusted, FakeClock()
        self.door = JWTAuthenticator([i1(issuer=trusted.issuer, discovery=True)], clock=self.clock)

    @property
    def keys(self) -> RefreshingKeys:
        [found] = self.door.key_sources.values()
        assert isinstance(found, RefreshingKeys)
        return found

    def token(self, name: str = "k1", number: int = 0, **header: Any) -> str:
        claims = claims_of(iss=self.provider.issuer, jti=f"{name}-{number}", exp=NOW + 2 * DAY)
        return token(claims, key=rsa_key(name), **({"kid": name} | header))

    async def outcome(self, text: str) -> str:
        try:
            found = await self.door.authenticate(request(f"Bearer {text}"))
        except AuthenticationError as refused:
            return refused.code
        except UnavailableError:
            return "unavailable"
        assert found is not None
        return found.subject

    async def outcomes(self, texts: Iterable[str]) -> set[str]:
        return set(await asyncio.gather(*map(self.outcome, texts)))

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and whatever a caller now sets off come to its end."""
        self.clock.now += seconds
        if self.clock() >= self.keys.due_at:
            await self.keys.refresh()


def play(act: Callable[[Scene], Awaitable[None]], *keys: dict[str, Any]) -> None:
    async def whole(scene: Scene) -> None:
        try:
            await act(scene)
        finally:
            await scene.door.close()

    with provider(*(keys or (K1,))) as trusted:
        asyncio.run(whole(Scene(trusted)))


# --- rotation ---------------------------------------------------------------------------------------------


def test_rotation_goes_unnoticed() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token("k1")) == "alice"
        for old, new, published in (("k1", "k2", [K1, K2]), ("k2", "k3", [K2, K3])):
            scene.provider.keys = published
            fresh = [scene.token(new, number) for number in range(20)]
            assert await scene.outcomes([*fresh, scene.token(old), scene.token(old, 1)]) == {"alice"}
            await scene.pass_time(31)
        assert (scene.provider.asked, scene.keys.failures) == (3, 0)
        assert await scene.outcome(scene.token("k1")) == "invalid_token"  # was withdrawn

    play(act)


def test_a_withdrawn_key_stops_at_the_next_answer_and_not_before() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token("k1")) == "alice"
        scene.provider.keys = [K2]
        await scene.pass_time(299)
        assert await scene.outcome(scene.token("k1")) == "alice"
        await scene.pass_time(1)
        assert await scene.outcomes([scene.token("k1"), scene.token("k1", 1)]) == {"invalid_token"}

    play(act)


def test_rotation_without_names_goes_unnoticed() -> None:
    """Neither keys nor tokens have a 'kid': only the signature tells that a key is missing."""
    nameless = [{name: value for name, value in key.items() if name != "kid"} for key in (K1, K2)]

    async def act(scene: Scene) -> None:
        header = {"alg": "RS256", "typ": "JWT"}
        first, second = (scene.token(name, header=header) for name in ("k1", "k2"))
        assert await scene.outcome(first) == "alice"
        scene.provider.keys = nameless
        assert await scene.outcomes([second, scene.token("k2", 1, header=header), first]) == {"alice"}
        assert scene.provider.asked == 2
        forged = [scene.token("k3", number, header=header) for number in range(50)]
        assert await scene.outcomes(forged) == {"invalid_token"}
        assert scene.provider.asked == 2
        await scene.pass_time(31)
        assert await scene.outcomes([*forged, second]) == {"invalid_token", "alice"}
        assert scene.provider.asked == 3

    play(act, nameless[0])


# --- outage -----------------------------------------------------------------------------------------------


def test_an_outage_of_an_hour_refuses_nobody_with_a_good_token() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token()) == "alice"
        scene.provider.stop()
        for minute in range(60):
            await scene.pass_time(60)
            assert await scene.outcomes([scene.token(), scene.token(number=minute + 1)]) == {"alice"}
            assert await scene.outcome(scene.token("k3", minute)) == "invalid_token"
        assert 10 <= scene.keys.failures <= HOUR / 30
        assert scene.keys.last_error
        scene.provider.keys = [K1, K2]
        scene.provider.start()
        await scene.pass_time(31)
        assert await scene.outcomes([scene.token("k1"), scene.token("k2")]) == {"alice"}
        assert scene.keys.last_error == ""

    play(act)


def test_an_outage_of_a_day_ends_all_trust_until_the_provider_is_back() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token()) == "alice"
        scene.provider.stop()
        scene.clock.now += DAY - 1
        assert await scene.outcomes([scene.token(), scene.token(number=1)]) == {"alice"}
        await scene.pass_time(1)
        assert await scene.outcomes([scene.token(), scene.token(number=2)]) == {"unavailable"}
        scene.provider.start()
        await scene.pass_time(31)
        assert await scene.outcomes([scene.token(), scene.token(number=3)]) == {"alice"}

    play(act)


def test_a_provider_that_is_down_at_the_start_is_found_later() -> None:
    async def act(scene: Scene) -> None:
        scene.provider.stop()
        assert await scene.outcome(scene.token()) == "unavailable"
        scene.provider.start()
        assert await scene.outcome(scene.token()) == "unavailable"  # it was asked a moment ago
        await scene.pass_time(31)
        assert await scene.outcome(scene.token()) == "alice"

    play(act)


# --- bad answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_bad_answer_takes_nothing_away(failure: Answer) -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token()) == "alice"
        before = scene.keys.current
        scene.provider.answer = failure
        await scene.pass_time(301)
        assert (scene.keys.failures, scene.keys.current) == (1, before)
        assert 0 < len(scene.keys.last_error) < 600
        assert await scene.outcomes([scene.token(), scene.token(number=1)]) == {"alice"}
        assert await scene.outcome(scene.token("k2")) == "invalid_token"
        scene.provider.answer, scene.provider.keys = None, [K1, K2]
        await scene.pass_time(301)
        assert await scene.outcomes([scene.token(), scene.token("k2")]) == {"alice"}
        assert scene.keys.last_error == ""

    play(act)


# --- floods -----------------------------------------------------------------------------------------------


def strangers(scene: Scene, start: int, number: int) -> list[str]:
    """Tokens with keys that nobody knows; their signature does not matter."""
    rest = scene.token().partition(".")[2]
    headers = (json.dumps({"alg": "RS256", "kid": f"stranger-{one}"}) for one in range(start, start + number))
    return [f"{b64(header.encode())}.{rest}" for header in headers]


def test_ten_thousand_unknown_keys_in_a_second_cost_one_fetch_and_nobody_else_anything() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token()) == "alice"
        scene.clock.now += 5
        before, flood = scene.provider.asked, strangers(scene, 0, 10_000)
        for tenth in range(10):
            batch = flood[tenth * 1000:(tenth + 1) * 1000]
            good = [scene.token(), *(scene.token(number=tenth * 10 + one) for one in range(1, 10))]
            bad, fine = await asyncio.gather(scene.outcomes(batch), scene.outcomes(good))
            assert (bad, fine) == ({"invalid_token"}, {"alice"})
            scene.clock.now += 0.1
        assert scene.provider.asked - before == 1
        assert scene.keys.unknown_kids == 10_000

    play(act)


@pytest.mark.parametrize("failure", [None, FAILURES["500"], FAILURES["endless"]])
def test_a_flood_that_goes_on_costs_one_fetch_each_cool_down(failure: Answer | None) -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token()) == "alice"
        before, scene.provider.answer = scene.provider.asked, failure
        for second in range(240):
            scene.clock.now += 1
            texts = [scene.token(), scene.token(number=second)]
            bad, fine = await asyncio.gather(scene.outcomes(strangers(scene, second * 3, 3)), scene.outcomes(texts))
            assert (bad, fine) == ({"invalid_token"}, {"alice"})
        assert 1 <= scene.provider.asked - before <= 240 / 30

    play(act)


def test_a_new_key_is_found_during_a_flood_after_the_cool_down() -> None:
    async def act(scene: Scene) -> None:
        assert await scene.outcome(scene.token()) == "alice"
        assert await scene.outcomes(strangers(scene, 0, 100)) == {"invalid_token"}
        scene.provider.keys = [K1, K2]
        await scene.pass_time(29)
        assert await scene.outcomes([scene.token("k2"), *strangers(scene, 100, 100)]) == {"invalid_token"}
        await scene.pass_time(1)
        bad, fine = await asyncio.gather(scene.outcomes(strangers(scene, 200, 100)),
                                         scene.outcomes([scene.token("k2"), scene.token("k1")]))
        assert (bad, fine) == ({"invalid_token"}, {"alice"})

    play(act)


def test_an_unknown_issuer_or_algorithm_asks_nobody() -> None:
    async def act(scene: Scene) -> None:
        here = scene.provider.issuer
        texts = [token(claims_of(iss=f"{here}/other")), token(claims_of(iss=here), alg="PS256")]
        assert await scene.outcomes(texts) == {"invalid_token"}
        assert (scene.provider.asked, scene.provider.discovered) == (0, 0)

    play(act)
