"""Servers of ASGI applications within a program of ours: started together, known to be ready, and ended together.

They are uvicorn's. The program keeps its signals, and opens and closes the sockets.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from iam_guard.errors import UnavailableError

#: How long a connection that was just accepted is left open at the end: its client may have sent a call already, which
#: nobody has read, and could not know that it had better go elsewhere.
NEWCOMER_SECONDS = 0.5


class ReadyServer(uvicorn.Server):
    """A server that tells when it is ready, and leaves signals to whoever runs it.

    Args:
        config: As uvicorn knows it.

    Attributes:
        ready: Set when calls are answered, and when it is certain that they never will be.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start.

        Raises:
            UnavailableError: the application or the server did not.
        """
        try:
            await super().startup(sockets)
        except SystemExit:  # in a task it would end the whole program
            raise UnavailableError("the server did not start; the log says why") from None
        finally:
            self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving(*servers: tuple[uvicorn.Config, socket.socket]) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
    """Serve while the context lasts; calls under way get as long to end as each configuration says.

    Args:
        servers: What to serve, and the socket that listens for it. uvicorn closes the socket.

    Returns:
        What runs each server: a task that is over before the context is belongs to a server that ended by itself.

    Raises:
        UnavailableError: a server did not start; those that did have been ended.
        Exception: of a server that failed later, where the context itself raised nothing.
    """
    made = [ReadyServer(config) for config, _ in servers]
    running = [asyncio.create_task(server.serve(sockets=[listening]))
               for server, (_, listening) in zip(made, servers, strict=True)]
    try:
        for server, task in zip(made, running, strict=True):
            await _ready(server, task)
        yield running
    finally:
        for server in made:
            server.should_exit = True
        await asyncio.gather(*running, return_exceptions=True)
    for task in running:
        task.result()


async def _ready(server: ReadyServer, task: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(server.ready.wait())
    try:  # a server may also end before it has come to its start
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if not server.started:
        await task
        raise UnavailableError("the server did not start")
