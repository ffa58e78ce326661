"""J16: decryption whose cost the sender chooses."""

from __future__ import annotations

import json

from tokens import authenticator, b64, refusal


def test_j16_1_five_parts_are_refused_before_anything_is_decoded() -> None:
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2147483647, "p2s": "c2FsdA"}
    error = refusal(authenticator(), ".".join([b64(json.dumps(header).encode()), "a", "b", "c", "d"]))
    assert error.detail in ("the token does not have three parts", "the token has the shape of none that is read here")


def test_three_parts_with_such_a_header() -> None:
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2147483647}
    refusal(authenticator(), ".".join([b64(json.dumps(header).encode()), b64(b"{}"), ""]))
