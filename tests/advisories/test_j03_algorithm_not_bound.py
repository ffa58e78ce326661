"""J03: the algorithm comes from the token instead of the issuer and the key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tokens import (
    SECRET,
    ask,
    authenticator,
    claims_of,
    compact,
    ec_key,
    i1,
    jwk,
    jwks,
    refusal,
    rsa_key,
    signer,
    token,
)


def test_j03_1_another_algorithm_with_the_right_key() -> None:
    refusal(authenticator(), token(alg="PS256"))
    refusal(authenticator(), token(alg="RS512"))


def test_j03_2_key_without_algorithm_does_not_follow_the_header() -> None:
    refusal(authenticator(), compact({"alg": "HS256", "kid": "k1"}, claims_of(), signer(SECRET, "HS256")))


def test_a_key_published_for_one_algorithm_verifies_no_other() -> None:
    door = authenticator(i1(algorithms=("RS256", "PS256"), keys=jwks(jwk(rsa_key("k1"), "k1", alg="PS256"))))
    assert ask(door, token(alg="PS256")).subject == "alice"
    refusal(door, token(alg="RS256"))


@pytest.mark.parametrize(("curve", "alg"), [(ec.SECP384R1, "ES256"), (ec.SECP256R1, "ES384")])
def test_the_curve_belongs_to_the_algorithm(curve: type[ec.EllipticCurve], alg: str) -> None:
    key = ec_key("c", curve)
    good = {"ES256": "ES384", "ES384": "ES256"}[alg]
    door = authenticator(i1(algorithms=("ES256", "ES384"), keys=jwks(jwk(key, "k1"))))
    assert ask(door, token(key=key, alg=good)).subject == "alice"
    refusal(door, compact({"alg": alg, "kid": "k1"}, claims_of(), signer(key, good)))


def test_keys_for_encryption_verify_nothing() -> None:
    entries = [jwk(rsa_key("k2"), "k2"), jwk(rsa_key("k1"), "k1", use="enc")]
    from iam_guard.identity.keys import ALGORITHMS, read_jwks

    keys = read_jwks(jwks(*entries))
    assert keys.find("k1", ALGORITHMS["RS256"]) == ()
    assert "'use'" in keys.skipped[0]
