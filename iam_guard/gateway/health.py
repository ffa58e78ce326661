"""Asks servers whether they work, again and again, the way requests reach them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from urllib.parse import quote

from iam_guard.asgi.types import Message, Scope
from iam_guard.gateway.balance import Server
from iam_guard.gateway.settings import HealthSettings

_logger = logging.getLogger("iam_guard")
#: From here on an answer says that something is wrong.
_WRONG = 400


class HealthChecks:
    """Asks every server of an upstream.

    Args:
        servers: Whom.
        settings: What, and how often; without a path nobody is asked.
    """

    def __init__(self, servers: Iterable[Server], settings: HealthSettings) -> None:
        self._servers = tuple(servers)
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin."""
        if self._settings.path:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._watch(server)) for server in self._servers]

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            server.app.close()

    async def _watch(self, server: Server) -> None:
        while True:
            await self.ask(server)
            await asyncio.sleep(self._settings.every_seconds)

    async def ask(self, server: Server) -> None:
        """Ask one server once; whatever goes wrong counts against it."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                status = await _status(server, self._scope())
        except Exception as error:
            _logger.debug("a server was asked in vain", exc_info=True)
            server.failed(f"asked for '{self._settings.path}': {type(error).__name__}")
            return
        if status < _WRONG:
            server.answered()
        else:
            server.failed(f"asked for '{self._settings.path}', it answered {status}")

    def _scope(self) -> Scope:
        path, _, query = self._settings.path.partition("?")
        return {"type": "http", "method": "GET", "path": path, "raw_path": quote(path, safe="/%").encode(),
                "query_string": query.encode(), "scheme": "http", "http_version": "1.1", "extensions": {},
                "headers": [(b"host", self._settings.host.encode("latin-1"))]}


async def _status(server: Server, scope: Scope) -> int:
    status = 0
    left = asyncio.Event()
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await server.app.forward(scope, receive, send)
    return status
