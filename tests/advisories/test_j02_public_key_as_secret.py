"""J02: a published key used as a shared secret."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from tokens import authenticator, claims_of, compact, i1, jwk, jwks, pem, refusal, rsa_key

from iam_guard.errors import ConfigurationError


def hs256(secret: bytes, kid: str = "k1") -> str:
    def sign(signed: bytes) -> bytes:
        return hmac.digest(secret, signed, hashlib.sha256)

    return compact({"alg": "HS256", "kid": kid}, claims_of(), sign)


def test_j02_1_hmac_with_the_public_pem() -> None:
    refusal(authenticator(i1(keys=pem(rsa_key("k1")))), hs256(pem(rsa_key("k1"))))
    refusal(authenticator(), hs256(pem(rsa_key("k1"))))


def test_one_issuer_does_not_mix_families() -> None:
    with pytest.raises(ConfigurationError, match="mixed in one issuer"):
        i1(algorithms=("RS256", "HS256"))


@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_a_public_key_is_no_secret(form: str) -> None:
    with pytest.raises(ConfigurationError):
        i1(algorithms=("HS256",), secret=pem(rsa_key("k1")))
    keys = pem(rsa_key("k1")) if form == "pem" else jwks(jwk(rsa_key("k1"), "k1"))
    with pytest.raises(ConfigurationError, match="none is for HS256"):
        i1(algorithms=("HS256",), keys=keys)
