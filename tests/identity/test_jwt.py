"""JWTAuthenticator as a whole: challenges, start and close, key files, group resolvers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from tokens import FakeClock, ask, authenticator, claims_of, i1, i2, jwk, jwks, refusal, request, rsa_key, token

from iam_guard.errors import AuthenticationError, ConfigurationError, UnavailableError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.jwks import RefreshingKeys

URL = "https://idp.example/jwks"


def test_the_challenge() -> None:
    assert authenticator(realm="orders").challenges() == ('Bearer realm="orders"',)
    metadata = "https://api.example/.well-known/oauth-protected-resource"
    assert authenticator(realm='a"b\\', resource_metadata=metadata).challenges() == (
        f'Bearer realm="a\\"b\\\\", resource_metadata="{metadata}"',)


def test_it_fits_the_port() -> None:
    door: Authenticator = authenticator()
    asked = request(f"Bearer {token()}")
    found = asyncio.run(door.authenticate(asked))
    assert found is not None


def test_handshakes_are_requests() -> None:
    headers = ((b"authorization", f"Bearer {token()}".encode()),)
    found = asyncio.run(authenticator().authenticate(HTTPRequest(kind="websocket", headers=headers)))
    assert found is not None
    assert found.subject == "alice"


def test_one_text_for_a_bad_signature_and_an_unknown_key() -> None:
    texts = {refusal(authenticator(), text).description for text in (
        token(kid="other"), token(key=rsa_key("attacker")), token(alg="PS256"), token(claims_of(iss="https://x.example")))}
    assert texts == {"The access token is not valid"}


def test_without_issuers_or_cache_there_is_no_authenticator() -> None:
    from iam_guard.identity.jwt import JWTAuthenticator

    with pytest.raises(ConfigurationError, match="there is no issuer"):
        JWTAuthenticator(())
    with pytest.raises(ConfigurationError, match="cache"):
        authenticator(cache_size=0)


@respx.mock
def test_start_fetches_and_close_ends_everything() -> None:
    route = respx.get(URL).respond(200, json=jwks(jwk(rsa_key("k1"), "k1")))
    door = authenticator(i1(jwks_url=URL), i2())

    async def run() -> None:
        await door.start()
        assert route.call_count == 1
        assert await door.authenticate(request(f"Bearer {token()}"))
        await door.close()
        assert len(asyncio.all_tasks()) == 1
        assert route.call_count == 1

    asyncio.run(run())


@respx.mock
def test_an_issuer_out_of_reach_does_not_stop_the_others() -> None:
    respx.get(URL).mock(side_effect=httpx.ConnectError("down"))
    door = authenticator(i1(jwks_url=URL), i2())

    async def run() -> None:
        await door.start()
        with pytest.raises(UnavailableError):
            await door.authenticate(request(f"Bearer {token()}"))
        source = door.key_sources["https://idp.example"]
        assert isinstance(source, RefreshingKeys)
        assert source.failures == 1
        await door.close()

    asyncio.run(run())


@respx.mock
def test_a_given_client_stays_open() -> None:
    respx.get(URL).respond(200, json=jwks(jwk(rsa_key("k1"), "k1")))

    async def run() -> None:
        async with httpx.AsyncClient() as http:
            door = authenticator(i1(jwks_url=URL), http=http)
            assert await door.authenticate(request(f"Bearer {token()}"))
            await door.close()
            assert not http.is_closed

    asyncio.run(run())


def test_keys_in_a_file(tmp_path: Path) -> None:
    file, clock = tmp_path / "keys.json", FakeClock()
    file.write_text(json.dumps(jwks(jwk(rsa_key("k1"), "k1"))))
    door = authenticator(i1(jwks_file=str(file)), clock=clock)
    second = token(key=rsa_key("k2"), kid="k2")

    async def run() -> None:
        assert await door.authenticate(request(f"Bearer {token()}"))
        file.write_text(json.dumps(jwks(jwk(rsa_key("k2"), "k2"))))
        assert await door.authenticate(request(f"Bearer {second}"))
        with pytest.raises(AuthenticationError):
            await door.authenticate(request(f"Bearer {token()}"))
        file.write_text("")
        clock.now += 31
        await door.key_sources["https://idp.example"].refresh()  # type: ignore[attr-defined]
        assert await door.authenticate(request(f"Bearer {second}"))

    asyncio.run(run())


@pytest.mark.parametrize("text", [
    None, "", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "[" * 9999,
])
def test_a_key_file_that_is_none(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "keys.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        authenticator(i1(jwks_file=str(file)))
    assert caught.value.faults[0].file == str(file)


def test_a_resolver_that_fails_is_no_answer() -> None:
    async def broken(claims: Any) -> list[str]:
        raise OSError("directory is down")

    mapping = ClaimMapping(account="t1", groups=(Claim("groups"),))
    door = authenticator(i1(claims=mapping, groups_resolver=broken))
    assert ask(door, token(claims_of(groups=["a"]))).groups == ("arn:app:iam::t1:group/a",)
    with pytest.raises(UnavailableError, match="groups of a caller"):
        ask(door, token(claims_of(hasgroups=True)))


def test_concurrent_first_sights_of_one_token() -> None:
    door, text = authenticator(), token()

    async def run() -> set[str]:
        found = await asyncio.gather(*(door.authenticate(request(f"Bearer {text}")) for _ in range(50)))
        return {one.arn for one in found if one is not None}

    assert asyncio.run(run()) == {"arn:app:iam::t1:user/alice"}
