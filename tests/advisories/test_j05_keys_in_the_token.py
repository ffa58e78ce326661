"""J05: the token brings, or points at, the key that verifies it."""

from __future__ import annotations

import httpx
import pytest
import respx
from tokens import ask, authenticator, i1, jwk, refusal, rsa_key, token


def test_j05_1_a_key_in_the_header() -> None:
    attacker = rsa_key("attacker")
    refusal(authenticator(), token(key=attacker, jwk=jwk(attacker, "k1")))
    refusal(authenticator(), token(key=attacker, kid="own", jwk=jwk(attacker, "own")))


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_j05_2_an_address_in_the_header(member: str) -> None:
    url = "https://keys.example/jwks"
    with respx.mock(assert_all_called=False) as network:
        keys = network.get(url).mock(return_value=httpx.Response(200, json={"keys": [jwk(rsa_key("k1"), "k1")]}))
        everything = network.route().mock(return_value=httpx.Response(500))
        door = authenticator(i1(jwks_url=url))
        for target in ("http://169.254.169.254/", "https://attacker.example/jwks"):
            refusal(door, token(key=rsa_key("attacker"), **{member: target}))
        assert keys.call_count == 1
        assert not everything.called


def test_a_certificate_in_the_header_is_not_read() -> None:
    assert ask(authenticator(), token(x5c=["not a certificate"])).subject == "alice"
