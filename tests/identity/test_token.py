"""Compact tokens: canonical form or nothing."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens import claims_of, token

from iam_guard.errors import AuthenticationError
from iam_guard.identity.token import decode_part, read_token


@given(st.binary())
def test_every_value_has_one_spelling(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).rstrip(b"=")
    assert decode_part(text) == data
    for other in (text + b"=", base64.urlsafe_b64encode(data), base64.b64encode(data), text + b"\n", b" " + text):
        if other != text:
            with pytest.raises(ValueError):  # noqa: PT011
                decode_part(other)


@given(st.text("ABCDabcd0189-_", max_size=9))
def test_what_decodes_encodes_to_itself(text: str) -> None:
    try:
        data = decode_part(text.encode())
    except ValueError:
        return
    assert base64.urlsafe_b64encode(data).rstrip(b"=") == text.encode()


def test_the_parts() -> None:
    text = token(claims_of(), typ="application/AT+JWT")
    found = read_token(text.encode())
    assert (found.algorithm, found.key_id, found.type) == ("RS256", "k1", "at+jwt")
    assert found.claims == claims_of()
    assert found.signed == text.rpartition(".")[0].encode()
    assert len(found.signature) == 256


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_text_is_a_token_or_a_clean_refusal(text: bytes) -> None:
    with pytest.raises(AuthenticationError):
        read_token(text)
