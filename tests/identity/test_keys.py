"""Keys: what agrees to what, and what is left out."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tokens import SECRET, SIGNING, ec_key, ed_key, jwk, jwks, pem, rsa_key

from iam_guard.identity.keys import ALGORITHMS, KeyRefusedError, KeySet, read_jwk, read_jwks, read_pem, read_secret

KEYS: dict[str, Any] = {"RSA": rsa_key(), "P-256": ec_key(), "P-384": ec_key("e3", ec.SECP384R1),
                        "P-521": ec_key("e5", ec.SECP521R1), "Ed25519": ed_key()}
FITTING = {"RSA": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, "P-256": {"ES256"}, "P-384": {"ES384"},
           "P-521": {"ES512"}, "Ed25519": {"EdDSA", "Ed25519"}}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_agrees_to_the_algorithms_of_its_kind(kind: str) -> None:
    for key in (read_jwk(jwk(KEYS[kind], "k")), read_pem(pem(KEYS[kind]))):
        assert {name for name, algorithm in ALGORITHMS.items() if key.agrees_to(algorithm)} == FITTING[kind]


@pytest.mark.parametrize("kind", KEYS)
def test_signatures(kind: str) -> None:
    key = read_pem(pem(KEYS[kind]).decode())
    for name in FITTING[kind]:
        signature = SIGNING["EdDSA" if kind == "Ed25519" else name].sign(b"text", KEYS[kind])
        assert key.verifies(ALGORITHMS[name], b"text", signature)
        assert not key.verifies(ALGORITHMS[name], b"texT", signature)
        assert not key.verifies(ALGORITHMS[name], b"text", signature[:-1])
        assert not key.verifies(ALGORITHMS[name], b"text", b"")


def test_both_forms_of_a_key_are_one() -> None:
    assert read_jwk(jwk(rsa_key())).fingerprint == read_pem(pem(rsa_key())).fingerprint


LEFT_OUT: dict[str, Any] = {
    "no object": 7, "no type": {"kid": "a"}, "unknown type": {"kty": "AKP"},
    "curve of bitcoin": {**jwk(ec_key()), "crv": "secp256k1"},
    "X25519": {"kty": "OKP", "crv": "X25519", "x": "A" * 43}, "encryption": jwk(rsa_key(), use="enc"),
    "operations": jwk(rsa_key(), key_ops=["encrypt"]), "operations of a text": jwk(rsa_key(), key_ops="verify"),
    "unknown algorithm": jwk(rsa_key(), alg="RSA-OAEP"), "algorithm of another type": jwk(rsa_key(), alg="ES256"),
    "algorithm of a list": jwk(rsa_key(), alg=["RS256"]), "none": jwk(rsa_key(), alg="none"),
    "short": jwk(rsa_key("s", 1024)),
    "private": jwk(rsa_key(), d="AQAB"), "secret": jwk(SECRET),
    "kid of a number": jwk(rsa_key(), kid=None) | {"kid": 7},
    "long kid": jwk(rsa_key(), "k" * 257), "point off the curve": {**jwk(ec_key()), "x": "A" * 43},
    "no modulus": {"kty": "RSA", "e": "AQAB"}, "modulus of a number": {"kty": "RSA", "e": "AQAB", "n": 5},
}


@pytest.mark.parametrize("entry", LEFT_OUT.values(), ids=LEFT_OUT)
def test_left_out(entry: Any) -> None:
    with pytest.raises(KeyRefusedError):
        read_jwk(entry)
    keys = read_jwks({"keys": [entry, jwk(rsa_key(), "good")]})
    assert [key.id for key in keys.keys] == ["good"]
    assert len(keys.skipped) == 1


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"keys": {}}, {"keys": None}, {"keys": [{}]}, {"keys": "x"}])
def test_no_set_at_all(document: dict[str, Any]) -> None:
    with pytest.raises(KeyRefusedError):
        read_jwks(document)


def test_finding() -> None:
    rs256, es256 = ALGORITHMS["RS256"], ALGORITHMS["ES256"]
    keys = read_jwks(jwks(jwk(rsa_key(), "a"), jwk(ec_key(), "a"), jwk(rsa_key("k2"), "b"), jwk(rsa_key("k3"))))
    first, curve, second, nameless = keys.keys
    assert keys.find("a", rs256) == (first,)
    assert keys.find("a", es256) == (curve,)
    assert keys.find("b", es256) == ()
    assert keys.find("c", rs256) == (nameless,)
    assert keys.find(None, rs256) == (first, second, nameless)


def test_too_many_candidates_are_none() -> None:
    rs256 = ALGORITHMS["RS256"]
    one = read_jwk(jwk(rsa_key()))
    assert len(KeySet((one,) * 4).find(None, rs256)) == 4
    assert KeySet((one,) * 5).find(None, rs256) == ()


def test_the_same_keys_in_another_order_are_the_same() -> None:
    a, b = jwk(rsa_key(), "a"), jwk(ec_key(), "b")
    assert read_jwks(jwks(a, b)).has_same_keys(read_jwks(jwks(b, {**a, "x-extra": 1})))
    assert not read_jwks(jwks(a, b)).has_same_keys(read_jwks(jwks(a)))
    assert not read_jwks(jwks(a)).has_same_keys(read_jwks(jwks({**a, "kid": "c"})))
    assert not read_jwks(jwks(a)).has_same_keys(read_jwks(jwks({**a, "alg": "RS256"})))


def test_pem_of_a_certificate() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key().public_key())
        .serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=1))
        .sign(rsa_key(), SHA256())
    )
    assert read_pem(certificate.public_bytes(Encoding.PEM)).fingerprint == read_pem(pem(rsa_key())).fingerprint


def test_pem_of_something_else() -> None:
    private = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for text in (private, b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", pem(rsa_key("s", 1024))):
        with pytest.raises(KeyRefusedError):
            read_pem(text)


def test_secrets() -> None:
    assert read_secret(b"x" * 32, ["HS256"]).agrees_to(ALGORITHMS["HS256"])
    assert not read_secret(b"x" * 32, ["HS256"]).agrees_to(ALGORITHMS["HS512"])
    for secret, algorithm in ((b"x" * 31, "HS256"), (b"x" * 63, "HS512"), (b"", "HS256"), (pem(rsa_key()), "HS256")):
        with pytest.raises(KeyRefusedError):
            read_secret(secret, [algorithm])
