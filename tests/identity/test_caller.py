"""The current caller follows the request and nobody else."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from iam_guard.errors import ConfigurationError
from iam_guard.identity.caller import Caller, current_caller, current_principal
from iam_guard.model import Principal


def test_without_a_door_there_is_no_principal() -> None:
    assert current_caller.get() is None
    with pytest.raises(ConfigurationError, match="no current caller"):
        current_principal()


def test_the_principal_of_the_current_caller() -> None:
    def inside() -> None:
        current_caller.set(Caller(Principal.user("ada")))
        assert current_principal().name == "ada"

    contextvars.copy_context().run(inside)
    assert current_caller.get() is None


def test_concurrent_requests_do_not_see_each_other_and_threads_follow() -> None:
    async def handle(name: str) -> str:
        current_caller.set(Caller(Principal.user(name)))
        await asyncio.sleep(0)
        in_thread = await asyncio.to_thread(lambda: current_principal().name)
        assert in_thread == current_principal().name
        return in_thread

    async def serve() -> list[str]:
        return await asyncio.gather(*(handle(f"user{number}") for number in range(5)))

    assert asyncio.run(serve()) == [f"user{number}" for number in range(5)]


def test_each_caller_has_its_own_decisions_and_scope() -> None:
    first, second = Caller(Principal.anonymous()), Caller(Principal.anonymous())
    first.scope["state"] = {}
    assert second.scope == {}
    assert first.decisions is not second.decisions
