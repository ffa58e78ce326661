"""J11: a time claim of another type skips its own check."""

from __future__ import annotations

import json

import pytest
from tokens import NOW, ask, authenticator, claims_of, refusal, token

ODD = {"J11.2": '"9999999999"', "J11.3": "9" * 400, "true": "true", "null": "null", "list": "[9999999999]",
       "negative": "-1", "2**53": str(2**53), "huge float": "1e400", "NaN": "NaN", "Infinity": "Infinity",
       "5000 digits": "9" * 5000}


def with_claim(name: str, text: str) -> bytes:
    good = json.dumps(claims_of(without=(name,)))
    return f'{good[:-1]}, "{name}": {text}}}'.encode()


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd(name: str, text: str) -> None:
    refusal(authenticator(), token(with_claim(name, text)))


def test_j11_1_no_expiry() -> None:
    refusal(authenticator(), token(claims_of(without=("exp",))))


def test_fractions_are_numbers() -> None:
    assert ask(authenticator(), token(with_claim("exp", f"{NOW + 60}.5"))).expires_at == NOW + 90.5
