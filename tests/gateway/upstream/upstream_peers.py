"""The two sides of an upstream in tests: servers that say exactly what a test wants, and a client that counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from iam_guard.gateway.upstream import ServerSettings, UpstreamApp

SOON = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Told:
    """What a client was told."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    complete: bool = False
    error: BaseException | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


def scope_of(method: str = "GET", target: bytes = b"/", headers: Iterable[tuple[bytes, bytes]] = (),
             **more: Any) -> dict[str, Any]:
    path, _, query = target.partition(b"?")
    return {"type": "http", "http_version": "1.1", "method": method, "path": path.decode("latin-1"), "raw_path": path,
            "query_string": query, "scheme": "http", "extensions": {},
            "headers": [(b"host", b"app.example"), *headers], **more}


async def ask(app: Any, method: str = "GET", target: bytes = b"/",
              headers: Iterable[tuple[bytes, bytes]] = (), parts: Sequence[bytes] = (b"",), **more: Any) -> Told:
    """One request by an ASGI server that sends *parts* and then waits."""
    told, left, never = Told(), list(parts), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not left:
            await never.wait()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        assert not told.complete or message["type"] == "http.response.trailers"
        if message["type"] == "http.response.start":
            told.status, told.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.trailers":
            told.trailers = list(message["headers"])
        else:
            told.parts.append(message.get("body", b""))
            told.complete = not message.get("more_body", False)

    try:
        async with asyncio.timeout(SOON):
            await app(scope_of(method, target, headers, **more), receive, send)
    except Exception as error:
        told.error = error
    return told


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "Scripted"], Awaitable[None]]


class Scripted:
    """A server that runs a script on each connection, and keeps what it was sent."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.port = 0
        self.heads: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.changed = asyncio.Condition()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        await self._tell()
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._script(reader, writer, self)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self.open -= 1
            await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    async def until(self, condition: Callable[[Scripted], bool]) -> None:
        """Wait for a condition of the connections."""
        async with asyncio.timeout(SOON), self.changed:
            await self.changed.wait_for(lambda: condition(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Scripted]:
    server = Scripted(script)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await server(reader, writer)
        tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tuple(tasks), return_exceptions=True)
        await listener.wait_closed()


def answering(*answers: bytes, split: int = 0, then_close: bool = False) -> Script:
    """Answer the requests on a connection with *answers* in turn, the last one again and again."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        turn = 0
        while True:
            await server.head(reader)
            answer = answers[min(turn, len(answers) - 1)]
            turn += 1
            for start in range(0, len(answer), split or len(answer) or 1):
                writer.write(answer[start:start + (split or len(answer))])
                await writer.drain()
                if split:
                    await asyncio.sleep(0)
            if then_close:
                return

    return script


@asynccontextmanager
async def upstream(url: str, **settings: Any) -> AsyncIterator[UpstreamApp]:
    app = UpstreamApp(ServerSettings(url, **settings))
    try:
        yield app
    finally:
        app.abort()
        async with asyncio.timeout(SOON):
            await app.closed()


@asynccontextmanager
async def served(app: Any, **config: Any) -> AsyncIterator[int]:
    """An application behind a real uvicorn; its port."""
    settings = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False, date_header=False,
                              timeout_graceful_shutdown=1, port=0, **config)
    server = uvicorn.Server(settings)
    ready = asyncio.Event()
    startup = server.startup

    async def start(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        ready.set()

    server.startup = start  # type: ignore[method-assign]
    running = asyncio.create_task(server._serve())
    async with asyncio.timeout(SOON):
        await ready.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def raw(port: int, data: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(SOON):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
