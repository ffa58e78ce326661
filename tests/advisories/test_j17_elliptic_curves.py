"""J17: degenerate signature values."""

from __future__ import annotations

import pytest
from tokens import PARTNER, ask, authenticator, claims_of, compact, ec_key, refusal, signer

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
HEADER = {"alg": "ES256", "kid": "e1"}
SIGNATURES = {
    "J17.1": bytes(64),
    "r = 0": bytes(32) + b"\x01" * 32,
    "s = 0": b"\x01" * 32 + bytes(32),
    "order": ORDER.to_bytes(32, "big") * 2,
    "too short": bytes(63),
    "too long": bytes(65),
    "empty": b"",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_refused(signature: bytes) -> None:
    refusal(authenticator(), compact(HEADER, claims_of(iss=PARTNER), lambda signed: signature))


def test_der_is_not_the_form_of_a_signature() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    der = compact(HEADER, claims_of(iss=PARTNER), lambda signed: ec_key("e1").sign(signed, ec.ECDSA(SHA256())))
    refusal(authenticator(), der)
    good = compact(HEADER, claims_of(iss=PARTNER), signer(ec_key("e1"), "ES256"))
    assert ask(authenticator(), good).account == "t2"
