"""An application behind the gateway, in a thread: it keeps every byte of every head that reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

SECONDS = 20.0
PIECE = bytes(range(256)) * 256


def wait_for(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until something is so; the test fails when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


@dataclass
class Seen:
    """One request, as it arrived."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: int = 0
    whole: bool = False
    trailers: list[bytes] = field(default_factory=list)
    digest: str = ""

    def values(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.lower().encode()]


@dataclass
class Origin:
    """The application; ``say`` is what it answers by path, as bytes."""

    say: dict[str, bytes] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    open: int = 0
    streams: int = 0
    health: int = 200

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head[:-4].split(b"\r\n")
        method, target, _ = line.split(b" ", 2)
        fields = [(name, value.strip()) for name, _, value in (one.partition(b":") for one in lines)]
        if target == b"/healthz":
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.health)
            return True
        seen = Seen(method.decode(), target, fields)
        self.seen.append(seen)
        if seen.values("upgrade") == ["websocket"]:
            await self._socket(head, reader, writer)
            return False
        whole = hashlib.sha256()
        async for piece in _body(seen, reader):
            seen.body += len(piece)
            whole.update(piece)
        seen.digest = whole.hexdigest()
        seen.whole = True
        if self.say.get(target.decode("latin-1")) == b"":
            return await self._silence(reader)
        return await self._answer(seen, writer)

    async def _silence(self, reader: asyncio.StreamReader) -> bool:
        """Answer nothing until the other side has had enough."""
        self.streams += 1
        try:
            await reader.read(1)
        finally:
            self.streams -= 1
        return False

    async def _answer(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        parts = urlsplit(seen.target.decode("latin-1"))
        if (said := self.say.get(parts.path)) is not None:
            writer.write(said)
            return b"connection: close" not in said.lower()
        if parts.path == "/events":
            await self._events(writer)
            return False
        size = int(parse_qs(parts.query).get("size", ["-1"])[0])
        body = b"body of %d\n" % seen.body
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
                     % (size if size >= 0 else len(body)))
        if seen.method == "HEAD":
            return True
        if size < 0:
            writer.write(body)
        for start in range(0, size, len(PIECE)):
            writer.write(PIECE[:min(len(PIECE), size - start)])
            await writer.drain()
        return True

    async def _events(self, writer: asyncio.StreamWriter) -> None:
        self.streams += 1
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            number = 0
            while True:
                event = b"data: %d\n\n" % number
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await writer.drain()
                number += 1
                await asyncio.sleep(0.05)
        finally:
            self.streams -= 1

    async def _socket(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(head)
        (request,) = protocol.events_received()
        assert isinstance(request, Request)
        protocol.send_response(protocol.accept(request))
        self.streams += 1
        try:
            while True:
                writer.writelines(protocol.data_to_send())
                await writer.drain()
                if protocol.close_expected() or not (data := await reader.read(65_536)):
                    return
                protocol.receive_data(data)
                for event in protocol.events_received():
                    if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                        protocol.send_text(b"echo " + bytes(event.data))
                    elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                        protocol.send_binary(bytes(event.data))
        finally:
            self.streams -= 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def _body(seen: Seen, reader: asyncio.StreamReader):  # type: ignore[no-untyped-def]
    if seen.values("transfer-encoding") == ["chunked"]:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            seen.trailers.append(line)
        return
    left = int((seen.values("content-length") or ["0"])[0])
    while left:
        piece = await reader.read(min(left, 262_144))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece


@contextmanager
def origin(port: int = 0) -> Iterator[Origin]:
    """Run one in a thread."""
    running, ready, loops = Origin(), threading.Event(), []
    ended: list[asyncio.Event] = []

    async def serve() -> None:
        server = await asyncio.start_server(running, "127.0.0.1", port, limit=262_144)
        running.port = server.sockets[0].getsockname()[1]
        loops.append(asyncio.get_running_loop())
        ended.append(asyncio.Event())
        ready.set()
        await ended[0].wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield running
    finally:
        loops[0].call_soon_threadsafe(ended[0].set)
        thread.join(SECONDS)
