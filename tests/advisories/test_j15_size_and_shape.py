"""J15: work before limits."""

from __future__ import annotations

import asyncio
import json

import pytest
from tokens import ask, authenticator, claims_of, refusal, request, token

from iam_guard.errors import AuthenticationError
from iam_guard.identity import token as token_module


@pytest.mark.parametrize("text", ["." * 10**6, "a" * 10**6, "a.b." + "c" * 10**6])
def test_j15_1_a_megabyte_is_not_even_split(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_module, "decode_part", None)
    error = refusal(authenticator(), text)
    assert "longer than 8192" in error.detail


def test_the_limit_is_exact() -> None:
    filler = 8192 - len(token(claims_of(x="")))
    fits = next(text for n in range(filler, 0, -1) if len(text := token(claims_of(x="a" * n))) <= 8192)
    assert ask(authenticator(), fits).subject == "alice"
    refusal(authenticator(max_token=len(fits) - 1), fits)


@pytest.mark.parametrize("levels", [33, 1000, 20_000])
def test_j15_2_nesting(levels: int) -> None:
    payload = json.dumps(claims_of())[:-1] + ', "x": ' + "[" * levels + "]" * levels + "}"
    refusal(authenticator(max_token=10**6), token(payload.encode()))
    refusal(authenticator(max_token=10**6), token(("[" * levels).encode()))


def test_brackets_in_texts_are_not_levels() -> None:
    assert ask(authenticator(), token(claims_of(x='[{"' * 100))).subject == "alice"


@pytest.mark.parametrize("text", [".", "..", "...", "a.b", "a.b.c", "....", "é.é.é", "a b", "eyJ9.eyJ9.eyJ9"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(authenticator().authenticate(request(f"Bearer {text}")))
    assert caught.value.code == "invalid_token"
