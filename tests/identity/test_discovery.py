"""Discovery: an issuer speaks for itself only."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx
from tokens import FakeClock, authenticator, i1, jwk, jwks, request, rsa_key, token

from iam_guard.identity.discovery import discover_jwks_url, is_key_url
from iam_guard.identity.fetch import FetchError

ISSUER = "https://idp.example"
METADATA = f"{ISSUER}/.well-known/openid-configuration"


def discover(issuer: str = ISSUER, **more: Any) -> str:
    async def run() -> str:
        async with httpx.AsyncClient() as http:
            return await discover_jwks_url(http, issuer, **more)

    return asyncio.run(run())


@respx.mock
def test_keys_at_the_issuers_own_origin() -> None:
    respx.get(METADATA).respond(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"})
    assert discover() == f"{ISSUER}/keys"


@respx.mock
def test_an_issuer_with_a_path() -> None:
    issuer = f"{ISSUER}/realms/main/"
    respx.get(f"{ISSUER}/realms/main/.well-known/openid-configuration").respond(
        200, json={"issuer": issuer, "jwks_uri": f"{ISSUER}/keys"})
    assert discover(issuer) == f"{ISSUER}/keys"


@pytest.mark.parametrize("document", [
    {"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/keys"},
    {"issuer": "https://evil.example", "jwks_uri": f"{ISSUER}/keys"},
    {"jwks_uri": f"{ISSUER}/keys"}, {"issuer": ISSUER}, {"issuer": ISSUER, "jwks_uri": 7},
    {"issuer": ISSUER, "jwks_uri": "http://idp.example/keys"}, {"issuer": ISSUER,
    "jwks_uri": "https://cdn.example/keys"},
    {"issuer": ISSUER, "jwks_uri": "https://idp.example:444/keys"}, {"issuer": ISSUER,
    "jwks_uri": "file:///etc/passwd"},
    {"issuer": ISSUER, "jwks_uri": "https://idp.example@evil.example/"}, {"issuer": ISSUER, "jwks_uri": "/keys"},
])
@respx.mock
def test_metadata_that_points_elsewhere(document: dict[str, Any]) -> None:
    respx.get(METADATA).respond(200, json=document)
    with pytest.raises(FetchError):
        discover()


@respx.mock
def test_another_origin_by_configuration() -> None:
    respx.get(METADATA).respond(200, json={"issuer": ISSUER, "jwks_uri": "https://cdn.example/keys"})
    assert discover(origins=("https://cdn.example",)) == "https://cdn.example/keys"


@pytest.mark.parametrize(("url", "good"), [
    ("https://idp.example/keys", True), ("http://localhost:8080/keys", True), ("http://127.0.0.1/keys", True),
    ("http://[::1]/keys", True), ("http://idp.example/keys", False), ("http://localhost.evil.example/", False),
    ("http://127.0.0.1.evil.example/", False), ("ftp://idp.example/", False), ("https://", False), ("keys", False),
    ("https://a:b@idp.example/", False), ("https://idp.example/#x", False), ("", False),
])
def test_where_keys_may_be(url: str, good: bool) -> None:
    assert is_key_url(url) is good


def test_plain_http_has_to_be_asked_for() -> None:
    assert is_key_url("http://idp.internal/keys", allow_http=True)


@respx.mock
def test_discovery_feeds_the_authenticator_and_is_repeated_after_a_failure() -> None:
    metadata = respx.get(METADATA).respond(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/old"})
    respx.get(f"{ISSUER}/old").mock(side_effect=[httpx.Response(200, json=jwks(jwk(rsa_key("k1"), "k1"))),
                                                 httpx.Response(200, json=jwks(jwk(rsa_key("k1"), "k1"))),
                                                 httpx.Response(404)])
    respx.get(f"{ISSUER}/new").respond(200, json=jwks(jwk(rsa_key("k2"), "k2")))
    door = authenticator(i1(discovery=True), clock=FakeClock())
    source: Any = door.key_sources[ISSUER]

    async def run() -> None:
        assert await door.authenticate(request(f"Bearer {token()}"))
        await source.refresh()
        assert metadata.call_count == 1
        metadata.respond(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/new"})
        await source.refresh()
        assert (source.failures, metadata.call_count) == (1, 1)
        await source.refresh()
        assert await door.authenticate(request(f"Bearer {token(key=rsa_key('k2'), kid='k2')}"))
        assert metadata.call_count == 2
        await door.close()

    asyncio.run(run())
