"""API keys: found by what is public of them, compared in full, and known by their digest only."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens import NOW, FakeClock

from iam_guard.errors import AuthenticationError, ConfigurationError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeyTable, key_id_of, new_api_key
from iam_guard.identity.one_credential import OneCredential
from iam_guard.model import Principal

TEXT = "igk_7Q2mX9aBfT3k_" + "s3cret-" * 6
ROBOT = Principal.user("robot", account="t1")


def key(text: str = TEXT, **more: Any) -> ApiKey:
    return ApiKey(**({"id": "_".join(text.split("_")[:2]), "digest": sha256(text.encode()).digest(),
                      "principal": ROBOT} | more))


def way(*keys: ApiKey, clock: FakeClock | None = None, **more: Any) -> ApiKeyAuthenticator:
    return ApiKeyAuthenticator(ApiKeyTable(keys or (key(),)), clock=clock or FakeClock(), **more)


def sent(*texts: str, header: str = "x-api-key") -> HTTPRequest:
    return HTTPRequest(headers=tuple((header.encode(), text.encode("latin-1")) for text in texts))


def ask(asked: ApiKeyAuthenticator, request: HTTPRequest) -> Principal | None:
    return asyncio.run(OneCredential(asked).authenticate(request))


def refusal(asked: ApiKeyAuthenticator, request: HTTPRequest) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        ask(asked, request)
    assert "s3cret" not in f"{caught.value.detail}{caught.value.description}"
    return caught.value


def test_a_key_names_its_caller() -> None:
    assert ask(way(), sent(TEXT)) is ROBOT
    assert ask(way(), sent()) is None
    assert ask(way(header="X-Shop-Key"), sent(TEXT, header="x-shop-key")) is ROBOT


@pytest.mark.parametrize("text", [
    "", "x", TEXT[:-1], TEXT + "x", TEXT.replace("igk", "iga"), TEXT.replace("7Q2m", "8Q2m"), f" {TEXT}", TEXT.upper(),
    "igk_7Q2mX9aBfT3k_", "igk_7Q2mX9aBfT3k_" + "x" * 42, "igk_7Q2mX9aBfT3k", "é" * 60, "igk__" + "x" * 60,
])
def test_no_other_text_does(text: str) -> None:
    error = refusal(way(), sent(text))
    assert error.description == "The API key is not valid"  # whatever is wrong with it
    assert error.code == "invalid_token"
    assert error.scheme == "ApiKey"


def test_two_keys_are_too_many() -> None:
    assert refusal(way(), sent(TEXT, TEXT)).code == "invalid_request"


def test_a_key_that_expired() -> None:
    clock = FakeClock()
    asked = way(key(expires_at=NOW + 1), clock=clock)
    assert ask(asked, sent(TEXT)) is ROBOT
    clock.now = NOW + 1
    assert "expired" in refusal(asked, sent(TEXT)).detail


def test_an_unknown_id_is_compared_like_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("iam_guard.identity.api_keys.compare_digest", compare)
    refusal(way(), sent(TEXT.replace("7Q2m", "8Q2m")))
    refusal(way(), sent(TEXT[:-1]))
    assert compared == [(32, 32), (32, 32)]


def test_nothing_here_holds_the_text() -> None:
    held = key()
    assert "s3cret" not in repr(held)
    assert sha256(TEXT.encode()).hexdigest() not in repr(held)


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="ascii"))
def test_no_single_change_to_a_key_is_accepted(position: int, letter: str) -> None:
    changed = TEXT[:position] + letter + TEXT[position + 1:]
    if changed != TEXT:
        refusal(way(), sent(changed))


def test_new_keys() -> None:
    made = [new_api_key() for _ in range(50)]
    assert len({text for text, _ in made}) == 50
    assert len({key_id_of(text) for text, _ in made}) == 50
    for text, digest in made:
        assert ask(way(ApiKey(key_id_of(text), bytes.fromhex(digest), ROBOT)), sent(text)) is ROBOT
    assert new_api_key("shop")[0].startswith("shop_")
    for prefix in ("", "Shop", "a_b", "x" * 17):
        with pytest.raises(ConfigurationError):
            new_api_key(prefix)
    with pytest.raises(ValueError, match="not a key"):
        key_id_of("x")


def test_entries_that_are_none() -> None:
    for wrong in ({"id": "igk"}, {"id": "IGK_7Q2mX9aBfT3k"}, {"digest": b"x"}, {"digest": sha256(b"").digest()}):
        with pytest.raises(ConfigurationError):
            key(**wrong)
    with pytest.raises(ConfigurationError):
        ApiKeyTable([key(), key()])
    for header in ("", "X Key", "Authorization", "Cookie", "DPoP"):
        with pytest.raises(ConfigurationError):
            way(header=header)


def test_the_challenge() -> None:
    assert way(realm="orders").challenges() == ('ApiKey realm="orders", header="X-API-Key"',)
