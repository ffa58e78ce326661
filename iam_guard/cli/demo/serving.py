"""Runs ASGI applications under uvicorn, several in one event loop, each on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from iam_guard.errors import UnavailableError

#: Seconds that open connections have to end.
GRACE = 2


class _Server(uvicorn.Server):
    """Tells when it is ready, and leaves signals to whoever runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise UnavailableError("the demo service did not start") from None
        finally:
            self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def open_socket(host: str, port: int) -> socket.socket:
    """Listen; port 0 is any that is free.

    Raises:
        OSError: naming the address that is taken or not ours.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, f"{host}:{port}") from problem
    # asyncio sees to this for sockets that it opens; without it every answer waits 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket) -> str:
    """``http://127.0.0.1:40123``."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def served(app: Any, listening: socket.socket) -> AsyncIterator[None]:
    """Serve *app* while the context lasts.

    Raises:
        UnavailableError: the application did not start.
    """
    server = _Server(uvicorn.Config(app, lifespan="auto", ws="none", log_level="warning", access_log=False,
                                    timeout_graceful_shutdown=GRACE))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await server.ready.wait()
        if running.done():
            await running
        yield
    finally:
        server.should_exit = True
        await running
