"""Issuers: refuse to be built wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from tokens import SECRET, ask, authenticator, claims_of, ec_key, ed_key, i1, jwk, jwks, pem, refusal, rsa_key, token

from iam_guard.errors import ConfigurationError
from iam_guard.identity.issuer import Issuer

KEYS = jwks(jwk(rsa_key("k1"), "k1"))
GOOD: dict[str, Any] = {"issuer": "https://idp.example", "audience": "a", "algorithms": ("RS256",), "keys": KEYS}
NO_KEYS = {name: value for name, value in GOOD.items() if name != "keys"}
MISTAKES: dict[str, dict[str, Any]] = {
    "no issuer": {**GOOD, "issuer": ""},
    "no audience": {**GOOD, "audience": ""},
    "no audience claim": {**GOOD, "audience_claims": ()},
    "no algorithm": {**GOOD, "algorithms": ()},
    "none": {**GOOD, "algorithms": ("RS256", "none")},
    "unknown algorithm": {**GOOD, "algorithms": ("rs256",)},
    "mixed families": {**GOOD, "algorithms": ("RS256", "HS256")},
    "no keys": NO_KEYS,
    "keys twice": {**GOOD, "jwks_url": "https://idp.example/keys"},
    "discovery and a file": {**NO_KEYS, "discovery": True, "jwks_file": "keys.json"},
    "http": {**NO_KEYS, "jwks_url": "http://idp.example/keys"},
    "no URL": {**NO_KEYS, "jwks_url": "keys.json"},
    "discovery over http": {**NO_KEYS, "issuer": "http://idp.example", "discovery": True},
    "discovery of no URL": {**NO_KEYS, "issuer": "idp", "discovery": True},
    "origins without discovery": {**GOOD, "jwks_origins": ("https://a.example",)},
    "fetched secret": {**NO_KEYS, "algorithms": ("HS256",), "jwks_url": "https://idp.example/keys"},
    "secret for key pairs": {**NO_KEYS, "secret": SECRET},
    "short secret": {**NO_KEYS, "algorithms": ("HS512",), "secret": b"x" * 63},
    "leeway": {**GOOD, "leeway": 61},
    "lifetime": {**GOOD, "max_lifetime": 0},
    "type in capitals": {**GOOD, "token_types": ("JWT",)},
    "no type": {**GOOD, "token_types": ()},
    "required claim without value": {**GOOD, "required_claims": {"token_use": ()}},
    "required claim without name": {**GOOD, "required_claims": {"": "x"}},
    "another kind of key": {**GOOD, "algorithms": ("ES256",)},
    "private key": {**GOOD, "keys": {**jwk(rsa_key()), "d": "AQAB"}},
    "one bad key among good ones": {**GOOD, "keys": jwks(jwk(rsa_key()), {"kty": "RSA"})},
    "short key": {**GOOD, "keys": pem(rsa_key("s", 1024))},
    "no key set": {**GOOD, "keys": {"key": []}},
}


@pytest.mark.parametrize("members", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Issuer(**members)
    for fault in caught.value.faults:
        assert fault.message[0].islower() or fault.message[0] == "'"
        assert not fault.message.endswith(".")


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Issuer("", audience=(), algorithms=("none",), leeway=99)
    assert {fault.pointer for fault in caught.value.faults} == {"/issuer", "/audience", "/algorithms", "/leeway", ""}


@pytest.mark.parametrize("members", [
    {"jwks_url": "http://localhost:8080/keys"}, {"jwks_url": "http://idp.internal/keys", "allow_http": True},
    {"discovery": True}, {"keys": pem(rsa_key()).decode()}, {"keys": [pem(rsa_key()), jwk(rsa_key("k2"))]},
    {"keys": jwk(rsa_key())}, {"algorithms": "RS256", "keys": KEYS},
    {"algorithms": ("HS256",), "secret": SECRET.decode()},
    {"algorithms": ("HS256",), "keys": jwk(SECRET, "s")},
])
def test_sound_ones(members: dict[str, Any]) -> None:
    Issuer(**(NO_KEYS | members))


def test_secrets_are_not_shown() -> None:
    assert "shared secret" not in repr(Issuer(**(NO_KEYS | {"algorithms": ("HS256",), "secret": SECRET})))


@pytest.mark.parametrize(("alg", "key"), [
    ("RS256", rsa_key("k1")), ("PS512", rsa_key("k1")), ("ES256", ec_key()), ("EdDSA", ed_key()), ("HS384", SECRET),
])
@pytest.mark.parametrize("kid", ["k1", None])
def test_every_family_of_algorithms(alg: str, key: Any, kid: str | None) -> None:
    places = {"secret": key} if alg == "HS384" else {"keys": jwks(jwk(key, kid))}
    door = authenticator(i1(algorithms=(alg,), **places))
    header = {"alg": alg} if kid is None else {"alg": alg, "kid": kid}
    text = token(key=key, alg=alg, header=header)
    assert ask(door, text).subject == "alice"
    refusal(door, text[:-6] + ("AAAAAA" if text[-6:] != "AAAAAA" else "BBBBBB"))
    refusal(door, token(key=rsa_key("other"), alg="RS256", header=header))


def test_the_name_of_the_curve_as_algorithm() -> None:
    door = authenticator(i1(algorithms=("Ed25519",), keys=jwks(jwk(ed_key(), "k1"))))
    text = token(claims_of(), key=ed_key(), alg="EdDSA", header={"alg": "Ed25519", "kid": "k1"})
    assert ask(door, text).subject == "alice"
    refusal(door, token(key=ed_key(), alg="EdDSA"))
