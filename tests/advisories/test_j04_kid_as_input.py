"""J04: a key identifier used as a path, an address, a query or log text."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from tokens import authenticator, claims_of, compact, i1, refusal, rsa_key, signer, token

KIDS = {"list": ["k1"], "number": 0, "object": {"$gt": ""}, "NUL": "k1\u0000", "newline": "k1\nfoo", "empty": "",
        "null": None, "true": True, "257 bytes": "k" * 257, "256 bytes of more characters": "é" * 200}


def test_j04_1_a_path_opens_no_file() -> None:
    def sign(signed: bytes) -> bytes:
        return hmac.digest(b"", signed, hashlib.sha256)

    for alg in ("HS256", "RS256"):
        refusal(authenticator(), compact({"alg": alg, "kid": "../../../../dev/null"}, claims_of(), sign))


def test_j04_2_a_megabyte() -> None:
    error = refusal(authenticator(max_token=10**7), token(kid="k" * 10**6))
    assert "printable string" in error.detail or "longer than 8192" in error.detail


@pytest.mark.parametrize("kid", KIDS.values(), ids=KIDS)
def test_j04_3_other_shapes(kid: object) -> None:
    refusal(authenticator(), token(kid=kid))


def test_lookalike_names_are_other_names() -> None:
    key = rsa_key("k1")
    for kid in ("K1", "k1 ", "k\u0131", "ｋ1"):
        refusal(authenticator(i1()), compact({"alg": "RS256", "kid": kid}, claims_of(), signer(key, "RS256")))
