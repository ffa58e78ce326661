"""J14: two readers of one text keep different copies."""

from __future__ import annotations

import json

import pytest
from tokens import authenticator, claims_of, refusal, token

GOOD = json.dumps(claims_of())[1:]
PAYLOADS = {
    "J14.1": f'{{"sub":"root",{GOOD}',
    "same value": f'{{"sub":"alice",{GOOD}',
    "escaped name": f'{{"s\\u0075b":"root",{GOOD}',
    "nested": f'{{"realm_access":{{"roles":[],"roles":["admin"]}},{GOOD}',
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_in_the_payload(payload: str) -> None:
    refusal(authenticator(), token(payload.encode()))


def test_in_the_header() -> None:
    refusal(authenticator(), token(header=b'{"alg":"none","alg":"RS256","kid":"k1"}'))
    refusal(authenticator(), token(header=b'{"alg":"RS256","kid":"k2","kid":"k1"}'))


@pytest.mark.parametrize("text", ["\ufeff{}", "[]", '"x"', "null", "{} {}", "{'a': 1}", "{", "", "\x00"])
def test_other_texts_than_one_object(text: str) -> None:
    for good in (json.dumps(claims_of()).encode(), b""):
        refusal(authenticator(), token(text.encode() + good if text == "\ufeff{}" else text.encode()))
    refusal(authenticator(), token(header=text.encode()))


def test_byte_order_mark_before_good_claims() -> None:
    refusal(authenticator(), token(b"\xef\xbb\xbf" + json.dumps(claims_of()).encode()))
    refusal(authenticator(), token(json.dumps(claims_of()).encode("utf-16")))
