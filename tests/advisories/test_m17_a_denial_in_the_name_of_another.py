"""M17: a request that could not be read was denied like the one before it on the connection: its method, its wishes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import uvicorn
from gateway_attack import read_all

from iam_guard.asgi.middleware import IAMGuardMiddleware
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper, Route
from iam_guard.http.request import HTTPRequest
from iam_guard.model import Principal

ALLOW = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


class Everybody:
    """Takes everybody for the same user."""

    async def authenticate(self, request: HTTPRequest) -> Principal:
        return Principal.user("alice")

    def challenges(self) -> tuple[str, ...]:
        return ("Bearer",)

    async def start(self) -> None: ...

    async def close(self) -> None: ...


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    elif scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    guarded = IAMGuardMiddleware(app, guard=Guard(PolicySet.from_json(ALLOW)), authenticator=Everybody(),
                                 mapper=RequestMapper([Route("GET", "/x", "app:Get", "x")]))
    server = uvicorn.Server(uvicorn.Config(guarded, log_level="error", http="httptools", lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


def test_a_denial_is_made_for_the_request_that_it_answers(port: int) -> None:
    first = b"HEAD /x HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n"
    second = b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(first + second)
        head, body = read_all(client).split(b"HTTP/1.1 400 ")[1].split(b"\r\n\r\n", 1)
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400
