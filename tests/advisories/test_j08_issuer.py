"""J08 and mw-35: the issuer is one exact text, tied to the keys that verified."""

from __future__ import annotations

import pytest
from tokens import IDP, PARTNER, SECRET, ask, authenticator, claims_of, compact, ec_key, refusal, signer, token

NAMES = {"J08.1": "https://idp.exampl", "slash": f"{IDP}/", "longer": f"{IDP}.evil.example", "upper": IDP.upper(),
         "list": [IDP], "object": {IDP: 1}, "null": None, "number": 1, "empty": "", "space": f" {IDP}"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_another_text_is_another_issuer(name: object) -> None:
    refusal(authenticator(), token(claims_of(iss=name)))


def test_absent() -> None:
    refusal(authenticator(), token(claims_of(without=("iss",))))


def test_j08_2_signed_by_the_other_issuer() -> None:
    refusal(authenticator(), token(key=ec_key("e1"), alg="ES256", kid="e1"))
    refusal(authenticator(), token(claims_of(iss=PARTNER)))
    assert ask(authenticator(), token(claims_of(iss=PARTNER), key=ec_key("e1"), alg="ES256", kid="e1")).account == "t2"


def test_mw_35_other_algorithms_for_the_chosen_issuer() -> None:
    refusal(authenticator(), token(key=SECRET, alg="HS256"))
    refusal(authenticator(), compact({"alg": "none"}, claims_of(), lambda signed: b""))
    refusal(authenticator(), compact({"alg": "ES256", "kid": "k1"}, claims_of(), signer(ec_key("e1"), "ES256")))
