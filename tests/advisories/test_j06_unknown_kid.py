"""J06 and mw-31: strangers make the guard load the issuer."""

from __future__ import annotations

import asyncio

import httpx
import respx
from tokens import FakeClock, authenticator, i1, jwk, jwks, request, rsa_key, token

from iam_guard.errors import AuthenticationError
from iam_guard.identity.jwks import RefreshingKeys
from iam_guard.identity.jwt import JWTAuthenticator

URL = "https://idp.example/jwks"
GOOD = token()


async def outcome(door: JWTAuthenticator, text: str) -> str:
    try:
        found = await door.authenticate(request(f"Bearer {text}"))
    except AuthenticationError as error:
        return error.code
    return found.subject if found else "nobody"


@respx.mock
def test_j06_1_a_thousand_unknown_kids_mixed_with_valid_tokens() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(jwk(rsa_key("k1"), "k1"))))
    clock = FakeClock()
    door = authenticator(i1(jwks_url=URL), clock=clock)
    unknown = GOOD.split(".", 1)[1]
    strange = [token(kid=f"random-{n}").split(".", 1)[0] + "." + unknown for n in range(1000)]

    async def flood() -> tuple[list[str], list[str]]:
        assert await outcome(door, GOOD) == "alice"
        clock.now += 5
        before = route.call_count
        bad, good = [], []
        for second in range(10):
            batch = strange[second * 100:(second + 1) * 100]
            results = await asyncio.gather(*(outcome(door, text) for text in batch), outcome(door, GOOD))
            bad, good = [*bad, *results[:-1]], [*good, results[-1]]
            clock.now += 1
        assert route.call_count - before <= 1
        return bad, good

    bad, good = asyncio.run(flood())
    assert set(bad) == {"invalid_token"}
    assert good == ["alice"] * 10
    source = door.key_sources["https://idp.example"]
    assert isinstance(source, RefreshingKeys)
    assert (source.fetches, source.failures, source.unknown_kids) == (2, 0, 1000)


@respx.mock
def test_the_next_search_is_after_the_cool_down() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(jwk(rsa_key("k1"), "k1"))))
    clock = FakeClock()
    door = authenticator(i1(jwks_url=URL), clock=clock)

    async def calls() -> list[int]:
        counts = []
        await outcome(door, GOOD)
        for pause in (0, 1, 28.9, 0.2, 29):
            clock.now += pause
            await outcome(door, token(kid="stranger"))
            counts.append(route.call_count)
        return counts

    assert asyncio.run(calls()) == [2, 2, 2, 3, 3]


@respx.mock
def test_a_dead_issuer_is_not_asked_more_often() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(500))
    clock = FakeClock()
    door = authenticator(i1(jwks_url=URL), clock=clock)

    async def flood() -> int:
        for _ in range(29):
            await asyncio.gather(*(door.authenticate(request(f"Bearer {GOOD}")) for _ in range(10)),
                                 return_exceptions=True)
            clock.now += 1
        return route.call_count

    assert asyncio.run(flood()) == 1


def test_an_unknown_issuer_causes_no_call() -> None:
    with respx.mock as network:
        door = authenticator(i1(jwks_url=URL))
        claims = {"iss": "https://other.example", "sub": "a", "aud": "iam-guard", "exp": 9e9}
        assert asyncio.run(outcome(door, token(claims))) == "invalid_token"
        assert asyncio.run(outcome(door, token(alg="PS256"))) == "invalid_token"
        assert not network.calls
