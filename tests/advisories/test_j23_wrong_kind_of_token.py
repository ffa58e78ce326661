"""J23: any token with a good signature, whatever it was made for."""

from __future__ import annotations

from typing import Any

import pytest
from tokens import ask, authenticator, claims_of, i1, refusal, token

CLIENT = i1(audience=("iam-guard", "web-client"))
ID_TOKENS: dict[str, dict[str, Any]] = {
    "J23.1 nonce": {"aud": "web-client", "nonce": "n"}, "J23.1 at_hash": {"at_hash": "h"}, "c_hash": {"c_hash": "h"},
    "token_use": {"token_use": "id"}, "typ claim": {"typ": "ID"}, "refresh": {"typ": "Refresh"},
}


@pytest.mark.parametrize("claims", ID_TOKENS.values(), ids=ID_TOKENS)
def test_signs_of_another_kind(claims: dict[str, Any]) -> None:
    refusal(authenticator(CLIENT), token(claims_of(**claims)))
    assert ask(authenticator(i1(audience=("iam-guard", "web-client"), id_tokens=True)), token(claims_of(**claims)))


@pytest.mark.parametrize("typ", [
    "logout+jwt", "dpop+jwt", "secevent+jwt", "refresh+jwt", "application/x", 7, None, ["JWT"],
])
def test_header_of_another_kind(typ: object) -> None:
    refusal(authenticator(), token(typ=typ))


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"])
def test_strict_issuers_take_access_tokens_only(typ: str) -> None:
    strict = authenticator(i1(token_types=("at+jwt",)))
    assert ask(strict, token(typ=typ)).subject == "alice"
    refusal(strict, token())
    refusal(strict, token(header={"alg": "RS256", "kid": "k1"}))


def test_a_required_claim_tells_the_kinds_apart() -> None:
    door = authenticator(i1(required_claims={"token_use": "access"}))
    assert ask(door, token(claims_of(token_use="access", nonce="copied"))).subject == "alice"
    for claims in ({}, {"token_use": "id"}, {"token_use": ["access"]}, {"token_use": "Access"}):
        refusal(door, token(claims_of(**claims)))
