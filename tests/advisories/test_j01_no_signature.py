"""J01: the token says how, or whether, it is verified."""

from __future__ import annotations

import pytest
from tokens import authenticator, claims_of, compact, i1, refusal, token

from iam_guard.errors import ConfigurationError

HEADERS = {
    "J01.1": {"alg": "none"},
    "J01.2 case": {"alg": "nOnE"},
    "J01.2 absent": {"typ": "JWT"},
    "J01.2 list": {"alg": ["RS256"]},
    "null": {"alg": None},
    "empty": {"alg": ""},
    "space": {"alg": "RS256 "},
    "case": {"alg": "rs256"},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_unsigned(header: dict[str, object]) -> None:
    refusal(authenticator(), compact(header, claims_of(), lambda signed: b""))


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_the_signature_of_another_header_does_not_help(header: dict[str, object]) -> None:
    refusal(authenticator(), token(header=header))


def test_none_cannot_be_configured() -> None:
    with pytest.raises(ConfigurationError, match="'none' is no signature algorithm"):
        i1(algorithms=("none",))
