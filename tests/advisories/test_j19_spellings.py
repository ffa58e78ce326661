"""J19: one token in several spellings."""

from __future__ import annotations

import asyncio

import pytest
from tokens import NOW, ask, authenticator, claims_of, refusal, request, token

from iam_guard.errors import AuthenticationError
from iam_guard.identity.jwt import TokenIdentity

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def spellings(text: str) -> dict[str, str]:
    header, payload, signature = text.split(".")
    last = ALPHABET[ALPHABET.index(signature[-1]) | 1]  # 256 bytes leave four spare bits in the last letter
    return {
        "J19.1 padding": f"{text}=", "two signs": f"{text}==", "padded header": f"{header}=.{payload}.{signature}",
        "spare bits": f"{header}.{payload}.{signature[:-1]}{last}", "fourth part": f"{text}.",
        "plain alphabet": text.replace("-", "+").replace("_", "/"), "newline": f"{header}.{payload}.\n{signature}",
        "space": f"{header}. {payload}.{signature}", "percent": f"{header}%2E{payload}.{signature}",
    }


@pytest.mark.parametrize("name", spellings(token()))
def test_other_spellings_are_refused(name: str) -> None:
    text = next(text for n in range(50) if {"-", "_"} <= set(text := token(claims_of(n=n))))
    assert ask(authenticator(), text).subject == "alice"
    refusal(authenticator(), spellings(text)[name])


def test_revocation_is_by_identity_and_not_by_text() -> None:
    revoked = {TokenIdentity("https://idp.example", "t-1", "alice", NOW - 10)}
    door = authenticator(is_revoked=revoked.__contains__)
    refusal(door, token(claims_of(jti="t-1")))
    refusal(door, token(claims_of(jti="t-1", extra=1)))
    assert ask(door, token(claims_of(jti="t-2"))).subject == "alice"


@pytest.mark.parametrize("jti", [7, ["t-1"], None])
def test_an_odd_identifier_escapes_no_revocation(jti: object) -> None:
    refusal(authenticator(), token(claims_of(jti=jti)))


@pytest.mark.parametrize("value", ["Bearer\t{}", "Bearer\u00a0{}", "Bearer \t{}", "Bearer {} x", "Bearer {},{}"])
def test_other_separators(value: str) -> None:
    with pytest.raises(AuthenticationError):
        asyncio.run(authenticator().authenticate(request(value.replace("{}", token()))))
