"""Compact tokens: canonical form or nothing."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens import claims_of, compact, token

from iam_guard.errors import AuthenticationError
from iam_guard.identity.token import KEPT_HEADER_BYTES, Headers, decode_part, read_token


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


def made(header: dict[str, object], subject: str = "a") -> bytes:
    return compact(header, {"sub": subject}, lambda signed: b"s").encode()


def test_a_header_is_remembered_as_it_was_read() -> None:
    known = Headers(4)
    sent = [made({"alg": "HS256", "kid": kid}, kid) for kid in ("a", "b", "a", "c", "a")]
    assert [read_token(one, headers=known) for one in sent] == [read_token(one) for one in sent]
    assert len(known) <= 4


def test_a_bad_header_is_refused_each_time_and_never_remembered() -> None:
    known = Headers(4)
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            read_token(made({"alg": "HS256", "crit": ["b64"]}), headers=known)
    assert not known


def test_a_long_header_is_not_remembered() -> None:
    known = Headers(4)
    token = made({"alg": "HS256", "x": "y" * KEPT_HEADER_BYTES})
    assert read_token(token, headers=known) == read_token(token)
    assert not known
