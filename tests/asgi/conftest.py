"""Real servers on the loopback interface, one for each HTTP parser."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from fixture_app import Guarded


class Served(Guarded):
    """The guarded fixture behind a server.

    Attributes:
        address: Where it listens.
    """

    address: tuple[str, int]


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture(scope="session", params=["h11", "httptools"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server with one of the parsers; its handlers' records are the test's to clear."""
    guarded = Served()
    listener = socket.create_server(("127.0.0.1", 0))
    guarded.address = listener.getsockname()
    server = _Server(uvicorn.Config(guarded.app, http=request.param, ws="websockets-sansio", loop="asyncio",
                                    lifespan="on", log_config=None, access_log=False, proxy_headers=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert server.ready.wait(20)
    yield guarded
    server.should_exit = True
    thread.join(20)
