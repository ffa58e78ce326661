"""The chain: one credential, bad ones are final, everything started is closed."""

from __future__ import annotations

import asyncio

import pytest

from iam_guard.errors import AuthenticationError, ConfigurationError
from iam_guard.identity.authenticator import AuthenticatorChain
from iam_guard.model import Principal


class Scripted:
    """An authenticator that gives one prepared answer."""

    def __init__(self, answer: Principal | Exception | None, challenge: str = "Bearer") -> None:
        self.answer, self.challenge, self.log = answer, challenge, []
        self.fails_to_start = self.fails_to_close = False

    async def authenticate(self, request: object) -> Principal | None:
        self.log.append("asked")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def challenges(self) -> tuple[str, ...]:
        return (self.challenge,)

    async def start(self) -> None:
        self.log.append("started")
        if self.fails_to_start:
            raise OSError("no")

    async def close(self) -> None:
        self.log.append("closed")
        if self.fails_to_close:
            raise OSError("no")


ADA, BEN = Principal.user("ada"), Principal.user("ben")


def ask(*authenticators: Scripted) -> Principal | None:
    return asyncio.run(AuthenticatorChain(*authenticators).authenticate(None))  # type: ignore[arg-type]


def test_the_first_with_credentials_answers() -> None:
    assert ask(Scripted(None), Scripted(ADA), Scripted(None)) is ADA
    assert ask(Scripted(None), Scripted(None)) is None


def test_bad_credentials_are_not_tried_as_another_kind() -> None:
    second = Scripted(ADA)
    with pytest.raises(AuthenticationError, match="bad"):
        ask(Scripted(AuthenticationError("bad")), second)
    assert second.log == []


def test_bad_credentials_beside_good_ones_are_bad() -> None:
    with pytest.raises(AuthenticationError, match="bad"):
        ask(Scripted(ADA), Scripted(AuthenticationError("bad")))


def test_two_credentials_are_refused() -> None:
    with pytest.raises(AuthenticationError) as refusal:
        ask(Scripted(ADA), Scripted(BEN))
    assert refusal.value.code == "invalid_request"


def test_challenges_are_joined_once_each() -> None:
    chain = AuthenticatorChain(Scripted(None), Scripted(None, "Basic"), Scripted(None))
    assert chain.challenges() == ("Bearer", "Basic")


def test_an_empty_chain_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        AuthenticatorChain()


def test_closing_reaches_all_though_one_fails() -> None:
    async def run(chain: AuthenticatorChain) -> None:
        await chain.start()
        await chain.close()

    first, second = Scripted(None), Scripted(None)
    second.fails_to_close = True
    with pytest.raises(OSError, match="no"):
        asyncio.run(run(AuthenticatorChain(first, second)))
    assert first.log == second.log == ["started", "closed"]


def test_a_failing_start_closes_those_already_started() -> None:
    first, second = Scripted(None), Scripted(None)
    second.fails_to_start = True
    with pytest.raises(OSError, match="no"):
        asyncio.run(AuthenticatorChain(first, second).start())
    assert first.log == ["started", "closed"]
