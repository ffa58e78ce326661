"""Servers within a program: known to be ready, ended together, and no master of the program's signals."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any

import httpx
import pytest
import uvicorn

from iam_guard.asgi.listening import Address, bound, open_socket
from iam_guard.asgi.serving import serving
from iam_guard.errors import UnavailableError


async def fine(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def broken(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


def config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False,
                          timeout_graceful_shutdown=1)


def opened() -> tuple[socket.socket, str]:
    listening = open_socket(Address("127.0.0.1"))
    return listening, f"http://{bound(listening)}"


def refuses(url: str) -> bool:
    try:
        socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0), 5).close()
    except ConnectionRefusedError:
        return True
    return False


async def both_answer_from_the_first_line_to_the_last_and_not_after_it() -> None:
    (one, first), (two, second) = opened(), opened()
    handler = signal.getsignal(signal.SIGTERM)
    async with serving((config(fine), one), (config(fine), two)) as tasks:
        assert signal.getsignal(signal.SIGTERM) is handler
        async with httpx.AsyncClient(trust_env=False) as client:
            assert [(await client.get(url)).status_code for url in (first, second)] == [204, 204]
        assert [task.done() for task in tasks] == [False, False]
    assert [task.done() for task in tasks] == [True, True]
    assert refuses(first)
    assert refuses(second)


async def where_one_does_not_start_the_other_is_ended_and_nothing_runs() -> None:
    (one, first), (two, _) = opened(), opened()
    before = asyncio.all_tasks()
    with two, pytest.raises(UnavailableError, match="did not start"):
        async with serving((config(fine), one), (config(broken), two)):
            pytest.fail("it runs")
    assert refuses(first)
    assert asyncio.all_tasks() == before


async def an_error_of_the_program_ends_the_servers_and_stays_the_error() -> None:
    listening, url = opened()
    with pytest.raises(LookupError):
        async with serving((config(fine), listening)):
            raise LookupError
    assert refuses(url)


@pytest.mark.parametrize("story", [
    both_answer_from_the_first_line_to_the_last_and_not_after_it,
    where_one_does_not_start_the_other_is_ended_and_nothing_runs,
    an_error_of_the_program_ends_the_servers_and_stays_the_error])
def test_servers(story: Any) -> None:
    asyncio.run(story())
