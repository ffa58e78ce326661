"""The door on a real server: bodies in pieces, and many questions at once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from authzen_fixture import DOOR, asking, policies
from authzen_pdp import EVALUATION, EVALUATIONS, DecisionPoint


class Serving:
    """One server in a thread, at a port that the kernel chose."""

    def __init__(self, app: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Serving:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=30)
        self._socket.close()
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with Serving(DecisionPoint(policies(), **DOOR).app) as serving:
        yield serving.url


PEP = {"authorization": "Bearer pep"}
CASES = [(asking("alice", "write", "record-1"), True), (asking("bob", "write", "record-1"), False),
         (asking("alice", "write", "record-2"), False), (asking("bob", "write", "record-2"), True)]


def test_decisions_over_http(served: str) -> None:
    with httpx.Client(base_url=served, headers=PEP) as client:
        for body, expected in CASES:
            reply = client.post(EVALUATION, json=body, headers={"x-request-id": "r-1"})
            assert (reply.status_code, reply.json()["decision"]) == (200, expected)
            assert reply.headers["x-request-id"] == "r-1"
        told = client.get("/.well-known/authzen-configuration").json()
        assert told["access_evaluation_endpoint"] == "https://pdp.example.com/access/v1/evaluation"
        assert client.post(EVALUATION, content=b"").status_code == 400


def test_bodies_in_pieces(served: str) -> None:
    def pieces() -> Iterator[bytes]:
        for byte in json.dumps(CASES[0][0]).encode():
            yield bytes([byte])

    with httpx.Client(base_url=served, headers={**PEP, "content-type": "application/json"}) as client:
        assert client.post(EVALUATION, content=pieces()).json()["decision"] is True
        large = json.dumps(CASES[0][0] | {"pad": "x" * 1024 * 1024}).encode()
        assert client.post(EVALUATION, content=large).status_code == 413


def test_many_at_once_are_not_mixed_up(served: str) -> None:
    async def ask(client: httpx.AsyncClient, number: int) -> bool:
        body, expected = CASES[number % len(CASES)]
        who = {"authorization": f"Bearer {'pep' if number % 3 else 'stranger'}", "x-request-id": f"r-{number}"}
        path = EVALUATION if number % 2 else EVALUATIONS
        reply = await client.post(path, json=body, headers=who)
        assert reply.headers["x-request-id"] == f"r-{number}"
        return (reply.status_code == 403) if number % 3 == 0 else reply.json()["decision"] is expected

    async def run() -> list[bool]:
        async with httpx.AsyncClient(base_url=served, limits=httpx.Limits(max_connections=20)) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(240)))

    assert all(asyncio.run(run()))
